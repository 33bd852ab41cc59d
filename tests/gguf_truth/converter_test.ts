/** GGUF files against those of llama.cpp's own converter, run on what `--to huggingface` makes of the same input. */

import { assertEquals } from "@std/assert";
import { convertCheckpoint } from "../../mod.ts";
import { openCheckpoint, resolveModel } from "../../lib/convert/mod.ts";
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
      // llama.cpp's script makes tags of a model card, and a fairseq2 checkpoint has none.
      await convertCheckpoint({ input, output: huggingface, to: "huggingface", tokenizer, card: false });
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

Deno.test({
  name:
    `convertCheckpoint() leaves rows that aren't whole blocks in float16, as llama.cpp's converter does${unlessSet}`,
  ignore,
  async fn() {
    using temp = new TempDir();
    const [model, huggingface, tokenizer, output] = ["model", "hf", "tokenizer", "out"].map((name) =>
      temp.at(name)
    ) as [string, string, string, string];
    const config = {
      vocab_size: 64,
      hidden_size: 48,
      intermediate_size: 96,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      num_key_value_heads: 2,
    };
    await askPython("_models.py", [{ class: "LlamaForCausalLM", config, to: model }]);
    makeStandIn(tokenizer, config.vocab_size);
    await convertCheckpoint({ input: model, output: huggingface, to: "huggingface", tokenizer, card: false });
    const options = { dtype: "q8_0", tokenizer, tokenizerPre: STAND_IN_PRE } as const;
    const { notes } = await convertCheckpoint({ input: huggingface, output, to: "gguf", ...options });
    assertEquals(notes.filter((note) => note.includes("blocks")), [
      "token_embd.weight and 7 more: rows aren't whole blocks of q8_0, so float16 is written, as llama.cpp does",
    ]);
    const job = { from: huggingface, to: temp.at("theirs.gguf"), type: "q8_0", pre: STAND_IN_PRE };
    assertEquals(await askPython("_converter.py", [{ ...job, with: `${output}/model.gguf` }]), [[]]);
  },
});
