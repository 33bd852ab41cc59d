import { assert, assertEquals } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { parseSentencePiece } from "../../lib/tokenizers/sentencepiece.ts";
import { assertError } from "../convert/_assert_error.ts";
import { fixture } from "./_fixtures.ts";

const PATH = "models/tokenizer.model";

/** A field of bytes; lengths are below 2^14. */
function bytesField(number: number, content: readonly number[]): number[] {
  const { length } = content;
  return [number * 8 + 2, ...(length < 0x80 ? [length] : [length & 0x7f | 0x80, length >> 7]), ...content];
}

function utf8(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

function scoreField(score: number): number[] {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, score, true);
  return [2 * 8 + 5, ...new Uint8Array(view.buffer)];
}

function piece(text: string, score: number, type: number): number[] {
  return bytesField(1, [...bytesField(1, utf8(text)), ...scoreField(score), 3 * 8, type]);
}

const BPE = bytesField(2, [3 * 8, 2]);
/** `remove_extra_whitespaces` is off. */
const IDENTITY = bytesField(3, [4 * 8, 0]);
const FIRST = [...piece("<unk>", 0, 2), ...piece("<s>", 0, 3), ...piece("</s>", 0, 3)];

function parse(...parts: readonly number[][]) {
  return parseSentencePiece(new Uint8Array(parts.flat()), PATH);
}

function assertRefused(parts: readonly number[][], problem: string): void {
  assertError(() => parse(...parts), FormatError, `${PATH}: ${problem}`);
}

Deno.test("parseSentencePiece() reads pieces with their scores and types", () => {
  const { pieces, keepsText } = parse(
    FIRST,
    piece("▁t", -1.5, 1),
    piece("<0x0A>", 0, 6),
    piece("[X]", 0, 4),
    piece("q", 0, 5),
    // A score of 0 and the type "normal" aren't written.
    bytesField(1, bytesField(1, utf8("🚢"))),
    BPE,
    IDENTITY,
  );
  assertEquals(pieces.slice(3), [
    { text: "▁t", score: -1.5, type: "normal" },
    { text: "<0x0A>", score: 0, type: "byte" },
    { text: "[X]", score: 0, type: "user defined" },
    { text: "q", score: 0, type: "unused" },
    { text: "🚢", score: 0, type: "normal" },
  ]);
  assertEquals(keepsText, true);
});

Deno.test("parseSentencePiece() reads the model that sentencepiece trained", () => {
  const { pieces, keepsText } = parseSentencePiece(fixture("sentencepiece/tokenizer.model"), PATH);
  assertEquals(pieces.length, 700);
  assertEquals(pieces.filter(({ type }) => type === "byte").length, 256);
  assertEquals(pieces[3], { text: "<0x00>", score: 0, type: "byte" });
  assert(pieces.some(({ text, score }) => text === "▁the" && score < 0));
  assertEquals(keepsText, true);
});

Deno.test("parseSentencePiece() says whether texts are changed first", () => {
  const cases: [number[], boolean][] = [
    [[], false],
    [bytesField(3, []), false],
    [bytesField(3, [4 * 8, 1]), false],
    [bytesField(3, [3 * 8, 0, 4 * 8, 0]), false],
    [bytesField(3, [4 * 8, 0, 5 * 8, 0]), false],
    [bytesField(3, [...bytesField(2, [1]), 4 * 8, 0]), false],
    [
      bytesField(3, [...bytesField(1, utf8("identity")), ...bytesField(2, []), 3 * 8, 1, 4 * 8, 0, 5 * 8, 1]),
      true,
    ],
  ];
  for (const [normalizer, keepsText] of cases) {
    assertEquals(parse(FIRST, BPE, normalizer).keepsText, keepsText);
  }
});

Deno.test("parseSentencePiece() refuses a model that is cut off within a field", () => {
  const whole = fixture("sentencepiece/tokenizer.model");
  for (const length of [1, 2, 10, 5000, whole.length - 1]) {
    assertError(
      () => parseSentencePiece(whole.subarray(0, length), PATH),
      FormatError,
      `${PATH}: the SentencePiece model is damaged or incomplete; copy it again`,
    );
  }
});

Deno.test("parseSentencePiece() refuses other algorithms", () => {
  const problem = (name: string) => `its algorithm is ${name}, where LLaMA's is byte-pair encoding`;
  assertRefused([FIRST], problem("unigram"));
  assertRefused([FIRST, bytesField(2, [])], problem("unigram"));
  assertRefused([FIRST, bytesField(2, [3 * 8, 1])], problem("unigram"));
  assertRefused([FIRST, bytesField(2, [3 * 8, 4])], problem("character"));
  assertRefused([FIRST, bytesField(2, [3 * 8, 9])], problem("9"));
});

Deno.test("parseSentencePiece() refuses first pieces that aren't LLaMA's", () => {
  assertRefused([BPE], "piece 0 is missing, where LLaMA's is <unk>");
  assertRefused([piece("<pad>", 0, 3), FIRST, BPE], 'piece 0 is "<pad>", where LLaMA\'s is <unk>');
  assertRefused(
    [piece("<unk>", 0, 2), piece("<s>", 0, 1), BPE],
    'piece 1 is "<s>", where LLaMA\'s is <s>',
  );
  assertRefused([piece("<unk>", 0, 2), piece("<s>", 0, 3), BPE], "piece 2 is missing, where LLaMA's is </s>");
});

Deno.test("parseSentencePiece() refuses pieces that are damaged", () => {
  const damaged = "piece 3: it has no text, score or type that a piece can have; the file is damaged";
  assertRefused([FIRST, bytesField(1, []), BPE], damaged);
  assertRefused([FIRST, piece("", 0, 1), BPE], damaged);
  assertRefused([FIRST, piece("a", NaN, 1), BPE], damaged);
  assertRefused([FIRST, piece("a", -Infinity, 1), BPE], damaged);
  assertRefused([FIRST, piece("a", 0, 0), BPE], damaged);
  assertRefused([FIRST, piece("a", 0, 7), BPE], damaged);
  assertRefused(
    [FIRST, bytesField(1, bytesField(1, [0xe2, 0x96])), BPE],
    "piece 3: its text is no UTF-8; the file is damaged",
  );
  assertRefused(
    [FIRST, piece("a", 0, 1), piece("b", 0, 1), piece("a", -1, 1), BPE],
    'the pieces 3 and 5 are both "a"; the file is damaged',
  );
});

Deno.test("parseSentencePiece() limits the length of a piece", () => {
  assertEquals(parse(FIRST, piece("é".repeat(512), 0, 1), BPE).pieces[3]!.text.length, 512);
  assertRefused(
    [FIRST, piece("é".repeat(512) + "a", 0, 1), BPE],
    "piece 3: a token has at most 1024 bytes, this one has 1025",
  );
});

Deno.test("parseSentencePiece() refuses pieces that are chosen to have one hash, and takes numbers", () => {
  const numbers = Array.from({ length: 10_000 }, (_, i) => i);
  const pieces = (text: (i: number) => string) => numbers.flatMap((i) => piece(text(i), 0, 1));
  assertRefused(
    [FIRST, pieces((i) => String(1e9 + 65536 * i)), BPE, IDENTITY],
    "too many pieces have one hash; it is no vocabulary of LLaMA's",
  );
  assertEquals(parse(FIRST, pieces(String), BPE, IDENTITY).pieces.length, 10_003);
});
