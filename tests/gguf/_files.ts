/** The GGUF files that gguf-py wrote, and what is in them (`fixtures/gguf/make_gguf.py`). */

import { join } from "../../lib/deps.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { ggmlBytes, type GgmlType, ggmlType } from "../../lib/gguf/ggml_types.ts";
import { alignUp, type GgufTensor } from "../../lib/gguf/layout.ts";
import type { GgufMetadata, GgufValue } from "../../lib/gguf/value.ts";

/** Where the files are. */
export const GOLDEN: string = join(import.meta.dirname!, "..", "..", "fixtures", "gguf");

/** What every file of the writer begins with. */
export const architecture: readonly [string, GgufValue] = [
  "general.architecture",
  { type: "string", value: "llama" },
];

/** A value as the list of values has it: those of 64 bits as texts. */
// deno-lint-ignore no-explicit-any -- What JSON has.
function valueOf(type: any, value: any): GgufValue {
  if (type === "float32") return { type, value: Math.fround(value) };
  if (!Array.isArray(type)) return { type, value: /^u?int64$/.test(type) ? BigInt(value) : value };
  const [items] = type;
  const packed = { int32: Int32Array, uint32: Uint32Array, float32: Float32Array };
  // The list of 64-bit numbers is Python's text of it.
  const list = typeof value === "string" ? value.match(/-?\d+/g)!.map(BigInt) : value;
  const values = items in packed ? packed[items as keyof typeof packed].from(list) : list;
  return { type: "array", items, values } as GgufValue;
}

/** The metadata of `values.gguf`. */
export const goldenValues: GgufMetadata = new Map([
  architecture,
  ...(JSON.parse(Deno.readTextFileSync(join(GOLDEN, "values.json"))) as [string, unknown, unknown][])
    .map(([key, type, value]): [string, GgufValue] => [key, valueOf(type, value)]),
]);

const f32 = ggmlType(0);

/** The tensors of the other files: name, type, shape. */
export const goldenTensors: Readonly<Record<string, readonly [string, GgmlType, readonly number[]][]>> = {
  types: [
    ...[0, 1, 30, 8, 2, 3, 6, 7].map((id): [string, GgmlType, number[]] => [
      `blk.0.${ggmlType(id).name}.weight`,
      ggmlType(id),
      [3, 64],
    ]),
    ["row", f32, [5]],
    ["scalar", f32, []],
    ["cube", ggmlType(1), [2, 3, 1, 5]],
    ["int8é", ggmlType(24), [3]],
    ["int16é", ggmlType(25), [3]],
    ["int32é", ggmlType(26), [3]],
    ["int64é", ggmlType(27), [3]],
    ["float64é", ggmlType(28), [3]],
  ],
  aligned: [["a", f32, [5]], ["b", f32, [3]]],
  none: [],
};

/** Tensors whose bytes are those at the end of a file of such tensors. */
export function tensorsAtEnd(
  path: string,
  tensors: readonly (readonly [string, GgmlType, readonly number[]])[],
  alignment = 32,
): GgufTensor[] {
  const sizes = tensors.map(([, type, shape]) => ggmlBytes(type, shape)!);
  let at = Deno.statSync(path).size - sizes.reduce((sum, size) => sum + alignUp(size, alignment), 0);
  return tensors.map(([name, type, shape], i) => {
    const data = bytes(path, at, sizes[i]!);
    at += alignUp(sizes[i]!, alignment);
    return { name, type, shape, data };
  });
}
