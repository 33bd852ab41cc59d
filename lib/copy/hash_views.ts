/** The SHA-256 of views. */

import type { createHash } from "node:crypto";
import type { View } from "../bytes/view.ts";
import type { Kernel } from "./kernel.ts";

/**
 * Hashes the bytes of views, one view after the other. Of a run one block is read while the one before is hashed. Closed
 * like the kernel: it may refer to nothing but its arguments.
 *
 * @param views Runs of any length; of others, a row is in memory at least.
 * @param onBlock Called with the bytes hashed since the last call; may wait, and throws to stop.
 * @returns The hash in hexadecimal.
 */
export async function hashViews(
  views: readonly View[],
  create: typeof createHash,
  fill: Kernel["fill"],
  blockBytes: number,
  onBlock: (bytes: number) => void | Promise<void>,
): Promise<string> {
  const hash = create("sha256");
  let [block, other] = [new Uint8Array(blockBytes), new Uint8Array(blockBytes)];

  async function hashRun(path: string, offset: number, length: number): Promise<void> {
    const file = await Deno.open(path);
    try {
      await file.seek(offset, 0 /* Deno.SeekMode.Start */);
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
        await onBlock(count);
        reading = left === 0 ? undefined : file.read(other.subarray(0, left));
        hash.update(block.subarray(0, count));
        [block, other] = [other, block];
      }
    } finally {
      file.close();
    }
  }

  for (const view of views) {
    const { rows, rowBytes } = view;
    if (view.op === "bytes") {
      await hashRun(view.path, view.offset, rows * rowBytes);
      continue;
    }
    const step = Math.max(1, Math.floor(blockBytes / Math.max(1, rowBytes)));
    for (let row = 0; row < rows; row += step) {
      const filled = new Uint8Array(block.buffer, 0, Math.min(step, rows - row) * rowBytes);
      fill(view, row, Math.min(step, rows - row), filled);
      hash.update(filled);
      await onBlock(filled.length);
    }
  }
  return hash.digest("hex");
}
