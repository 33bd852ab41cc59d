/** GGUF files against those of llama.cpp's own converter, run on what `--to huggingface` makes of the same input. */

import { assertEquals } from "@std/assert";
import { convertCheckpoint, openCheckpoint, resolveModel } from "../../mod.ts";
import { TempDir } from "../_temp.ts";
import { truthCases } from "./_cases.ts";
import { askPython, ignore, unlessSet } from "./_peers.ts";
import { makeStandIn, STAND_IN_PRE } from "./_stand_in.ts";

/** The types by ckpt's names and the converter's. */
const TYPES = [["bfloat16", "bf16"], ["float16", "f16"], ["float32", "f32"], ["q8_0", "q8_0"]] as const;

/** The tied OLMo: llama.cpp doesn't load one without an output projection, which its converter leaves out. */
function isExpected(difference: string): boolean {
  return /^olmo2_bf16_tied \w+: (?:output.weight: only ckpt has it|general.size_label: )/.test(difference);
}

Deno.test({
  name: `convertCheckpoint() writes the keys and tensors that llama.cpp's converter writes${unlessSet}`,
  ignore,
  async fn() {
    using temp = new TempDir();
    const jobs: unknown[] = [];
    const names: string[] = [];
    for (const [i, { name, step: input }] of truthCases.entries()) {
      const [huggingface, tokenizer] = [temp.at(`${i}`), temp.at(`${i}-tokenizer`)];
      makeStandIn(tokenizer, resolveModel(await openCheckpoint(input)).model.vocabSize);
      await convertCheckpoint({ input, output: huggingface, to: "huggingface", tokenizer });
      for (const [dtype, type] of TYPES) {
        const output = temp.at(`${i}-${type}`);
        const options = { dtype, tokenizer, tokenizerPre: STAND_IN_PRE };
        await convertCheckpoint({ input, output, to: "gguf", ...options });
        jobs.push({
          from: huggingface,
          to: temp.at("theirs.gguf"),
          type,
          with: `${output}/model.gguf`,
          pre: STAND_IN_PRE,
        });
        names.push(`${name} ${type}`);
      }
    }
    const found = await askPython<string[]>("_converter.py", jobs);
    const apart = names.flatMap((name, i) => found[i]!.map((difference) => `${name}: ${difference}`));
    assertEquals(apart.filter((difference) => !isExpected(difference)), []);
    assertEquals([found.length, apart.length], [4 * 29, 4 * 2]);
  },
});
