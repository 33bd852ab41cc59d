import { assertEquals } from "@std/assert";
import { dealBatches, dealChunks, type StartedFile } from "../../lib/copy/chunks.ts";
import type { Overlay } from "../../lib/copy/plan.ts";
import {
  bytes,
  cast,
  concatColumns,
  concatRows,
  reorderRows,
  sliceColumns,
  sliceRows,
  strided,
  type View,
  viewBytes,
} from "../../lib/bytes/view.ts";
import { Random } from "./_random.ts";
import { outputFile } from "./_plan.ts";

function target(views: readonly View[], overlay?: Overlay): StartedFile {
  const file = outputFile("out", views.map((view, i) => ({ label: `${i}`, view })));
  return { file, path: "out.tmp", overlay };
}

/** First rows and numbers of rows of the chunks of one view. */
function cuts(view: View, chunkBytes: number): [number, number][] {
  return dealChunks([target([view])], chunkBytes).map(({ firstRow, rows }) => [firstRow, rows]);
}

/** The group of the chunks of a view. */
function group(view: View): number {
  return dealChunks([target([view])], 1 << 20)[0]!.group;
}

const lattice = strided("s", 0, 1, [12, 4], [1, 12]);

Deno.test("dealChunks() cuts at rows", () => {
  assertEquals(cuts(lattice, 48), [[0, 12]]);
  assertEquals(cuts(lattice, 1000), [[0, 12]]);
  assertEquals(cuts(lattice, 47), [[0, 11], [11, 1]]);
  assertEquals(cuts(lattice, 20), [[0, 5], [5, 5], [10, 2]]);
  assertEquals(cuts(lattice, 3).length, 12);
});

Deno.test("dealChunks() cuts a plain run anywhere, since its rows may be of any length", () => {
  const run = bytes("f", 100, 2, 2 ** 40);
  const chunks = dealChunks([target([run])], 2 ** 39);
  assertEquals(chunks.map(({ firstRow, rows }) => [firstRow / 2 ** 39, rows / 2 ** 39]), [
    [0, 1],
    [1, 1],
    [2, 1],
    [3, 1],
  ]);
  for (const { view } of chunks) assertEquals(view, bytes("f", 100, 2 ** 41));
  assertEquals(cuts(bytes("f", 0, 10, 8), 79), [[0, 79], [79, 1]]);
});

Deno.test("dealChunks() keeps groups whole", () => {
  const view = reorderRows(bytes("f", 0, 12, 8), [2, 1, 0]);
  assertEquals(cuts(view, 8 * 7), [[0, 6], [6, 6]]);
  assertEquals(cuts(view, 8 * 2), [[0, 3], [3, 3], [6, 3], [9, 3]]);
});

Deno.test("dealChunks() finds the biggest group anywhere in a view", () => {
  const threes = reorderRows(bytes("f", 0, 12, 4), [2, 1, 0]);
  const fours = reorderRows(bytes("f", 50, 12, 4), [3, 2, 1, 0]);
  assertEquals(group(bytes("f", 0, 12, 4)), 1);
  assertEquals(group(threes), 3);
  assertEquals(group(cast(sliceColumns(sliceRows(fours, 4, 4), 0, 2), "float16", "float32")), 4);
  assertEquals(group(concatRows([threes, fours])), 4);
  assertEquals(group(concatColumns([fours, threes])), 4);
  assertEquals(group(reorderRows(threes, [1, 0])), 2);
});

Deno.test("dealChunks() keeps as many rows of a transposed matrix together as the kernel holds", () => {
  const matrix = strided("s", 0, 2, [4096, 4096], [1, 4096]);
  const groups = (view: View) =>
    dealChunks([target([view])], 1 << 24).map(({ group, rows }) => [group, rows]);
  assertEquals(groups(matrix), [[1024, 2048], [1024, 2048]]);
  assertEquals(groups(lattice), [[12, 12]]);
  // What is made of them has longer rows, or shorter ones.
  assertEquals(groups(cast(matrix, "bfloat16", "float32"))[0], [512, 1024]);
  assertEquals(groups(cast(strided("s", 0, 4, [4096, 4096], [1, 4096]), "float32", "bfloat16"))[0], [
    512,
    2048,
  ]);
  assertEquals(groups(concatColumns([matrix, matrix]))[0], [512, 1024]);
  // Whole groups of rows that are reordered.
  const thirds = Array.from({ length: 192 }, (_, i) => i ^ 1);
  assertEquals(groups(reorderRows(sliceRows(matrix, 0, 1920), thirds))[0], [960, 1920]);
  // Rows that lie apart are read one by one, or with what lies between them.
  assertEquals(groups(strided("s", 0, 2, [4096, 4096], [8192, 1]))[0], [1, 2048]);
});

Deno.test("dealChunks() deals an empty copy as one empty chunk, so that its file is finished", () => {
  for (const view of [bytes("f", 3, 0, 8), bytes("f", 3, 5, 0)]) {
    assertEquals(dealChunks([target([view])], 10), [
      { view: bytes("f", 3, 0), path: "out.tmp", at: 0, firstRow: 0, rows: 0, group: 1, file: 0, copy: 0 },
    ]);
  }
  assertEquals(dealChunks([target([])], 10), []);
});

Deno.test("dealChunks() covers every row of every copy once", () => {
  const random = new Random(5);
  for (let n = 0; n < 200; n++) {
    const started = Array.from(
      { length: random.integer(1, 4) },
      () =>
        target(Array.from({ length: random.integer(0, 4) }, () => {
          const run = bytes("f", random.integer(0, 99), random.integer(0, 10) * 6, random.integer(0, 9));
          return random.integer(0, 1) === 0
            ? run
            : reorderRows(run, random.permutation(random.pick([2, 3, 6])));
        })),
    );
    const chunks = dealChunks(started, random.integer(1, 300));
    started.forEach(({ file }, fileIndex) =>
      file.copies.forEach(({ view, at }, copyIndex) => {
        const own = chunks.filter((chunk) => chunk.file === fileIndex && chunk.copy === copyIndex);
        let next = 0;
        for (const chunk of own) {
          assertEquals([chunk.firstRow, chunk.at, chunk.path], [next, at, "out.tmp"]);
          assertEquals(chunk.view, view.op === "bytes" ? bytes("f", view.offset, viewBytes(view)) : view);
          next += chunk.rows;
        }
        assertEquals(next * (view.op === "bytes" ? 1 : view.rowBytes), viewBytes(view));
      })
    );
  }
});

Deno.test("dealChunks() leaves out what a clone has at its place already", () => {
  const inPlace = { label: "in place", at: 10, view: bytes("base", 10, 5), crc: 1 };
  const moved = { label: "moved", at: 20, view: bytes("base", 21, 5), crc: 2 };
  const other = { label: "other", at: 30, view: bytes("other", 30, 5), crc: 3 };
  const overlay: Overlay = { base: "base", size: 40, copies: [inPlace, moved, other], literals: [] };
  const laidOver = dealChunks([target([bytes("base", 10, 5)], overlay)], 100);
  assertEquals(laidOver.map(({ copy, at, view }) => [copy, at, view]), [[1, 20, moved.view], [
    2,
    30,
    other.view,
  ]]);
});

Deno.test("dealChunks() moves a copy whose CRC-32 isn't known, though it is in place", () => {
  const overlay: Overlay = {
    base: "base",
    size: 40,
    copies: [{ label: "x", at: 10, view: bytes("base", 10, 5) }],
    literals: [],
  };
  assertEquals(dealChunks([target([], overlay)], 100).length, 1);
});

/** File, copy, first row and rows of the chunks of batches. */
function dealt(started: readonly StartedFile[], chunkBytes: number, batchChunks = 64) {
  return dealBatches(started, chunkBytes, batchChunks).map((batch) =>
    batch.map(({ file, copy, firstRow, rows }) => [file, copy, firstRow, rows])
  );
}

Deno.test("dealBatches() fills batches up to a number of bytes", () => {
  const runs = [30, 30, 30, 50, 100, 1].map((length, i) => bytes("f", 1000 * i, length));
  assertEquals(dealt([target(runs)], 100), [
    [[0, 0, 0, 30], [0, 1, 0, 30], [0, 2, 0, 30]],
    [[0, 3, 0, 50]],
    [[0, 4, 0, 100]],
    [[0, 5, 0, 1]],
  ]);
  assertEquals(
    dealt([target([50, 50, 50].map((length) => bytes("f", 0, length)))], 100).map((batch) => batch.length),
    [2, 1],
  );
  // Of several files, too; and what is longer than a batch is cut.
  assertEquals(dealt([target([bytes("f", 0, 10)]), target([bytes("f", 0, 25)])], 20), [
    [[0, 0, 0, 10]],
    [[1, 0, 0, 20]],
    [[1, 0, 20, 5]],
  ]);
  assertEquals(dealt([target([]), target([])], 20), []);
});

Deno.test("dealBatches() fills batches up to a number of chunks", () => {
  const runs = Array.from({ length: 7 }, (_, i) => bytes("f", i, i % 2));
  assertEquals(dealt([target(runs)], 1000, 3).map((batch) => batch.length), [3, 3, 1]);
});

Deno.test("dealBatches() deals columns of one table together, a few rows at a time", () => {
  // Rows of 1 MiB, so four at a time.
  const table = bytes("f", 0, 10, 1 << 20);
  const shards = [0, 1, 2].map((n) => sliceColumns(table, n << 10, 1 << 10));
  const other = sliceColumns(bytes("g", 0, 1 << 20, 4), 0, 2);
  const started = [target([shards[0]!, bytes("f", 0, 5)]), target([shards[1]!]), target([shards[2]!, other])];
  const batches = dealBatches(started, 1 << 24, 64);
  assertEquals(
    batches.map((batch) => batch.map(({ file, copy, firstRow, rows }) => [file, copy, firstRow, rows])),
    [
      [[0, 1, 0, 5]],
      [[0, 0, 0, 4], [1, 0, 0, 4], [2, 0, 0, 4]],
      [[0, 0, 4, 4], [1, 0, 4, 4], [2, 0, 4, 4]],
      [[0, 0, 8, 2], [1, 0, 8, 2], [2, 0, 8, 2]],
      [[2, 1, 0, 1 << 20]],
    ],
  );
  // The kernel is to read those rows in one piece, and knows the table by identity.
  for (const { group, view } of batches[1]!) {
    assertEquals([group, view.op === "sliceColumns" && view.of === table], [4, true]);
  }
});

Deno.test("dealBatches() keeps groups of a table whole", () => {
  const table = reorderRows(bytes("f", 0, 20, 1 << 20), [4, 3, 2, 1, 0]);
  const columns = sliceColumns(table, 0, 8);
  assertEquals(dealt([target([columns])], 1 << 24), [5, 5, 5, 5].map((rows, i) => [[0, 0, 5 * i, rows]]));
});

Deno.test("dealBatches() covers every row of every copy once, so that files get finished", () => {
  const random = new Random(6);
  for (let n = 0; n < 200; n++) {
    const tables = [0, 1].map(() => bytes("f", 0, random.integer(0, 12), random.integer(1, 3) << 20));
    const started = Array.from(
      { length: random.integer(1, 4) },
      () =>
        target(Array.from({ length: random.integer(0, 4) }, () => {
          const table = random.pick(tables);
          const columns = sliceColumns(table, random.integer(0, 9), random.integer(0, 9));
          return random.integer(0, 1) === 0 ? columns : bytes("f", 0, random.integer(0, 99));
        })),
    );
    const chunks = dealBatches(started, random.integer(1, 300), random.integer(1, 9)).flat();
    started.forEach(({ file }, fileIndex) =>
      file.copies.forEach(({ view, at }, copyIndex) => {
        const own = chunks.filter((chunk) => chunk.file === fileIndex && chunk.copy === copyIndex);
        assertEquals(own.length > 0, true);
        let next = 0;
        for (const chunk of own) {
          assertEquals([chunk.firstRow, chunk.at], [next, at]);
          next += chunk.rows;
        }
        assertEquals(next * own[0]!.view.rowBytes, viewBytes(view));
      })
    );
  }
});
