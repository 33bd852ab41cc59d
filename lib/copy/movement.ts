/** How far views are apart: read in constant memory, by several workers where that pays. */

import { viewBytes } from "../bytes/view.ts";
import { chunkRows, inBatches } from "./batches.ts";
import { numberBytes } from "./count.ts";
import { type MovedRows, pieceEnd, type RowMovement } from "./movement_rows.ts";
import { type ReadOptions, withPool } from "./pool.ts";
import { areRemote } from "./remote_runner.ts";

/** How much of each view is read at a time, in bytes. */
const BLOCK_BYTES = 512 * 1024;

/** About how much is dealt to a worker at a time, in bytes of the first views. */
const BATCH_BYTES = 16 * 1024 * 1024;

/** Two views of one shape: rows of a tensor, or one number a row where these are longer. */
export type MovedPair = Pick<MovedRows, "a" | "b" | "numbers" | "columns">;

/**
 * Measures how far the numbers of pairs are apart.
 *
 * @param onMoved Told of each, in their order and as soon as it and those before it are done.
 * @throws {FileError} If a file can't be read, or ends too early.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function moveViews(
  pairs: readonly MovedPair[],
  options: ReadOptions,
  onMoved: (movement: RowMovement) => void,
): Promise<void> {
  const found = pairs.map((): RowMovement => ({
    differences: 0n,
    products: 0n,
    squaresA: 0n,
    squaresB: 0n,
    largest: 0,
    equal: 0,
    nonFinite: 0,
  }));
  const left = pairs.map(({ a }) => a.rowBytes > 0 ? a.rows : 0);
  let next = 0;
  const report = () => {
    for (; next < pairs.length && left[next] === 0; next++) onMoved(found[next]!);
  };

  /** Some rows of pairs, as workers become free. */
  function* chunks(): Generator<{ readonly of: number; readonly rows: MovedRows }> {
    for (const [of, pair] of pairs.entries()) {
      const { a, b, columns, numbers } = pair;
      if (a.rowBytes === 0) continue;
      const { step, group } = chunkRows([a, b], BATCH_BYTES);
      const perRow = a.rowBytes / numberBytes(numbers[0]);
      for (let firstRow = 0; firstRow < a.rows;) {
        // A chunk ends where a piece does.
        const end = pieceEnd((firstRow + step) * perRow - 1, columns) / perRow;
        const rows = Math.min(Math.ceil(end), a.rows) - firstRow;
        yield { of, rows: { ...pair, firstRow, rows, group } };
        firstRow += rows;
      }
    }
  }

  report();
  const totalBytes = pairs.reduce((sum, { a, b }) => sum + viewBytes(a) + viewBytes(b), 0);
  await withPool(
    {
      totalBytes,
      pieces: Math.ceil(totalBytes / BATCH_BYTES),
      blockBytes: BLOCK_BYTES,
      isRemote: areRemote(pairs.flatMap(({ a, b }) => [a, b])),
    },
    options,
    (pool) =>
      pool.each(
        inBatches(chunks(), ({ rows: { a, rows } }) => rows * a.rowBytes, BATCH_BYTES),
        async (runner, batch) => {
          const results = await runner.move(batch.map(({ rows }) => rows));
          for (const [i, movement] of results.entries()) {
            const { of, rows } = batch[i]!;
            found[of] = merge(found[of]!, movement);
            left[of]! -= rows.rows;
          }
          report();
        },
      ),
  );
}

function merge(a: RowMovement, b: RowMovement): RowMovement {
  const add = (x: bigint | undefined, y: bigint | undefined) =>
    x === undefined || y === undefined ? undefined : x + y;
  return {
    differences: add(a.differences, b.differences),
    products: add(a.products, b.products),
    squaresA: add(a.squaresA, b.squaresA),
    squaresB: add(a.squaresB, b.squaresB),
    largest: Math.max(a.largest, b.largest),
    equal: a.equal + b.equal,
    nonFinite: a.nonFinite + b.nonFinite,
  };
}
