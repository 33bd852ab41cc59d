/** Comparing views: read in constant memory, by several workers where that pays. */

import { viewBytes } from "../bytes/view.ts";
import { chunkRows, inBatches } from "./batches.ts";
import type { ComparedRows, PairDifference, ViewPair } from "./compare_rows.ts";
import { createNumberKinds } from "./numbers.ts";
import { type ReadOptions, withPool } from "./pool.ts";
import { areRemote } from "./remote_runner.ts";

/** How much of each view is read at a time, in bytes. */
const BLOCK_BYTES = 512 * 1024;

/** About how much is dealt to a worker at a time, in bytes of the first views. */
const BATCH_BYTES = 16 * 1024 * 1024;

const kinds = createNumberKinds();

/** Whether numbers of a dtype, by torch's name, can be compared: of all but packed ones. */
export function hasNumbers(dtype: string): boolean {
  return kinds.has(dtype);
}

/**
 * Compares the views of pairs. Of those whose numbers aren't compared, no more is read than what tells them apart.
 *
 * @returns How far those of each pair differ, in their order.
 * @throws {FileError} If a file can't be read, or ends too early.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function compareViews(
  pairs: readonly ViewPair[],
  { onProgress, ...options }: ReadOptions = {},
): Promise<PairDifference[]> {
  const found = pairs.map(({ numbers }): PairDifference => ({
    differ: numbers?.[0] !== numbers?.[1],
    largest: 0,
  }));
  let skipped = 0;

  /** Some rows of pairs, as workers become free. What was found of the rows before says whether more are needed. */
  function* chunks(): Generator<{ readonly pair: number; readonly rows: ComparedRows }> {
    for (const [pair, views] of pairs.entries()) {
      const { a, b, numbers } = views;
      const { step, group } = chunkRows([a, b], BATCH_BYTES);
      for (let firstRow = 0; firstRow < a.rows && a.rowBytes > 0; firstRow += step) {
        const rows = Math.min(step, a.rows - firstRow);
        if (found[pair]!.differ && numbers === undefined) {
          skipped += rows * a.rowBytes;
          continue;
        }
        yield { pair, rows: { ...views, firstRow, rows, group } };
      }
    }
  }

  const bytesOf = (side: "a" | "b") => pairs.reduce((sum, pair) => sum + viewBytes(pair[side]), 0);
  const totalBytes = bytesOf("a") + bytesOf("b");
  await withPool(
    {
      totalBytes,
      pieces: Math.ceil(totalBytes / BATCH_BYTES),
      blockBytes: BLOCK_BYTES,
      isRemote: areRemote(pairs.flatMap(({ a, b }) => [a, b])),
    },
    { ...options, onProgress: onProgress && ((bytes) => onProgress(bytes + skipped)) },
    (pool) =>
      pool.each(
        inBatches(chunks(), ({ rows: { a, rows } }) => rows * a.rowBytes, BATCH_BYTES),
        async (runner, batch) => {
          const results = await runner.compare(batch.map(({ rows }) => rows));
          for (const [i, { differ, largest }] of results.entries()) {
            const { pair } = batch[i]!;
            const before = found[pair]!;
            found[pair] = {
              differ: before.differ || differ,
              largest: Math.max(before.largest, largest),
            };
          }
        },
      ),
  );
  onProgress?.(bytesOf("a"));
  return found;
}
