/**
 * Whether the embedding and the output projection are one matrix.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createKernel } from "../copy/kernel.ts";
import { openKernelFile } from "../bytes/kernel_file.ts";
import { FileError } from "../error.ts";
import { isWholeStorage, type Tensor, tensorView } from "../tensor/tensor.ts";
import type { Parameters } from "./checkpoint.ts";

/** The names of the two matrices. */
const EMBED = "decoder_frontend.embed.weight";
const PROJECTION = "final_proj.weight";

/** How much of each matrix is in memory at a time, in bytes. */
const BLOCK_BYTES = 4 * 1024 * 1024;

/**
 * Whether a whole model's embedding and output projection are the same: one storage, or the same bytes. No checksum
 * is trusted to say so: the bytes are compared, in constant memory and only as far as they are the same. What a
 * configuration says doesn't count: a model that began with tied matrices may have been trained with two.
 *
 * @param parameters The parameters of a whole model.
 * @returns Whether they are the same.
 * @throws {FileError} If they can't be read.
 */
export function areMatricesTied(parameters: Parameters): boolean {
  const embed = parameters.get(EMBED);
  const projection = parameters.get(PROJECTION);
  return embed !== undefined && projection !== undefined && areSame(embed, projection);
}

function areSame(a: Tensor, b: Tensor): boolean {
  if (a === b) return true;
  if (a.dtype !== b.dtype || String(a.shape) !== String(b.shape)) return false;
  if (
    a.storage === b.storage && a.storageOffset === b.storageOffset && String(a.stride) === String(b.stride)
  ) {
    return true;
  }
  const [crcA, crcB] = [knownCrc(a), knownCrc(b)];
  if (crcA !== undefined && crcB !== undefined && crcA !== crcB) return false;
  return haveSameBytes(a, b);
}

function knownCrc(tensor: Tensor): number | undefined {
  return isWholeStorage(tensor) ? tensor.storage.crc : undefined;
}

function haveSameBytes(a: Tensor, b: Tensor): boolean {
  const [left, right] = [tensorView(a), tensorView(b)];
  const { rows, rowBytes } = left;
  const step = Math.max(1, Math.floor(BLOCK_BYTES / Math.max(1, rowBytes)));
  // Nobody asks for checksums here, and they would take longer than reading and comparing do.
  const kernel = createKernel({ open: openKernelFile, crc32: () => 0 }, BLOCK_BYTES);
  const buffers = [new Uint8Array(step * rowBytes), new Uint8Array(step * rowBytes)] as const;
  try {
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      const [x, y] = buffers.map((buffer) => buffer.subarray(0, count * rowBytes)) as [
        Uint8Array,
        Uint8Array,
      ];
      kernel.fill(left, row, count, x);
      kernel.fill(right, row, count, y);
      if (Buffer.compare(x, y) !== 0) return false;
    }
  } catch (error) {
    throw new FileError(error instanceof Error ? error.message : String(error));
  } finally {
    kernel.close();
  }
  return true;
}
