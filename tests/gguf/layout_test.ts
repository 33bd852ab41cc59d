import { assertEquals, assertThrows } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { bytes, formatBlocks, type NumberFormat } from "../../lib/bytes/view.ts";
import { ggmlBytes, ggmlType, ggmlTypeOf } from "../../lib/gguf/ggml_types.ts";
import { type GgufTensor, layoutGguf } from "../../lib/gguf/layout.ts";
import { splitGguf } from "../../lib/gguf/split.ts";
import type { GgufMetadata, GgufValue } from "../../lib/gguf/value.ts";
import { writeOutput } from "../../lib/output/output_directory.ts";
import { planOf } from "../copy/_plan.ts";
import { TempDir } from "../_temp.ts";
import { architecture, GOLDEN, goldenTensors, goldenValues, tensorsAtEnd } from "./_files.ts";

/** Writes a file through the copy engine; returns its bytes. */
async function written(metadata: GgufMetadata, tensors: readonly GgufTensor[]): Promise<Uint8Array> {
  using temp = new TempDir();
  const file = { ...layoutGguf("out.gguf", metadata, tensors), tensors: [] };
  await writeOutput(planOf([file]), temp.at("out"));
  return Deno.readFileSync(temp.at("out", "out.gguf"));
}

Deno.test("layoutGguf() writes values of every type as gguf-py does", async () => {
  assertEquals(await written(goldenValues, []), Deno.readFileSync(join(GOLDEN, "values.gguf")));
});

Deno.test("layoutGguf() writes tensors as gguf-py does", async () => {
  for (const [name, tensors] of Object.entries(goldenTensors)) {
    const path = join(GOLDEN, `${name}.gguf`);
    const isAligned = name === "aligned";
    const metadata = new Map([
      architecture,
      ...(isAligned ? [["general.alignment", { type: "uint32", value: 256 }] as [string, GgufValue]] : []),
    ]);
    const actual = await written(metadata, tensorsAtEnd(path, tensors, isAligned ? 256 : 32));
    assertEquals(actual, Deno.readFileSync(path), name);
  }
});

Deno.test("layoutGguf() gives a copy for each tensor with bytes, with its CRC-32 where that is known", () => {
  const type = ggmlTypeOf("float32");
  const { copies, size } = layoutGguf("x", new Map(), [
    { name: "a", type, shape: [3], data: bytes("in", 100, 3, 4), crc: 7 },
    { name: "empty", type, shape: [0, 5], data: bytes("in", 0, 0, 20) },
    { name: "b", type, shape: [1, 2], data: bytes("in", 8, 1, 8) },
  ]);
  assertEquals(copies.map(({ label, at, crc }) => [label, size - at, crc]), [["a", 64, 7], [
    "b",
    32,
    undefined,
  ]]);
});

Deno.test("layoutGguf() refuses what can't be in such a file", () => {
  const type = ggmlTypeOf("q8_0");
  const data = bytes("in", 0, 34);
  const tensor = { name: "a", type, shape: [32], data };
  for (
    const [tensors, message] of [
      [[tensor, tensor], "Cannot write a: it is there twice"],
      [[{ ...tensor, shape: [1, 1, 1, 1, 32] }], "Cannot write a: it has 5 dimensions, more than 4"],
      [[{ ...tensor, shape: [31] }], "Cannot write a: rows of 31 aren't whole blocks of Q8_0"],
      [[{ ...tensor, shape: [64] }], "Cannot write a: Q8_0 [64] has 68 bytes and the data 34"],
      [
        [{ ...tensor, name: "é".repeat(32) }],
        `Cannot write ${"é".repeat(32)}: its name has 64 bytes, more than 63`,
      ],
      [[{ ...tensor, name: "\ud800" }], 'Cannot write "\\ud800": it is no UTF-8 text'],
    ] as const
  ) {
    assertThrows(() => layoutGguf("x", new Map(), tensors), RangeError, message);
  }
  layoutGguf("x", new Map(), [{ ...tensor, name: "é".repeat(31) + "a" }]);

  const alignment = "Cannot align tensors: general.alignment is no uint32 that is a power of two";
  for (
    const [key, value, message] of [
      ["", { type: "uint8", value: 0 }, "Cannot write a value without a key"],
      ["k", { type: "uint8", value: 256 }, "Cannot write k: 256 is no uint8"],
      ["k", { type: "int8", value: -129 }, "Cannot write k: -129 is no int8"],
      ["k", { type: "uint32", value: 0.5 }, "Cannot write k: 0.5 is no uint32"],
      ["k", { type: "uint64", value: -1n }, "Cannot write k: -1 is no uint64"],
      ["k", { type: "int64", value: 2n ** 63n }, "Cannot write k: 9223372036854775808 is no int64"],
      ["k", { type: "float32", value: 1e39 }, "Cannot write k: 1e+39 is no float32"],
      ["k", { type: "array", items: "uint16", values: [1, 65536] }, "Cannot write k: 65536 is no uint16"],
      ["k", { type: "array", items: "string", values: ["\udfff"] }, "it is no UTF-8 text"],
      ["general.alignment", { type: "uint32", value: 48 }, alignment],
      ["general.alignment", { type: "uint32", value: 0 }, alignment],
      ["general.alignment", { type: "uint64", value: 32n }, alignment],
    ] as [string, GgufValue, string][]
  ) {
    assertThrows(() => layoutGguf("x", new Map([[key, value]]), []), RangeError, message);
  }
});

Deno.test("splitGguf() splits as gguf-py does", async () => {
  const shapes = [1, 2, 3, 4, 5].map((rows) => [rows, 9]);
  const groups = [shapes.slice(0, 2), ...shapes.slice(2).map((shape) => [shape])];
  const names = [1, 2, 3, 4].map((i) => `split-0000${i}-of-00004.gguf`);
  let i = 0;
  const tensors = groups.flatMap((group, part) =>
    tensorsAtEnd(join(GOLDEN, names[part]!), group.map((shape) => [`blk.${i++}.weight`, ggmlType(0), shape]))
  );
  const metadata: GgufMetadata = new Map([
    architecture,
    ["general.name", { type: "string", value: "a model" }],
  ]);
  const parts = splitGguf("split.gguf", metadata, tensors, 170);
  assertEquals(parts.map(({ name }) => name), names);
  for (const { name, metadata, tensors } of parts) {
    assertEquals(await written(metadata, tensors), Deno.readFileSync(join(GOLDEN, name)), name);
  }

  // All that fits into one file stays there, and files that take nothing but their first tensor are no reason to stop.
  assertEquals(splitGguf("split.gguf", metadata, tensors, 540), [{ name: "split.gguf", metadata, tensors }]);
  assertEquals(splitGguf("split.gguf", metadata, tensors), [{ name: "split.gguf", metadata, tensors }]);
  assertEquals(splitGguf("split.gguf", metadata, tensors, 539).length, 2);
  assertEquals(splitGguf("split.gguf", metadata, tensors, 1).length, 5);
  assertThrows(
    () => splitGguf("x", new Map(), Array(65536).fill(tensors[0]!), 1),
    RangeError,
    "Cannot split a model into 65536 files: more than 65535",
  );
});

Deno.test("ggmlTypeOf() and ggmlBytes() agree with the formats of casts", () => {
  for (const [format, { items, bytes }] of Object.entries(formatBlocks)) {
    const type = ggmlTypeOf(format as NumberFormat);
    assertEquals(type.format, format);
    assertEquals(ggmlBytes(type, [3, 5 * items]), 15 * bytes);
    if (items > 1) assertEquals(ggmlBytes(type, [3, 5 * items + 1]), undefined);
  }
  assertEquals(ggmlType(4), { id: 4, name: "type 4", block: undefined });
  assertEquals(ggmlBytes(ggmlType(4), [32]), undefined);
  assertEquals(ggmlBytes(ggmlType(12), []), undefined);
});
