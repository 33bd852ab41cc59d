/**
 * What a GGUF file may have at most.
 *
 * @module
 */

/** The dimensions of a tensor: llama.cpp's limit (`GGML_MAX_DIMS`). */
export const MAX_DIMENSIONS = 4;

/** The length of a tensor's name in bytes: llama.cpp's limit (`GGML_MAX_NAME` is 64, a zero at its end included). */
export const MAX_NAME_BYTES = 63;

/** The parts of a model split into files: `split.count` is a `uint16`. */
export const MAX_PARTS = 65535;
