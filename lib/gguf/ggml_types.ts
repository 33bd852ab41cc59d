/**
 * The types of tensors in GGUF files: ggml's (llama.cpp `ggml/include/ggml.h` `ggml_type`, `ggml/src/ggml-common.h` for
 * the sizes of blocks; gguf-py `constants.py` `GGML_QUANT_SIZES`).
 */

import type { NumberFormat } from "../bytes/view.ts";

/** A type of a tensor. A row is a whole number of blocks. */
export interface GgmlType {
  /** Its number in a file. */
  readonly id: number;
  /** ggml's name in capitals, such as `"Q8_0"`; `"type 99"` for one that isn't known. */
  readonly name: string;
  /** How many numbers a block holds, and in how many bytes; `undefined` for a type that isn't known. */
  readonly block: { readonly items: number; readonly bytes: number } | undefined;
  /** What a cast calls it, where there is one from it. */
  readonly format?: NumberFormat;
}

/** The types that llama.cpp knows, by number. Numbers between belong to types that it has given up. */
const rows: readonly (readonly [id: number, name: string, items: number, bytes: number, NumberFormat?])[] = [
  [0, "F32", 1, 4, "float32"],
  [1, "F16", 1, 2, "float16"],
  [2, "Q4_0", 32, 18, "q4_0"],
  [3, "Q4_1", 32, 20, "q4_1"],
  [6, "Q5_0", 32, 22, "q5_0"],
  [7, "Q5_1", 32, 24, "q5_1"],
  [8, "Q8_0", 32, 34, "q8_0"],
  [9, "Q8_1", 32, 36], // gguf-py 0.19 and before say 40, as it once was.
  [10, "Q2_K", 256, 84],
  [11, "Q3_K", 256, 110],
  [12, "Q4_K", 256, 144],
  [13, "Q5_K", 256, 176],
  [14, "Q6_K", 256, 210],
  [15, "Q8_K", 256, 292],
  [16, "IQ2_XXS", 256, 66],
  [17, "IQ2_XS", 256, 74],
  [18, "IQ3_XXS", 256, 98],
  [19, "IQ1_S", 256, 50],
  [20, "IQ4_NL", 32, 18],
  [21, "IQ3_S", 256, 110],
  [22, "IQ2_S", 256, 82],
  [23, "IQ4_XS", 256, 136],
  [24, "I8", 1, 1],
  [25, "I16", 1, 2],
  [26, "I32", 1, 4],
  [27, "I64", 1, 8],
  [28, "F64", 1, 8],
  [29, "IQ1_M", 256, 56],
  [30, "BF16", 1, 2, "bfloat16"],
  [34, "TQ1_0", 256, 54],
  [35, "TQ2_0", 256, 66],
  [39, "MXFP4", 32, 17],
  [40, "NVFP4", 64, 36],
  [41, "Q1_0", 128, 18],
  [42, "Q2_0", 64, 18],
];

const types: readonly GgmlType[] = rows.map(([id, name, items, bytes, format]) => ({
  id,
  name,
  block: { items, bytes },
  ...(format === undefined ? {} : { format }),
}));

const byId: ReadonlyMap<number, GgmlType> = new Map(types.map((type) => [type.id, type]));
const byFormat: ReadonlyMap<NumberFormat | undefined, GgmlType> = new Map(
  types.map((type) => [type.format, type]),
);

/** The type with a number; one without a block where no such type is known. */
export function ggmlType(id: number): GgmlType {
  return byId.get(id) ?? { id, name: `type ${id}`, block: undefined };
}

/** The type of numbers in a format. */
export function ggmlTypeOf(format: NumberFormat): GgmlType {
  return byFormat.get(format)!;
}

/**
 * The size of a tensor in bytes.
 *
 * @param shape The sizes of the dimensions, in torch's order.
 * @returns The size, or `undefined` if a row isn't a whole number of blocks, or the type isn't known.
 */
export function ggmlBytes({ block }: GgmlType, shape: readonly number[]): number | undefined {
  const row = shape.at(-1) ?? 1;
  if (block === undefined || row % block.items !== 0) return undefined;
  return shape.slice(0, -1).reduce((product, size) => product * size, row / block.items * block.bytes);
}
