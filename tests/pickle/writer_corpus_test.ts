import { assertEquals } from "@std/assert";
import { readPickle, writePickle } from "../../lib/pickle/mod.ts";
import { entries, realPickles } from "./corpus.ts";
import { build } from "./described.ts";

for (const { name, value, native, rewrites, pickles } of entries) {
  const pickle = pickles.find(({ protocol, by }) => protocol === 2 && by === "c");
  if (pickle === undefined) continue;
  if (native !== null || value === null) {
    Deno.test(`writePickle() writes what CPython writes at protocol 2: ${name}`, () => {
      assertEquals(writePickle(build(native)).toHex(), pickle.bytes.toHex());
    });
  }
  if (rewrites) {
    Deno.test(`writePickle() writes what CPython writes at protocol 2, from what that describes: ${name}`, () => {
      assertEquals(writePickle(build(value)).toHex(), pickle.bytes.toHex());
    });
  }
}

for (const { name, bytes } of realPickles) {
  Deno.test(`writePickle() writes again what was read of a checkpoint: ${name}`, () => {
    assertEquals(writePickle(readPickle(bytes)).toHex(), bytes.toHex());
  });
}
