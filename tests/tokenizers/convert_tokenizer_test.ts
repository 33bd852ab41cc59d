import { assert, assertEquals } from "@std/assert";
import { FormatError, MismatchError, OptionError } from "../../lib/error.ts";
import { convertTokenizer, type TokenizerOptions } from "../../lib/tokenizers/convert_tokenizer.ts";
import { assertError } from "../convert/_assert_error.ts";
import { JsonTokenizer } from "./_encode.ts";
import { contentOf, fixture, type Ids, jsonFixture, textsOf } from "./_fixtures.ts";

const PATH = "models/tokenizer.model";
const TIKTOKEN = fixture("tiktoken/tokenizer.model");
const SENTENCEPIECE = fixture("sentencepiece/tokenizer.model");

function convert(bytes: Uint8Array, options: Partial<TokenizerOptions>) {
  return convertTokenizer(bytes, { path: PATH, version: "3.1", instruct: false, ...options });
}

Deno.test("convertTokenizer() writes what transformers' converter writes for LLaMA 3, byte for byte", async () => {
  const expected = await jsonFixture<Record<string, Record<string, string>>>("tiktoken/expected.json.gz");
  for (const version of ["3", "3.1", "3.2"] as const) {
    for (const instruct of [false, true]) {
      const { files, ...facts } = convert(TIKTOKEN, { version, instruct });
      const texts = textsOf(files);
      const golden = new Map(Object.entries(expected[`${version}/${instruct ? "instruct" : "base"}`]!));
      assertEquals([...texts.keys()], ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]);
      assertEquals(new Set(golden.keys()), new Set(texts.keys()));
      for (const [name, text] of texts) assert(text === golden.get(name), `${version} ${instruct} ${name}`);
      assertEquals(facts, {
        kind: "tiktoken",
        vocabSize: 912,
        bosId: 656,
        eosId: instruct ? 665 : 657,
        eosIds: !instruct ? [657] : version === "3" ? [657, 665] : [657, 664, 665],
        notes: [],
      });
    }
  }
});

Deno.test("convertTokenizer() makes of 3.3 what it makes of 3.1", () => {
  for (const instruct of [false, true]) {
    assertEquals(
      textsOf(convert(TIKTOKEN, { version: "3.3", instruct }).files),
      textsOf(convert(TIKTOKEN, { version: "3.1", instruct }).files),
    );
  }
});

Deno.test("convertTokenizer() gives tiktoken's ids for every text of the corpus", async () => {
  const { texts, tiktoken } = await jsonFixture<Ids>("ids.json.gz");
  const tokenizer = new JsonTokenizer(textsOf(convert(TIKTOKEN, {}).files).get("tokenizer.json")!);
  assert(texts.length > 100);
  for (const [index, text] of texts.entries()) assertEquals(tokenizer.encode(text), tiktoken[index], text);
});

Deno.test("convertTokenizer() gives SentencePiece's ids for every text of the corpus", async () => {
  const { texts, sentencepiece } = await jsonFixture<Ids>("ids.json.gz");
  const { files } = convert(SENTENCEPIECE, { version: "2" });
  const tokenizer = new JsonTokenizer(textsOf(files).get("tokenizer.json")!);
  assert(sentencepiece.filter((ids) => ids !== null).length > 100);
  for (const [index, text] of texts.entries()) {
    if (sentencepiece[index] !== null) assertEquals(tokenizer.encode(text), sentencepiece[index], text);
  }
});

Deno.test("convertTokenizer() takes a SentencePiece model along as it is", () => {
  for (const version of ["1", "2"] as const) {
    const { files, ...facts } = convert(SENTENCEPIECE, { version });
    assertEquals(files.map(({ name }) => name), [
      "special_tokens_map.json",
      "tokenizer.json",
      "tokenizer.model",
      "tokenizer_config.json",
    ]);
    assertEquals(contentOf(files[2]!), SENTENCEPIECE);
    assertEquals(facts, {
      kind: "sentencepiece",
      vocabSize: 700,
      bosId: 1,
      eosId: 2,
      eosIds: [2],
      notes: [],
    });
  }
});

Deno.test("convertTokenizer() writes LlamaTokenizerFast's files beside it, but for class and space", async () => {
  const expected = await jsonFixture<Record<string, Record<string, string>>>(
    "sentencepiece/expected.json.gz",
  );
  for (const model of ["tokenizer.model", "symbols.model"]) {
    const golden = expected[model]!;
    const texts = textsOf(convert(fixture(`sentencepiece/${model}`), { version: "2" }).files);
    assert(texts.get("tokenizer.json") === golden["tokenizer.json"]);
    assertEquals(texts.get("special_tokens_map.json"), golden["special_tokens_map.json"]);
    const config = golden["tokenizer_config.json"]!
      // tokenizer.json has the space, and to say so makes transformers 4 read tokenizer.model instead.
      .replace('  "add_prefix_space": true,\n', "")
      .replace(
        '  "model_max_length"',
        '  "model_input_names": [\n    "input_ids",\n    "attention_mask"\n  ],\n$&',
      )
      // transformers 5 doesn't take tokenizer.json as it is for this class.
      .replace('"tokenizer_class": "LlamaTokenizer"', '"tokenizer_class": "PreTrainedTokenizerFast"');
    assertEquals(texts.get("tokenizer_config.json"), config);
  }
});

Deno.test("convertTokenizer() writes the context length that it is given", () => {
  const config = (options: Partial<TokenizerOptions>) =>
    JSON.parse(textsOf(convert(TIKTOKEN, options).files).get("tokenizer_config.json")!).model_max_length;
  assertEquals(config({ version: "3", contextLength: 4096 }), 4096);
  assertEquals(config({ version: "3" }), 8192);
  for (const version of ["3.1", "3.2", "3.3"] as const) assertEquals(config({ version }), 131072);
  for (const contextLength of [0, -1, 1.5, NaN, 2 ** 53]) {
    assertError(
      () => convert(TIKTOKEN, { contextLength }),
      OptionError,
      `Cannot write a context length of ${contextLength}: it is no positive whole number`,
    );
  }
});

Deno.test("convertTokenizer() refuses a file of the other kind", () => {
  assertError(
    () => convert(SENTENCEPIECE, { version: "3.2" }),
    OptionError,
    `${PATH}: it is a SentencePiece model, where LLaMA 3.2 has a tiktoken vocabulary; give the model's own`,
  );
  assertError(
    () => convert(TIKTOKEN, { version: "1" }),
    OptionError,
    `${PATH}: it is a tiktoken vocabulary, where LLaMA 1 has a SentencePiece model; give the model's own`,
  );
  assertError(() => convert(new Uint8Array(), {}), FormatError, `${PATH}: the file is empty; copy it again`);
});

Deno.test("convertTokenizer() refuses a model with fewer rows than the tokenizer has ids", () => {
  assertEquals(convert(TIKTOKEN, { vocabSize: 912 }).notes, []);
  assertError(
    () => convert(TIKTOKEN, { vocabSize: 911 }),
    MismatchError,
    `${PATH}: the tokenizer has 912 ids, the model's vocabulary 911; give the model's own tokenizer`,
  );
  assertError(
    () => convert(SENTENCEPIECE, { version: "2", vocabSize: 699 }),
    MismatchError,
    `${PATH}: the tokenizer has 700 ids, the model's vocabulary 699; give the model's own tokenizer`,
  );
});

Deno.test("convertTokenizer() notes a model with more rows, unless they are the published ones", () => {
  assertEquals(convert(TIKTOKEN, { vocabSize: 1024 }).notes, [
    "the tokenizer has 912 ids, the model's vocabulary 1024: no text gets the ids from 912 on",
  ]);
  assertEquals(convert(SENTENCEPIECE, { version: "2", vocabSize: 704 }).notes, [
    "the tokenizer has 700 ids, the model's vocabulary 704: no text gets the ids from 700 on",
  ]);
  assertError(
    () => convert(TIKTOKEN, { vocabSize: 128256 }),
    MismatchError,
    `${PATH}: the tokenizer has 912 ids, the model's vocabulary 128256; give the model's own tokenizer`,
  );
  assertError(
    () => convert(SENTENCEPIECE, { version: "1", vocabSize: 32000 }),
    MismatchError,
    `${PATH}: the tokenizer has 700 ids, the model's vocabulary 32000; give the model's own tokenizer`,
  );
});

Deno.test("convertTokenizer() notes what a LLaMA 2 tokenizer will be without", () => {
  assertEquals(convert(fixture("sentencepiece/symbols.model"), { version: "2" }).notes, [
    "the tokenizer changes texts before it cuts them up, which transformers' LLaMA tokenizer doesn't; some texts " +
    "will have other ids",
    'the tokenizer has symbols of its own, such as "[X]", behind which transformers\' LLaMA tokenizer adds a ' +
    "space; texts with them will have other ids",
  ]);
});

Deno.test("convertTokenizer() refuses a vocabulary with a special token among its ranks", () => {
  const text = `${new TextDecoder().decode(TIKTOKEN)}${btoa("<|eom_id|>")} 656\n`;
  const bytes = new TextEncoder().encode(text);
  assertError(
    () => convert(bytes, { version: "3.1" }),
    FormatError,
    `${PATH}: rank 656 is <|eom_id|>, which LLaMA 3.1 has behind all ranks`,
  );
  assertEquals(convert(bytes, { version: "3" }).vocabSize, 913);
});

Deno.test("convertTokenizer() writes a vocabulary of bytes alone, which has no merges", () => {
  const lines = Array.from({ length: 256 }, (_, byte) => `${btoa(String.fromCharCode(byte))} ${byte}\n`);
  const { files } = convert(new TextEncoder().encode(lines.join("")), {});
  const { model } = JSON.parse(textsOf(files).get("tokenizer.json")!);
  assertEquals(model.merges, []);
  assertEquals(Object.keys(model.vocab).length, 256);
});
