import { assertEquals } from "@std/assert";
import type { OutputFile, Plan } from "../../lib/copy/plan.ts";
import { sharedRecords, stridedRecords } from "../../lib/copy/shared_records.ts";
import { bytes, cast, concatColumns, sliceColumns, strided, type View } from "../../lib/bytes/view.ts";

function file(name: string, ...copies: { view: View; crc?: number }[]): OutputFile {
  return {
    name,
    size: 0,
    tensors: [],
    copies: copies.map((copy) => ({ label: name, at: 0, ...copy })),
    literals: [],
  };
}

const known = [
  { label: "a", path: "in", offset: 100, length: 64, crc: 1 },
  { label: "b", path: "in", offset: 200, length: 64, crc: 2 },
  { label: "c", path: "other", offset: 200, length: 64, crc: 3 },
];

function labels(...files: OutputFile[]): string[] {
  const plan: Plan = { files, sources: [], known };
  return sharedRecords(plan).map(({ label }) => label);
}

Deno.test("sharedRecords() finds the records that several files have parts of", () => {
  const table = bytes("in", 200, 8, 8);
  assertEquals(
    labels(
      file("0", { view: bytes("in", 100, 32) }, { view: sliceColumns(table, 0, 4) }, {
        view: bytes("other", 200, 64),
      }),
      file("1", { view: bytes("in", 132, 32) }, { view: sliceColumns(table, 4, 4) }),
    ),
    ["a", "b"],
  );
});

Deno.test("sharedRecords() looks into what was joined, and leaves out what one file has alone", () => {
  const joined = concatColumns([bytes("in", 100, 8, 4), bytes("other", 200, 8, 4)]);
  assertEquals(labels(file("0", { view: joined }, { view: bytes("in", 100, 64) })), []);
  assertEquals(labels(file("0", { view: joined }), file("1", { view: bytes("other", 232, 32) })), ["c"]);
});

Deno.test("sharedRecords() leaves out copies that are checked as they are written, and unknown bytes", () => {
  const whole = { view: bytes("in", 100, 64), crc: 1 };
  assertEquals(labels(file("0", whole), file("1", whole)), []);
  const between = { view: bytes("in", 164, 8) };
  assertEquals(labels(file("0", between), file("1", between)), []);
});

Deno.test("stridedRecords() finds the records that are read here and there", () => {
  const transposed = strided("in", 208, 2, [4, 4], [1, 4]);
  const between = strided("in", 164, 2, [2, 2], [1, 2]);
  const found = (...views: View[]) =>
    stridedRecords(file("0", ...views.map((view) => ({ view }))).copies, known).map(({ label }) => label);
  assertEquals(found(bytes("in", 100, 64), bytes("other", 200, 64)), []);
  assertEquals(found(cast(concatColumns([bytes("in", 100, 4, 8), transposed]), "float16", "float32")), ["b"]);
  assertEquals(found(transposed, strided("other", 200, 4, [4, 4], [1, 4]), transposed, between), ["b", "c"]);
});
