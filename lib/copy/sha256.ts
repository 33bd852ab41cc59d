/**
 * The SHA-256 of files and of tensors: read in constant memory, by several workers where there are several.
 */

import { messageOf } from "../bytes/file_system.ts";
import { type View, viewBytes } from "../bytes/view.ts";
import { CancelledError, FileError } from "../error.ts";
import { type ReadOptions, withPool } from "./pool.ts";
import { areRemote } from "./remote_runner.ts";

/** How much is read at a time, in bytes: the longest row of a view that is no run. */
export const HASH_BLOCK_BYTES: number = 1024 * 1024;

/**
 * Computes the SHA-256 of the bytes of views: runs of any length, and others with rows of no more than
 * {@linkcode HASH_BLOCK_BYTES}.
 *
 * @param hashed What each hash is of: one or more views, as if they were one.
 * @returns The hash of each in hexadecimal, in their order; or the error where a file can't be read or ends too early.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function sha256(
  hashed: readonly (readonly View[])[],
  options: ReadOptions = {},
): Promise<(string | FileError)[]> {
  const sizes = hashed.map((views) => views.reduce((sum, view) => sum + viewBytes(view), 0));
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  const hashes: (string | FileError)[] = [];
  await withPool(
    { totalBytes, pieces: hashed.length, blockBytes: HASH_BLOCK_BYTES, isRemote: areRemote(hashed.flat()) },
    options,
    async (pool) => {
      // The longest first, so that no worker is left with one at the end.
      const order = hashed.map((_, i) => i).sort((a, b) => sizes[b]! - sizes[a]!);
      await pool.each(order, async (runner, i) => {
        hashes[i] = await runner.hash(hashed[i]!).catch((error) => {
          if (error instanceof CancelledError) throw error;
          return new FileError(messageOf(error));
        });
      });
    },
  );
  options.onProgress?.(totalBytes);
  return hashes;
}
