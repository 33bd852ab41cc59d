import { assertEquals } from "@std/assert";
import { bytes, concatRows, strided, type View } from "../../lib/bytes/view.ts";
import { countViews } from "../../lib/copy/count.ts";
import { type Bin, createCounter, type RowCounts } from "../../lib/copy/count_rows.ts";
import { createNumberKinds } from "../../lib/copy/numbers.ts";
import { CancelledError } from "../../lib/error.ts";
import { TempDir } from "../_temp.ts";
import { assertFailsAsync } from "./_assert.ts";

const kinds = createNumberKinds();
const COLUMNS = 100;

/** Rows of numbers of all sizes, with two rows of zeros, and with others that are none or infinite. */
function makeNumbers(dtype: string, rows: number): Uint8Array<ArrayBuffer> {
  const { bytes } = kinds.get(dtype)!;
  const data = new Uint8Array(rows * COLUMNS * bytes);
  // All bit patterns are numbers of some kind: NaN with payloads, infinities, subnormal ones among them.
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    data[i] = state >>> 16;
  }
  data.fill(0, 7 * COLUMNS * bytes, 9 * COLUMNS * bytes);
  if (/float(?!8.*(fnuz|fnu))/.test(dtype)) data[8 * COLUMNS * bytes + bytes - 1] = 0x80; // -0
  return data;
}

/** The same by the simplest way, a number at a time. */
function naive(data: Uint8Array<ArrayBuffer>, dtype: string): RowCounts {
  const kind = kinds.get(dtype)!;
  const numbers = Array.from(kind.read(data, new Float32Array(data.length)) as Iterable<number>, Number);
  const bins = new Map<string, Bin>();
  const found = {
    ...{ zeros: 0, min: Infinity, max: -Infinity, nan: 0, positiveInf: 0, negativeInf: 0 },
    ...{ firstNan: -1, firstInf: -1, zeroRows: 0 },
  };
  for (const [i, number] of numbers.entries()) {
    if (Number.isNaN(number)) {
      if (found.nan++ === 0) found.firstNan = i;
      continue;
    }
    if (Math.abs(number) === Infinity) {
      if (found.firstInf < 0) found.firstInf = i;
      if (number > 0) found.positiveInf++;
      else found.negativeInf++;
      continue;
    }
    if (number === 0) {
      found.zeros++;
      continue;
    }
    found.min = Math.min(found.min, number);
    found.max = Math.max(found.max, number);
    let exponent = 0;
    let fraction = Math.abs(number);
    for (; fraction >= 2; exponent++) fraction /= 2;
    for (; fraction < 1; exponent--) fraction *= 2;
    const units = BigInt(fraction * 2 ** 52);
    const key = `${number < 0} ${exponent}`;
    const before = bins.get(key) ?? { count: 0, sum: 0n, squares: 0n };
    bins.set(key, {
      ...{ exponent, isNegative: number < 0, count: before.count + 1 },
      ...{ sum: before.sum + units, squares: before.squares + units * units },
    });
  }
  for (let row = 0; row < numbers.length; row += COLUMNS) {
    if (numbers.slice(row, row + COLUMNS).every((number) => number === 0)) found.zeroRows++;
  }
  return { ...found, bins: sorted([...bins.values()]) };
}

function sorted(bins: readonly Bin[]): Bin[] {
  const key = ({ exponent, isNegative }: Bin) => exponent + (isNegative ? 5000 : 0);
  return bins.toSorted((a, b) => key(a) - key(b));
}

const dtypes = [
  ...["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz"],
  ...["float8_e8m0fnu", "int64", "int32", "int16", "uint8"],
];

for (const dtype of dtypes) {
  Deno.test(`createCounter() counts ${dtype} as one does by hand, in blocks of any size`, () => {
    const data = makeNumbers(dtype, 180);
    const expected = naive(data, dtype);
    const { bytes: itemBytes } = kinds.get(dtype)!;
    const rowBytes = COLUMNS * itemBytes;
    const view = bytes("memory", 0, data.length / rowBytes, rowBytes);
    const fill = (view: View, row: number, rows: number, into: Uint8Array) =>
      into.set(data.subarray(row * view.rowBytes, (row + rows) * view.rowBytes));
    for (const blockBytes of [1, 3 * rowBytes, 512 * 1024]) {
      const counter = createCounter(fill, createNumberKinds, blockBytes);
      const count = (firstRow: number, rows: number) =>
        counter.count({ view, numbers: dtype, columns: COLUMNS, firstRow, rows, group: 1 }, () => {});
      const { bins, ...found } = count(0, view.rows);
      assertEquals({ ...found, bins: sorted(bins) }, expected);
      // What was counted before is forgotten.
      const again = count(0, view.rows);
      assertEquals({ ...again, bins: sorted(again.bins) }, expected);
      assertEquals(count(7, 2).zeroRows, expected.zeros >= 2 * COLUMNS ? 2 : 0);
    }
  });
}

const countAll = async (views: readonly View[], numbers: string, columns: number, jobs: number) => {
  const found: RowCounts[] = [];
  const counted = views.map((view) => ({ view, numbers, columns }));
  await countViews(counted, { jobs }, (counts) => found.push({ ...counts, bins: sorted(counts.bins) }));
  return found;
};

for (const [dtype, rows] of [["bfloat16", 600_000], ["float32", 300_000]] as const) {
  Deno.test(`countViews() counts ${dtype} the same with any number of workers, in rows or not`, async () => {
    using temp = new TempDir();
    const path = temp.at("numbers");
    const data = makeNumbers(dtype, rows);
    Deno.writeFileSync(path, data);
    const { bytes: itemBytes } = kinds.get(dtype)!;
    const whole = bytes(path, 0, rows, COLUMNS * itemBytes);
    const half = rows / 2;
    const joined = concatRows([
      strided(path, 0, itemBytes, [half, COLUMNS], [COLUMNS, 1]),
      strided(path, half * COLUMNS * itemBytes, itemBytes, [half, COLUMNS], [COLUMNS, 1]),
    ]);
    const [expected] = await countAll([whole], dtype, COLUMNS, 1);
    assertEquals(expected!.zeroRows, 2);
    for (const jobs of [2, 3]) {
      assertEquals(await countAll([whole, joined], dtype, COLUMNS, jobs), [expected!, expected!]);
    }
    // One row that is longer than any chunk.
    const flat = bytes(path, 0, rows * COLUMNS, itemBytes);
    assertEquals(await countAll([flat], dtype, rows * COLUMNS, 2), [{ ...expected!, zeroRows: 0 }]);
  });
}

Deno.test("countViews() finds rows of zeros that are dealt out in parts", async () => {
  using temp = new TempDir();
  const path = temp.at("numbers");
  const columns = 20 * 1024 * 1024;
  const data = new Uint8Array(3 * columns * 2);
  data[2 * columns * 2 - 1] = 1; // The last number of the second row.
  Deno.writeFileSync(path, data);
  const [counts] = await countAll([bytes(path, 0, 3 * columns, 2)], "float16", columns, 2);
  assertEquals([counts!.zeroRows, counts!.zeros], [2, 3 * columns - 1]);
});

Deno.test("countViews() finds the place of each kind of what isn't finite, where it is the only one", async () => {
  using temp = new TempDir();
  const path = temp.at("numbers");
  const count = 40_000; // More than are counted one by one.
  for (const [word, kind] of [[0x7f80, "positiveInf"], [0xff80, "negativeInf"], [0xffc1, "nan"]] as const) {
    const data = new Uint16Array(count).fill(0x3f80);
    data[30_001] = word;
    Deno.writeFileSync(path, new Uint8Array(data.buffer));
    const [counts] = await countAll([bytes(path, 0, count / 100, 200)], "bfloat16", 100, 1);
    const { nan, positiveInf, negativeInf, firstNan, firstInf } = counts!;
    assertEquals({ nan, positiveInf, negativeInf }, { nan: 0, positiveInf: 0, negativeInf: 0, [kind]: 1 });
    assertEquals([firstNan, firstInf], kind === "nan" ? [30_001, -1] : [-1, 30_001]);
  }
});

Deno.test("countViews() tells of each view in its order, and stops where it is cancelled", async () => {
  using temp = new TempDir();
  const path = temp.at("numbers");
  Deno.writeFileSync(path, new Uint8Array(Float32Array.of(1, 0, 3, 4).buffer));
  const views = [bytes(path, 0, 2, 4), bytes(path, 0, 0, 4), bytes(path, 8, 2, 4), bytes(path, 0, 2, 0)];
  const found = await countAll(views, "float32", 1, 2);
  assertEquals(found.map(({ max, zeros }) => [max, zeros]), [[1, 1], [-Infinity, 0], [4, 0], [-Infinity, 0]]);
  await assertFailsAsync(
    () => countViews([], { signal: AbortSignal.abort() }, () => {}),
    CancelledError,
    "Cancelled",
  );
});
