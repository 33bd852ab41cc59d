import { assertEquals, assertStrictEquals } from "@std/assert";
import { dtypeOf, dtypes } from "../../lib/tensor/dtype.ts";
import { assertFails } from "../copy/_assert.ts";
import { casesOf } from "../torch/_fixtures.ts";

Deno.test("dtypes has every dtype of torch 2.13, with the size of an item", () => {
  const [, tensors] = casesOf("2.13.0").find(([name]) => name === "all_dtypes")!;
  for (const { dtype, shape, bytes } of tensors) {
    assertEquals(dtypes.get(dtype)?.itemBytes, bytes.length / 2 / shape[0]!, dtype);
  }
  assertEquals([...dtypes.keys()].sort(), tensors.map(({ dtype }) => dtype).sort());
});

Deno.test("dtypes marks floating point numbers that weights are made of", () => {
  const floats = [...dtypes.values()].filter(({ isFloat }) => isFloat).map(({ name }) => name);
  assertEquals(floats, [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
  ]);
});

Deno.test("dtypeOf() finds a dtype by name", () => {
  assertStrictEquals(dtypeOf("bfloat16"), dtypes.get("bfloat16"));
  assertFails(() => dtypeOf("float33"), RangeError, 'Cannot use dtype "float33": not known');
  assertFails(() => dtypeOf("constructor"), RangeError, 'Cannot use dtype "constructor": not known');
});
