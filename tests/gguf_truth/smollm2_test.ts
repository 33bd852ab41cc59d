/** A model that speaks English, out of GGUF and back: SmolLM2-135M-Instruct, whose matrices are Q4_1 and Q8_0. */

import { assert, assertEquals } from "@std/assert";
import { convertCheckpoint } from "../../mod.ts";
import { TempDir } from "../_temp.ts";
import { variedTexts } from "../tokenizers/_varied_texts.ts";
import { askLlamaCpp, askPython, ignore, real, unlessSet } from "./_peers.ts";

interface Generated {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
  readonly text: string;
  readonly apart: readonly string[];
}

const TEXT = "The capital of France is";
const COUNT = 64;

Deno.test({
  name: `convertCheckpoint() takes a GGUF file through all layouts, and it says the same${unlessSet}`,
  ignore,
  async fn() {
    using temp = new TempDir();
    const [huggingface, fairseq2, gguf] = [temp.at("hf"), temp.at("fs"), temp.at("gguf")];
    await convertCheckpoint({ input: real.smollm2, output: huggingface, to: "huggingface", card: false });
    await convertCheckpoint({ input: huggingface, output: fairseq2, to: "fairseq2" });
    await convertCheckpoint({
      input: fairseq2,
      output: gguf,
      to: "gguf",
      dtype: "bfloat16",
      tokenizer: huggingface,
    });
    const path = `${gguf}/model.gguf`;

    const [expected] = await askPython<Generated>("_generate.py", [
      { from: real.smollm2, like: huggingface, text: TEXT, count: COUNT },
    ]);
    const { prompt, tokens, text, apart } = expected!;
    assertEquals(apart, []);
    assert(text.startsWith(" Paris."), text);
    const texts = variedTexts(2000, ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]);
    const [ids] = await askPython<number[][]>("_tokens.py", [{ from: huggingface, texts }]);
    const found = await askLlamaCpp<unknown>([
      { path, prompt, count: COUNT },
      { path: real.smollm2, texts },
      { path, texts },
    ]);
    assertEquals(found, [tokens, ids, ids]);

    const differences = await askPython<string[]>("_converter.py", [
      { from: huggingface, to: temp.at("theirs.gguf"), type: "bf16", with: path },
    ]);
    assertEquals(differences, [[]]);
  },
});
