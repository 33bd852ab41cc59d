import { assertEquals } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { tokenizerKind } from "../../lib/tokenizers/detect.ts";
import { MAX_TOKENIZER_BYTES } from "../../lib/tokenizers/limits.ts";
import { assertError } from "../convert/_assert_error.ts";
import { fixture } from "./_fixtures.ts";

const PATH = "models/tokenizer.model";

function kindOf(text: string) {
  return tokenizerKind(new TextEncoder().encode(text), PATH);
}

Deno.test("tokenizerKind() tells a tiktoken vocabulary from a SentencePiece model", () => {
  assertEquals(tokenizerKind(fixture("tiktoken/tokenizer.model"), PATH), "tiktoken");
  assertEquals(tokenizerKind(fixture("sentencepiece/tokenizer.model"), PATH), "sentencepiece");
});

Deno.test("tokenizerKind() takes a vocabulary with blank lines in front, Windows's line ends, or one line", () => {
  for (const text of ["\nIQ== 0\n", "\r\nIQ== 0\r\nIg== 1\r\n", "IQ== 0", "IQ== 0\r\n"]) {
    assertEquals(kindOf(text), "tiktoken");
  }
});

Deno.test("tokenizerKind() says what else a file is", () => {
  const cases: [string, string][] = [
    ["", "the file is empty; copy it again"],
    [
      "version https://git-lfs.github.com/spec/v1\noid sha256:82e9\nsize 2183982\n",
      "is a Git LFS pointer, not the file itself; fetch it with git lfs pull",
    ],
    ['{\n  "version": "1.0",\n', "it is JSON, not a tokenizer.model; a tokenizer.json needs no conversion"],
    ["<!doctype html>\n", "is a web page, not the file itself; download it again"],
    ["PK\x03\x04\x00\x00", "it is a zip archive or a checkpoint, not a tokenizer.model"],
    ["\x1f\x8b\x08\x00", "it is compressed; unpack it first"],
    ...["IQ==", "IQ== zero\n", "\n\n\n", "#version: 0.2\nĠ t\n", "\x00\x01\x02", "\x0a\x0a\x0a"].map((
      text,
    ): [string, string] => [
      text,
      "it is neither a tiktoken vocabulary, as LLaMA 3's, nor a SentencePiece model, as LLaMA 1 and 2's",
    ]),
  ];
  for (const [text, problem] of cases) {
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    assertError(() => tokenizerKind(bytes, PATH), FormatError, `${PATH}: ${problem}`);
  }
});

Deno.test("tokenizerKind() limits the size of a file", () => {
  const largest = new Uint8Array(MAX_TOKENIZER_BYTES);
  largest.set(new TextEncoder().encode("IQ== 0\n"));
  largest.fill(0x0a, 7);
  assertEquals(tokenizerKind(largest, PATH), "tiktoken");
  assertError(
    () => tokenizerKind(new Uint8Array(MAX_TOKENIZER_BYTES + 1), PATH),
    FormatError,
    `${PATH}: a tokenizer has at most 8388608 bytes, this file has 8388609`,
  );
});
