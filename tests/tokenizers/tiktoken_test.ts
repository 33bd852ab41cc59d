import { assertEquals } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { parseTiktoken } from "../../lib/tokenizers/tiktoken.ts";
import { assertError } from "../convert/_assert_error.ts";
import { fixture } from "./_fixtures.ts";

const PATH = "models/tokenizer.model";

const BYTES = Array.from({ length: 256 }, (_, byte) => `${btoa(String.fromCharCode(byte))} ${byte}`);

function parse(lines: readonly string[], end = "\n"): string[] {
  return parseTiktoken(new TextEncoder().encode(lines.map((line) => line + end).join("")), PATH);
}

function assertRefused(lines: readonly string[], problem: string): void {
  assertError(() => parse(lines), FormatError, `${PATH}: ${problem}`);
}

Deno.test("parseTiktoken() reads tokens by their ranks", () => {
  const tokens = parse([...BYTES, `${btoa("ab")} 256`, `${btoa("\xf0\x9f")} 257`]);
  assertEquals(tokens.length, 258);
  assertEquals(tokens[97], "a");
  assertEquals(tokens.slice(256), ["ab", "\xf0\x9f"]);
});

Deno.test("parseTiktoken() takes ranks in any order, Windows's line ends, blank lines and no line end at the end", () => {
  const lines = [`${btoa("ab")} 256`, ...BYTES.toReversed()];
  const tokens = parse(lines);
  assertEquals(tokens.length, 257);
  assertEquals(parse(lines, "\r\n"), tokens);
  assertEquals(parse(lines, "\n\n"), tokens);
  assertEquals(parseTiktoken(new TextEncoder().encode(lines.join("\n")), PATH), tokens);
});

Deno.test("parseTiktoken() reads the vocabulary that was trained", () => {
  const tokens = parseTiktoken(fixture("tiktoken/tokenizer.model"), PATH);
  assertEquals(tokens.length, 656);
  assertEquals(tokens[0], "!");
  assertEquals(new Set(tokens).size, 656);
});

Deno.test("parseTiktoken() refuses a line that is no token and rank", () => {
  const bad = [
    "IQ==",
    "IQ== ",
    " 256",
    "IQ==  256",
    "IQ== 256 ",
    "IQ== -1",
    "IQ== 1.5",
    "IQ== 0256",
    "IQ== 9999999999",
    "IQ 256",
    "IQ= 256",
    "IR== 256",
    "IQJ= 256",
    "I*== 256",
    "==== 256",
    "IQ==\t256",
    "IQ== 256\0",
  ];
  for (const line of bad) {
    assertRefused(
      [...BYTES, line],
      `line 257: expected a token in base64 and its rank, got ${
        JSON.stringify(line)
      }; the file is damaged or incomplete`,
    );
  }
  assertRefused(
    ["A".repeat(400)],
    `line 1: expected a token in base64 and its rank, got "${
      "A".repeat(40)
    }…"; the file is damaged or incomplete`,
  );
});

Deno.test("parseTiktoken() refuses ranks and tokens that are there twice", () => {
  assertRefused([...BYTES, `${btoa("ab")} 255`], "line 257: rank 255 is there twice; the file is damaged");
  assertRefused([...BYTES, "YQ== 256"], "line 257: its token has rank 97 already; the file is damaged");
});

Deno.test("parseTiktoken() refuses gaps between ranks, however far", () => {
  for (const rank of [257, 999_999_999]) {
    assertRefused(
      [...BYTES, `${btoa("ab")} ${rank}`],
      "rank 256 is missing; the file is damaged or incomplete",
    );
  }
  assertRefused(BYTES.slice(1), "rank 0 is missing; the file is damaged or incomplete");
});

Deno.test("parseTiktoken() refuses a vocabulary without a token for some byte", () => {
  assertRefused([], "there is no token for the byte 0x00; the file is damaged or incomplete");
  assertRefused(
    BYTES.slice(0, 255),
    "there is no token for the byte 0xff; the file is damaged or incomplete",
  );
  assertRefused(
    BYTES.with(10, `${btoa("ab")} 10`),
    "there is no token for the byte 0x0a; the file is damaged or incomplete",
  );
});

Deno.test("parseTiktoken() notices wherever within a line a file was cut off", () => {
  const whole = fixture("tiktoken/tokenizer.model");
  const lastLine = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
  let refused = 0;
  // The last line is "… 655": up to "… 65", each cut leaves a line that isn't whole, or a rank that was there.
  for (let length = lastLine + 1; length < whole.length - 1; length++) {
    try {
      parseTiktoken(whole.subarray(0, length), PATH);
    } catch (error) {
      assertEquals((error as Error).constructor, FormatError);
      refused += 1;
    }
  }
  assertEquals(refused, whole.length - 2 - lastLine);
  assertEquals(parseTiktoken(whole.subarray(0, whole.length - 1), PATH).length, 656);
});

Deno.test("parseTiktoken() limits the length of a token", () => {
  assertEquals(parse([...BYTES, `${btoa("a".repeat(1024))} 256`])[256], "a".repeat(1024));
  assertRefused(
    [...BYTES, `${btoa("a".repeat(1025))} 256`],
    "line 257: a token has at most 1024 bytes, this one has 1025",
  );
});

Deno.test("parseTiktoken() refuses tokens that are chosen to have one hash, and takes numbers", () => {
  const numbers = Array.from({ length: 10_000 }, (_, i) => i + 10);
  const lines = (token: (i: number) => string) => numbers.map((i) => `${btoa(token(i))} ${246 + i}`);
  assertRefused(
    [...BYTES, ...lines((i) => String(1e9 + 65536 * i))],
    "too many tokens have one hash; it is no vocabulary of LLaMA's",
  );
  assertEquals(parse([...BYTES, ...lines(String)]).length, 10_256);
});
