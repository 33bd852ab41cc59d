import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  bytes,
  cast,
  castTypeBytes,
  concatColumns,
  concatRows,
  isContiguous,
  MAX_ROW_BYTES,
  reorderRows,
  sliceColumns,
  sliceRows,
  strided,
  type View,
  viewBytes,
  viewPaths,
} from "../../lib/bytes/view.ts";
import { assertFails } from "../copy/_assert.ts";

/** A view with rows of 8 bytes that no operation simplifies. */
function opaque(path: string, rows: number, rowBytes = 8): View {
  return strided(path, 0, 1, [rows, rowBytes], [1, rows]);
}

Deno.test("bytes() describes a run", () => {
  assertEquals(bytes("f", 10, 3, 4), { op: "bytes", path: "f", offset: 10, rows: 3, rowBytes: 4 });
  assertEquals(bytes("f", 10, 7), { op: "bytes", path: "f", offset: 10, rows: 7, rowBytes: 1 });
  assertEquals(bytes("f", 0, 0, 0), { op: "bytes", path: "f", offset: 0, rows: 0, rowBytes: 0 });
});

Deno.test("bytes() allows rows of any length", () => {
  assertEquals(viewBytes(bytes("f", 0, 1, 2 ** 40)), 2 ** 40);
});

Deno.test("bytes() refuses impossible places", () => {
  const cases: [number, number, number, string][] = [
    [-1, 1, 1, "Cannot make a view: its offset is -1"],
    [0.5, 1, 1, "Cannot make a view: its offset is 0.5"],
    [NaN, 1, 1, "Cannot make a view: its offset is NaN"],
    [2 ** 53, 1, 1, "Cannot make a view: its offset is 9007199254740992"],
    [0, -2, 1, "Cannot make a view: its number of rows is -2"],
    [0, 1, 1.5, "Cannot make a view: its row length is 1.5"],
    [0, 2 ** 30, 2 ** 30, "Cannot make a view: its length is 1152921504606847000"],
  ];
  for (const [offset, rows, rowBytes, message] of cases) {
    assertFails(() => bytes("f", offset, rows, rowBytes), RangeError, message);
  }
});

Deno.test("strided() is a run where items lie together", () => {
  assertEquals(strided("f", 4, 2, [3, 5], [5, 1]), bytes("f", 4, 3, 10));
  assertEquals(strided("f", 4, 2, [1, 5], [99, 1]), bytes("f", 4, 1, 10));
  assertEquals(strided("f", 4, 2, [3, 1, 5], [5, 77, 1]), bytes("f", 4, 3, 10));
  assertEquals(strided("f", 4, 2, [], []), bytes("f", 4, 1, 2));
  assertEquals(strided("f", 4, 2, [6], [1]), bytes("f", 4, 6, 2));
  assertEquals(strided("f", 4, 2, [3, 0], [9, 9]), bytes("f", 4, 3, 0));
  assertEquals(strided("f", 4, 2, [0, 3], [9, 9]), bytes("f", 4, 0, 6));
});

Deno.test("strided() counts strides in items and keeps them in bytes", () => {
  assertEquals(strided("f", 6, 4, [2, 3, 5], [1, 10, 2]), {
    op: "strided",
    path: "f",
    offset: 6,
    itemBytes: 4,
    rowStride: 4,
    inner: [3, 5],
    innerStrides: [40, 8],
    rows: 2,
    rowBytes: 60,
  });
});

Deno.test("strided() refuses what it can't lay out", () => {
  assertFails(
    () => strided("f", 0, 4, [2, 3], [1]),
    RangeError,
    "Cannot lay out 2 dimensions with 1 strides",
  );
  assertFails(() => strided("f", -4, 4, [2, 3], [1, 2]), RangeError, "Cannot make a view: its offset is -4");
  assertFails(() => strided("f", 0, 4, [2, 3], [1, -2]), RangeError, "Cannot make a view: its stride is -8");
  assertFails(
    () => strided("f", 0, 4, [2, 3], [0.3, 1]),
    RangeError,
    "Cannot make a view: its stride is 1.2",
  );
  assertFails(
    () => strided("f", 0, 1, [2, MAX_ROW_BYTES + 1], [1, 2]),
    RangeError,
    "Cannot make a view: its rows have 4194305 bytes, more than 4194304",
  );
  assertFails(
    () => strided("f", 0, 4, [2, 2 ** 40, 2 ** 40], [1, 2, 3]),
    RangeError,
    "Cannot make a view: its row length is 4.835703278458517e+24",
  );
});

Deno.test("isContiguous() ignores the strides of sizes of 1", () => {
  assertEquals(isContiguous([], []), true);
  assertEquals(isContiguous([2, 3], [3, 1]), true);
  assertEquals(isContiguous([2, 1, 3], [3, 50, 1]), true);
  assertEquals(isContiguous([1, 1], [7, 7]), true);
  assertEquals(isContiguous([2, 3], [1, 2]), false);
  assertEquals(isContiguous([2, 3], [4, 1]), false);
  assertEquals(isContiguous([2], [0]), false);
  assertEquals(isContiguous([2, 0], [5, 5]), true);
});

Deno.test("concatRows() joins neighbouring runs and leaves out empty views", () => {
  const a = bytes("f", 0, 2, 4);
  const b = bytes("f", 8, 3, 4);
  assertEquals(concatRows([a, b]), bytes("f", 0, 5, 4));
  assertEquals(concatRows([a, bytes("g", 0, 0, 4), b]), bytes("f", 0, 5, 4));
  const apart = bytes("f", 21, 3, 4);
  assertEquals(concatRows([a, b, apart]), {
    op: "concatRows",
    parts: [bytes("f", 0, 5, 4), apart],
    rows: 8,
    rowBytes: 4,
  });
  const other = bytes("g", 8, 3, 4);
  assertEquals(concatRows([a, other]), { op: "concatRows", parts: [a, other], rows: 5, rowBytes: 4 });
  assertStrictEquals(concatRows([b]), b);
  const empty = bytes("f", 0, 0, 4);
  assertStrictEquals(concatRows([empty, bytes("g", 0, 0, 4)]), empty);
  const view = opaque("f", 3);
  assertEquals(concatRows([view, view]), { op: "concatRows", parts: [view, view], rows: 6, rowBytes: 8 });
});

Deno.test("concatRows() refuses rows of different lengths, even of empty views", () => {
  assertFails(() => concatRows([]), RangeError, "Cannot stack views: none given");
  assertFails(
    () => concatRows([bytes("f", 0, 2, 4), bytes("f", 0, 0, 5)]),
    RangeError,
    "Cannot stack views: rows of 4 and 5 bytes",
  );
});

Deno.test("concatColumns() leaves out views without columns", () => {
  const a = bytes("f", 0, 2, 4);
  const b = bytes("f", 8, 2, 6);
  const none = bytes("g", 0, 2, 0);
  assertEquals(concatColumns([a, none, b]), { op: "concatColumns", parts: [a, b], rows: 2, rowBytes: 10 });
  assertStrictEquals(concatColumns([none, a]), a);
  assertStrictEquals(concatColumns([none, none]), none);
});

Deno.test("concatColumns() refuses different numbers of rows and long rows", () => {
  assertFails(() => concatColumns([]), RangeError, "Cannot join views: none given");
  assertFails(
    () => concatColumns([bytes("f", 0, 2, 4), bytes("f", 0, 3, 0)]),
    RangeError,
    "Cannot join views: 2 and 3 rows",
  );
  const half = bytes("f", 0, 1, MAX_ROW_BYTES / 2);
  assertEquals(concatColumns([half, half]).rowBytes, MAX_ROW_BYTES);
  assertFails(
    () => concatColumns([half, half, bytes("f", 0, 1, 1)]),
    RangeError,
    "Cannot make a view: its rows have 4194305 bytes, more than 4194304",
  );
});

Deno.test("sliceRows() goes down to the leaves", () => {
  const run = bytes("f", 100, 10, 4);
  assertStrictEquals(sliceRows(run, 0, 10), run);
  assertEquals(sliceRows(run, 3, 2), bytes("f", 112, 2, 4));
  assertEquals(sliceRows(run, 10, 0), bytes("f", 140, 0, 4));
  const lattice = opaque("f", 6);
  assertEquals(sliceRows(lattice, 2, 3), { ...lattice, offset: 2, rows: 3 });
  const joined = concatColumns([opaque("f", 6), opaque("g", 6)]);
  assertEquals(sliceRows(joined, 1, 4), { op: "sliceRows", of: joined, start: 1, rows: 4, rowBytes: 16 });
  assertEquals(sliceRows(sliceRows(joined, 1, 4), 2, 1), {
    op: "sliceRows",
    of: joined,
    start: 3,
    rows: 1,
    rowBytes: 16,
  });
});

Deno.test("sliceRows() of stacked views takes only the parts that it needs", () => {
  const stacked = concatRows([bytes("f", 0, 4, 8), opaque("g", 4), bytes("h", 0, 4, 8)]);
  assertEquals(sliceRows(stacked, 1, 2), bytes("f", 8, 2, 8));
  assertEquals(sliceRows(stacked, 4, 4), opaque("g", 4));
  assertEquals(sliceRows(stacked, 3, 6), {
    op: "concatRows",
    parts: [bytes("f", 24, 1, 8), opaque("g", 4), bytes("h", 0, 1, 8)],
    rows: 6,
    rowBytes: 8,
  });
  assertEquals(sliceRows(stacked, 8, 0).rows, 0);
  assertEquals(sliceRows(stacked, 8, 0).rowBytes, 8);
});

Deno.test("sliceRows() refuses rows that aren't there", () => {
  const run = bytes("f", 0, 10, 4);
  assertFails(() => sliceRows(run, 8, 3), RangeError, "Cannot slice a view: 8 + 3 is past its 10 rows");
  assertFails(() => sliceRows(run, -1, 3), RangeError, "Cannot make a view: its start is -1");
  assertFails(() => sliceRows(run, 1, 0.5), RangeError, "Cannot make a view: its length is 0.5");
});

Deno.test("sliceColumns() simplifies", () => {
  const row = bytes("f", 100, 1, 40);
  assertEquals(sliceColumns(row, 3, 7), bytes("f", 103, 1, 7));
  const run = bytes("f", 100, 10, 40);
  assertStrictEquals(sliceColumns(run, 0, 40), run);
  assertEquals(sliceColumns(run, 3, 7), { op: "sliceColumns", of: run, start: 3, rows: 10, rowBytes: 7 });
  assertEquals(sliceColumns(sliceColumns(run, 3, 7), 2, 4), sliceColumns(run, 5, 4));
  const a = bytes("f", 0, 2, 4);
  const b = bytes("g", 0, 2, 6);
  const joined = concatColumns([a, b]);
  assertStrictEquals(sliceColumns(joined, 4, 6), b);
  assertEquals(sliceColumns(joined, 2, 4), concatColumns([sliceColumns(a, 2, 2), sliceColumns(b, 0, 2)]));
  assertEquals(sliceColumns(joined, 4, 0).rowBytes, 0);
  assertEquals(sliceColumns(joined, 4, 0).rows, 2);
});

Deno.test("sliceColumns() refuses columns that aren't there and long rows", () => {
  const run = bytes("f", 0, 10, 40);
  assertFails(
    () => sliceColumns(run, 30, 11),
    RangeError,
    "Cannot slice a view: 30 + 11 is past its 40 bytes in a row",
  );
  assertFails(
    () => sliceColumns(bytes("f", 0, 2, MAX_ROW_BYTES + 1), 0, 1),
    RangeError,
    "Cannot make a view: its rows have 4194305 bytes, more than 4194304",
  );
});

Deno.test("reorderRows() simplifies", () => {
  const run = bytes("f", 0, 6, 4);
  assertStrictEquals(reorderRows(run, [0, 1, 2]), run);
  const once = reorderRows(run, [2, 0, 1]);
  assertEquals(once, { op: "reorderRows", of: run, order: [2, 0, 1], rows: 6, rowBytes: 4 });
  // Rows a b c become c a b, then b c a: row 0 is row 1 of the start.
  assertEquals(reorderRows(once, [2, 0, 1]), reorderRows(run, [1, 2, 0]));
  assertStrictEquals(reorderRows(once, [1, 2, 0]), run);
  const twice = reorderRows(once, [1, 0]);
  assertEquals(twice, { op: "reorderRows", of: once, order: [1, 0], rows: 6, rowBytes: 4 });
});

Deno.test("reorderRows() refuses what is no permutation, and broken groups", () => {
  const run = bytes("f", 0, 6, 4);
  for (const order of [[], [0, 0], [1, 2], [-1, 0], [0, NaN], [0.5, 0]]) {
    assertFails(
      () => reorderRows(run, order),
      RangeError,
      `Cannot reorder rows: not a permutation of ${order.length} rows`,
    );
  }
  assertFails(
    () => reorderRows(run, [3, 2, 1, 0]),
    RangeError,
    "Cannot reorder rows: 6 rows aren't whole groups of 4",
  );
  assertFails(
    () => reorderRows(bytes("f", 0, 2, MAX_ROW_BYTES + 1), [1, 0]),
    RangeError,
    "Cannot make a view: its rows have 4194305 bytes, more than 4194304",
  );
});

Deno.test("cast() changes the length of rows", () => {
  const run = bytes("f", 0, 6, 8);
  assertStrictEquals(cast(run, "float16", "float16"), run);
  assertEquals(cast(run, "float32", "float16"), {
    op: "cast",
    of: run,
    from: "float32",
    to: "float16",
    rows: 6,
    rowBytes: 4,
  });
  assertEquals(cast(run, "bfloat16", "float32").rowBytes, 16);
  assertEquals(cast(run, "bfloat16", "float16").rowBytes, 8);
});

Deno.test("cast() refuses broken numbers and long rows", () => {
  assertFails(
    () => cast(bytes("f", 0, 1, 6), "float32", "float16"),
    RangeError,
    "Cannot cast rows of 6 bytes from float32",
  );
  assertFails(
    () => cast(bytes("f", 0, 1, 3), "float16", "float32"),
    RangeError,
    "Cannot cast rows of 3 bytes from float16",
  );
  // The longer of the two counts.
  const tooLong = "Cannot make a view: its rows have 4194308 bytes, more than 4194304";
  const half = bytes("f", 0, 1, MAX_ROW_BYTES / 2);
  assertEquals(cast(half, "float16", "float32").rowBytes, MAX_ROW_BYTES);
  const overHalf = bytes("f", 0, 1, MAX_ROW_BYTES / 2 + 2);
  assertFails(() => cast(overHalf, "float16", "float32"), RangeError, tooLong);
  const over = bytes("f", 0, 1, MAX_ROW_BYTES + 4);
  assertFails(() => cast(over, "float32", "float16"), RangeError, tooLong);
});

Deno.test("castTypeBytes() gives sizes", () => {
  assertEquals([castTypeBytes("float32"), castTypeBytes("float16"), castTypeBytes("bfloat16")], [4, 2, 2]);
});

Deno.test("viewPaths() finds the files of all leaves", () => {
  const view = cast(
    reorderRows(
      concatColumns([
        sliceColumns(bytes("a", 0, 4, 8), 0, 4),
        sliceRows(concatRows([opaque("b", 4), reorderRows(bytes("c", 0, 4, 8), [1, 0])]), 2, 4),
      ]),
      [1, 0],
    ),
    "float32",
    "float16",
  );
  assertEquals([...viewPaths(view)].sort(), ["a", "b", "c"]);
  assertEquals([...viewPaths(bytes("d", 0, 1), new Set(["e"]))], ["e", "d"]);
});
