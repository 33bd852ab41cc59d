import { assert, assertEquals } from "@std/assert";
import { pythonJson, type PythonJsonValue } from "../../lib/python/python_json.ts";
import { PythonFloat } from "../../lib/python/python_number.ts";
import { floatOfBits } from "../convert/_float_of_bits.ts";
import { assertError } from "../convert/_assert_error.ts";

type Tagged =
  | null
  | boolean
  | string
  | { int: string }
  | { float: string }
  | { list: Tagged[] }
  | { dict: [string, Tagged][] };

const corpus: { value: Tagged; indent: number | null; sort_keys: boolean; text: string }[] = JSON.parse(
  Deno.readTextFileSync(new URL("../../fixtures/python/json_dumps.json", import.meta.url)),
);

function untag(value: Tagged): PythonJsonValue {
  if (value === null || typeof value !== "object") return value;
  if ("int" in value) {
    const integer = BigInt(value.int);
    return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
  }
  if ("float" in value) return new PythonFloat(floatOfBits(value.float));
  if ("list" in value) return value.list.map(untag);
  return new Map(value.dict.map(([key, item]) => [key, untag(item)]));
}

Deno.test("pythonJson() prints what json.dumps prints, for every value of the corpus", () => {
  assert(corpus.length > 190);
  for (const { value, indent, sort_keys, text } of corpus) {
    assertEquals(pythonJson(untag(value), { indent: indent ?? undefined, sortKeys: sort_keys }), text);
  }
});

Deno.test("pythonJson() keeps the order of a plain object's keys", () => {
  assertEquals(pythonJson({ b: 1, a: [true, null], c: {} }), '{"b": 1, "a": [true, null], "c": {}}');
});

Deno.test("pythonJson() refuses a float that isn't wrapped, since it can't know its type", () => {
  for (const value of [1.5, 2 ** 53, NaN, Infinity]) {
    assertError(
      () => pythonJson([value]),
      TypeError,
      `Cannot print ${value} as a Python int: wrap it as a PythonFloat`,
    );
  }
});

Deno.test("pythonJson() refuses what has no form in JSON", () => {
  for (const value of [undefined, Symbol("x"), () => 1]) {
    assertError(
      () => pythonJson(value as unknown as PythonJsonValue),
      TypeError,
      `Cannot print a ${typeof value} as JSON: it has no form there`,
    );
  }
});

Deno.test("pythonJson() sorts keys by their first difference, and shorter ones first", () => {
  const keys = { ba: 1, b: 2, b1: 3, a9: 4, c0: 5 };
  assertEquals(pythonJson(keys, { sortKeys: true }), '{"a9": 4, "b": 2, "b1": 3, "ba": 1, "c0": 5}');
});
