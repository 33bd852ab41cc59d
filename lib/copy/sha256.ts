/**
 * The SHA-256 of runs of files: read in constant memory, by several workers where there are several runs.
 *
 * @module
 */

import { messageOf } from "../bytes/file_system.ts";
import { CancelledError, FileError } from "../error.ts";
import type { Run } from "./hash_run.ts";
import { type ReadOptions, withPool } from "./pool.ts";

/** How much is read at a time, in bytes. */
const BLOCK_BYTES = 1024 * 1024;

/**
 * Computes the SHA-256 of runs of files.
 *
 * @returns The hash of each in hexadecimal, in their order; or the error where a file can't be read or ends too early.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function sha256(
  runs: readonly Run[],
  options: ReadOptions = {},
): Promise<(string | FileError)[]> {
  const totalBytes = runs.reduce((sum, { length }) => sum + length, 0);
  const hashes: (string | FileError)[] = [];
  await withPool({ totalBytes, pieces: runs.length, blockBytes: BLOCK_BYTES }, options, async (pool) => {
    // The longest first, so that no worker is left with one at the end.
    const order = runs.map((_, i) => i).sort((a, b) => runs[b]!.length - runs[a]!.length);
    await pool.each(order, async (runner, i) => {
      hashes[i] = await runner.hash(runs[i]!).catch((error) => {
        if (error instanceof CancelledError) throw error;
        return new FileError(messageOf(error));
      });
    });
  });
  options.onProgress?.(totalBytes);
  return hashes;
}
