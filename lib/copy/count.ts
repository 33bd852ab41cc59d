/** Counting the numbers of views: read in constant memory, by several workers where that pays. */

import { type View, viewBytes } from "../bytes/view.ts";
import { chunkRows, inBatches } from "./batches.ts";
import type { Bin, CountedRows, RowCounts } from "./count_rows.ts";
import { createNumberKinds } from "./numbers.ts";
import { type ReadOptions, withPool } from "./pool.ts";
import { areRemote } from "./remote_runner.ts";

/** How much is read at a time, in bytes. */
const BLOCK_BYTES = 512 * 1024;

/** About how much is dealt to a worker at a time, in bytes. What was counted is summed up once for each. */
const BATCH_BYTES = 32 * 1024 * 1024;

const kinds = createNumberKinds();

/** A view whose numbers are counted: rows of a tensor, or one number a row where these are longer. */
export interface CountedView {
  /** The view. */
  readonly view: View;
  /** The dtype of its numbers, by torch's name. */
  readonly numbers: string;
  /** The number of columns of the tensor. */
  readonly columns: number;
}

/** The size of a number of a dtype in bytes. */
export function numberBytes(dtype: string): number {
  return kinds.get(dtype)!.bytes;
}

/**
 * Counts the numbers of views.
 *
 * @param onCounted Told of what was counted in each, in their order and as soon as it and those before it are done.
 * @throws {FileError} If a file can't be read, or ends too early.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function countViews(
  views: readonly CountedView[],
  options: ReadOptions,
  onCounted: (counts: RowCounts) => void,
): Promise<void> {
  const found = views.map(() => emptyCounts());
  const left = views.map(({ view }) => view.rowBytes > 0 ? view.rows : 0);
  /** How many numbers of a row that is dealt out in parts were in parts of nothing but zeros. */
  const zerosOfRows = views.map(() => new Map<number, number>());
  let next = 0;
  const report = () => {
    for (; next < views.length && left[next] === 0; next++) onCounted(found[next]!);
  };

  /** Some rows of views, as workers become free. */
  function* chunks(): Generator<{ readonly of: number; readonly rows: CountedRows }> {
    for (const [of, counted] of views.entries()) {
      const { view, columns } = counted;
      if (view.rowBytes === 0) continue;
      const { step, group } = chunkRows([view], BATCH_BYTES);
      // Chunks of a row that is longer than one don't reach into the next.
      const unit = isInParts(counted) ? columns : view.rows;
      for (let start = 0; start < view.rows; start += unit) {
        const end = Math.min(view.rows, start + unit);
        for (let firstRow = start; firstRow < end; firstRow += step) {
          const rows = Math.min(step, end - firstRow);
          yield { of, rows: { ...counted, firstRow, rows, group } };
        }
      }
    }
  }

  report();
  const totalBytes = views.reduce((sum, { view }) => sum + viewBytes(view), 0);
  await withPool(
    {
      totalBytes,
      pieces: Math.ceil(totalBytes / BATCH_BYTES),
      blockBytes: BLOCK_BYTES,
      isRemote: areRemote(views.map(({ view }) => view)),
    },
    options,
    (pool) =>
      pool.each(
        inBatches(chunks(), ({ rows: { view, rows } }) => rows * view.rowBytes, BATCH_BYTES),
        async (runner, batch) => {
          const results = await runner.count(batch.map(({ rows }) => rows));
          for (const [i, counts] of results.entries()) {
            const { of, rows } = batch[i]!;
            found[of] = mergeCounts(found[of]!, counts);
            left[of]! -= rows.rows;
            if (!isInParts(rows) || counts.zeros < rows.rows) continue;
            const row = Math.floor(rows.firstRow / rows.columns);
            const zeros = (zerosOfRows[of]!.get(row) ?? 0) + counts.zeros;
            zerosOfRows[of]!.set(row, zeros);
            if (zeros === rows.columns) found[of] = { ...found[of]!, zeroRows: found[of]!.zeroRows + 1 };
          }
          report();
        },
      ),
  );
}

/** Whether a view has a number in each row, and the tensor more in each of its own. */
function isInParts({ view, numbers, columns }: CountedView): boolean {
  return columns > 1 && view.rowBytes === numberBytes(numbers);
}

function emptyCounts(): RowCounts {
  return {
    bins: [],
    zeros: 0,
    min: Infinity,
    max: -Infinity,
    nan: 0,
    positiveInf: 0,
    negativeInf: 0,
    firstNan: -1,
    firstInf: -1,
    zeroRows: 0,
  };
}

/** What was counted in two parts; whichever comes first. */
function mergeCounts(a: RowCounts, b: RowCounts): RowCounts {
  const bins = new Map<number, Bin>();
  for (const bin of [...a.bins, ...b.bins]) {
    const key = bin.isNegative ? bin.exponent - 5000 : bin.exponent;
    const before = bins.get(key);
    bins.set(
      key,
      before === undefined ? bin : {
        ...bin,
        count: before.count + bin.count,
        sum: before.sum + bin.sum,
        squares: before.squares + bin.squares,
      },
    );
  }
  return {
    bins: [...bins.values()],
    zeros: a.zeros + b.zeros,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    nan: a.nan + b.nan,
    positiveInf: a.positiveInf + b.positiveInf,
    negativeInf: a.negativeInf + b.negativeInf,
    firstNan: firstOf(a.firstNan, b.firstNan),
    firstInf: firstOf(a.firstInf, b.firstInf),
    zeroRows: a.zeroRows + b.zeroRows,
  };
}

function firstOf(a: number, b: number): number {
  return a < 0 ? b : b < 0 ? a : Math.min(a, b);
}
