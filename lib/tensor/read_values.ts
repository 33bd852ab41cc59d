/** Reading a tensor's items. */

import { openReader } from "../copy/worker_pool.ts";
import { bytes, cast, type View, viewBytes } from "../bytes/view.ts";
import { type Tensor, tensorView } from "./tensor.ts";

/** The items of a tensor as a typed array. */
export type TensorValues =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

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
 * @param tensor The tensor.
 * @returns Its bytes.
 * @throws {RangeError} If the tensor is larger than that.
 * @throws {FileError} If they can't be read.
 */
export function readTensorBytes(tensor: Tensor): Uint8Array<ArrayBuffer> {
  return readView(tensorView(tensor));
}

/**
 * Reads the values of a tensor, in row-major order.
 *
 * `float16` and `bfloat16` become `float32`, exactly; every other type becomes the typed array of its own name
 * (`bool`: 0 and 1 as `Uint8Array`). Limits: 2 GiB, and no complex, quantized or 8-bit floating point types.
 *
 * @param tensor The tensor.
 * @returns Its values.
 * @throws {RangeError} If the tensor is larger, or of another type.
 * @throws {FileError} If they can't be read.
 */
export function readTensorValues(tensor: Tensor): TensorValues {
  const { name } = tensor.dtype;
  if (name === "float16" || name === "bfloat16") {
    return new Float32Array(readView(cast(rowsOfItems(tensorView(tensor), 2), name, "float32")).buffer);
  }
  const constructor = constructors[name as keyof typeof constructors];
  if (constructor === undefined) {
    throw new RangeError(`Cannot read values of dtype ${name}: read its bytes instead`);
  }
  return new constructor(readTensorBytes(tensor).buffer);
}

/** A plain run with an item in each row, since rows that are to be cast have a greatest length. */
function rowsOfItems(view: View, itemBytes: number): View {
  return view.op === "bytes" ? bytes(view.path, view.offset, viewBytes(view) / itemBytes, itemBytes) : view;
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
