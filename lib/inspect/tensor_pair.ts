/** Two tensors of one shape, as views that are compared. */

import { bytes, concatRows, type View } from "../bytes/view.ts";
import { hasNumbers } from "../copy/compare.ts";
import type { ViewPair } from "../copy/compare_rows.ts";
import type { DType } from "../tensor/dtype.ts";
import { type Tensor, tensorView } from "../tensor/tensor.ts";

/** Whether numbers of two dtypes can be compared: of all but packed ones, and of a complex one with a complex one. */
export function areComparable(a: DType, b: DType): boolean {
  return [a, b].every(({ name }) => hasNumbers(name)) && isComplex(a) === isComplex(b);
}

function isComplex({ name }: DType): boolean {
  return name.startsWith("complex");
}

/** The views of two tensors of one shape, and whether their numbers are to be compared, as far as they have any. */
export function tensorPair(a: Tensor, b: Tensor, withNumbers: boolean): ViewPair {
  const numbers = withNumbers && areComparable(a.dtype, b.dtype)
    ? [a.dtype.name, b.dtype.name] as const
    : undefined;
  const [x, y] = [tensorView(a), tensorView(b)];
  // Plain runs have no rows that matter, and these may be long.
  if (!isPlain(x) || !isPlain(y)) return { a: x, b: y, numbers };
  return { a: flat(x, a.dtype), b: flat(y, b.dtype), numbers };
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
