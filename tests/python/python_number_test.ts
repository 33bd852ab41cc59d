import { assert, assertEquals } from "@std/assert";
import { PythonFloat, pythonFloatRepr } from "../../lib/python/python_number.ts";
import { floatOfBits } from "../convert/_float_of_bits.ts";

const corpus: [bits: string, repr: string][] = JSON.parse(
  Deno.readTextFileSync(new URL("../../fixtures/python/float_repr.json", import.meta.url)),
);

Deno.test("pythonFloatRepr() prints what CPython prints, for every float of the corpus", () => {
  assert(corpus.length > 1900);
  for (const [bits, repr] of corpus) assertEquals(pythonFloatRepr(floatOfBits(bits)), repr, bits);
});

Deno.test("pythonFloatRepr() prints the numbers of a params.json with a point or an exponent", () => {
  assertEquals([500000, 10000, 1e-5, 1e-6, 1.3, 1e16, 1e15, 8].map(pythonFloatRepr), [
    "500000.0",
    "10000.0",
    "1e-05",
    "1e-06",
    "1.3",
    "1e+16",
    "1000000000000000.0",
    "8.0",
  ]);
});

Deno.test("PythonFloat keeps the number", () => {
  assert(Object.is(new PythonFloat(-0).value, -0));
});
