/** Reading a tensor's items. */

import { openReader } from "../copy/worker_pool.ts";
import { bytes, cast, sliceRows, type View, viewBytes } from "../bytes/view.ts";
import { bytesOf, cutView, type Tensor, tensorView } from "./tensor.ts";

/** The items of a tensor as a typed array. */
export type TensorValues =
  | Float64Array
  | Float32Array
  | Float16Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** What to read of a tensor. */
export interface ReadOptions {
  /** Which rows: the first one, and the one behind the last, along the first dimension. All by default. */
  readonly rows?: readonly [from: number, to: number];
  /**
   * Whether `bfloat16` and `float16` become `Float32Array`, which holds them exactly. True by default. Otherwise `float16`
   * is a `Float16Array`, and `bfloat16`, for which there is no typed array, a `Uint16Array` of its bits.
   */
  readonly widen?: boolean;
}

/** The most bytes that are read into memory at a time: what a typed array holds on all platforms. */
const MAX_BYTES = 2 ** 31 - 1;

const BLOCK_BYTES = 1024 * 1024;

const constructors = {
  float64: Float64Array,
  float32: Float32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/**
 * Reads the bytes of a tensor, as they are, in row-major order.
 *
 * Limits: 2 GiB.
 *
 * @example Usage
 * ```ts
 * import { openCheckpoint, readTensorBytes } from "@ckpt/ckpt/plan";
 * import { assertEquals } from "@std/assert";
 *
 * const { shards } = await openCheckpoint("fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10");
 * assertEquals(readTensorBytes(shards[0]!.parameters.get("decoder.layer_norm.weight")!).length, 64);
 * ```
 *
 * @param tensor The tensor.
 * @param options Which rows; `widen` has no meaning here.
 * @returns Its bytes.
 * @throws {RangeError} If the tensor is larger than that, or hasn't got these rows.
 * @throws {FileError} If they can't be read.
 */
export function readTensorBytes(tensor: Tensor, options: ReadOptions = {}): Uint8Array<ArrayBuffer> {
  return readView(viewOfRows(tensor, options));
}

/**
 * Reads the values of a tensor, in row-major order.
 *
 * `float16` and `bfloat16` become `float32`, exactly, unless `widen` is false; every other type becomes the typed array of
 * its own name (`bool`: 0 and 1 as `Uint8Array`). Limits: 2 GiB, and no complex, quantized or 8-bit floating point types.
 *
 * @example Usage
 * ```ts
 * import { openCheckpoint, readTensorValues } from "@ckpt/ckpt/plan";
 * import { assertEquals } from "@std/assert";
 *
 * const { shards } = await openCheckpoint("fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10");
 * const norm = shards[0]!.parameters.get("decoder.layer_norm.weight")!;
 * assertEquals(readTensorValues(norm, { rows: [1, 3] }), new Float32Array([1.0859375, 1.015625]));
 * ```
 *
 * @param tensor The tensor.
 * @param options Which rows, and whether to widen.
 * @returns Its values.
 * @throws {RangeError} If the tensor is larger, of another type, or hasn't got these rows.
 * @throws {FileError} If they can't be read.
 */
export function readTensorValues(tensor: Tensor, options: ReadOptions = {}): TensorValues {
  const { name } = tensor.dtype;
  const view = viewOfRows(tensor, options);
  if (name === "float16" || name === "bfloat16") {
    if (options.widen ?? true) return new Float32Array(readView(cast(view, name, "float32")).buffer);
    const { buffer } = readView(view);
    return name === "float16" ? new Float16Array(buffer) : new Uint16Array(buffer);
  }
  const constructor = constructors[name as keyof typeof constructors];
  if (constructor === undefined) {
    throw new RangeError(`Cannot read values of dtype ${name}: read its bytes instead`);
  }
  return new constructor(readView(view).buffer);
}

/** Some rows of a tensor; of a plain run with an item in each row, since rows that are to be cast have a greatest length. */
function viewOfRows(tensor: Tensor, { rows }: ReadOptions): View {
  const { shape: [count = 1], dtype: { itemBytes } } = tensor;
  const [from, to] = rows ?? [0, count];
  if (![from, to].every(Number.isInteger) || from < 0 || from > to || to > count) {
    throw new RangeError(`Cannot read rows ${from} to ${to}: the tensor has ${count}`);
  }
  const length = count === 0 ? 0 : bytesOf(tensor) / count * (to - from);
  if (length > MAX_BYTES) {
    throw new RangeError(`Cannot read a tensor of ${length} bytes: more than ${MAX_BYTES}`);
  }
  const { storage, shape, stride, storageOffset } = tensor;
  const ofRows = storage.view.op === "bytes" && Number.isInteger(itemBytes) && shape.length > 0;
  const whole = ofRows
    ? cutView(
      { ...tensor, shape: [to - from, ...shape.slice(1)], storageOffset: storageOffset + from * stride[0]! },
      Math.max(itemBytes, Float32Array.BYTES_PER_ELEMENT),
    )
    : tensorView(tensor);
  const view = whole.op === "bytes" && Number.isInteger(itemBytes)
    ? bytes(whole.path, whole.offset, viewBytes(whole) / itemBytes, itemBytes)
    : whole;
  if (ofRows || rows === undefined) return view;
  // A row of the tensor may be several of the view.
  const each = count === 0 ? 0 : view.rows / count;
  return sliceRows(view, from * each, (to - from) * each);
}

function readView(view: View): Uint8Array<ArrayBuffer> {
  const length = viewBytes(view);
  if (length > MAX_BYTES) {
    throw new RangeError(`Cannot read a tensor of ${length} bytes: more than ${MAX_BYTES}`);
  }
  const into = new Uint8Array(length);
  using reader = openReader(BLOCK_BYTES);
  const step = Math.max(1, Math.floor(BLOCK_BYTES / Math.max(1, view.rowBytes)));
  for (let row = 0; row < view.rows; row += step) {
    const rows = Math.min(step, view.rows - row);
    reader.fill(view, row, rows, into.subarray(row * view.rowBytes, (row + rows) * view.rowBytes));
  }
  return into;
}
