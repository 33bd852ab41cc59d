import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { createNumberKinds } from "../../lib/copy/numbers.ts";
import { dtypes } from "../../lib/tensor/dtype.ts";
import { golden } from "../inspect/_golden.ts";

const kinds = createNumberKinds();

const read = (name: string, bytes: Uint8Array<ArrayBuffer>) =>
  kinds.get(name)!.read(bytes, new Float32Array(bytes.length));

for (const [name, expected] of Object.entries(golden<Record<string, string>>("numbers.json"))) {
  Deno.test(`createNumberKinds() has all numbers of ${name} as torch does`, () => {
    const all = kinds.get(name)!.bytes === 1
      ? Uint8Array.from({ length: 256 }, (_, bits) => bits)
      : new Uint8Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer);
    const found = Float32Array.from(
      read(name, all) as Float32Array,
      (number) => isNaN(number) ? NaN : number,
    );
    const bytes = new Uint8Array(found.buffer);
    assertEquals(
      kinds.get(name)!.bytes === 1 ? bytes.toHex() : createHash("sha256").update(bytes).digest("hex"),
      expected,
    );
  });
}

Deno.test("createNumberKinds() has numbers of wide dtypes as they are", () => {
  const bytes = () => Uint8Array.from([0, 0, 0x80, 0x3f, 0xff, 0xff, 0xff, 0xff]);
  const found = Object.fromEntries(
    ["int64", "uint64", "int32", "uint32", "int16", "uint16", "int8", "uint8", "bool"].map((name) => [
      name,
      Array.from(read(name, bytes()) as Iterable<number | bigint>, String).join(" "),
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
  assertEquals(read("float32", bytes()), new Float32Array([1, NaN]));
  assertEquals(
    read("float64", new Uint8Array(new Float64Array([0.1]).buffer)),
    new Float64Array([0.1]),
  );
});

Deno.test("createNumberKinds() has all dtypes but the packed one, with the length of their numbers", () => {
  const found = [...dtypes.values()].map((
    { name, itemBytes },
  ) => [name, itemBytes / (kinds.get(name)?.bytes ?? 0)]);
  assertEquals(found.filter(([, numbers]) => numbers !== 1), [
    ["float4_e2m1fn_x2", Infinity],
    ["complex128", 2],
    ["complex64", 2],
    ["complex32", 2],
  ]);
});
