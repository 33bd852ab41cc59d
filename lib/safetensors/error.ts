import { FormatError } from "../error.ts";

/**
 * The ways in which a safetensors file can be malformed:
 *
 * - `"no header"`: the file is too short for the 8 bytes that state the header's length.
 * - `"header too large"`: the stated length is past {@linkcode MAX_HEADER_BYTES}, or past what ckpt reads.
 * - `"header past the end"`: the stated length is more than the file has.
 * - `"no UTF-8"`: the header's bytes are no UTF-8 text.
 * - `"no object"`: the header doesn't begin with a brace, as the format demands.
 * - `"no JSON"`: the header is no JSON, or has more values than such a file may have.
 * - `"duplicate name"`: an object in the header has a name twice.
 * - `"bad metadata"`: `__metadata__` isn't a mapping of texts to texts.
 * - `"bad entry"`: a tensor's entry isn't an object with `dtype`, `shape` and `data_offsets` and nothing else.
 * - `"unknown dtype"`: a dtype that ckpt doesn't know.
 * - `"bad shape"`: a shape that isn't a sequence of whole numbers from 0, or has too many dimensions.
 * - `"too large"`: a shape with more bytes than can be counted.
 * - `"bad offsets"`: offsets that aren't two whole numbers from 0, the first one not past the second.
 * - `"wrong span"`: a span that isn't as long as the shape and the dtype need.
 * - `"overlap"`: a tensor that begins before the one before it ends.
 * - `"gap"`: bytes between two tensors, or before the first, that belong to none.
 * - `"missing bytes"`: a file that ends before its last tensor does.
 * - `"trailing bytes"`: a file with bytes after its last tensor.
 */
export type SafetensorsProblem =
  | "no header"
  | "header too large"
  | "header past the end"
  | "no UTF-8"
  | "no object"
  | "no JSON"
  | "duplicate name"
  | "bad metadata"
  | "bad entry"
  | "unknown dtype"
  | "bad shape"
  | "too large"
  | "bad offsets"
  | "wrong span"
  | "overlap"
  | "gap"
  | "missing bytes"
  | "trailing bytes";

/** A file that isn't what safetensors demands. */
export class SafetensorsError extends FormatError {
  /** Makes an error about the file at a path, or a part of it. */
  constructor(where: string, readonly problem: SafetensorsProblem, message: string) {
    super(`${where}: ${message}`);
  }
}
