/**
 * Tensors as descriptions: a type, a shape, and where the items lie. Nothing here holds a tensor's bytes.
 *
 * As in torch, a tensor is a strided window on a storage, and several tensors may share one.
 */

import { concatRows, isContiguous, MAX_ROW_BYTES, strided, type View, viewBytes } from "../bytes/view.ts";
import type { DType } from "./dtype.ts";

/** The bytes behind one or more tensors. Tensors share a storage if they refer to the same object. */
export interface Storage {
  /** The bytes: a run in a file, or whatever was joined, sliced or converted. */
  readonly view: View;
  /** The CRC-32 of the bytes, where the file that holds them states it. */
  readonly crc?: number;
}

/** A tensor. */
export interface Tensor {
  /** The type of the items. */
  readonly dtype: DType;
  /** The sizes of the dimensions; no dimensions for a scalar. */
  readonly shape: readonly number[];
  /** How far apart neighbours in each dimension lie, in items. */
  readonly stride: readonly number[];
  /** Where the first item lies in the storage, in items. */
  readonly storageOffset: number;
  /** The bytes. */
  readonly storage: Storage;
  /** torch's `requires_grad`. */
  readonly requiresGrad: boolean;
  /** Whether it was saved as a `torch.nn.Parameter`. */
  readonly isParameter: boolean;
}

/** The number of items of a shape. */
export function numel(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The size of a tensor's items in bytes. */
export function bytesOf({ shape, dtype }: Pick<Tensor, "shape" | "dtype">): number {
  return numel(shape) * dtype.itemBytes;
}

/** The strides of a contiguous tensor, in items, as torch computes them: sizes of 0 count as 1. */
export function contiguousStride(shape: readonly number[]): number[] {
  const stride = new Array<number>(shape.length);
  let next = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    stride[i] = next;
    next *= Math.max(1, shape[i]!);
  }
  return stride;
}

/** The number of items of a storage that a tensor's window spans, from the storage's start. */
export function spannedItems(
  { shape, stride, storageOffset }: Pick<Tensor, "shape" | "stride" | "storageOffset">,
): number {
  if (shape.includes(0)) return storageOffset;
  return shape.reduce((last, size, i) => last + (size - 1) * stride[i]!, storageOffset) + 1;
}

/**
 * A new contiguous tensor with a storage of its own.
 *
 * @param view The bytes, in row-major order.
 */
export function tensorOfView(dtype: DType, shape: readonly number[], view: View, crc?: number): Tensor {
  const expected = numel(shape) * dtype.itemBytes;
  if (viewBytes(view) !== expected) {
    throw new RangeError(
      `Cannot make a ${dtype.name} tensor of shape [${shape.join(", ")}]: ` +
        `it has ${expected} bytes and the view ${viewBytes(view)}`,
    );
  }
  return {
    dtype,
    shape,
    stride: contiguousStride(shape),
    storageOffset: 0,
    storage: crc === undefined ? { view } : { view, crc },
    requiresGrad: false,
    isParameter: false,
  };
}

/** The bytes of a tensor as rows, in row-major order: the first dimension counts the rows. A scalar is one row. */
export function tensorView(tensor: Tensor): View {
  const { dtype, shape, stride, storageOffset, storage } = tensor;
  const { view } = storage;
  // Blocks of numbers are no items that could lie apart.
  if (view.op === "bytes" && Number.isInteger(dtype.itemBytes)) {
    return strided(view.path, view.offset + storageOffset * dtype.itemBytes, dtype.itemBytes, shape, stride);
  }
  // What was joined or converted is always a whole contiguous tensor of its own.
  if (
    storageOffset !== 0 || !isContiguous(shape, stride) || viewBytes(view) !== numel(shape) * dtype.itemBytes
  ) {
    throw new RangeError("Cannot view part of a storage that isn't a run of a file");
  }
  return view;
}

/**
 * The bytes of a tensor in row-major order, for those to whom rows mean nothing: as {@linkcode tensorView}, but rows that
 * would be longer than those of a view may be are cut into those of the inner dimensions, down to single items. Matrices of
 * experts that lie transposed are as long.
 *
 * @param tensor One that isn't expanded beyond measure: what is cut takes memory.
 * @param itemBytes The size of an item by which rows are too long, where tensors of several dtypes are to be cut alike.
 */
export function cutView(tensor: Tensor, itemBytes: number = tensor.dtype.itemBytes): View {
  const { shape, stride, storageOffset, storage } = tensor;
  if (storage.view.op !== "bytes" || isContiguous(shape, stride)) return tensorView(tensor);
  const longest = MAX_ROW_BYTES / itemBytes;
  const cut = (at: number, storageOffset: number): View => {
    const [size = 1, ...inner] = shape.slice(at);
    if (numel(inner) <= longest) {
      return tensorView({ ...tensor, shape: shape.slice(at), stride: stride.slice(at), storageOffset });
    }
    return concatRows(Array.from({ length: size }, (_, i) => cut(at + 1, storageOffset + i * stride[at]!)));
  };
  return cut(0, storageOffset);
}

/** Whether a tensor is the whole of its storage, in row-major order. */
export function isWholeStorage(tensor: Tensor): boolean {
  return tensor.storageOffset === 0 && isContiguous(tensor.shape, tensor.stride) &&
    numel(tensor.shape) * tensor.dtype.itemBytes === viewBytes(tensor.storage.view);
}

/**
 * Whether a tensor has more items than its storage, so that several are the same (torch's `expand`). Written out it may
 * be of any size, whatever that of the file.
 */
export function isExpanded({ shape, dtype, storage }: Tensor): boolean {
  return numel(shape) * dtype.itemBytes > viewBytes(storage.view);
}
