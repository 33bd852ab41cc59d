/** Tensors of GGUF files as they lie there, in blocks or not. */

import { bytes } from "../../bytes/view.ts";
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

const blockTypes = new Map<string, DType>();

function dtypeOfType({ name, block }: GgmlType): DType | undefined {
  if (block === undefined) return undefined;
  const plain = PLAIN.get(name);
  if (plain !== undefined) return dtypeOf(plain);
  let dtype = blockTypes.get(name);
  if (dtype === undefined) {
    // A part of a byte, or of several, that is exact: blocks hold powers of two.
    dtype = Object.freeze({ name, itemBytes: block.bytes / block.items, isFloat: false });
    blockTypes.set(name, dtype);
  }
  return dtype;
}
