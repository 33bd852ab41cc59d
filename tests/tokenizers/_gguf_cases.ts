/**
 * Small tokenizers in Hugging Face directories, of which `gguf_keys.json.gz` has the keys that llama.cpp's converter
 * writes. Run as a program, it writes the directories for the script that makes those (`make_gguf_keys.py`).
 */

import { convertTokenizer } from "../../lib/tokenizers/convert_tokenizer.ts";
import type { LlamaVersion } from "../../lib/models/token_family.ts";
import { contentOf, fixture, jsonFixture } from "./_fixtures.ts";

/** A tokenizer, and what it is put into a file for. */
export interface GgufCase {
  /** Its name. */
  readonly name: string;
  /** The files of its directory. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** What the model's `config.json` says. */
  readonly config: Readonly<Record<string, unknown>> & { readonly vocab_size: number };
  /** The architecture in llama.cpp. */
  readonly architecture: string;
  /** What llama.cpp calls its pre-tokenizer. */
  readonly pre: string;
  /** The `tokenizer.model` that the files are made of, with the model's version. */
  readonly model?: { readonly file: string; readonly version: LlamaVersion; readonly instruct: boolean };
}

const SIZES = {
  hidden_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 128,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
};

function config(architecture: string, vocabSize: number, more: object = {}) {
  return { ...SIZES, architectures: [architecture], vocab_size: vocabSize, ...more };
}

function converted(
  name: string,
  file: string,
  version: LlamaVersion,
  instruct: boolean,
  config: GgufCase["config"],
): GgufCase {
  const { files, kind } = convertTokenizer(fixture(file), {
    path: file,
    version,
    instruct,
    contextLength: 128,
    vocabSize: config.vocab_size,
  });
  return {
    name,
    files: new Map(files.map((output) => [output.name, contentOf(output)])),
    config,
    architecture: "llama",
    pre: kind === "tiktoken" ? "llama-bpe" : "default",
    model: { file, version, instruct },
  };
}

interface ByteLevel {
  readonly config: GgufCase["config"];
  readonly architecture: string;
  readonly pre: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly templates?: Readonly<Record<string, string>>;
  readonly ignoreMerges?: boolean;
}

const WORDS = (digits: string) =>
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}` +
  String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** `ByteLevel`, with GPT-2's rules or without any. */
const bytes = (use_regex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
});

/** `Split`, as transformers 4.45 and later write it, then the bytes. */
const split = (pattern: string, behavior = "Isolated", invert = false) => ({
  type: "Sequence",
  pretokenizers: [{ type: "Split", pattern: { Regex: pattern }, behavior, invert }, bytes(false)],
});

/** The rules of `tokenizer.json` for texts, by llama.cpp's names. */
export const RULES: Readonly<
  Record<
    string,
    { readonly pre_tokenizer: object; readonly normalizer?: object; readonly ignoreMerges?: boolean }
  >
> = {
  "llama-bpe": { pre_tokenizer: split(WORDS(String.raw`\p{N}{1,3}`)), ignoreMerges: true },
  dbrx: { pre_tokenizer: split(WORDS(String.raw`\p{N}{1,3}`), "Removed", true) },
  qwen2: { pre_tokenizer: split(WORDS(String.raw`\p{N}`)), normalizer: { type: "NFC" } },
  qwen35: {
    pre_tokenizer: split(
      String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}` +
        String.raw`| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    ),
    normalizer: { type: "NFC" },
  },
  "seed-coder": {
    pre_tokenizer: split(
      String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}` +
        String.raw`| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+`,
    ),
  },
  smollm: {
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [{ type: "Digits", individual_digits: true }, bytes(true)],
    },
  },
  "gpt-2": { pre_tokenizer: bytes(true) },
  olmo: { pre_tokenizer: bytes(true), normalizer: { type: "NFC" } },
};

/** The text of the small byte-level `tokenizer.json`, with the rules that llama.cpp has a name for. */
export async function byteLevelJson(
  pre: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const base = await jsonFixture<Readonly<Record<string, object>>>("byte_level.json.gz");
  const { ignoreMerges = false, pre_tokenizer, normalizer = null } = RULES[pre]!;
  return JSON.stringify({
    ...base,
    normalizer,
    pre_tokenizer,
    decoder: bytes(true),
    ...more,
    model: { ...base["model"], ignore_merges: ignoreMerges },
  });
}

async function byteLevel(
  name: string,
  { config, architecture, pre, json, settings, templates = {} }: ByteLevel,
): Promise<GgufCase> {
  const texts = {
    "tokenizer.json": await byteLevelJson(pre, json),
    "tokenizer_config.json": JSON.stringify({ tokenizer_class: "PreTrainedTokenizerFast", ...settings }),
    ...templates,
  };
  const files = new Map(Object.entries(texts).map(([file, text]) => [file, new TextEncoder().encode(text)]));
  return { name, files, config, architecture, pre };
}

const token = (id: string, type_id = 0) => ({ SpecialToken: { id, type_id } });
const sequence = (id: string, type_id = 0) => ({ Sequence: { id, type_id } });
const END = "<|endoftext|>";

/** The cases. */
export async function ggufCases(): Promise<GgufCase[]> {
  const TIKTOKEN = "tiktoken/tokenizer.model";
  const SENTENCEPIECE = "sentencepiece/tokenizer.model";
  return [
    converted(
      "llama3_instruct",
      TIKTOKEN,
      "3.1",
      true,
      config("LlamaForCausalLM", 912, { bos_token_id: 656, eos_token_id: [657, 664, 665] }),
    ),
    converted(
      "llama3_padded",
      TIKTOKEN,
      "3",
      false,
      config("LlamaForCausalLM", 920, { bos_token_id: 656, eos_token_id: 657, pad_token_id: 660 }),
    ),
    converted("llama2", SENTENCEPIECE, "2", false, config("LlamaForCausalLM", 700, { bos_token_id: 1 })),
    converted("llama2_padded", SENTENCEPIECE, "2", false, config("MistralForCausalLM", 704)),
    converted("llama2_symbols", "sentencepiece/symbols.model", "2", false, config("LlamaForCausalLM", 720)),
    await byteLevel("qwen2", {
      config: config("Qwen2ForCausalLM", 610, { bos_token_id: 0, eos_token_id: 2 }),
      architecture: "qwen2",
      pre: "qwen2",
      json: { post_processor: bytes(false) },
      settings: { add_bos_token: false, bos_token: null, eos_token: "<|im_end|>", pad_token: END },
      templates: {
        "chat_template.jinja": "{{ messages }}",
        "additional_chat_templates/tool-use.jinja": "{{ tools }}",
      },
    }),
    await byteLevel("olmo2", {
      config: config("Olmo2ForCausalLM", 602, { eos_token_id: 0, pad_token_id: 1 }),
      architecture: "olmo2",
      pre: "dbrx",
      json: { post_processor: null },
      settings: { bos_token: END, eos_token: END, unk_token: END, chat_template: "{{ messages }}" },
    }),
    await byteLevel("smollm", {
      config: config("LlamaForCausalLM", 49152),
      architecture: "llama",
      pre: "smollm",
      json: { post_processor: null },
      settings: {
        add_prefix_space: false,
        bos_token: "<|im_start|>",
        eos_token: { __type: "AddedToken", content: "<|im_end|>", special: true },
        chat_template: [{ name: "default", template: "a" }, { name: "x y", template: "b" }],
      },
    }),
    await byteLevel("both_ends", {
      config: config("LlamaForCausalLM", 602),
      architecture: "llama",
      pre: "gpt-2",
      json: {
        post_processor: {
          type: "TemplateProcessing",
          single: [token("<|im_start|>"), sequence("A"), token("<|im_end|>")],
          pair: [
            token("<|im_start|>"),
            sequence("A"),
            token("<|im_end|>"),
            token(END),
            sequence("B", 1),
            token("<|im_end|>", 1),
          ],
          special_tokens: Object.fromEntries(
            [END, "<|im_start|>", "<|im_end|>"].map((id, at) => [id, { id, ids: [at], tokens: [id] }]),
          ),
        },
      },
      settings: { bos_token: "<|im_start|>", eos_token: END, sep_token: END, add_eos_token: true },
    }),
  ];
}

if (import.meta.main) {
  const [directory] = Deno.args;
  for (const { name, files, config, pre } of await ggufCases()) {
    for (const [file, content] of files) {
      const path = `${directory}/${name}/${file}`;
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      Deno.writeFileSync(path, content);
    }
    Deno.writeTextFileSync(`${directory}/${name}/config.json`, JSON.stringify(config));
    Deno.writeTextFileSync(`${directory}/${name}/case.json`, JSON.stringify({ pre }));
  }
}
