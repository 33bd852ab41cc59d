/** The CRC-32 of views: read in constant memory, by several workers where that pays. */

import { dealBatches, type DealtChunk } from "./chunks.ts";
import { combineCrc32 } from "./crc32.ts";
import { type ReadOptions, withPool } from "./pool.ts";
import { areRemote } from "./remote_runner.ts";
import { type View, viewBytes } from "../bytes/view.ts";

/** How much is read at a time, in bytes. */
const BLOCK_BYTES = 1024 * 1024;

/** About how much is dealt to a worker at a time, in bytes. */
const BATCH_BYTES = 32 * 1024 * 1024;

/**
 * Computes the CRC-32 of the bytes of views.
 *
 * @returns The CRC-32 of each, in their order.
 * @throws {FileError} If a file can't be read, or ends too early.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function checksums(views: readonly View[], options: ReadOptions = {}): Promise<number[]> {
  const copies = views.map((view) => ({ label: "", at: 0, view }));
  const batches = dealBatches(
    [{ file: { copies }, path: undefined, overlay: undefined }],
    BATCH_BYTES,
    Infinity,
  );
  const totalBytes = views.reduce((sum, view) => sum + viewBytes(view), 0);
  const parts: { readonly chunk: DealtChunk; readonly crc: number }[] = [];
  await withPool(
    { totalBytes, pieces: batches.length, blockBytes: BLOCK_BYTES, isRemote: areRemote(views) },
    options,
    (pool) =>
      pool.each(batches, async (runner, batch) => {
        const results = await runner.run(batch);
        results.forEach(({ crc }, i) => parts.push({ chunk: batch[i]!, crc }));
      }),
  );
  options.onProgress?.(totalBytes);
  parts.sort((a, b) => a.chunk.firstRow - b.chunk.firstRow);
  const crcs = views.map(() => 0);
  for (const { chunk: { copy, rows, view }, crc } of parts) {
    crcs[copy] = combineCrc32(crcs[copy]!, crc, rows * view.rowBytes);
  }
  return crcs;
}
