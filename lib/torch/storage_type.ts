/** torch's storage classes, which stand for dtypes in a saved tensor. */

import type { Global } from "../pickle/mod.ts";
import { type DType, dtypeOf } from "../tensor/dtype.ts";

/**
 * The storage class of each dtype that has one, from torch 2.13 `torch/storage.py`
 * `_dtype_to_storage_type_map` (without the quantized ones). Tensors of newer dtypes are saved with
 * `torch.storage.UntypedStorage` and `_rebuild_tensor_v3` instead.
 */
const classes: readonly (readonly [dtype: string, className: string])[] = [
  ["float64", "DoubleStorage"],
  ["float32", "FloatStorage"],
  ["float16", "HalfStorage"],
  ["int64", "LongStorage"],
  ["int32", "IntStorage"],
  ["int16", "ShortStorage"],
  ["int8", "CharStorage"],
  ["uint8", "ByteStorage"],
  ["bool", "BoolStorage"],
  ["bfloat16", "BFloat16Storage"],
  ["complex128", "ComplexDoubleStorage"],
  ["complex64", "ComplexFloatStorage"],
];

const byClass = new Map(classes.map(([dtype, name]) => [name, dtypeOf(dtype)]));
const byDType = new Map(classes);

/** The dtype of a storage class such as `"FloatStorage"`, or `undefined`. */
export function dtypeOfStorageClass(name: string): DType | undefined {
  return byClass.get(name);
}

/** The storage class of a dtype, or `undefined` where torch saves it untyped. */
export function storageClassOf(dtype: DType): string | undefined {
  return byDType.get(dtype.name);
}

/** The size in bytes of an item of each storage class that stands for no dtype here: quantized, or untyped. */
const otherClasses: ReadonlyMap<string, number> = new Map([
  ["torch.QInt8Storage", 1],
  ["torch.QUInt8Storage", 1],
  ["torch.QInt32Storage", 4],
  ["torch.QUInt4x2Storage", 1],
  ["torch.QUInt2x4Storage", 1],
  ["torch.storage.UntypedStorage", 1],
]);

/** The size in bytes of an item of a storage class, whether or not ckpt knows the dtype. */
export function itemBytesOfStorage(type: Global): number | undefined {
  const { module, name } = type;
  const dtype = module === "torch" || module === "torch.cuda" ? dtypeOfStorageClass(name) : undefined;
  return dtype?.itemBytes ?? otherClasses.get(type.toString());
}
