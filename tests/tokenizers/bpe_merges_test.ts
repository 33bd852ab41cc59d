import { assert, assertEquals } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { type Merge, recoverMerges } from "../../lib/tokenizers/bpe_merges.ts";
import { parseTiktoken } from "../../lib/tokenizers/tiktoken.ts";
import { assertError } from "../convert/_assert_error.ts";
import { fixture } from "./_fixtures.ts";

/** As transformers' Python does it: every split of every token is looked up. */
function naive(tokens: readonly string[]): Merge[] {
  const indices = new Map(tokens.map((token, index) => [token, index]));
  return tokens.flatMap((text, token) =>
    Array.from({ length: text.length - 1 }, (_, at) => ({
      left: indices.get(text.slice(0, at + 1)),
      right: indices.get(text.slice(at + 1)),
      token,
    }))
      .filter((merge): merge is Merge => merge.left !== undefined && merge.right !== undefined)
      .sort((a, b) => a.left - b.left || a.right - b.right)
  );
}

Deno.test("recoverMerges() finds every split of a token into two others, sorted by the parts' ranks", () => {
  const tokens = ["b", "a", "ab", "bb", "abb", "c"];
  assertEquals(recoverMerges(tokens, "x"), [
    { left: 1, right: 0, token: 2 },
    { left: 0, right: 0, token: 3 },
    { left: 1, right: 3, token: 4 },
    { left: 2, right: 0, token: 4 },
  ]);
});

Deno.test("recoverMerges() takes parts that come behind what they make", () => {
  assertEquals(recoverMerges(["ab", "a", "b"], "x"), [{ left: 1, right: 2, token: 0 }]);
});

Deno.test("recoverMerges() finds none where there are none", () => {
  assertEquals(recoverMerges([], "x"), []);
  assertEquals(recoverMerges(["a", "b", "cd", "abc"], "x"), []);
});

Deno.test("recoverMerges() does what looking up every split does", () => {
  const trained = parseTiktoken(fixture("tiktoken/tokenizer.model"), "x");
  // Every text over two bytes, in an order that has nothing to do with their lengths.
  const dense = Array.from({ length: 254 }, (_, i) => (i + 2).toString(2).slice(1).replaceAll("1", "\xff"))
    .toSorted((a, b) => (a + "~") < (b + "~") ? 1 : -1);
  const spaces = Array.from({ length: 100 }, (_, i) => " ".repeat((i * 37) % 101 || 101));
  for (const tokens of [trained, dense, spaces]) {
    const merges = naive(tokens);
    assert(merges.length > 400);
    assertEquals(recoverMerges(tokens, "x"), merges);
  }
});

Deno.test("recoverMerges() limits how much text the merges make", () => {
  const tokens = Array.from({ length: 1024 }, (_, i) => "a".repeat(i + 1));
  assertError(
    () => recoverMerges(tokens, "models/tokenizer.model"),
    FormatError,
    "models/tokenizer.model: its merges make more than 33554432 bytes; it is no vocabulary of LLaMA's",
  );
  // n tokens make n(n-1)(n+1)/3 bytes: 33,385,000 here.
  assertEquals(recoverMerges(tokens.slice(0, 464), "x").length, 464 * 463 / 2);
  assertError(
    () => recoverMerges(tokens.slice(0, 466), "x"),
    FormatError,
    "x: its merges make more than 33554432 bytes; it is no vocabulary of LLaMA's",
  );
});
