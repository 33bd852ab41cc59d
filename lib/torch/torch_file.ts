/**
 * A file that torch saved, opened: its pickle as inert values, its storages as runs of the file, and tensors
 * rebuilt from both as descriptions.
 *
 * @module
 */

import { bytes } from "../bytes/view.ts";
import type { ByteSource } from "../bytes/source.ts";
import { FormatError } from "../error.ts";
import { PickleError, type PickleValue, readPickle } from "../pickle/mod.ts";
import type { Storage, Tensor } from "../tensor/tensor.ts";
import { isAllowedGlobal } from "./allowed_globals.ts";
import { type Archive, openArchive, readRecord } from "./archive.ts";
import { TensorRebuilder } from "./rebuild_tensor.ts";

/** A storage record of a file. */
export interface StoredStorage {
  /** The key: the record is `data/<key>`. */
  readonly key: string;
  /** Where the record's local header starts, in bytes. */
  readonly headerAt: number;
  /** The length of the storage in bytes. */
  readonly size: number;
  /** The storage. */
  readonly storage: Storage;
}

/** A torch file's archive, and the storages in it. */
export interface StoredTensors {
  /** The archive. */
  readonly archive: Archive;
  /** The storages by key, in the order in which they lie in the file. */
  readonly storages: ReadonlyMap<string, StoredStorage>;
}

/** An opened torch file. */
export interface TorchFile extends StoredTensors {
  /** What was saved, as inert values. */
  readonly root: PickleValue;
  /**
   * Rebuilds a tensor. The same value gives the same object, and tensors that share a storage share the object.
   *
   * @param value A value of the pickle.
   * @param name What it is called there, for messages.
   * @returns The tensor, or `undefined` if the value isn't one.
   * @throws {FormatError} If it is a tensor that can't be, or of a kind that ckpt doesn't know.
   */
  tensor(value: PickleValue, name: string): Tensor | undefined;
}

/**
 * Opens a file that torch saved (1.6 or later).
 *
 * @param source The file.
 * @returns The opened file. Only its table of contents was read.
 * @throws {FormatError} If it isn't one, is damaged, or names a global that torch's `weights_only=True` refuses.
 */
export async function openTorchFile(source: ByteSource): Promise<TorchFile> {
  const archive = await openArchive(source);
  const { path } = source;
  const byteOrder = await readRecord(archive, "byteorder");
  if (byteOrder !== undefined && new TextDecoder().decode(byteOrder) !== "little") {
    throw new FormatError(
      `${path}: byteorder: the tensors are not little-endian; load the file with torch on a little-endian ` +
        "machine and torch.save it again",
    );
  }
  const pickle = await readRecord(archive, "data.pkl");
  const root = readCheckpointPickle(path, pickle!);
  const storages = new Map<string, StoredStorage>();
  const records = [...archive.records.values()].sort((a, b) => a.headerOffset - b.headerOffset);
  for (const record of records) {
    if (!record.name.startsWith("data/")) continue;
    const key = record.name.slice("data/".length);
    const at = await archive.locate(record);
    const storage: Storage = { view: bytes(path, at, record.size), crc: record.crc };
    storages.set(key, { key, headerAt: record.headerOffset, size: record.size, storage });
  }
  const rebuilder = new TensorRebuilder(path, storages);
  return { archive, root, storages, tensor: (value, name) => rebuilder.rebuild(value, name) };
}

function readCheckpointPickle(path: string, pickle: Uint8Array): PickleValue {
  try {
    return readPickle(pickle, {
      onGlobal(global, offset) {
        if (isAllowedGlobal(global.module, global.name)) return;
        throw new FormatError(
          `${path}: data.pkl: names ${global} at byte ${offset}, which no model's weights need; ` +
            "ckpt runs nothing from a file, so save the weights alone (a state dict)",
        );
      },
    });
  } catch (error) {
    if (error instanceof PickleError) {
      throw new FormatError(`${path}: data.pkl: ${error.message}; copy the file again`);
    }
    throw error;
  }
}
