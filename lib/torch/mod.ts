/**
 * Files that torch saved: opened as inert values, with tensors as descriptions of where their bytes lie.
 *
 * @module
 */

export { openTorchFile, type StoredTensors, type TorchFile } from "./torch_file.ts";
export type { StoredStorage } from "./stored_storage.ts";
export type { Archive } from "./archive.ts";
export type { ArchiveRecord } from "./torch_directory.ts";
export type { TorchDialect } from "./save_state.ts";
