import { assertEquals } from "@std/assert";
import { bytes, type View } from "../../lib/bytes/view.ts";
import { createMeasurer } from "../../lib/copy/measurer.ts";
import { createMover, pieceEnd, type RowMovement } from "../../lib/copy/movement_rows.ts";
import { createNumberKinds } from "../../lib/copy/numbers.ts";

Deno.test("pieceEnd() is where a piece of whole rows ends, or of a row that is longer", () => {
  assertEquals([0, 15_999, 16_000].map((at) => pieceEnd(at, 1000)), [16_000, 16_000, 32_000]);
  assertEquals([0, 16_383, 16_384].map((at) => pieceEnd(at, 1)), [16_384, 16_384, 32_768]);
  assertEquals(
    [0, 16_384, 19_999, 20_000, 36_384].map((at) => pieceEnd(at, 20_000)),
    [16_384, 20_000, 20_000, 36_384, 40_000],
  );
});

const COLUMNS = 37;
const ROWS = 2000;
const kinds = createNumberKinds();

/** Numbers in two files, the second of which differ in places; some are none or infinite. */
function makeFiles(dtype: string): Record<string, Uint8Array<ArrayBuffer>> {
  const { bytes: itemBytes } = kinds.get(dtype)!;
  const a = new Uint8Array(ROWS * COLUMNS * itemBytes);
  let state = 7;
  for (let i = 0; i < a.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    a[i] = state >>> 16;
    // Most exponents in the middle, so that most numbers are finite.
    if (i % itemBytes === itemBytes - 1 && (i % 997 !== 0 || itemBytes === 8)) a[i]! = (a[i]! & 0x83) | 0x38;
  }
  const b = a.slice();
  if (itemBytes === 8) a.fill(0xff, 8 * 50, 8 * 51); // The squares of its largest numbers are infinite.
  for (let i = 0; i < b.length; i += 3 * itemBytes) b[i]! ^= 0x15;
  return { a, b };
}

for (
  const dtypes of [["bfloat16", "bfloat16"], ["float32", "float32"], ["float16", "float16"], [
    "float64",
    "float64",
  ], ["float32", "bfloat16"]] as const
) {
  Deno.test(`createMover() finds the same for ${dtypes.join(" and ")} with and without WebAssembly, in any chunks`, () => {
    const files = { a: makeFiles(dtypes[0]).a!, b: makeFiles(dtypes[1]).b! };
    const fill = (view: View, row: number, rows: number, into: Uint8Array) =>
      into.set(
        files[(view as { path: "a" | "b" }).path].subarray(row * view.rowBytes, (row + rows) * view.rowBytes),
      );
    const view = (path: "a" | "b") => bytes(path, 0, ROWS, files[path].length / ROWS);
    const [a, b] = [view("a"), view("b")];
    const measure = (makeMeasurer: typeof createMeasurer, blockBytes: number, parts: readonly number[]) => {
      const mover = createMover(fill, createNumberKinds, makeMeasurer, pieceEnd, blockBytes);
      const sums = { differences: 0n, products: 0n, squaresA: 0n, squaresB: 0n };
      const found = { largest: 0, equal: 0, nonFinite: 0 };
      for (const [i, firstRow] of parts.entries()) {
        const rows = (parts[i + 1] ?? ROWS) - firstRow;
        const part = mover.move(
          { a, b, numbers: dtypes, columns: COLUMNS, firstRow, rows, group: 1 },
          () => {},
        );
        for (const key of ["differences", "products", "squaresA", "squaresB"] as const) {
          sums[key] += part[key]!;
        }
        found.largest = Math.max(found.largest, part.largest);
        found.equal += part.equal;
        found.nonFinite += part.nonFinite;
      }
      return { ...sums, ...found } satisfies RowMovement;
    };
    const expected = measure(() => undefined, 512 * 1024, [0]);
    const [x, y] = dtypes.map((name, i) => {
      const data = i === 0 ? files.a : files.b;
      return Array.from(
        kinds.get(name)!.read(data, new Float32Array(data.length)) as Iterable<number>,
        Number,
      );
    }) as [number[], number[]];
    const finite = x.map((number, i) => Number.isFinite(number) && Number.isFinite(y[i]));
    const differences = x.flatMap((number, i) => finite[i] ? Math.abs(y[i]! - number) : []);
    assertEquals(expected.nonFinite, finite.filter((each) => !each).length);
    assertEquals(expected.largest, Math.max(...differences));
    const size = kinds.get(dtypes[0])!.bytes;
    assertEquals(
      expected.equal,
      x.filter((number, i) =>
        dtypes[0] !== dtypes[1]
          ? number === y[i]
          : files.a.subarray(i * size, (i + 1) * size).every((byte, at) => byte === files.b[i * size + at])
      ).length,
    );
    const rowsOfPiece = pieceEnd(0, COLUMNS) / COLUMNS;
    for (const make of [createMeasurer, () => undefined]) {
      for (const blockBytes of [1, 1000, 512 * 1024]) {
        for (const parts of [[0], [0, rowsOfPiece], [0, 2 * rowsOfPiece, 3 * rowsOfPiece]]) {
          assertEquals(measure(make, blockBytes, parts), expected);
        }
      }
    }
  });
}
