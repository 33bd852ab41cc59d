/** A GGUF file's metadata, as they are shown. */

import type { GgufFile } from "../gguf/read.ts";
import { type GgufValue, shortestDecimal } from "../gguf/value.ts";

/** A value as JSON has it. What JSON has no number for, such as NaN or 2 ** 64 - 1, is a text. */
export type InspectedValue = string | number | boolean;

/** A value by its key. */
export interface InspectedMetadata {
  /** The key. */
  readonly key: string;
  /** GGUF's name for the value's type; of an array, that of its items, with `[]` behind. */
  readonly type: string;
  /** The number of an array's items. */
  readonly count?: number;
  /** The value; of an array, its first items. */
  readonly value: InspectedValue | readonly InspectedValue[];
}

/** What a GGUF file says besides its tensors. */
export interface InspectedGguf {
  /** The version of the format: 2 or 3. */
  readonly version: number;
  /** What the places of tensors are multiples of, in bytes. */
  readonly alignment: number;
  /** The values, in the file's order. */
  readonly metadata: readonly InspectedMetadata[];
}

/** How many items of an array are shown: those of lists of layers, which have 126 at most, and no vocabularies. */
const MAX_ITEMS = 128;

/** What a file says besides its tensors; of long arrays, the first items. */
export function inspectGguf({ version, alignment, metadata }: GgufFile): InspectedGguf {
  return { version, alignment, metadata: Array.from(metadata, ([key, value]) => ({ key, ...shown(value) })) };
}

function shown(value: GgufValue): Omit<InspectedMetadata, "key"> {
  if (value.type !== "array") return { type: value.type, value: plain(value.type, value.value) };
  const { items, values } = value;
  return {
    type: `${items}[]`,
    count: values.length,
    value: Array.from<GgufScalar>(values.slice(0, MAX_ITEMS)).map((item) => plain(items, item)),
  };
}

type GgufScalar = string | number | bigint | boolean;

function plain(type: string, value: GgufScalar): InspectedValue {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value !== "number") return value;
  if (!Number.isFinite(value)) return String(value);
  return type === "float32" ? shortestDecimal(value) : value;
}
