/**
 * The SHA-256 of a run of a file.
 *
 * @module
 */

import type { createHash } from "node:crypto";

/** A run of bytes of a file. */
export interface Run {
  /** The file. */
  readonly path: string;
  /** Where the run starts, in bytes. */
  readonly offset: number;
  /** The length of the run in bytes. */
  readonly length: number;
}

/**
 * Hashes a run: one block is read while the one before is hashed. Closed like the kernel: it may refer to nothing but its
 * arguments.
 *
 * @param onBlock Called with the bytes hashed since the last call; throws to stop.
 * @returns The hash in hexadecimal.
 */
export async function hashRun(
  { path, offset, length }: Run,
  create: typeof createHash,
  blockBytes: number,
  onBlock: (bytes: number) => void,
): Promise<string> {
  const hash = create("sha256");
  const file = await Deno.open(path);
  try {
    await file.seek(offset, 0 /* Deno.SeekMode.Start */);
    let [block, other] = [new Uint8Array(blockBytes), new Uint8Array(blockBytes)];
    let left = length;
    let reading = left === 0 ? undefined : file.read(block.subarray(0, left));
    while (reading !== undefined) {
      const count = await reading;
      if (count === null) {
        throw new Error(
          `${path}: the file ends at byte ${offset + length - left}, but was longer when it was opened`,
        );
      }
      left -= count;
      onBlock(count);
      reading = left === 0 ? undefined : file.read(other.subarray(0, left));
      hash.update(block.subarray(0, count));
      [block, other] = [other, block];
    }
  } finally {
    file.close();
  }
  return hash.digest("hex");
}
