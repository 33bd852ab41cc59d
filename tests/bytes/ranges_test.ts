import { assert, assertEquals } from "@std/assert";
import { addRanges, type ByteRange, cutRanges, mergeRanges } from "../../lib/bytes/ranges.ts";
import { bytes, reorderRows, sliceColumns, strided } from "../../lib/bytes/view.ts";
import { groupRows } from "../../lib/copy/chunks.ts";
import { createKernel } from "../../lib/copy/kernel.ts";
import { ViewGenerator } from "../copy/_naive.ts";
import { Random } from "../copy/_random.ts";

type Read = ByteRange & { readonly path: string };

/** A kernel over files without end, and what it reads. */
function recordingKernel(blockBytes: number) {
  const reads: Read[] = [];
  const open = (path: string) => ({
    read(buffer: Uint8Array, start: number) {
      reads.push({ path, start, end: start + buffer.length });
      return buffer.length;
    },
    write() {},
    close() {},
  });
  return { reads, kernel: createKernel({ open, crc32: () => 0 }, blockBytes) };
}

Deno.test("addRanges() names all that the kernel reads, whatever the view and the rows", () => {
  const random = new Random(7);
  const files = ["a", "b"].map((path) => ({ path, bytes: random.bytes(1 << 16) }));
  const generator = new ViewGenerator(random, files);
  for (let i = 0; i < 3000; i++) {
    const { view } = generator.any(random.integer(0, 4));
    const firstRow = random.integer(0, view.rows);
    const rows = random.integer(0, view.rows - firstRow);
    const { reads, kernel } = recordingKernel(random.pick([16, 64, 1 << 20]));
    const group = groupRows(view, 1 << 20);
    kernel.run({ view, path: undefined, at: 0, firstRow, rows, group }, () => {});
    const needed = new Map<string, ByteRange[]>();
    addRanges(view, firstRow, rows, needed);
    for (const { path, start, end } of reads) {
      if (start === end) continue;
      const merged = mergeRanges(needed.get(path) ?? [], 0);
      const isNamed = merged.some((range) => range.start <= start && end <= range.end);
      assert(isNamed, `${i}: ${JSON.stringify(view)}: ${path} ${start} ${end}`);
    }
  }
});

Deno.test("addRanges() names no more of a file than rows need", () => {
  const ranges = (...args: Parameters<typeof addRanges>) => {
    addRanges(...args);
    return Object.fromEntries([...args[3]].map(([path, each]) => [path, mergeRanges(each, 0)]));
  };
  const matrix = bytes("m", 1000, 8, 100);
  assertEquals(ranges(matrix, 2, 3, new Map()), { m: [{ start: 1200, end: 1500 }] });
  // Of columns the kernel reads whole rows; of a group in another order, the rows that are wanted.
  assertEquals(ranges(sliceColumns(matrix, 50, 50), 1, 1, new Map()), { m: [{ start: 1100, end: 1200 }] });
  const reordered = reorderRows(matrix, [3, 2, 1, 0]);
  assertEquals(ranges(reordered, 0, 1, new Map()), { m: [{ start: 1300, end: 1400 }] });
  assertEquals(ranges(reordered, 0, 4, new Map()), { m: [{ start: 1000, end: 1400 }] });
  // Of a transposed matrix, the columns that become these rows.
  const transposed = strided("t", 0, 2, [100_000, 3], [1, 100_000]);
  assertEquals(ranges(transposed, 10, 5, new Map()), {
    t: [{ start: 20, end: 30 }, { start: 200_020, end: 200_030 }, { start: 400_020, end: 400_030 }],
  });
  assertEquals(ranges(matrix, 4, 0, new Map()), {});
});

Deno.test("mergeRanges() joins ranges that lie close, and cutRanges() cuts long ones into equal parts", () => {
  const ranges = [{ start: 50, end: 60 }, { start: 0, end: 10 }, { start: 12, end: 20 }, {
    start: 15,
    end: 17,
  }];
  assertEquals(mergeRanges(ranges, 2), [{ start: 0, end: 20 }, { start: 50, end: 60 }]);
  assertEquals(mergeRanges(ranges, 1), [{ start: 0, end: 10 }, { start: 12, end: 20 }, {
    start: 50,
    end: 60,
  }]);
  assertEquals(cutRanges([{ start: 0, end: 10 }, { start: 20, end: 22 }], 4), [
    { start: 0, end: 4 },
    { start: 4, end: 8 },
    { start: 8, end: 10 },
    { start: 20, end: 22 },
  ]);
});
