import { FormatError } from "../../error.ts";
import { JsonError, parseStrictJson } from "../../safetensors/json.ts";

/** The largest index that is read, in bytes. That of 405B has 120 kB; 70 times as much. */
export const MAX_INDEX_BYTES = 8 * 1024 * 1024;

/**
 * Reads a `model.safetensors.index.json`: which file of a Hugging Face directory has which tensor.
 *
 * @returns The names of the files by the names of the tensors, in the order of the index.
 * @throws {FormatError} If it isn't what it must be.
 */
export function parseWeightIndex(text: string, path: string): ReadonlyMap<string, string> {
  let index: unknown;
  try {
    index = parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new FormatError(
      `${path}: ${error.duplicate === undefined ? `is no JSON: ${error.message}` : error.message}`,
    );
  }
  const map = index instanceof Map ? index.get("weight_map") : undefined;
  if (!(map instanceof Map)) {
    throw new FormatError(`${path}: has no weight_map, which says where tensors are`);
  }
  if (map.size === 0) throw new FormatError(`${path}: weight_map: names no tensor`);
  for (const [tensor, file] of map as ReadonlyMap<string, unknown>) {
    // A name with a slash could name a file anywhere.
    if (typeof file !== "string" || !/^[^/\\\0]+\.safetensors$/.test(file)) {
      throw new FormatError(
        `${path}: weight_map: ${JSON.stringify(tensor)} is said to be in ${
          JSON.stringify(file instanceof Map ? "an object" : file)
        }, which is no name of a safetensors file`,
      );
    }
  }
  return map;
}
