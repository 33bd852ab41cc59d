/** Real tokenizers in GGUF files: their keys as llama.cpp's converter writes them, and the ids that llama.cpp then gives. */

import { assertEquals } from "@std/assert";
import { convertCheckpoint } from "../../mod.ts";
import { join } from "../../lib/deps.ts";
import { TempDir } from "../_temp.ts";
import { variedTexts } from "../tokenizers/_varied_texts.ts";
import { askLlamaCpp, askPython, ignore, real, unlessSet } from "./_peers.ts";

interface Tokenizer {
  readonly name: string;
  /** transformers' class of a model that has it. */
  readonly class: string;
  /** The number of tokens that the model has. */
  readonly vocabSize: number;
  /** What else its config.json says. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** A file or a directory to take it from. */
  readonly from: string;
  readonly instruct?: boolean;
  /** Special tokens to strew into texts. */
  readonly special: readonly string[];
}

const TURNS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];

const tokenizers: readonly Tokenizer[] = [
  {
    name: "LLaMA 3",
    class: "LlamaForCausalLM",
    vocabSize: 128256,
    config: { bos_token_id: 128000, eos_token_id: 128001 },
    from: real.llama3,
    special: ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>"],
  },
  {
    name: "LLaMA 3 instruct",
    class: "LlamaForCausalLM",
    vocabSize: 128256,
    config: { bos_token_id: 128000, eos_token_id: [128001, 128008, 128009] },
    from: real.llama3,
    instruct: true,
    special: ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>"],
  },
  { name: "Mistral v1", class: "LlamaForCausalLM", vocabSize: 32000, from: real.mistral1, special: [] },
  { name: "Mistral v3", class: "LlamaForCausalLM", vocabSize: 32768, from: real.mistral3, special: [] },
  { name: "Qwen 3", class: "Qwen3ForCausalLM", vocabSize: 151936, from: real.qwen3, special: TURNS },
  { name: "OLMo 2", class: "Olmo2ForCausalLM", vocabSize: 100352, from: real.olmo2, special: TURNS },
];

/** Whether SentencePiece itself is to say the ids; transformers doesn't read such a `tokenizer.model` without it either. */
function isSentencePiece({ from }: Tokenizer): boolean {
  return from === real.mistral1 || from === real.mistral3;
}

/** Where a `tokenizer.json` lies alone, a directory with it, and with what OLMo 2's tokenizer_config.json says. */
function directoryOf(path: string, directory: string): string {
  if (!path.endsWith(".json")) return path;
  const token = "<|endoftext|>";
  const roles = { bos_token: token, eos_token: token, unk_token: token, pad_token: "<|pad|>" };
  Deno.mkdirSync(directory);
  Deno.copyFileSync(path, join(directory, "tokenizer.json"));
  Deno.writeTextFileSync(
    join(directory, "tokenizer_config.json"),
    JSON.stringify({ tokenizer_class: "GPT2Tokenizer", ...roles }),
  );
  return directory;
}

const SIZES = {
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 128,
};

Deno.test({
  name: `convertCheckpoint() puts real tokenizers into GGUF files as llama.cpp's converter does${unlessSet}`,
  ignore,
  async fn(t) {
    using temp = new TempDir();
    const models = tokenizers.map(({ class: name, vocabSize, config }, i) => ({
      class: name,
      config: { ...SIZES, vocab_size: vocabSize, ...config },
      to: temp.at(`${i}`),
    }));
    await askPython("_models.py", models);
    for (const [i, { from, instruct }] of tokenizers.entries()) {
      const options = {
        input: temp.at(`${i}`),
        tokenizer: directoryOf(from, temp.at(`${i}-tokenizer`)),
        instruct,
      };
      await convertCheckpoint({ ...options, output: temp.at(`${i}-hf`), to: "huggingface", card: false });
      await convertCheckpoint({ ...options, output: temp.at(`${i}-gguf`), to: "gguf" });
    }
    const converted = tokenizers.map((_, i) => ({
      from: temp.at(`${i}-hf`),
      to: temp.at("theirs.gguf"),
      type: "bf16",
      with: temp.at(`${i}-gguf`, "model.gguf"),
    }));
    const differences = await askPython<string[]>("_converter.py", converted);
    const texts = tokenizers.map(({ special }) => variedTexts(2000, special));
    const wanted = await askPython<number[][]>(
      "_tokens.py",
      texts.map((each, i) => ({
        from: isSentencePiece(tokenizers[i]!) ? tokenizers[i]!.from : temp.at(`${i}-hf`),
        texts: each,
      })),
    );
    const found = await askLlamaCpp<number[][]>(
      texts.map((each, i) => ({ path: temp.at(`${i}-gguf`, "model.gguf"), texts: each })),
    );
    for (const [i, { name }] of tokenizers.entries()) {
      await t.step(name, () => {
        assertEquals(differences[i], []);
        const apart = texts[i]!.flatMap((text, j) =>
          String(found[i]![j]) === String(wanted[i]![j]) ? [] : [[text, found[i]![j], wanted[i]![j]]]
        );
        assertEquals(apart, []);
      });
    }
  },
});
