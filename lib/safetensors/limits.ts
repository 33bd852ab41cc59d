/** What a safetensors file may have at most. */

/** The length of a header in bytes: the format's own limit (safetensors `tensor.rs`). 405B has about 150 kB. */
export const MAX_HEADER_BYTES = 100_000_000;

/** The dimensions of a tensor: torch's limit. Weights have 1 or 2. */
export const MAX_DIMENSIONS = 64;

/**
 * The longest header that ckpt reads, in bytes: 80 times that of 405B. In memory it takes up to five times its length
 * for a moment.
 */
export const MAX_READ_HEADER_BYTES: number = 12 * 1024 * 1024;

/**
 * Values in the header of a small file: arrays, objects, numbers and texts, of which a matrix has 8. 405B has 9,100: 7
 * times as many. A value takes up to 440 bytes of memory.
 */
const HEADER_VALUES = 2 ** 16;

/** How many bytes of a file go with one more value. Where there are many tensors, there are many more bytes. */
const BYTES_PER_VALUE = 1024;

/**
 * The values that a header may have. They grow with the file, and keep what reading it takes below the file's size and
 * 64 MB.
 */
export function maxHeaderValues(fileSize: number): number {
  return HEADER_VALUES + Math.floor(fileSize / BYTES_PER_VALUE);
}
