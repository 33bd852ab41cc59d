/**
 * Two tensors of one shape, as views that are compared.
 *
 * @module
 */

import { bytes, cast, concatRows, MAX_ROW_BYTES, type View, viewBytes } from "../bytes/view.ts";
import { hasNumbers } from "../copy/compare.ts";
import type { ViewPair } from "../copy/compare_rows.ts";
import { quantizationOf } from "../layouts/gguf/stored_tensor.ts";
import type { DType } from "../tensor/dtype.ts";
import { cutView, numel, type Tensor, tensorView } from "../tensor/tensor.ts";

/**
 * Whether numbers of two tensors of one shape can be compared: of all but packed ones, of quantized ones that a cast undoes,
 * and of a complex one with a complex one.
 */
export function areComparable(a: Tensor, b: Tensor): boolean {
  const [of, other] = [a.dtype, b.dtype].map(numbersOf);
  if (!hasNumbers(of!) || !hasNumbers(other!) || isComplex(of!) !== isComplex(other!)) return false;
  return !isQuantized(a) && !isQuantized(b) || inRows(a) !== undefined && inRows(b) !== undefined;
}

/** torch's name for the numbers of a dtype. */
function numbersOf(dtype: DType): string {
  return quantizationOf(dtype) === undefined ? dtype.name : "float32";
}

function isComplex(name: string): boolean {
  return name.startsWith("complex");
}

function isQuantized({ dtype }: Tensor): boolean {
  return quantizationOf(dtype) !== undefined;
}

/** The views of two tensors of one shape, and whether their numbers are to be compared, as far as they have any. */
export function tensorPair(a: Tensor, b: Tensor, withNumbers: boolean): ViewPair {
  const numbers = withNumbers && areComparable(a, b)
    ? [numbersOf(a.dtype), numbersOf(b.dtype)] as const
    : undefined;
  if (numbers !== undefined && (isQuantized(a) || isQuantized(b))) {
    return { a: inRows(a)!, b: inRows(b)!, numbers };
  }
  const itemBytes = Math.max(a.dtype.itemBytes, b.dtype.itemBytes);
  const [x, y] = [cutView(a, itemBytes), cutView(b, itemBytes)];
  // Plain runs have no rows that matter, and these may be long.
  if (!isPlain(x) || !isPlain(y)) return { a: runInRows(x, y.rows), b: runInRows(y, x.rows), numbers };
  return { a: flat(x, a.dtype), b: flat(y, b.dtype), numbers };
}

/** A view with a row for each of the last dimension's, of numbers that aren't quantized; none where there is no such. */
function inRows(tensor: Tensor): View | undefined {
  const { shape, dtype } = tensor;
  const columns = shape.at(-1) ?? 1;
  const rows = numel(shape.slice(0, -1));
  const view = tensorView(tensor);
  if (view.op !== "bytes") return view.rows === rows ? view : undefined;
  const run = bytes(view.path, view.offset, rows, rows === 0 ? 0 : viewBytes(view) / rows);
  const format = quantizationOf(dtype);
  if (format === undefined) return run;
  return 4 * columns > MAX_ROW_BYTES ? undefined : cast(run, format, "float32");
}

/** A run in so many rows; what else is a view has its own. */
export function runInRows(view: View, rows: number): View {
  return view.op === "bytes" && rows > 0 ? bytes(view.path, view.offset, rows, viewBytes(view) / rows) : view;
}

/** Whether a view is runs of bytes, one after the other. */
function isPlain(view: View): boolean {
  return view.op === "bytes" || (view.op === "concatRows" && view.parts.every(isPlain));
}

/** A plain view with an item in each row, or a byte where items share blocks. */
function flat(view: View, dtype: DType): View {
  const itemBytes = Number.isInteger(dtype.itemBytes) ? dtype.itemBytes : 1;
  if (view.op === "bytes") {
    return bytes(view.path, view.offset, view.rows * view.rowBytes / itemBytes, itemBytes);
  }
  return view.op === "concatRows" ? concatRows(view.parts.map((part) => flat(part, dtype))) : view;
}
