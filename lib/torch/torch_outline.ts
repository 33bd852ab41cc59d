/**
 * A torch file's tensors as far as its table of contents tells: all but where their bytes are. So nothing has to be
 * read for each storage, which over a network would be a request each.
 */

import type { ByteSource } from "../bytes/source.ts";
import { bytes } from "../bytes/view.ts";
import type { PickleValue } from "../pickle/mod.ts";
import type { Storage, Tensor } from "../tensor/tensor.ts";
import type { Archive } from "./archive.ts";
import type { GlobalListener } from "./checkpoint_pickle.ts";
import { isLegacyFile, legacyArchive, readLegacyTable } from "./legacy_file.ts";
import { TensorRebuilder } from "./rebuild_tensor.ts";
import type { StoredStorage } from "./stored_storage.ts";
import { readTorchTable, STORAGE_FOLDER, storageRecords, type TorchFile } from "./torch_file.ts";

/** A tensor, without the place of its bytes. */
export interface TensorOutline extends Pick<Tensor, "dtype" | "shape" | "stride" | "storageOffset"> {
  /** Stands for the storage: tensors that share one have the same object. */
  readonly storage: object;
}

/** A torch file, without the places of its storages. */
interface TorchOutline extends Pick<TorchFile, "archive" | "root"> {
  /** The tensor that a value describes, like {@linkcode TorchFile.tensor}. */
  tensor(value: PickleValue, name: string): TensorOutline | undefined;
}

/**
 * Outlines a file that torch saved, in today's format or in that before 1.6.
 *
 * @throws {FormatError} If it isn't such a file, or is damaged.
 */
export async function outlineTorchFile(source: ByteSource, onGlobal: GlobalListener): Promise<TorchOutline> {
  const storages = new Map<string, StoredStorage>();
  // The place is made up, and what is given out doesn't have it.
  const add = (key: string, size: number) => {
    const storage: Storage = { view: bytes(source.path, 0, size) };
    storages.set(key, { key, headerAt: 0, size, storage });
  };
  const isLegacy = await isLegacyFile(source);
  let archive: Archive;
  let root: PickleValue;
  if (isLegacy) {
    const table = await readLegacyTable(source, onGlobal);
    for (const { key, size } of table.storages) add(key, size);
    ({ archive, root } = { archive: legacyArchive(source), root: table.root });
  } else {
    ({ archive, root } = await readTorchTable(source, onGlobal));
    for (const { name, size } of storageRecords(archive)) add(name.slice(STORAGE_FOLDER.length), size);
  }
  const rebuilder = new TensorRebuilder(source.path, storages, { isLegacy });
  return {
    archive,
    root,
    tensor(value, name) {
      const tensor = rebuilder.rebuild(value, name);
      if (tensor === undefined) return undefined;
      const { dtype, shape, stride, storageOffset, storage } = tensor;
      return { dtype, shape, stride, storageOffset, storage };
    },
  };
}
