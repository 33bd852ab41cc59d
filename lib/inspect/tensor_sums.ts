/**
 * The SHA-256 of each tensor in a file: of its items in row-major order, so that it is the same in every format.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { FileSource } from "../bytes/source.ts";
import type { ReadOptions } from "../copy/pool.ts";
import type { Run } from "../copy/hash_run.ts";
import { openReader, type Reader } from "../copy/worker_pool.ts";
import { sha256 } from "../copy/sha256.ts";
import { CancelledError, FileError } from "../error.ts";
import { numel, type Tensor, tensorView } from "../tensor/tensor.ts";
import { openAnyTorchFile } from "../torch/torch_file.ts";
import { fileTensors, isTooExpanded } from "./file_tensors.ts";

/** The sum of a tensor. */
export interface TensorSum {
  /** The tensor's name in the file. */
  readonly name: string;
  /** Its SHA-256 in hexadecimal; `undefined` for a tensor that isn't plain, or repeats its items without end. */
  readonly sha256: string | undefined;
}

/** How much of a tensor is in memory at a time, in bytes. */
const BLOCK_BYTES = 1024 * 1024;

/** Computes the sums of a file's tensors, in its order. */
export async function tensorSums(source: FileSource, options: ReadOptions = {}): Promise<TensorSum[]> {
  const tensors = await fileTensors(source, openAnyTorchFile);
  const runs: Run[] = [];
  const others: [name: string, tensor: Tensor][] = [];
  const sums = new Map<string, string | undefined>();
  const names: string[] = [];
  for (const [name, { tensor }] of tensors) {
    sums.set(name, undefined);
    if (tensor === undefined) continue;
    const view = tensorView(tensor);
    if (view.op === "bytes") {
      names.push(name);
      runs.push({ path: view.path, offset: view.offset, length: view.rows * view.rowBytes });
    } else if (!isTooExpanded(tensor)) {
      others.push([name, tensor]);
    }
  }
  (await sha256(runs, options)).forEach((sum, i) => {
    if (sum instanceof FileError) throw sum;
    sums.set(names[i]!, sum);
  });
  using reader = openReader(BLOCK_BYTES);
  for (const [name, tensor] of others) sums.set(name, await hashPieces(reader, tensor, options.signal));
  return [...sums].map(([name, sha256]) => ({ name, sha256 }));
}

/** How long it works before other tasks have a turn, in milliseconds. */
const TURN_MS = 20;

/** Hashes a tensor whose items lie apart. */
async function hashPieces(reader: Reader, tensor: Tensor, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const block = new Uint8Array(BLOCK_BYTES);
  let turnEnds = performance.now() + TURN_MS;
  for (const piece of pieces(tensor)) {
    const view = tensorView(piece);
    const step = Math.max(1, Math.floor(BLOCK_BYTES / Math.max(1, view.rowBytes)));
    for (let row = 0; row < view.rows; row += step) {
      const rows = Math.min(step, view.rows - row);
      const filled = block.subarray(0, rows * view.rowBytes);
      reader.fill(view, row, rows, filled);
      hash.update(filled);
      if (performance.now() < turnEnds) continue;
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (signal?.aborted) throw new CancelledError("Cancelled");
      turnEnds = performance.now() + TURN_MS;
    }
  }
  return hash.digest("hex");
}

/** A tensor in parts whose rows fit in a block. */
function* pieces(tensor: Tensor): Generator<Tensor> {
  const { dtype, shape, stride, storageOffset } = tensor;
  const [rows = 1, ...inner] = shape;
  if (numel(inner) * dtype.itemBytes <= BLOCK_BYTES) return yield tensor;
  for (let row = 0; row < rows; row++) {
    const offset = storageOffset + row * stride[0]!;
    yield* pieces({ ...tensor, shape: inner, stride: stride.slice(1), storageOffset: offset });
  }
}
