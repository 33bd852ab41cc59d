/**
 * Whether tensors have the same bytes: those that ought to be copies of each other, and the two matrices that may be one.
 */

import { Buffer } from "node:buffer";
import { openRowReader } from "../copy/remote_runner.ts";
import { EMBEDDING, PROJECTION } from "../models/family.ts";
import { isWholeStorage, type Tensor, tensorView } from "../tensor/tensor.ts";
import { isSamePlace } from "./cast.ts";
import type { Parameters } from "./checkpoint.ts";

/** How much of each tensor is in memory at a time, in bytes. */
const BLOCK_BYTES = 4 * 1024 * 1024;

/** How much of each tensor a quick look reads, in bytes: tensors that differ do so long before. */
export const QUICK_BYTES = 16 * 1024 * 1024;

/**
 * How far to look: `"trusting"`, the default, takes CRC-32s that are the same for bytes that are; `"whole"` reads these
 * all the same; `"quick"` is trusting and reads no more than {@linkcode QUICK_BYTES} of each.
 */
export type Depth = "trusting" | "whole" | "quick";

/**
 * Whether two tensors have the same dtype, shape and bytes: one storage; else by their CRC-32s where both are known; else
 * by reading them, in constant memory and only as far as they are the same.
 *
 * @throws {FileError} If they can't be read.
 */
export async function haveSameBytes(
  a: Tensor,
  b: Tensor,
  depth: Depth = "trusting",
): Promise<boolean> {
  if (a === b) return true;
  if (a.dtype !== b.dtype || String(a.shape) !== String(b.shape)) return false;
  if (isSamePlace(a, b)) return true;
  const [crcA, crcB] = [knownCrc(a), knownCrc(b)];
  if (crcA !== undefined && crcB !== undefined) {
    if (crcA !== crcB) return false;
    if (depth !== "whole") return true;
  }
  const [left, right] = [tensorView(a), tensorView(b)];
  // Norms, of which there are many, are small.
  const step = Math.max(1, Math.min(left.rows, Math.floor(BLOCK_BYTES / Math.max(1, left.rowBytes))));
  const limit = depth === "quick" ? Math.ceil(QUICK_BYTES / Math.max(1, left.rowBytes)) : Infinity;
  using reader = openRowReader(Math.min(BLOCK_BYTES, step * left.rowBytes));
  const buffers = [new Uint8Array(step * left.rowBytes), new Uint8Array(step * left.rowBytes)] as const;
  for (let row = 0; row < Math.min(left.rows, limit); row += step) {
    const rows = Math.min(step, left.rows - row);
    const [x, y] = [
      buffers[0].subarray(0, rows * left.rowBytes),
      buffers[1].subarray(0, rows * left.rowBytes),
    ];
    await reader.fill(left, row, rows, x);
    await reader.fill(right, row, rows, y);
    if (Buffer.compare(x, y) !== 0) return false;
  }
  return true;
}

function knownCrc(tensor: Tensor): number | undefined {
  return isWholeStorage(tensor) ? tensor.storage.crc : undefined;
}

/**
 * Whether a whole model's embedding and output projection are the same. A matrix is left out of what is written where
 * they are, so no checksum is trusted to say so, unless for a quick look. What a configuration says doesn't count: a model
 * that began with tied matrices may have been trained with two.
 *
 * @param depth How far to look: `"whole"` by default.
 * @throws {FileError} If they can't be read.
 */
export async function areMatricesTied(
  parameters: Parameters,
  depth: "whole" | "quick" = "whole",
): Promise<boolean> {
  const embedding = parameters.get(EMBEDDING);
  const projection = parameters.get(PROJECTION);
  return embedding !== undefined && projection !== undefined &&
    await haveSameBytes(embedding, projection, depth);
}
