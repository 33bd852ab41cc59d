/** A model in several GGUF files. */

import { dataBytes, type GgufTensor } from "./layout.ts";
import { MAX_PARTS } from "./limits.ts";
import type { GgufMetadata, GgufValue } from "./value.ts";

/** One of the files: what `layoutGguf()` takes. */
export interface GgufPart {
  /** The file's name. */
  readonly name: string;
  /** The values by key. */
  readonly metadata: GgufMetadata;
  /** The tensors. */
  readonly tensors: readonly GgufTensor[];
}

/** The ending of such a file's name. */
const EXTENSION = ".gguf";

/**
 * Splits a model into files as `convert_hf_to_gguf.py --split-max-size` does (gguf-py's `GGUFWriter`; `gguf-split` names
 * and marks its files in the same way): a file takes tensors while they fit, in their order, and at least one. The first
 * file has tensors, too, and all metadata; the others have only the keys that number the files.
 *
 * @param name What one file would be called: `model.gguf` becomes `model-00001-of-00002.gguf` and so on.
 * @param maxBytes The most bytes of tensors in a file; no limit by default.
 * @returns The files; a single one has the name as it is, and no such keys.
 * @throws {RangeError} If there would be more files than the format can count.
 */
export function splitGguf(
  name: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensor[],
  maxBytes = Infinity,
): GgufPart[] {
  const groups: GgufTensor[][] = [[]];
  let size = 0;
  for (const tensor of tensors) {
    const bytes = dataBytes(tensor);
    if (groups.at(-1)!.length > 0 && size + bytes > maxBytes) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)!.push(tensor);
    size += bytes;
  }
  if (groups.length === 1) return [{ name, metadata, tensors }];
  if (groups.length > MAX_PARTS) {
    throw new RangeError(`Cannot split a model into ${groups.length} files: more than ${MAX_PARTS}`);
  }

  const digits = (count: number) => String(count).padStart(5, "0");
  const stem = name.endsWith(EXTENSION) ? name.slice(0, -EXTENSION.length) : name;
  return groups.map((group, i) => {
    const numbers: readonly (readonly [string, GgufValue])[] = [
      ["split.no", { type: "uint16", value: i }],
      ["split.count", { type: "uint16", value: groups.length }],
      ["split.tensors.count", { type: "int32", value: tensors.length }],
    ];
    return {
      name: `${stem}-${digits(i + 1)}-of-${digits(groups.length)}${EXTENSION}`,
      metadata: new Map(i === 0 ? [...metadata, ...numbers] : numbers),
      tensors: group,
    };
  });
}
