import { assertThrows } from "@std/assert";
import { PickleError, readPickle } from "../../lib/pickle/mod.ts";
import { entries, refused } from "./corpus.ts";
import { assertDescribed } from "./described.ts";

for (const { name, value, pickles } of entries) {
  const protocols = pickles.map(({ protocol, by }) => `${protocol} by ${by}`).join(", ");
  Deno.test(`readPickle() reads what CPython pickles: ${name} (protocol ${protocols})`, () => {
    for (const { bytes } of pickles) assertDescribed(readPickle(bytes), value);
  });
}

for (const { name, bytes } of refused) {
  Deno.test(`readPickle() refuses what CPython refuses: ${name}`, () => {
    assertThrows(() => readPickle(bytes), PickleError);
  });
}
