import { assertEquals } from "@std/assert";
import { keyText } from "../../lib/inspect/key_text.ts";
import { Global, PickleFloat, type PickleValue, Tuple } from "../../lib/pickle/mod.ts";

Deno.test("keyText() prints keys as Python's str() does", () => {
  const keys: [PickleValue, string][] = [
    ["a.b", "a.b"],
    ["", ""],
    [7, "7"],
    [-(2n ** 70n), "-1180591620717411303424"],
    [null, "None"],
    [true, "True"],
    [false, "False"],
    [new PickleFloat(2), "2.0"],
    [new PickleFloat(0.5), "0.5"],
    [new Tuple(), "()"],
    [new Tuple(1), "(1,)"],
    [new Tuple(1, "t", null), "(1, 't', None)"],
  ];
  assertEquals(keys.map(([key]) => keyText(key)), keys.map(([, text]) => text));
});

Deno.test("keyText() prints what has no short text as what it is", () => {
  assertEquals(keyText(new Global("os", "system")), "<Global>");
  assertEquals(keyText(new Uint8Array([0x61, 0xe9])), "aé");
  assertEquals(keyText(new Tuple(new Tuple(1))), "((…),)");
});

Deno.test("keyText() cuts long keys", () => {
  assertEquals(keyText("x".repeat(500)), "x".repeat(500));
  assertEquals(keyText("x".repeat(501)), "x".repeat(500) + "…");
  assertEquals(keyText(new Uint8Array(1000).fill(0x61)), "a".repeat(500));
});
