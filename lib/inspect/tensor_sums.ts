/**
 * The SHA-256 of each tensor in a file: of its items in row-major order, so that it is the same in every format.
 */

import type { OpenSource } from "../bytes/source.ts";
import type { ReadOptions } from "../copy/pool.ts";
import { HASH_BLOCK_BYTES, sha256 } from "../copy/sha256.ts";
import { isContiguous, type View } from "../bytes/view.ts";
import { FileError } from "../error.ts";
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

/** Computes the sums of a file's tensors, in its order. */
export async function tensorSums(source: OpenSource, options: ReadOptions = {}): Promise<TensorSum[]> {
  const tensors = await fileTensors(source, openAnyTorchFile);
  const sums = new Map<string, string | undefined>();
  const hashed = new Map<string, readonly View[]>();
  for (const [name, { tensor }] of tensors) {
    sums.set(name, undefined);
    if (tensor === undefined) continue;
    if (isContiguous(tensor.shape, tensor.stride)) hashed.set(name, [tensorView(tensor)]);
    else if (!isTooExpanded(tensor)) hashed.set(name, [...pieces(tensor)].map(tensorView));
  }
  const found = await sha256([...hashed.values()], options);
  [...hashed.keys()].forEach((name, i) => {
    const sum = found[i]!;
    if (sum instanceof FileError) throw sum;
    sums.set(name, sum);
  });
  return [...sums].map(([name, sha256]) => ({ name, sha256 }));
}

/** A tensor in parts whose rows fit in a block. */
function* pieces(tensor: Tensor): Generator<Tensor> {
  const { dtype, shape, stride, storageOffset } = tensor;
  const [rows = 1, ...inner] = shape;
  if (numel(inner) * dtype.itemBytes <= HASH_BLOCK_BYTES) return yield tensor;
  for (let row = 0; row < rows; row++) {
    const offset = storageOffset + row * stride[0]!;
    yield* pieces({ ...tensor, shape: inner, stride: stride.slice(1), storageOffset: offset });
  }
}
