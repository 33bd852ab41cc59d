/**
 * What `docs/statistics.md` shows of two steps of a small run is what the program prints: a healthy one, and one that
 * diverged.
 */

import { assertEquals } from "@std/assert";
import { join } from "../lib/deps.ts";
import { ckpt } from "./_ckpt.ts";
import { copyTree, TempDir } from "./_temp.ts";
import { CHECKPOINTS, type Dict, editFile, itemsOf, storageOf } from "./_torch_files.ts";

const COLUMNS = 32;

/** Makes `step_10` and `step_20` in a directory: in the second, a layer grew 64-fold, and some numbers are none. */
function makeRun(temp: TempDir): void {
  const run = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16");
  Deno.copyFileSync(join(run, "model.yaml"), temp.at("model.yaml"));
  copyTree(join(run, "step_10"), temp.at("step_10"));
  copyTree(join(run, "step_10"), temp.at("step_20"));
  editFile(temp.at("step_20/model.pt"), (records) => {
    const model = itemsOf((records.root as Dict).get("model")!);
    const words = (name: string) => {
      const record = `data/${storageOf(model.get(`${name}.weight`)!)[2]}`;
      const copy = new Uint16Array(records.get(record)!.slice().buffer);
      records.set(record, new Uint8Array(copy.buffer));
      return copy;
    };
    const grown = words("decoder.layers.1.ffn.gate_proj");
    for (let i = 0; i < grown.length; i++) grown[i]! += 6 << 7; // The exponent.
    for (const [row, column] of [[12, 8], [12, 9], [40, 0]] as const) grown[row * COLUMNS + column] = 0x7fc0;
    words("decoder.layers.0.self_attn.k_proj").fill(0, 5 * COLUMNS, 6 * COLUMNS);
  });
}

const shown = [
  ...Deno.readTextFileSync(join(import.meta.dirname!, "../docs/statistics.md"))
    .matchAll(/^```console\n\$ ckpt (.*)\n([\s\S]*?)^```$/gm),
]
  .map(([, command, output]) => [command!, output!] as const);

for (const [command, output] of shown) {
  Deno.test(`docs/statistics.md shows what ckpt ${command} prints`, async () => {
    using temp = new TempDir();
    makeRun(temp);
    const { stdout } = await ckpt(command.split(" "), { cwd: temp.path });
    const cut = output.endsWith("\n…\n") ? output.length - 2 : undefined;
    assertEquals(cut === undefined ? stdout : stdout.slice(0, cut), output.slice(0, cut));
  });
}

Deno.test("docs/statistics.md shows each command", () => {
  const commands = new Set(shown.map(([command]) => command.split(" ").slice(0, 2).join(" ")));
  assertEquals([...commands].sort(), [
    "compare --stats",
    "stats --all",
    "stats step_10",
    "stats step_20",
    "verify --values",
  ]);
});
