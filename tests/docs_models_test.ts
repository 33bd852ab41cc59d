/**
 * The tables of models in the documents have all published sizes, as they are.
 */

import { assert } from "@std/assert";
import { families } from "../lib/models/families.ts";

const rows = Deno.readTextFileSync(new URL("../docs/models.md", import.meta.url)).split("\n")
  .filter((line) => line.startsWith("|"))
  .map((line) => line.split("|").map((cell) => cell.trim()));

for (const { title, architectures } of families) {
  Deno.test(`docs/models.md has the sizes of ${title}`, () => {
    for (const { name, cards, inFairseq2, ...sizes } of architectures) {
      const row = rows.find(([, names]) => names!.split(/[ ,()]+/).includes(`\`${name}\``));
      if (row === undefined) throw new Error(`docs/models.md lacks ${name}`);
      const { dim, layers, heads, kvHeads, vocabSize } = sizes;
      const layersShown = inFairseq2?.layers === undefined
        ? `${layers}`
        : `${layers} or ${inFairseq2.layers}`;
      for (const cell of [`${dim}`, layersShown, `${heads}`, `${kvHeads}`, `${vocabSize}`]) {
        assert(row.includes(cell), `${name}: ${cell} in ${row.join(" | ")}`);
      }
      for (const card of cards) {
        // `_chat` stands for a card that begins with the name before it.
        const ending = card.replace(/^.*(?=_(?:chat|instruct|base)$)/, "");
        assert(row[1]!.includes(`\`${card}\``) || row[1]!.includes(`\`${ending}\``) || card === name, card);
      }
    }
  });
}
