/**
 * GGUF files: their metadata and the table of their tensors.
 *
 * @module
 */

export { GgufError, type GgufFile, type GgufTensorInfo, readGguf } from "./read.ts";
export type { GgmlType } from "./ggml_types.ts";
export type { GgufArray, GgufMetadata, GgufNumberType, GgufValue } from "./value.ts";
