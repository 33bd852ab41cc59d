import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { canWiden, numbersPerItem, widen } from "../../lib/inspect/widen.ts";
import { dtypeOf, dtypes } from "../../lib/tensor/dtype.ts";
import { golden } from "./_golden.ts";

for (const [name, expected] of Object.entries(golden<Record<string, string>>("numbers.json"))) {
  Deno.test(`widen() gives all numbers of ${name} as torch does`, () => {
    const dtype = dtypeOf(name);
    const all = dtype.itemBytes === 1
      ? Uint8Array.from({ length: 256 }, (_, bits) => bits)
      : new Uint8Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer);
    const found = Float32Array.from(
      widen(dtype, all) as Float32Array,
      (number) => isNaN(number) ? NaN : number,
    );
    const bytes = new Uint8Array(found.buffer);
    assertEquals(
      dtype.itemBytes === 1 ? bytes.toHex() : createHash("sha256").update(bytes).digest("hex"),
      expected,
    );
  });
}

Deno.test("widen() gives numbers of wide dtypes as they are", () => {
  const bytes = () => Uint8Array.from([0, 0, 0x80, 0x3f, 0xff, 0xff, 0xff, 0xff]);
  const found = Object.fromEntries(
    ["int64", "uint64", "int32", "uint32", "int16", "uint16", "int8", "uint8", "bool"].map((name) => [
      name,
      Array.from(widen(dtypeOf(name), bytes()) as Iterable<number | bigint>, String).join(" "),
    ]),
  );
  assertEquals(found, {
    int64: "-3229614080",
    uint64: "18446744070479937536",
    int32: "1065353216 -1",
    uint32: "1065353216 4294967295",
    int16: "0 16256 -1 -1",
    uint16: "0 16256 65535 65535",
    int8: "0 0 -128 63 -1 -1 -1 -1",
    uint8: "0 0 128 63 255 255 255 255",
    bool: "0 0 128 63 255 255 255 255",
  });
  assertEquals(widen(dtypeOf("float32"), bytes()), new Float32Array([1, NaN]));
  assertEquals(
    widen(dtypeOf("float64"), new Uint8Array(new Float64Array([0.1]).buffer)),
    new Float64Array([0.1]),
  );
});

Deno.test("canWiden() is true of all dtypes but the packed one", () => {
  assertEquals([...dtypes.values()].filter((dtype) => !canWiden(dtype)).map(({ name }) => name), [
    "float4_e2m1fn_x2",
  ]);
});

Deno.test("numbersPerItem() is two for complex dtypes", () => {
  const two = [...dtypes.values()].filter((dtype) => numbersPerItem(dtype) === 2);
  assertEquals(two.map(({ name }) => name), ["complex128", "complex64", "complex32"]);
});
