/**
 * Comparing two tensors block by block, in constant memory.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Reader } from "../copy/worker_pool.ts";
import { bytes, concatRows, type View } from "../bytes/view.ts";
import type { DType } from "../tensor/dtype.ts";
import { type Tensor, tensorView } from "../tensor/tensor.ts";
import { canWiden, type Numbers, numbersPerItem, widen } from "./widen.ts";

/** How much of each tensor is in memory at a time, in bytes. */
export const COMPARE_BLOCK_BYTES: number = 1024 * 1024;

/** How many items of both are made numbers at a time: what stays in a core's own cache. */
const PIECE_ITEMS = 16 * 1024;

/** The most bytes of an item, of complex128. */
const MAX_ITEM_BYTES = 16;

/** Memory that all comparisons take in turn: new buffers for each would pile up as garbage. */
export interface CompareBuffers {
  /** A block of each tensor. */
  blocks: [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
  /** A piece of each as numbers. */
  readonly numbers: readonly [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>];
}

/** Makes the memory for comparisons. */
export function createCompareBuffers(): CompareBuffers {
  const block = () => new Uint8Array(COMPARE_BLOCK_BYTES);
  const numbers = () => new Float32Array(PIECE_ITEMS * MAX_ITEM_BYTES);
  return { blocks: [block(), block()], numbers: [numbers(), numbers()] };
}

/** How far two tensors of one shape differ. */
interface ValueDifference {
  /** Whether any of their bits differ, or their dtypes. */
  readonly differ: boolean;
  /**
   * The largest absolute difference between numbers at the same place; infinite where one is infinite or no number and
   * the other is not the same. `undefined` where it wasn't asked for, or the dtypes don't allow it.
   */
  readonly largest: number | undefined;
}

/**
 * Compares two tensors of the same shape. Without numbers, or where the dtypes have none that can be compared, they are
 * read only as far as they are the same. `onBlock` is told of the bytes of the first one since its last call; it may
 * wait, or throw to stop.
 */
export async function compareTensors(
  reader: Reader,
  buffers: CompareBuffers,
  a: Tensor,
  b: Tensor,
  withNumbers: boolean,
  onBlock: (bytes: number) => Promise<void>,
): Promise<ValueDifference> {
  const isComparable = withNumbers && canWiden(a.dtype) && canWiden(b.dtype) &&
    numbersPerItem(a.dtype) === numbersPerItem(b.dtype);
  const isSameType = a.dtype === b.dtype;
  let [largest, differ] = [0, !isSameType];
  if (!isComparable && differ) return { differ, largest: undefined };
  for (const [x, y] of blocks(reader, buffers, a, b)) {
    if (!isSameType || Buffer.compare(x, y) !== 0) {
      differ = true;
      if (!isComparable) break;
      for (let item = 0; item * a.dtype.itemBytes < x.length; item += PIECE_ITEMS) {
        const left = widen(a.dtype, piece(x, item, a.dtype), buffers.numbers[0]);
        const right = widen(b.dtype, piece(y, item, b.dtype), buffers.numbers[1]);
        largest = Math.max(largest, furthestApart(left, right));
      }
    }
    await onBlock(x.length);
  }
  return { differ, largest: isComparable ? largest : undefined };
}

type Block = readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];

/** The same rows of both tensors, block by block. */
function* blocks(reader: Reader, buffers: CompareBuffers, a: Tensor, b: Tensor): Generator<Block> {
  const { itemBytes: aItem } = a.dtype;
  const { itemBytes: bItem } = b.dtype;
  let [left, right] = [tensorView(a), tensorView(b)];
  // Plain runs have no rows that matter, and these may be long.
  if (isPlain(left) && isPlain(right)) [left, right] = [flat(left, aItem), flat(right, bItem)];
  if (left.rows === 0 || left.rowBytes === 0) return;
  const group = Math.max(groupRows(left), groupRows(right));
  let step = Math.max(1, Math.floor(COMPARE_BLOCK_BYTES / Math.max(left.rowBytes, right.rowBytes)));
  if (step > group) step -= step % group;
  const [x, y] = [left, right].map(({ rowBytes }, side) => {
    if (buffers.blocks[side]!.length < step * rowBytes) {
      buffers.blocks[side] = new Uint8Array(step * rowBytes);
    }
    return buffers.blocks[side]!;
  }) as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
  for (let row = 0; row < left.rows; row += step) {
    const rows = Math.min(step, left.rows - row);
    const block = [x.subarray(0, rows * left.rowBytes), y.subarray(0, rows * right.rowBytes)] as const;
    reader.fill(left, row, rows, block[0]);
    reader.fill(right, row, rows, block[1]);
    yield block;
  }
}

/** Some items of a block, fewer at its end. */
function piece(block: Uint8Array<ArrayBuffer>, item: number, { itemBytes }: DType): Uint8Array<ArrayBuffer> {
  return block.subarray(item * itemBytes, (item + PIECE_ITEMS) * itemBytes);
}

/** Whether a view is runs of bytes, one after the other. */
function isPlain(view: View): boolean {
  return view.op === "bytes" || (view.op === "concatRows" && view.parts.every(isPlain));
}

/** A plain view with an item in each row. */
function flat(view: View, itemBytes: number): View {
  if (view.op === "bytes") {
    return bytes(view.path, view.offset, view.rows * view.rowBytes / itemBytes, itemBytes);
  }
  return view.op === "concatRows" ? concatRows(view.parts.map((part) => flat(part, itemBytes))) : view;
}

/** How many rows a view reads together. */
function groupRows(view: View): number {
  switch (view.op) {
    case "bytes":
    case "strided":
      return 1;
    case "concatRows":
    case "concatColumns":
      return Math.max(...view.parts.map(groupRows));
    case "reorderRows":
      return Math.max(view.order.length, groupRows(view.of));
    default:
      return groupRows(view.of);
  }
}

function furthestApart(a: Numbers, b: Numbers): number {
  // What nearly all weights come to, and many times as fast where the engine knows both types.
  if (a instanceof Float32Array && b instanceof Float32Array) return furthestSingles(a, b);
  const [x, y] = [a as ArrayLike<number | bigint>, b as ArrayLike<number | bigint>];
  let largest = 0;
  for (let i = 0; i < x.length; i++) {
    const [p, q] = [x[i]!, y[i]!];
    if (p === q) continue;
    const distance = distanceOf(p, q);
    if (distance > largest) largest = distance;
  }
  return largest;
}

function furthestSingles(x: Float32Array, y: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < x.length; i++) {
    const distance = Math.abs(x[i]! - y[i]!);
    if (distance <= largest) continue;
    // Larger, or of something that is no number.
    if (x[i] !== y[i]) largest = Math.max(largest, distanceOf(x[i]!, y[i]!));
  }
  return largest;
}

function distanceOf(p: number | bigint, q: number | bigint): number {
  if (typeof p === "bigint" || typeof q === "bigint") {
    // A fraction or an infinity has no place among 64-bit integers, and these none among doubles.
    if (typeof p === typeof q) return Math.abs(Number((p as bigint) - (q as bigint)));
    const [number, integer] = typeof p === "number" ? [p, q as bigint] : [q as number, p as bigint];
    if (!Number.isInteger(number)) {
      return Number.isFinite(number) ? Math.abs(number - Number(integer)) : Infinity;
    }
    return Math.abs(Number(BigInt(number) - integer));
  }
  const distance = Math.abs(p - q);
  // No number on both sides is the same, on one is as different as can be.
  return Number.isNaN(distance) ? (Number.isNaN(p) && Number.isNaN(q) ? 0 : Infinity) : distance;
}
