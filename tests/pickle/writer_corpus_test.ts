import { assertEquals, assertThrows } from "@std/assert";
import { readPickle, writePickle } from "../../lib/pickle/mod.ts";
import { entries, realPickles } from "./corpus.ts";
import { build } from "./described.ts";

/** What CPython writes, and ckpt doesn't: tuples that hold themselves, one of them as a call's arguments. */
const REFUSED = new Set([...[1, 2, 3, 4].map((length) => `cyclic tuple ${length}`), "cyclic reduction"]);

for (const { name, value, rewrites, pickles } of entries) {
  const pickle = pickles.find(({ protocol, by }) => protocol === 2 && by === "c");
  if (pickle === undefined || !rewrites) continue;
  if (!REFUSED.has(name)) {
    Deno.test(`writePickle() writes what CPython writes at protocol 2: ${name}`, () => {
      assertEquals(writePickle(build(value)).toHex(), pickle.bytes.toHex());
    });
  } else {
    Deno.test(`writePickle() refuses what holds itself: ${name}`, () => {
      const error = assertThrows(() => writePickle(build(value)), TypeError);
      assertEquals(error.message, "Cannot write pickle: a tuple holds itself");
    });
  }
}

for (const { name, bytes } of realPickles) {
  Deno.test(`writePickle() writes again what was read of a checkpoint: ${name}`, () => {
    assertEquals(writePickle(readPickle(bytes)).toHex(), bytes.toHex());
  });
}
