/** The values of a GGUF file's metadata (gguf-py 0.19 `constants.py` `GGUFValueType`; llama.cpp `ggml/include/gguf.h`). */

/** The types whose values are numbers here; those of 64 bits that are integers are bigints. */
export type GgufNumberType =
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "uint32"
  | "int32"
  | "float32"
  | "float64";

/** The types of values, in the order of their numbers in a file, from 0. */
export const ggufValueTypes = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
] as const;

/** The type of a value. */
export type GgufValueType = typeof ggufValueTypes[number];

/** Values of one type; numbers of 32 bits are packed. Arrays of arrays, which llama.cpp refuses, there are none of. */
export type GgufArray =
  | { readonly type: "array"; readonly items: "string"; readonly values: readonly string[] }
  | { readonly type: "array"; readonly items: "int32"; readonly values: Int32Array }
  | { readonly type: "array"; readonly items: "uint32"; readonly values: Uint32Array }
  | { readonly type: "array"; readonly items: "float32"; readonly values: Float32Array }
  | { readonly type: "array"; readonly items: "bool"; readonly values: readonly boolean[] }
  | { readonly type: "array"; readonly items: "uint64" | "int64"; readonly values: readonly bigint[] }
  | {
    readonly type: "array";
    readonly items: "uint8" | "int8" | "uint16" | "int16" | "float64";
    readonly values: readonly number[];
  };

/** A value. */
export type GgufValue =
  | { readonly type: GgufNumberType; readonly value: number }
  | { readonly type: "uint64" | "int64"; readonly value: bigint }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | GgufArray;

/** A number of single precision has at most 9 digits. */
const MAX_DIGITS = 9;

/** The shortest decimal that is a number in single precision: what was meant, as in 1e-05. */
export function shortestDecimal(value: number): number {
  for (let digits = 1; digits <= MAX_DIGITS && Number.isFinite(value); digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === value) return decimal;
  }
  return value;
}

/** A file's metadata by key, in the file's order. */
export type GgufMetadata = ReadonlyMap<string, GgufValue>;
