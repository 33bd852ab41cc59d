/**
 * What kind of tokenizer a `tokenizer.model` holds: LLaMA 1 and 2 come with a SentencePiece model, LLaMA 3
 * with a tiktoken vocabulary, under the same name.
 */

import { lookalike } from "../bytes/lookalike.ts";
import { FormatError } from "../error.ts";
import { MAX_TOKENIZER_BYTES } from "./limits.ts";

/**
 * tiktoken: lines of a token in base64 and its rank. SentencePiece: a `ModelProto` in protobuf's encoding.
 */
export type TokenizerKind = "tiktoken" | "sentencepiece";

/** How much of a file tells its kind; a line of a vocabulary is shorter. */
const HEAD_BYTES = 2048;

/** The tag of `ModelProto.pieces`, a field of bytes with number 1, which each model begins with. */
const FIRST_TAG = 0x0a;

const IS_TEXT = /^[\t\n\r -~]*$/;

const IS_TIKTOKEN = /^[\r\n]*[A-Za-z0-9+/]+={0,2} [0-9]+\r?(?:\n|$)/;

/** What else people have under that name, by how it begins. */
const LOOKALIKES: readonly (readonly [RegExp, string])[] = [
  [/^\s*[{[]/, "it is JSON, not a tokenizer.model; a tokenizer.json needs no conversion"],
  // deno-lint-ignore no-control-regex
  [/^PK\x03\x04/, "it is a zip archive or a checkpoint, not a tokenizer.model"],
  // deno-lint-ignore no-control-regex
  [/^\x1f\x8b/, "it is compressed; unpack it first"],
];

/**
 * Tells the kind of a `tokenizer.model` by its first bytes.
 *
 * @throws {FormatError} If it is neither, or empty, or too large.
 */
export function tokenizerKind(bytes: Uint8Array, path: string): TokenizerKind {
  if (bytes.length === 0) throw new FormatError(`${path}: the file is empty; copy it again`);
  if (bytes.length > MAX_TOKENIZER_BYTES) {
    throw new FormatError(
      `${path}: a tokenizer has at most ${MAX_TOKENIZER_BYTES} bytes, this file has ${bytes.length}`,
    );
  }
  const head = String.fromCharCode(...bytes.subarray(0, HEAD_BYTES));
  if (IS_TIKTOKEN.test(head) && IS_TEXT.test(head)) return "tiktoken";
  const other = lookalike(bytes) ?? LOOKALIKES.find(([start]) => start.test(head))?.[1];
  if (other !== undefined) throw new FormatError(`${path}: ${other}`);
  if (bytes[0] === FIRST_TAG && !IS_TEXT.test(head)) return "sentencepiece";
  throw new FormatError(
    `${path}: it is neither a tiktoken vocabulary, as LLaMA 3's, nor a SentencePiece model, as LLaMA 1 and 2's`,
  );
}
