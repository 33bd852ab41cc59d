/** Tokenizers out of GGUF files, against those that went in. */

import { assertEquals } from "@std/assert";
import { FormatError, OptionError } from "../../lib/error.ts";
import type { GgufMetadata, GgufValue } from "../../lib/gguf/value.ts";
import { llamaArchitectures } from "../../lib/models/llama/architectures.ts";
import { ggufTokenizer } from "../../lib/tokenizers/gguf_tokenizer.ts";
import { loadTokenizer } from "../../lib/tokenizers/load_tokenizer.ts";
import { parseSentencePiece, type Piece } from "../../lib/tokenizers/sentencepiece.ts";
import { tokenizerOfGguf } from "../../lib/tokenizers/tokenizer_of_gguf.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { assertError } from "../convert/_assert_error.ts";
import { JsonTokenizer } from "./_encode.ts";
import { contentOf, textsOf } from "./_fixtures.ts";
import { byteLevelJson, type GgufCase, ggufCases, RULES } from "./_gguf_cases.ts";
import { variedTexts } from "./_varied_texts.ts";

const PATH = "model.gguf";
const decoder = new TextDecoder();

/** Puts the files of a tokenizer into a directory, and makes the keys of them. */
async function keysOf(files: ReadonlyMap<string, Uint8Array>, architecture: string, vocabSize: number) {
  using directory = new TempDir();
  for (const [file, content] of files) {
    if (file.includes("/")) Deno.mkdirSync(directory.at(file.slice(0, file.indexOf("/"))));
    Deno.writeFileSync(directory.at(file), content);
  }
  const model = { ...llamaArchitectures[0]!, vocabSize };
  const tokenizer = await loadTokenizer(directory.path, { model }, false);
  return ggufTokenizer(tokenizer!, { architecture, vocabSize }).metadata;
}

async function caseKeys({ files, architecture, config }: GgufCase): Promise<GgufMetadata> {
  return await keysOf(files, architecture, config.vocab_size);
}

function bytesOf(keys: GgufMetadata): Map<string, Uint8Array> {
  return new Map(tokenizerOfGguf(keys, PATH, 128)!.files.map((file) => [file.name, contentOf(file)]));
}

/** The special tokens of the small tokenizers. */
const SPECIAL = [
  "<|endoftext|>",
  "<|im_start|>",
  "<think>",
  "<|eot_id|>",
  "<|begin_of_text|>",
  "<s>",
  "</s>",
];

/** Keys that don't come back: byte-level tokenizers put no space in front of a text, and `eot` is one role too many. */
const LOST = ["add_space_prefix", "eot_token_id"].map((key) => `tokenizer.ggml.${key}`);

for (const one of await ggufCases()) {
  Deno.test(`tokenizerOfGguf() gives a tokenizer back that makes the same ids: ${one.name}`, async () => {
    const files = bytesOf(await caseKeys(one));
    const [mine, original] = [files, one.files]
      .map((all) => new JsonTokenizer(decoder.decode(all.get("tokenizer.json"))));
    for (const text of variedTexts(500, SPECIAL)) {
      assertEquals(mine!.encode(text), original!.encode(text), text);
    }
  });

  Deno.test(`tokenizerOfGguf() gives a tokenizer back that makes the same keys: ${one.name}`, async () => {
    const keys = await caseKeys(one);
    const again = await keysOf(bytesOf(keys), one.architecture, one.config.vocab_size);
    for (const [key, value] of keys) {
      if (!LOST.includes(key)) assertEquals([key, again.get(key)], [key, value]);
    }
  });
}

Deno.test("tokenizerOfGguf() gives a SentencePiece model back", async () => {
  for (const name of ["llama2", "llama2_symbols"]) {
    const one = (await ggufCases()).find((each) => each.name === name)!;
    const [mine, original] = [bytesOf(await caseKeys(one)), one.files]
      .map((files) => parseSentencePiece(files.get("tokenizer.model")!, PATH));
    assertEquals(mine!.keepsText, true);
    // A converter gives tokens another score that are found before any are merged.
    const isMerged = ({ type }: Piece) => type === "normal" || type === "byte";
    const plain = (pieces: readonly Piece[]) =>
      pieces.map((piece) => isMerged(piece) ? piece : { ...piece, score: 0 });
    assertEquals(plain(mine!.pieces), plain(original!.pieces));
  }
});

Deno.test("a tokenizer.json that was made of a SentencePiece model does without it", async () => {
  const one = (await ggufCases()).find(({ name }) => name === "llama2")!;
  const files = new Map([...one.files].filter(([file]) => file !== "tokenizer.model"));
  const keys = await keysOf(files, "llama", 700);
  assertEquals(keys.get("tokenizer.ggml.model"), { type: "string", value: "llama" });
  const [mine, original] = [bytesOf(keys), files]
    .map((all) => new JsonTokenizer(decoder.decode(all.get("tokenizer.json"))));
  for (const text of variedTexts(500, SPECIAL)) {
    assertEquals(mine!.encode(text), original!.encode(text), text);
  }
});

Deno.test("tokenizerOfGguf() says what it found", async () => {
  const one = (await ggufCases()).find(({ name }) => name === "smollm")!;
  const { files, ...facts } = tokenizerOfGguf(await caseKeys(one), PATH, 128)!;
  assertEquals(facts, {
    sources: [],
    hasVocabulary: true,
    bosId: 1,
    eosId: 2,
    hasChatTemplate: true,
    notes: [],
  });
  const texts = textsOf(files);
  assertEquals([...texts.keys()], ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]);
  const { added_tokens_decoder: added, ...settings } = JSON.parse(texts.get("tokenizer_config.json")!);
  assertEquals(settings, {
    add_bos_token: false,
    add_eos_token: false,
    bos_token: "<|im_start|>",
    chat_template: [{ name: "default", template: "a" }, { name: "x_y", template: "b" }],
    clean_up_tokenization_spaces: false,
    eos_token: "<|im_end|>",
    model_input_names: ["input_ids", "attention_mask"],
    model_max_length: 128,
    tokenizer_class: "PreTrainedTokenizerFast",
  });
  assertEquals(Object.keys(added), ["0", "1", "2", "600", "601"]);
});

Deno.test("tokenizerOfGguf() finds no tokenizer where there is none", () => {
  assertEquals(tokenizerOfGguf(new Map(), PATH), undefined);
  for (const value of ["none", "no_vocab"]) {
    assertEquals(
      tokenizerOfGguf(new Map([["tokenizer.ggml.model", { type: "string", value }]]), PATH),
      undefined,
    );
  }
});

/** Keys of a small tokenizer, with others in their place; those that are `undefined` are left out. */
function withKeys(changes: Readonly<Record<string, GgufValue | undefined>>): GgufMetadata {
  const keys = new Map<string, GgufValue>([
    ["ggml.model", { type: "string", value: "gpt2" }],
    ["ggml.pre", { type: "string", value: "gpt-2" }],
    ["ggml.tokens", { type: "array", items: "string", values: ["a", "b", "ab", "<e>", "[PAD4]"] }],
    ["ggml.token_type", { type: "array", items: "int32", values: new Int32Array([1, 1, 1, 3, 5]) }],
    ["ggml.merges", { type: "array", items: "string", values: ["a b"] }],
  ]);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) keys.delete(key);
    else keys.set(key, value);
  }
  return new Map([...keys].map(([key, value]) => [`tokenizer.${key}`, value]));
}

function jsonOf(keys: GgufMetadata) {
  return JSON.parse(textsOf(tokenizerOfGguf(keys, PATH)!.files).get("tokenizer.json")!);
}

Deno.test("tokenizerOfGguf() puts a token into the vocabulary where its id wouldn't come of itself", () => {
  const values = (...values: string[]): GgufValue => ({ type: "array", items: "string", values });
  assertEquals(jsonOf(withKeys({})).model.vocab, { a: 0, b: 1, ab: 2 });
  const holed = withKeys({
    "ggml.tokens": values("a", "[PAD1]", "b", "<e>", "ab"),
    "ggml.token_type": undefined,
  });
  assertEquals(jsonOf(holed).model.vocab, { a: 0, "[PAD1]": 1, b: 2, "<e>": 3, ab: 4 });
  const types = new Int32Array([1, 5, 1, 1, 3]);
  const unused = withKeys({
    "ggml.tokens": values("a", "[PAD1]", "b", "ab", "<e>"),
    "ggml.token_type": { type: "array", items: "int32", values: types },
  });
  assertEquals(jsonOf(unused).model.vocab, { a: 0, b: 2, ab: 3, "<e>": 4 });
});

Deno.test("tokenizerOfGguf() takes llama.cpp's own rules where no key says them", () => {
  const bos: GgufValue = { type: "uint32", value: 3 };
  const pre: GgufValue = { type: "string", value: "llama-bpe" };
  assertEquals(jsonOf(withKeys({ "ggml.bos_token_id": bos })).post_processor, null);
  const { post_processor: added } = jsonOf(withKeys({ "ggml.bos_token_id": bos, "ggml.pre": pre }));
  assertEquals(added.single, [
    { SpecialToken: { id: "<e>", type_id: 0 } },
    { Sequence: { id: "A", type_id: 0 } },
  ]);
  const sentencePiece = jsonOf(withKeys({
    "ggml.model": { type: "string", value: "llama" },
    "ggml.tokens": { type: "array", items: "string", values: ["<unk>", "<s>", "</s>", "a", "b"] },
    "ggml.token_type": undefined,
  }));
  assertEquals(sentencePiece.post_processor.single[0].SpecialToken.id, "<s>");
  assertEquals(sentencePiece.model.unk_token, "<unk>");
});

Deno.test("tokenizerOfGguf() leaves out the space in front of a text where a key says so", () => {
  const { normalizer, decoder } = jsonOf(withKeys({
    "ggml.model": { type: "string", value: "llama" },
    "ggml.add_space_prefix": { type: "bool", value: false },
  }));
  assertEquals(normalizer.normalizers.map(({ type }: { type: string }) => type), ["Replace"]);
  assertEquals(decoder.decoders.map(({ type }: { type: string }) => type), [
    "Replace",
    "ByteFallback",
    "Fuse",
  ]);
});

Deno.test("tokenizerOfGguf() says that scores which are all the same tell of no merges", () => {
  const { notes } = tokenizerOfGguf(
    withKeys({
      "ggml.model": { type: "string", value: "llama" },
      "ggml.tokens": { type: "array", items: "string", values: ["a", "b", "c", "ab", "bc"] },
      "ggml.token_type": undefined,
      "ggml.scores": { type: "array", items: "float32", values: new Float32Array(5).fill(-1000) },
    }),
    PATH,
  )!;
  assertEquals(notes, [
    "all tokens have one score, so that how the tokenizer merges them isn't known; texts will have other ids than the " +
    "model was trained with",
  ]);
});

Deno.test("tokenizerOfGguf() says that some scores don't tell which merge comes first", () => {
  const notesOf = (...scores: number[]) => notesOfTokens(["a", "b", "ab", "ba", "aba"], scores);
  const notesOfTokens = (tokens: readonly string[], scores: readonly number[]) =>
    tokenizerOfGguf(
      withKeys({
        "ggml.model": { type: "string", value: "llama" },
        "ggml.tokens": texts(...tokens),
        "ggml.token_type": undefined,
        "ggml.scores": { type: "array", items: "float32", values: new Float32Array([0, 0, ...scores]) },
      }),
      PATH,
    )!.notes;
  const note =
    "some tokens have one score, or none that is a number; llama.cpp makes the leftmost of these first, " +
    "tokenizers always the same one, so that texts may have other ids";
  assertEquals(notesOf(-1, -2, -3), []);
  assertEquals(notesOf(-1, -2, -2), [note]);
  assertEquals(notesOf(-1, -2, NaN), [note]);
  // Mistral's runs of spaces have one score.
  assertEquals(notesOfTokens(["▁", "a", "▁▁", "▁▁▁", "▁a"], [-9, -9, -1]), []);
});

Deno.test("tokenizerOfGguf() passes over ids that no token has", () => {
  const idOf = (id: number) =>
    tokenizerOfGguf(withKeys({ "ggml.eos_token_id": { type: "uint32", value: id } }), PATH)!.eosId;
  assertEquals([idOf(3), idOf(4), idOf(2 ** 32 - 1)], [3, undefined, undefined]);
});

Deno.test("tokenizerOfGguf() says that an ordinary token has a role, which makes transformers find it in texts", () => {
  const notesOf = (id: number) =>
    tokenizerOfGguf(withKeys({ "ggml.eos_token_id": { type: "uint32", value: id } }), PATH)!.notes;
  assertEquals(notesOf(1), [
    'eos_token_id names "b", an ordinary token: transformers will take it as a special one wherever a text has it, so ' +
    "that texts may have other ids",
  ]);
  assertEquals(notesOf(3), []);
});

const texts = (...values: string[]): GgufValue => ({ type: "array", items: "string", values });

const DAMAGED: Readonly<
  Record<string, readonly [changes: Readonly<Record<string, GgufValue | undefined>>, message: string]>
> = {
  "a kind that is no text": [
    { "ggml.model": { type: "bool", value: true } },
    "tokenizer.ggml.model is no text, but bool",
  ],
  "no tokens": [
    { "ggml.tokens": undefined, "ggml.token_type": undefined },
    "tokenizer.ggml.tokens is missing",
  ],
  "tokens that are no texts": [
    { "ggml.tokens": { type: "array", items: "int32", values: new Int32Array(5) } },
    "tokenizer.ggml.tokens is no list of string",
  ],
  "a token twice": [
    { "ggml.tokens": texts("a", "b", "ab", "a", "c") },
    'tokenizer.ggml.tokens has the token "a" twice',
  ],
  "a long token": [
    { "ggml.tokens": texts("a", "b", "ab", "x".repeat(1025), "c") },
    "tokenizer.ggml.tokens has a token of more than 1024 characters, 3",
  ],
  "too few types": [
    { "ggml.tokens": texts("a", "b", "ab") },
    "tokenizer.ggml.token_type has 5 items, where there are 3 tokens",
  ],
  "scores of another type": [{ "ggml.scores": texts("0") }, "tokenizer.ggml.scores is no list of float32"],
  "a merge of one token": [
    { "ggml.merges": texts("ab") },
    'tokenizer.ggml.merges has "ab" at 0, which isn\'t two tokens that make a third',
  ],
  "a merge that names no token": [
    { "ggml.merges": texts("a b", "b c") },
    'tokenizer.ggml.merges has "b c" at 1, which isn\'t two tokens that make a third',
  ],
  "a merge twice": [
    { "ggml.merges": texts("a b", "a b") },
    'tokenizer.ggml.merges has "a b" twice, which tokenizers and llama.cpp rank differently',
  ],
  "bytes without merges": [{ "ggml.merges": undefined }, "tokenizer.ggml.merges is missing"],
  "an id of another type": [
    { "ggml.bos_token_id": { type: "int32", value: 1 } },
    "tokenizer.ggml.bos_token_id is no uint32, but int32",
  ],
  "a switch that is no bool": [
    { "ggml.bos_token_id": { type: "uint32", value: 1 }, "ggml.add_bos_token": { type: "uint8", value: 1 } },
    "tokenizer.ggml.add_bos_token is no bool, but uint8",
  ],
};

for (const [title, [changes, message]] of Object.entries(DAMAGED)) {
  Deno.test(`tokenizerOfGguf() refuses ${title}`, () => {
    assertError(() => tokenizerOfGguf(withKeys(changes), PATH), FormatError, `${PATH}: ${message}`);
  });
}

Deno.test("tokenizerOfGguf() shows the beginning of a long text", () => {
  const model: GgufValue = { type: "string", value: "x".repeat(41) };
  assertError(
    () => tokenizerOfGguf(withKeys({ "ggml.model": model }), PATH),
    OptionError,
    `${PATH}: its tokenizer is "${
      "x".repeat(40)
    }…", which ckpt doesn't know; give --tokenizer or --no-tokenizer`,
  );
});

Deno.test("tokenizerOfGguf() refuses what it doesn't know", () => {
  assertError(
    () => tokenizerOfGguf(withKeys({ "ggml.model": { type: "string", value: "bert" } }), PATH),
    OptionError,
    `${PATH}: its tokenizer is "bert", which ckpt doesn't know; give --tokenizer or --no-tokenizer`,
  );
  assertError(
    () => tokenizerOfGguf(withKeys({ "ggml.pre": { type: "string", value: "falcon" } }), PATH),
    OptionError,
    `${PATH}: how its tokenizer cuts up texts, "falcon", isn't known to ckpt; give --tokenizer or --no-tokenizer`,
  );
});

const hasTokenizers = python() !== undefined &&
  new Deno.Command(python()!, { args: ["-c", "import transformers"], stderr: "null" }).outputSync().success;

/** Prints the texts, by directory, to which what came back gives other ids than what went in. */
const PROGRAM = `
import json, sys
from pathlib import Path
from tokenizers import Tokenizer
from transformers import AutoTokenizer

texts = json.loads(Path(sys.argv[1], "texts.json").read_text())
different = {}
for directory in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
    original = Tokenizer.from_file(str(directory / "original" / "tokenizer.json"))
    mine = AutoTokenizer.from_pretrained(directory / "back")
    different[directory.name] = []
    for special in (False, True):
        ids = original.encode_batch(texts, add_special_tokens=special)
        for text, one, other in zip(texts, ids, mine(texts, add_special_tokens=special)["input_ids"]):
            if one.ids != other:
                different[directory.name].append(text)
print(json.dumps(different))
`;

Deno.test({
  name: `transformers loads tokenizers that come back, with the same ids for 2,000 texts${
    hasTokenizers ? "" : " (skipped: CKPT_PYTHON isn't set, or has no transformers)"
  }`,
  ignore: !hasTokenizers,
  fn: async () => {
    using directory = new TempDir();
    Deno.writeTextFileSync(directory.at("texts.json"), JSON.stringify(variedTexts(2000, SPECIAL)));
    const byRules = await Promise.all(
      Object.keys(RULES).map(async (pre) => {
        const json = await byteLevelJson(pre);
        return {
          name: `rules_${pre}`,
          files: new Map([["tokenizer.json", new TextEncoder().encode(json)]]),
          size: 602,
        };
      }),
    );
    const byCase = (await ggufCases()).map(({ name, files, config }) => ({
      name,
      files,
      size: config.vocab_size,
    }));
    const all = [...byCase, ...byRules];
    for (const { name, files, size } of all) {
      const back = bytesOf(await keysOf(files, "llama", size));
      for (const [where, contents] of [["original", files], ["back", back]] as const) {
        Deno.mkdirSync(directory.at(name, where), { recursive: true });
        for (const [file, content] of contents) {
          if (!file.includes("/")) Deno.writeFileSync(directory.at(name, where, file), content);
        }
      }
      Deno.writeTextFileSync(directory.at(name, "back", "config.json"), '{"model_type": "llama"}');
    }
    assertEquals(
      JSON.parse(await runPython(PROGRAM, [directory.path])),
      Object.fromEntries(all.map(({ name }) => [name, []])),
    );
  },
});
