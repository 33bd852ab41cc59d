/**
 * Tensors over bytes in memory, and the simplest way to join and split them, to compare with.
 */

import { crc32 } from "node:zlib";
import { createKernel } from "../lib/copy/kernel.ts";
import { bytes } from "../lib/bytes/view.ts";
import type { DType } from "../lib/tensor/dtype.ts";
import {
  contiguousStride,
  numel,
  spannedItems,
  type Storage,
  type Tensor,
  tensorOfView,
  tensorView,
} from "../lib/tensor/tensor.ts";
import type { Random } from "./copy/_random.ts";

/** The values of a tensor: its items in row-major order. */
export interface Values {
  /** The type of the items. */
  readonly dtype: DType;
  /** The sizes of the dimensions. */
  readonly shape: readonly number[];
  /** The items' bytes. */
  readonly bytes: Uint8Array;
}

/** Random values. */
export function randomValues(random: Random, dtype: DType, shape: readonly number[]): Values {
  return { dtype, shape, bytes: random.bytes(numel(shape) * dtype.itemBytes) };
}

/** How many runs of how many bytes a dimension's index is constant in. */
function runs({ dtype, shape }: Values, dimension: number): { outer: number; inner: number } {
  return {
    outer: numel(shape.slice(0, dimension)),
    inner: numel(shape.slice(dimension + 1)) * dtype.itemBytes,
  };
}

/** What `torch.cat` of tensors is. */
export function joinValues(parts: readonly Values[], dimension: number): Values {
  const { dtype, shape } = parts[0]!;
  const { outer } = runs(parts[0]!, dimension);
  const joined: number[] = [];
  for (let i = 0; i < outer; i++) {
    for (const part of parts) {
      const length = part.shape[dimension]! * runs(part, dimension).inner;
      joined.push(...part.bytes.subarray(i * length, (i + 1) * length));
    }
  }
  const total = parts.reduce((sum, part) => sum + part.shape[dimension]!, 0);
  return {
    dtype,
    shape: shape.map((size, i) => i === dimension ? total : size),
    bytes: Uint8Array.from(joined),
  };
}

/** What `torch.split` with these sizes is: they add up to the tensor's. */
export function splitValues(whole: Values, dimension: number, sizes: readonly number[]): Values[] {
  const { dtype, shape } = whole;
  const { outer, inner } = runs(whole, dimension);
  let start = 0;
  return sizes.map((size) => {
    const part: number[] = [];
    for (let i = 0; i < outer; i++) {
      const at = (i * shape[dimension]! + start) * inner;
      part.push(...whole.bytes.subarray(at, at + size * inner));
    }
    start += size;
    return { dtype, shape: shape.map((n, i) => i === dimension ? size : n), bytes: Uint8Array.from(part) };
  });
}

/** What `torch.chunk` into equal parts is. */
export function chunkValues(whole: Values, dimension: number, count: number): Values[] {
  return splitValues(whole, dimension, Array(count).fill(whole.shape[dimension]! / count));
}

/** How a tensor lies in its storage. */
export interface LayoutOptions {
  /** Items in the storage before the tensor's. */
  readonly before?: number;
  /** Items in the storage after the tensor's. */
  readonly after?: number;
  /** Whether the items lie in column-major order. */
  readonly transposed?: boolean;
  /** Whether the storage's checksum isn't known. */
  readonly withoutCrc?: boolean;
}

/** A tensor with these values, in a storage of its own that lies somewhere in a file; and the file's bytes. */
export function layOut(
  path: string,
  values: Values,
  random: Random,
  options: LayoutOptions = {},
): { readonly tensor: Tensor; readonly file: Uint8Array } {
  const { dtype, shape } = values;
  const { before = 0, after = 0, transposed = false, withoutCrc = false } = options;
  const stride = transposed ? contiguousStride(shape.toReversed()).toReversed() : contiguousStride(shape);
  const place = { shape, stride, storageOffset: before };
  const storage = random.bytes((spannedItems(place) + after) * dtype.itemBytes);
  const index = new Array<number>(shape.length).fill(0);
  for (let item = 0; item < numel(shape); item++) {
    const at = index.reduce((sum, i, dimension) => sum + i * stride[dimension]!, before) * dtype.itemBytes;
    storage.set(values.bytes.subarray(item * dtype.itemBytes, (item + 1) * dtype.itemBytes), at);
    for (let dimension = shape.length - 1; dimension >= 0; dimension--) {
      if (++index[dimension]! < shape[dimension]!) break;
      index[dimension] = 0;
    }
  }
  const offset = random.integer(0, 100);
  const file = new Uint8Array([...random.bytes(offset), ...storage, ...random.bytes(10)]);
  const stored: Storage = {
    view: bytes(path, offset, storage.length),
    ...(withoutCrc ? {} : { crc: crc32(storage) }),
  };
  return { tensor: { dtype, ...place, storage: stored, requiresGrad: false, isParameter: false }, file };
}

/** Files that are in memory alone. */
export class MemoryFiles {
  readonly #files = new Map<string, Uint8Array>();

  /** A contiguous tensor with these values, with a storage and a file of its own. */
  add({ dtype, shape, bytes: content }: Values): Tensor {
    const path = `in memory ${this.#files.size}`;
    this.#files.set(path, content);
    return tensorOfView(dtype, shape, bytes(path, 0, content.length), crc32(content));
  }

  /** The values of a tensor whose view reads these files. */
  read(tensor: Tensor): Values {
    const view = tensorView(tensor);
    const content = new Uint8Array(view.rows * view.rowBytes);
    const open = (path: string) => {
      const file = this.#files.get(path)!;
      return {
        read(into: Uint8Array, from: number) {
          const part = file.subarray(from, from + into.length);
          into.set(part);
          return part.length;
        },
        write(): void {
          throw new Error("Cannot write: nothing here does");
        },
        close() {},
      };
    };
    const kernel = createKernel({ open, crc32: (bytes, crc) => crc32(bytes, crc) }, 1024);
    kernel.fill(view, 0, view.rows, content);
    return { dtype: tensor.dtype, shape: tensor.shape, bytes: content };
  }
}
