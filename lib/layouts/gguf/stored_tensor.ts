/** Tensors of GGUF files as they lie there, in blocks or not. */

import { bytes, type NumberFormat } from "../../bytes/view.ts";
import type { GgmlType } from "../../gguf/ggml_types.ts";
import type { GgufTensorInfo } from "../../gguf/read.ts";
import { type DType, dtypeOf } from "../../tensor/dtype.ts";
import { type Tensor, tensorOfView } from "../../tensor/tensor.ts";

/** torch's names for ggml's types that are plain numbers. */
const PLAIN: ReadonlyMap<string, string> = new Map([
  ["F64", "float64"],
  ["F32", "float32"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["I64", "int64"],
  ["I32", "int32"],
  ["I16", "int16"],
  ["I8", "int8"],
]);

/** A tensor as it lies in its file, of no dtype of torch's where it is quantized; none if its type isn't known. */
export function storedTensor(
  { type, shape, offset, bytes: size }: GgufTensorInfo,
  path: string,
): Tensor | undefined {
  const dtype = dtypeOfType(type);
  if (dtype === undefined || size === undefined) return undefined;
  return tensorOfView(dtype, shape, bytes(path, offset, size));
}

/** The dtypes of quantized numbers, and what a cast calls them where one undoes them. */
const quantized = new Map<GgmlType, DType>();
const formats = new Map<DType, NumberFormat>();

/** The format of a dtype of quantized numbers that a cast undoes. */
export function quantizationOf(dtype: DType): NumberFormat | undefined {
  return formats.get(dtype);
}

function dtypeOfType(type: GgmlType): DType | undefined {
  const { name, block, format } = type;
  if (block === undefined) return undefined;
  const plain = PLAIN.get(name);
  if (plain !== undefined) return dtypeOf(plain);
  let dtype = quantized.get(type);
  if (dtype === undefined) {
    // A part of a byte, or of several, that is exact: blocks hold powers of two.
    dtype = Object.freeze({ name, itemBytes: block.bytes / block.items, isFloat: false });
    quantized.set(type, dtype);
    if (format !== undefined) formats.set(dtype, format);
  }
  return dtype;
}
