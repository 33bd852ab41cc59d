/**
 * Whether tensors that ought to be copies of each other are.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createKernel } from "../copy/kernel.ts";
import { openKernelFile } from "../bytes/kernel_file.ts";
import { FileError } from "../error.ts";
import { isWholeStorage, type Tensor, tensorView } from "../tensor/tensor.ts";

/** How much of each tensor is in memory at a time, in bytes. */
const BLOCK_BYTES = 4 * 1024 * 1024;

/**
 * Whether two tensors have the same dtype, shape and bytes: by their CRC-32s where both are known, else by reading
 * them, in constant memory and only as far as they are the same.
 *
 * @param a A tensor.
 * @param b Another.
 * @returns Whether they are the same.
 * @throws {FileError} If they can't be read.
 */
export function haveSameBytes(a: Tensor, b: Tensor): boolean {
  if (a.dtype !== b.dtype || String(a.shape) !== String(b.shape)) return false;
  if (
    a.storage === b.storage && a.storageOffset === b.storageOffset && String(a.stride) === String(b.stride)
  ) return true;
  if (isWholeStorage(a) && isWholeStorage(b) && a.storage.crc !== undefined && b.storage.crc !== undefined) {
    return a.storage.crc === b.storage.crc;
  }
  const [left, right] = [tensorView(a), tensorView(b)];
  const step = Math.max(1, Math.floor(BLOCK_BYTES / Math.max(1, left.rowBytes)));
  // Nobody asks for checksums here, and they would take longer than reading and comparing do.
  const kernel = createKernel({ open: openKernelFile, crc32: () => 0 }, BLOCK_BYTES);
  try {
    for (let row = 0; row < left.rows; row += step) {
      const rows = Math.min(step, left.rows - row);
      const [x, y] = [new Uint8Array(rows * left.rowBytes), new Uint8Array(rows * left.rowBytes)];
      kernel.fill(left, row, rows, x);
      kernel.fill(right, row, rows, y);
      if (Buffer.compare(x, y) !== 0) return false;
    }
  } catch (error) {
    throw new FileError(error instanceof Error ? error.message : String(error));
  } finally {
    kernel.close();
  }
  return true;
}
