/** The keys of GGUF files against those that llama.cpp's converter writes (`fixtures/tokenizer/make_gguf_keys.py`). */

import { assertEquals } from "@std/assert";
import { FormatError, MismatchError, OptionError } from "../../lib/error.ts";
import type { GgufMetadata } from "../../lib/gguf/value.ts";
import { llamaArchitectures } from "../../lib/models/llama/architectures.ts";
import type { NamedModel } from "../../lib/models/token_family.ts";
import { ggufTokenizer, type GgufTokenizerOptions } from "../../lib/tokenizers/gguf_tokenizer.ts";
import { loadTokenizer } from "../../lib/tokenizers/load_tokenizer.ts";
import { LLAMA_3 } from "../../lib/tokenizers/pre_tokenizers.ts";
import { assertRejectsWith } from "../_assert_rejects.ts";
import { TempDir } from "../_temp.ts";
import { assertError } from "../convert/_assert_error.ts";
import { fixture, jsonFixture } from "./_fixtures.ts";
import { byteLevelJson, type GgufCase, ggufCases, RULES } from "./_gguf_cases.ts";

type Golden = Readonly<Record<string, readonly (readonly [string, unknown])[]>>;

/** Metadata as the golden files have it: without the padding behind the last token. */
function withoutPadding(metadata: GgufMetadata): (readonly [string, unknown])[] {
  const tokens = metadata.get("tokenizer.ggml.tokens");
  if (tokens?.type !== "array" || tokens.items !== "string") throw new Error("There are no tokens");
  const size = tokens.values.length;
  const used = tokens.values.findLastIndex((token, id) => token !== `[PAD${id}]`) + 1;
  return [...metadata].map(([key, value]) => {
    if (value.type !== "array") return [key, value];
    const values = [...value.values];
    return [
      key,
      values.length === size ? { ...value, values: values.slice(0, used), size } : { ...value, values },
    ];
  });
}

function named(vocabSize: number, card?: string): NamedModel {
  return { model: { ...llamaArchitectures[0]!, vocabSize, maxSeqLen: 128 }, card };
}

function optionsOf({ architecture, config }: GgufCase): GgufTokenizerOptions {
  const { bos_token_id: bosId, eos_token_id: eosId, pad_token_id: padId } = config;
  return {
    architecture,
    vocabSize: config.vocab_size,
    tokens: {
      ...(typeof bosId === "number" && { bosId }),
      ...(eosId !== undefined && { eosIds: [eosId].flat() as number[] }),
      ...(typeof padId === "number" && { padId }),
    },
  };
}

function writeFiles(directory: TempDir, files: ReadonlyMap<string, Uint8Array>): void {
  for (const [file, content] of files) {
    if (file.includes("/")) Deno.mkdirSync(directory.at(file.slice(0, file.indexOf("/"))));
    Deno.writeFileSync(directory.at(file), content);
  }
}

for (const one of await ggufCases()) {
  Deno.test(`ggufTokenizer() makes llama.cpp's keys of a Hugging Face directory: ${one.name}`, async () => {
    using directory = new TempDir();
    writeFiles(directory, one.files);
    const tokenizer = await loadTokenizer(directory.path, named(one.config.vocab_size), false);
    const { metadata } = ggufTokenizer(tokenizer!, optionsOf(one));
    assertEquals(withoutPadding(metadata), (await jsonFixture<Golden>("gguf_keys.json.gz"))[one.name]);
    const read = tokenizer!.sources.map(({ path }) => path.slice(directory.path.length + 1));
    assertEquals(
      read.toSorted(),
      [...one.files.keys()].filter((name) => name !== "special_tokens_map.json").sort(),
    );
  });
  const { model } = one;
  if (model === undefined) continue;
  Deno.test(`ggufTokenizer() makes the same keys of a tokenizer.model: ${one.name}`, async () => {
    const path = new URL(`../../fixtures/tokenizer/${model.file}`, import.meta.url).pathname;
    const card = { "2": "llama2_7b", "3": "llama3_8b" }[model.version as string] ?? "llama3_1_8b";
    const tokenizer = await loadTokenizer(path, named(one.config.vocab_size, card), model.instruct);
    const { metadata } = ggufTokenizer(tokenizer!, optionsOf(one));
    assertEquals(withoutPadding(metadata), (await jsonFixture<Golden>("gguf_keys.json.gz"))[one.name]);
    assertEquals(tokenizer!.sources.map((source) => source.path), [path]);
  });
}

/** Loads a directory with a `tokenizer.json`. */
async function load(json: string, files: Readonly<Record<string, string>> = {}) {
  using directory = new TempDir();
  const texts = Object.entries({ "tokenizer.json": json, ...files });
  writeFiles(directory, new Map(texts.map(([name, text]) => [name, new TextEncoder().encode(text)])));
  const tokenizer = await loadTokenizer(directory.path, named(602), false);
  return { ...tokenizer!, path: "hf" };
}

const base = JSON.parse(await byteLevelJson("gpt-2"));

const OPTIONS = { architecture: "qwen2", vocabSize: 602 };

for (const pre of Object.keys(RULES)) {
  Deno.test(`ggufTokenizer() finds llama.cpp's name by a tokenizer's own rules: ${pre}`, async () => {
    const { metadata } = ggufTokenizer(await load(await byteLevelJson(pre)), OPTIONS);
    assertEquals(metadata.get("tokenizer.ggml.pre"), { type: "string", value: pre });
  });
}

/** The bytes, behind something else. */
const steps = (...pretokenizers: object[]) => ({ type: "Sequence", pretokenizers });
const BYTES = { type: "ByteLevel", add_prefix_space: false, use_regex: false };

const UNKNOWN_RULES: Readonly<Record<string, object | null>> = {
  "none at all": null,
  "bytes alone": BYTES,
  "a space in front": { type: "ByteLevel", add_prefix_space: true, use_regex: true },
  "digits in groups": steps({ type: "Digits", individual_digits: false }, { ...BYTES, use_regex: true }),
  "digits that are left out": steps(
    { type: "Split", pattern: { Regex: String.raw`\p{N}` }, behavior: "Removed", invert: true },
    { ...BYTES, use_regex: true },
  ),
  "words that are left out": steps(
    { type: "Split", pattern: { Regex: String.raw`\s+` }, behavior: "Removed", invert: false },
    BYTES,
  ),
  "all that is known, left out": steps(
    {
      type: "Split",
      pattern: { Regex: LLAMA_3 },
      behavior: "Removed",
      invert: false,
    },
    BYTES,
  ),
  "no bytes": steps({ type: "Split", pattern: { Regex: "a" }, behavior: "Isolated", invert: false }),
  "a text": { type: "Split", pattern: { String: " " }, behavior: "Isolated", invert: false },
  "what isn't known": { type: "Whitespace" },
};

for (const [title, pre_tokenizer] of Object.entries(UNKNOWN_RULES)) {
  Deno.test(`ggufTokenizer() refuses rules without a name, unless one is given: ${title}`, async () => {
    const tokenizer = await load(await byteLevelJson("gpt-2", { pre_tokenizer }));
    assertError(
      () => ggufTokenizer(tokenizer, OPTIONS),
      OptionError,
      "hf: how its pre_tokenizer cuts up texts has no name that ckpt knows of llama.cpp's; give it with --tokenizer-pre",
    );
    const { metadata } = ggufTokenizer(tokenizer, { ...OPTIONS, pre: "falcon" });
    assertEquals(metadata.get("tokenizer.ggml.pre"), { type: "string", value: "falcon" });
  });
}

Deno.test("ggufTokenizer() notes a normalizer that composes characters, and refuses others", async () => {
  assertEquals(ggufTokenizer(await load(await byteLevelJson("qwen2")), OPTIONS).notes, [
    "the tokenizer composes characters (NFC) before it cuts up a text, which llama.cpp doesn't; texts with decomposed " +
    "ones will have other ids",
    "no file says which token ends a text; llama.cpp then takes 11, so that generation may stop early",
  ]);
  const tokenizer = await load(await byteLevelJson("gpt-2", { normalizer: { type: "Lowercase" } }));
  assertError(
    () => ggufTokenizer(tokenizer, OPTIONS),
    OptionError,
    "hf: its normalizer Lowercase changes texts, which llama.cpp can't do; give --tokenizer-pre gpt-2 if that may be",
  );
});

Deno.test("ggufTokenizer() notes an added token that looks at what is around it", async () => {
  for (const field of ["lstrip", "rstrip", "single_word"]) {
    const added_tokens = [{ id: 600, content: "<|x|>", special: true, [field]: true }];
    const { notes } = ggufTokenizer(await load(await byteLevelJson("gpt-2", { added_tokens })), {
      ...OPTIONS,
      tokens: { eosIds: [600] },
    });
    assertEquals(notes, [
      'the added token "<|x|>" takes spaces beside it along (lstrip, rstrip) or stands alone (single_word), which ' +
      "llama.cpp doesn't know of; texts with it will have other ids",
    ]);
  }
});

Deno.test("ggufTokenizer() refuses a tokenizer with more ids than the model has rows", async () => {
  const tokenizer = await load(await byteLevelJson("gpt-2"));
  assertError(
    () => ggufTokenizer(tokenizer, { ...OPTIONS, vocabSize: 601 }),
    MismatchError,
    "hf: the tokenizer has the token 601, the model a vocabulary of 601; give the model's own",
  );
});

Deno.test("ggufTokenizer() refuses two ids with one text, which would make llama.cpp abort", async () => {
  const added_tokens = [{ id: 600, content: "the", special: false }];
  const json = await load(await byteLevelJson("gpt-2", { added_tokens }));
  const id = json.json.tokens.indexOf("the");
  assertError(
    () => ggufTokenizer(json, OPTIONS),
    FormatError,
    `hf: the tokens ${id} and 600 are both "the", which llama.cpp refuses`,
  );
});

Deno.test("ggufTokenizer() names no token that has no row, and CodeLlama's that ends infilling", async () => {
  const tokenizer = await load(await byteLevelJson("gpt-2"));
  const idsOf = (options: GgufTokenizerOptions) =>
    [...ggufTokenizer(tokenizer, options).metadata].filter(([key]) => key.endsWith("_token_id"));
  const id = (value: number) => ({ type: "uint32", value });
  assertEquals(idsOf({ ...OPTIONS, tokens: { bosId: 602, eosIds: [601] } }), [
    ["tokenizer.ggml.eos_token_id", id(601)],
  ]);
  assertEquals(idsOf({ architecture: "llama", vocabSize: 32016 }), [[
    "tokenizer.ggml.eot_token_id",
    id(32010),
  ]]);
  assertEquals(idsOf({ architecture: "qwen2", vocabSize: 32016 }), []);
});

Deno.test("ggufTokenizer() refuses a byte-level tokenizer without merges, as llama.cpp does", async () => {
  const json = JSON.stringify({ ...base, model: { ...base.model, merges: [] } });
  const tokenizer = await load(json);
  assertError(
    () => ggufTokenizer(tokenizer, OPTIONS),
    FormatError,
    "hf: has no merges, which llama.cpp refuses",
  );
});

Deno.test("ggufTokenizer() refuses chat templates that a GGUF file can't have", async () => {
  const refused = async (chat_template: unknown, message: string) => {
    const files = { "tokenizer_config.json": JSON.stringify({ chat_template }) };
    const tokenizer = await load(await byteLevelJson("gpt-2"), files);
    assertError(() => ggufTokenizer(tokenizer, OPTIONS), FormatError, `hf: ${message}`);
  };
  await refused("\ud800", "a chat template has half a character");
  await refused(
    ["a b", "a-b"].map((name) => ({ name, template: name })),
    "two chat templates would be a_b in a GGUF file; rename one",
  );
});

/** What stands in front of SentencePiece's texts in a `tokenizer.json`, and what llama.cpp is told of it. */
const replace = { type: "Replace", pattern: { String: " " }, content: "▁" };
const prepend = { type: "Prepend", prepend: "▁" };
const metaspace = { type: "Metaspace", replacement: "▁", split: false };

const PREFIXES: readonly (readonly [
  normalizer: object | null,
  preTokenizer: object | null,
  isAdded?: boolean,
  notes?: string[],
])[] = [
  [{ type: "Sequence", normalizers: [prepend, replace] }, null],
  [replace, null, false],
  [{ type: "Sequence", normalizers: [replace] }, null, false],
  [null, { ...metaspace, prepend_scheme: "always" }],
  [null, { ...metaspace, prepend_scheme: "never" }, false],
  [null, { ...metaspace, add_prefix_space: false }, false],
  [null, metaspace],
  [null, { ...metaspace, prepend_scheme: "first" }, undefined, [
    "the tokenizer puts a space in front of a text alone, llama.cpp behind special tokens, too; texts with them will " +
    "have other ids",
  ]],
];

for (const [normalizer, pre_tokenizer, isAdded, notes = []] of PREFIXES) {
  const title = JSON.stringify([normalizer, pre_tokenizer]);
  Deno.test(`ggufTokenizer() tells whether a space is put in front of a text: ${title}`, async () => {
    const model = { ...base.model, byte_fallback: true };
    const tokenizer = await load(JSON.stringify({ ...base, normalizer, pre_tokenizer, model }));
    const { metadata, notes: found } = ggufTokenizer(tokenizer, OPTIONS);
    const value = metadata.get("tokenizer.ggml.add_space_prefix");
    assertEquals(value, isAdded === undefined ? undefined : { type: "bool", value: isAdded });
    assertEquals(found, notes);
  });
}

Deno.test("ggufTokenizer() refuses other changes of texts to SentencePiece's tokens", async () => {
  const changes: readonly (readonly [object | null, object | null])[] = [
    [null, null],
    [{ type: "NFKC" }, null],
    [{ type: "Sequence", normalizers: [prepend] }, null],
    [{ type: "Sequence", normalizers: [replace, { type: "Lowercase" }] }, null],
    [{ ...replace, content: "_" }, null],
    [prepend, metaspace],
    [null, { ...metaspace, split: true }],
    [null, { ...metaspace, prepend_scheme: "last" }],
    [replace, { type: "Whitespace" }],
  ];
  for (const [normalizer, pre_tokenizer] of changes) {
    const model = { ...base.model, byte_fallback: true };
    const tokenizer = await load(JSON.stringify({ ...base, normalizer, pre_tokenizer, model }));
    assertError(
      () => ggufTokenizer(tokenizer, OPTIONS),
      OptionError,
      "hf: its normalizer and pre_tokenizer change texts in a way that llama.cpp can't; put the model's " +
        "tokenizer.model beside tokenizer.json",
    );
  }
});

Deno.test("ggufTokenizer() refuses a name of rules for SentencePiece's tokens, which have none", async () => {
  const model = { ...base.model, byte_fallback: true };
  const tokenizer = await load(JSON.stringify({ ...base, normalizer: replace, pre_tokenizer: null, model }));
  assertError(
    () => ggufTokenizer(tokenizer, { ...OPTIONS, pre: "gpt-2" }),
    OptionError,
    "hf: is SentencePiece's tokenizer, for which llama.cpp has no --tokenizer-pre; leave it out",
  );
});

Deno.test("loadTokenizer() finds nothing in a directory without a tokenizer", async () => {
  using directory = new TempDir();
  Deno.writeTextFileSync(directory.at("tokenizer_config.json"), "{}");
  assertEquals(await loadTokenizer(directory.path, named(602), false), undefined);
});

Deno.test("loadTokenizer() takes a directory with a tokenizer.model alone", async () => {
  using directory = new TempDir();
  Deno.writeFileSync(directory.at("tokenizer.model"), fixture("sentencepiece/tokenizer.model"));
  const tokenizer = await loadTokenizer(directory.path, named(700, "llama2_7b"), false);
  assertEquals([tokenizer?.bosId, tokenizer?.eosId, tokenizer?.pieces?.length], [1, 2, 700]);
});

const DAMAGED: Readonly<Record<string, readonly [json: string, message: string]>> = {
  "no JSON": ["{", "is no JSON; the file is damaged or incomplete"],
  "a list": ["[]", "is no JSON object"],
  "another model": [
    JSON.stringify({ model: { type: "WordPiece", vocab: {} } }),
    'its model is "WordPiece", where BPE is expected',
  ],
  "no model": ["{}", "its model is missing, where BPE is expected"],
  "a model that is a list": [JSON.stringify({ model: [] }), "its model is missing, where BPE is expected"],
  "dropout": [
    JSON.stringify({ ...base, model: { ...base.model, dropout: 0.1 } }),
    "model.dropout is set, which llama.cpp can't do",
  ],
  "an id that is no number": [
    JSON.stringify({ ...base, model: { ...base.model, vocab: { a: "0" } } }),
    'the token "a" has the id "0"; ids are whole numbers below 4194304',
  ],
  "a huge id": [
    JSON.stringify({ ...base, model: { ...base.model, vocab: { a: 4194304 } } }),
    'the token "a" has the id 4194304; ids are whole numbers below 4194304',
  ],
  "one id for two tokens": [
    JSON.stringify({ ...base, model: { ...base.model, vocab: { a: 1, b: 1 } } }),
    'the tokens "a" and "b" have one id, 1',
  ],
  "half a character": [
    JSON.stringify({ ...base, model: { ...base.model, vocab: { "\ud800": 7 } } }),
    "a token is a text of at most 1024 characters; the one with id 7 isn't",
  ],
  "a long token": [
    JSON.stringify({ ...base, added_tokens: [{ id: 600, content: "a".repeat(1025) }] }),
    "a token is a text of at most 1024 characters; the one with id 600 isn't",
  ],
  "an added token without a text": [
    JSON.stringify({ ...base, added_tokens: [null] }),
    "a token is a text of at most 1024 characters; the one with id missing isn't",
  ],
  "a merge that names no token": [
    JSON.stringify({ ...base, model: { ...base.model, merges: [["a", "\u0416"]] } }),
    'merge 0 names "\u0416", which is no token of the vocabulary',
  ],
  "a merge that makes no token": [
    JSON.stringify({ ...base, model: { ...base.model, merges: ["q q"] } }),
    'merge 0 names "qq", which is no token of the vocabulary',
  ],
  "a merge of three": [
    JSON.stringify({ ...base, model: { ...base.model, merges: ["a b c"] } }),
    'merge 0 is "a b c", where two tokens are expected',
  ],
  "another model that has merges": [
    JSON.stringify({ ...base, model: { ...base.model, type: "WordLevel" } }),
    'its model is "WordLevel", where BPE is expected',
  ],
  "a model of a long type": [
    JSON.stringify({ ...base, model: { type: "x".repeat(1000) } }),
    `its model is "${"x".repeat(39)}, where BPE is expected`,
  ],
  "no tokens": [
    JSON.stringify({ ...base, model: { ...base.model, vocab: {}, merges: [] } }),
    "model.vocab has no tokens",
  ],
  "no vocabulary": [
    JSON.stringify({ ...base, model: { ...base.model, vocab: undefined, merges: [] } }),
    "model.vocab has no tokens",
  ],
  "more lists than memory is for": [
    `[${"[],".repeat(2 ** 20 - 1)}{}]`,
    "has 1048577 lists and objects, more than the 1048576 that are read",
  ],
  "a merge twice": [
    JSON.stringify({
      ...base,
      model: { ...base.model, vocab: { a: 0, b: 1, ab: 2, ba: 3 }, merges: ["a b", "b a", ["a", "b"]] },
    }),
    "merge 2 is there before; tokenizers and llama.cpp rank it differently",
  ],
  "no merges": [
    JSON.stringify({ ...base, model: { ...base.model, merges: 1 } }),
    "merges is no list",
  ],
  "a normalizer without a type": [JSON.stringify({ ...base, normalizer: 1 }), "normalizer has no type"],
};

for (const [title, [json, message]] of Object.entries(DAMAGED)) {
  Deno.test(`loadTokenizer() refuses a tokenizer.json with ${title}`, async () => {
    using directory = new TempDir();
    Deno.writeTextFileSync(directory.at("tokenizer.json"), json);
    const path = directory.at("tokenizer.json");
    await assertRejectsWith(
      () => loadTokenizer(directory.path, named(602), false),
      FormatError,
      `${path}: ${message}`,
    );
  });
}
