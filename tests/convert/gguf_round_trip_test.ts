/** Through GGUF and back, each real checkpoint in each dtype. */

import { assertEquals } from "@std/assert";
import { castTypes } from "../../lib/bytes/view.ts";
import { convertCheckpoint } from "../../lib/convert/convert_checkpoint.ts";
import { truthCases } from "../gguf_truth/_cases.ts";
import { TempDir } from "../_temp.ts";

for (const dtype of castTypes) {
  Deno.test(`GGUF in ${dtype}: every tensor of every family comes back bit for bit`, async (t) => {
    assertEquals(truthCases.length, 29);
    for (const { name, step } of truthCases) {
      await t.step(name, async () => {
        using temp = new TempDir();
        const [before, gguf, after] = [temp.at("before"), temp.at("gguf"), temp.at("after")];
        await convertCheckpoint({ input: step, output: before, to: "huggingface", dtype });
        await convertCheckpoint({ input: before, output: gguf, to: "gguf", tokenizer: false });
        await convertCheckpoint({ input: gguf, output: after, to: "huggingface" });
        const [wanted, found] = [before, after].map((path) => Deno.readFileSync(`${path}/model.safetensors`));
        assertEquals(found, wanted);
      });
    }
  });
}
