/** What a GGUF file may have at most. */

/** The dimensions of a tensor: llama.cpp's limit (`GGML_MAX_DIMS`). */
export const MAX_DIMENSIONS = 4;

/** The length of a tensor's name in bytes: llama.cpp's limit (`GGML_MAX_NAME` is 64, a zero at its end included). */
export const MAX_NAME_BYTES = 63;

/** The parts of a model split into files: `split.count` is a `uint16`. */
export const MAX_PARTS = 65535;

/** The length of a key in bytes: the format's own limit. */
export const MAX_KEY_BYTES = 65535;

/** The longest table that ckpt reads, in bytes: twice that of Gemma 4, which has 776,000 tokens and merges. */
export const MAX_HEADER_BYTES: number = 32 * 1024 * 1024;

/** The longest text that ckpt reads, in bytes. A chat template has 100 kB; `tokenizer.json`, which some have, 10 MB. */
export const MAX_TEXT_BYTES: number = 12 * 1024 * 1024;

/** The most items of all arrays together, but for numbers that are packed. One takes up to 60 bytes of memory. */
export const MAX_ITEMS: number = 2 ** 20;

/** The most keys, and the most tensors. Real files have 60 keys and 2,000 tensors; one takes up to 500 bytes of memory. */
export const MAX_ENTRIES: number = 2 ** 16;
