/**
 * What a safetensors file may have at most.
 *
 * @module
 */

/** The length of a header in bytes: the format's own limit (safetensors `tensor.rs`). 405B has about 150 kB. */
export const MAX_HEADER_BYTES = 100_000_000;

/** The dimensions of a tensor: torch's limit. Weights have 1 or 2. */
export const MAX_DIMENSIONS = 64;
