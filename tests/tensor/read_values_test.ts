import { assertEquals } from "@std/assert";
import { bytes } from "../../lib/bytes/view.ts";
import { FileError } from "../../lib/error.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { readTensorBytes, readTensorValues } from "../../lib/tensor/read_values.ts";
import { type Tensor, tensorOfView } from "../../lib/tensor/tensor.ts";
import { assertFails } from "../copy/_assert.ts";
import { TempDirectory } from "../copy/_temp.ts";
import { casesOf, fixturePath, stateOf, versions, withTorchFile } from "../torch/_fixtures.ts";

/** A contiguous tensor with the bytes of a typed array. */
function tensorOf(temp: TempDirectory, dtype: string, values: ArrayBufferView, shape: number[]): Tensor {
  const content = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return tensorOfView(dtypeOf(dtype), shape, bytes(temp.write("f", content), 0, content.length));
}

for (const version of versions) {
  Deno.test(`readTensorBytes() gives the items that torch ${version} gives, through any strides`, async () => {
    for (const [name, expected] of casesOf(version)) {
      await withTorchFile(fixturePath(`${version}/${name}/model.pt`), (file) => {
        const found = [...stateOf(file)].map(([key, tensor]) => [key, readTensorBytes(tensor).toHex()]);
        assertEquals(found, expected.map(({ name, bytes }) => [name, bytes]));
      });
    }
  });
}

Deno.test("readTensorValues() gives the typed array of a dtype's name", () => {
  using temp = new TempDirectory();
  for (
    const [dtype, values] of [
      ["float64", Float64Array.of(0.1, -1e300)],
      ["float32", Float32Array.of(0.1, -1e30)],
      ["int64", BigInt64Array.of(-(2n ** 63n), 1n)],
      ["uint64", BigUint64Array.of(2n ** 64n - 1n, 1n)],
      ["int32", Int32Array.of(-(2 ** 31), 1)],
      ["uint32", Uint32Array.of(2 ** 32 - 1, 1)],
      ["int16", Int16Array.of(-(2 ** 15), 1)],
      ["uint16", Uint16Array.of(2 ** 16 - 1, 1)],
      ["int8", Int8Array.of(-128, 1)],
      ["uint8", Uint8Array.of(255, 1)],
      ["bool", Uint8Array.of(1, 0)],
    ] as const
  ) assertEquals(readTensorValues(tensorOf(temp, dtype, values, [2])), values, dtype);
});

Deno.test("readTensorValues() widens 16-bit floating point numbers", () => {
  using temp = new TempDirectory();
  const halves = Float16Array.of(1.5, -65504, 2 ** -24, Infinity);
  assertEquals(readTensorValues(tensorOf(temp, "float16", halves, [2, 2])), Float32Array.from(halves));
  // The upper half of a float32's bits.
  const bits = Uint16Array.of(0x3fc0, 0xff7f, 0x0001, 0x7f80);
  const wide = new Float32Array(Uint32Array.from(bits, (value) => value * 2 ** 16).buffer);
  assertEquals(readTensorValues(tensorOf(temp, "bfloat16", bits, [4])), wide);
});

Deno.test("readTensorValues() reads rows of any length", () => {
  using temp = new TempDirectory();
  const count = 3_000_000;
  const values = readTensorValues(
    tensorOf(temp, "bfloat16", new Uint16Array(count).fill(0x3f80), [1, count]),
  );
  assertEquals([values.length, values.every((value) => value === 1)], [count, true]);
});

Deno.test("readTensorValues() refuses dtypes that no typed array has", () => {
  using temp = new TempDirectory();
  const message = "Cannot read values of dtype float8_e5m2: read its bytes instead";
  const tensor = tensorOf(temp, "float8_e5m2", Uint8Array.of(1, 2), [2]);
  assertFails(() => readTensorValues(tensor), RangeError, message);
  assertEquals(readTensorBytes(tensor), Uint8Array.of(1, 2));
});

Deno.test("readTensorBytes() refuses more than 2 GiB, before it reads", () => {
  assertFails(
    () => readTensorBytes(tensorOfView(dtypeOf("uint8"), [2 ** 31], bytes("none", 0, 2 ** 31))),
    RangeError,
    "Cannot read a tensor of 2147483648 bytes: more than 2147483647",
  );
});

Deno.test("readTensorBytes() names the file that it can't read", () => {
  using temp = new TempDirectory();
  const tensor = tensorOf(temp, "uint8", Uint8Array.of(1, 2, 3), [3]);
  Deno.truncateSync(temp.join("f"), 2);
  assertFails(
    () => readTensorBytes(tensor),
    FileError,
    `${temp.join("f")}: the file ends at byte 2, but was longer when it was opened`,
  );
});
