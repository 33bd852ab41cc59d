/** Rows of views in batches: what a worker is given at a time, so that it waits for nobody, and thousands of small tensors are shared out, too. */

import type { View } from "../bytes/view.ts";
import { groupRows } from "./chunks.ts";

/** The most chunks in a batch. */
const MOST_CHUNKS = 64;

/**
 * How many rows of views make a chunk.
 *
 * @param views Views that are read side by side.
 * @param bytes About how long a chunk of one of them is to be, in bytes.
 * @returns The number of rows, and how many are best handled together, of which it is a multiple.
 */
export function chunkRows(
  views: readonly View[],
  bytes: number,
): { readonly step: number; readonly group: number } {
  const group = Math.max(...views.map((view) => groupRows(view, bytes)));
  const step = Math.max(1, Math.floor(bytes / Math.max(1, ...views.map(({ rowBytes }) => rowBytes))));
  return { step: Math.max(group, step - step % group), group };
}

/**
 * Puts chunks into batches. Each chunk is asked for when it is dealt out, so that it may depend on what came of others.
 *
 * @param sizeOf The size of a chunk in bytes.
 * @param bytes About how much is in a batch.
 */
export function* inBatches<T>(
  chunks: Iterable<T>,
  sizeOf: (chunk: T) => number,
  bytes: number,
): Generator<T[]> {
  let batch: T[] = [];
  let size = 0;
  for (const chunk of chunks) {
    batch.push(chunk);
    size += sizeOf(chunk);
    if (size < bytes && batch.length < MOST_CHUNKS) continue;
    yield batch;
    [batch, size] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}
