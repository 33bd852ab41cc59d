/** How files are sent to an object store: in parts, or as a whole. */

import type { OutputFile } from "../copy/plan.ts";

/** The smallest part, in bytes. S3 takes 5 MiB; with more, fewer requests are made. */
const MIN_PART_BYTES = 8 * 1024 * 1024;

/** The most parts of an object, in S3 and what speaks it. */
const MAX_PARTS = 10_000;

/** Files without tensors up to this size are put as a whole, in bytes. The largest real one is a tokenizer of 35 MB. */
const MAX_WHOLE_BYTES = 64 * 1024 * 1024;

type SentFile = Pick<OutputFile, "size" | "tensors">;

/** How long the parts of a file are, in bytes: all but the last have the same length, as R2 wants it. */
export function partBytesOf({ size, tensors }: SentFile): number {
  if (isWhole({ size, tensors })) return Math.max(1, size);
  const least = Math.ceil(size / MAX_PARTS);
  return Math.max(MIN_PART_BYTES, Math.ceil(least / 1024 ** 2) * 1024 ** 2);
}

/** Whether a file is put as a whole. */
export function isWhole({ size, tensors }: SentFile): boolean {
  return tensors.length === 0 && size <= MAX_WHOLE_BYTES;
}

/** How many requests carry the bytes of a file. */
export function partCount(file: SentFile): number {
  return Math.max(1, Math.ceil(file.size / partBytesOf(file)));
}
