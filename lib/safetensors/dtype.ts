/** The dtypes of safetensors. */

import { type DType, dtypeOf } from "../tensor/dtype.ts";

/**
 * The dtypes by their names in a header, in the order of the library's own list, which is that of their alignment
 * (safetensors 0.8 `tensor.rs` `Dtype`; 0.4 to 0.7 have fewer, in the same order) and decides in which order tensors
 * are written. Without those of less than a byte, `F4`, `F6_E2M3` and `F6_E3M2`: a model's weights aren't in them.
 */
const names: readonly (readonly [name: string, dtype: string])[] = [
  ["BOOL", "bool"],
  ["U8", "uint8"],
  ["I8", "int8"],
  ["F8_E5M2", "float8_e5m2"],
  ["F8_E4M3", "float8_e4m3fn"],
  ["F8_E8M0", "float8_e8m0fnu"],
  ["F8_E4M3FNUZ", "float8_e4m3fnuz"],
  ["F8_E5M2FNUZ", "float8_e5m2fnuz"],
  ["I16", "int16"],
  ["U16", "uint16"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["I32", "int32"],
  ["U32", "uint32"],
  ["F32", "float32"],
  ["C64", "complex64"],
  ["F64", "float64"],
  ["I64", "int64"],
  ["U64", "uint64"],
];

export interface SafetensorsDType {
  /** Its name in a header, such as `"BF16"`. */
  readonly name: string;
  readonly dtype: DType;
  /** Where it stands among the dtypes: tensors of a higher rank are written first. */
  readonly rank: number;
}

const all: readonly SafetensorsDType[] = names.map(([name, dtype], rank) => ({
  name,
  dtype: dtypeOf(dtype),
  rank,
}));
const byName = new Map(all.map((each) => [each.name, each]));
const byDType = new Map(all.map((each) => [each.dtype, each]));

/** The dtype of a name in a header, or `undefined` where ckpt knows none. */
export function safetensorsDTypeOfName(name: string): SafetensorsDType | undefined {
  return byName.get(name);
}

/** The safetensors dtype of a dtype, or `undefined` where the format has none. */
export function safetensorsDType(dtype: DType): SafetensorsDType | undefined {
  return byDType.get(dtype);
}
