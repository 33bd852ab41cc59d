/** The types of a tensor's items, by torch's names. */

/** A type of a tensor's items. */
export interface DType {
  /** torch's name without `torch.`, such as `"bfloat16"`; ggml's for its quantizations that ckpt can't undo: `"Q4_K"`. */
  readonly name: string;
  /** The size of an item in bytes: of numbers that share a block, the size of the block divided by their number. */
  readonly itemBytes: number;
  /** Whether the items are real floating point numbers, as a model's weights are. */
  readonly isFloat: boolean;
}

function dtype(name: string, itemBytes: number, isFloat = false): DType {
  return Object.freeze({ name, itemBytes, isFloat });
}

const all: readonly DType[] = [
  dtype("float64", 8, true),
  dtype("float32", 4, true),
  dtype("float16", 2, true),
  dtype("bfloat16", 2, true),
  dtype("float8_e4m3fn", 1, true),
  dtype("float8_e5m2", 1, true),
  dtype("float8_e4m3fnuz", 1, true),
  dtype("float8_e5m2fnuz", 1, true),
  dtype("float8_e8m0fnu", 1, true),
  dtype("float4_e2m1fn_x2", 1),
  dtype("int64", 8),
  dtype("int32", 4),
  dtype("int16", 2),
  dtype("int8", 1),
  dtype("uint64", 8),
  dtype("uint32", 4),
  dtype("uint16", 2),
  dtype("uint8", 1),
  dtype("bool", 1),
  dtype("complex128", 16),
  dtype("complex64", 8),
  dtype("complex32", 4),
];

/** All types that ckpt knows, by name. */
export const dtypes: ReadonlyMap<string, DType> = new Map(all.map((type) => [type.name, type]));

/**
 * The type with a name.
 *
 * @example Usage
 * ```ts
 * import { dtypeOf } from "@ckpt/ckpt/plan";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(dtypeOf("bfloat16").itemBytes, 2);
 * ```
 *
 * @param name torch's name without `torch.`.
 * @returns The type.
 * @throws {RangeError} If there is none with this name.
 */
export function dtypeOf(name: string): DType {
  const found = dtypes.get(name);
  if (found === undefined) throw new RangeError(`Cannot use dtype ${JSON.stringify(name)}: not known`);
  return found;
}
