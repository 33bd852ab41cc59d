/**
 * A file that torch saved, opened: its pickle as inert values, its storages as runs of the file, and tensors
 * rebuilt from both as descriptions.
 */

import { trimMemory } from "../copy/memory.ts";
import { bytes } from "../bytes/view.ts";
import { type ByteSource, FileSource } from "../bytes/source.ts";
import { areSameBytes } from "../deps.ts";
import { FormatError } from "../error.ts";
import { type PickleValue, readPickle } from "../pickle/mod.ts";
import type { Storage, Tensor } from "../tensor/tensor.ts";
import { type Archive, openArchive, readRecord } from "./archive.ts";
import { type GlobalListener, readingPickle, refuseGlobals } from "./checkpoint_pickle.ts";
import { checkLegacyStorages, isLegacyFile, legacyArchive, readLegacyTable } from "./legacy_file.ts";
import { TensorRebuilder } from "./rebuild_tensor.ts";
import type { StoredStorage } from "./stored_storage.ts";
import { tableLimits } from "./table_limits.ts";
import type { ArchiveRecord } from "./torch_directory.ts";

/** After how many storages memory is looked at. */
const TRIM_STORAGES = 1024;

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

/** Opens a torch file. */
export type TorchOpener = (source: ByteSource) => Promise<TorchFile>;

/** The pickle that was read last, and what it says. */
interface LastTable {
  pickle?: Uint8Array;
  root?: PickleValue;
}

/**
 * Opens a file that torch saved, in today's format or in that before 1.6.
 *
 * @example Usage
 * ```ts
 * import { openTorchFile } from "@ckpt/ckpt/torch";
 * import { assertEquals } from "@std/assert";
 *
 * const { root, storages } = await openTorchFile("fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10/model.pt");
 * assertEquals([root instanceof Map && root.get("model_key"), storages.size], ["model", 21]);
 * ```
 *
 * @param source The file: its path, or something to read it from.
 * @returns The opened file. Only its table of contents was read.
 * @throws {FormatError} If it isn't one, is damaged, or names a global that torch's `weights_only=True` refuses.
 */
export function openTorchFile(source: ByteSource | string): Promise<TorchFile> {
  return openAfter(sourceOf(source), {});
}

/**
 * Opens a file that torch saved whatever its pickle names, for nothing of it is run. In all else like
 * {@linkcode openTorchFile}.
 *
 * @throws {FormatError} If it isn't one, or is damaged.
 */
export function openAnyTorchFile(source: ByteSource): Promise<TorchFile> {
  return openAfter(source, {}, () => () => {});
}

/** A file by its path, which isn't held open: each time that something is read of it, it is opened for that. */
function sourceOf(source: ByteSource | string): ByteSource {
  if (typeof source !== "string") return source;
  using file = FileSource.open(source);
  const { path, size } = file;
  return {
    path,
    size,
    async read(offset, length) {
      using file = FileSource.open(path);
      return await file.read(offset, length);
    },
  };
}

/**
 * Gives an {@linkcode openTorchFile} for the files of one checkpoint. The tensor-parallel shards of a model mostly have
 * the very same pickle, which then is read once: values are never changed.
 */
export function torchFileOpener(): TorchOpener {
  const last: LastTable = {};
  return (source) => openAfter(source, last);
}

/**
 * Outlines a file that torch saved, by its table of contents: nothing is read for each storage, which over a network
 * would be a request each. In all else like {@linkcode openAnyTorchFile}.
 *
 * @throws {FormatError} If it isn't such a file, or is damaged.
 */
export function outlineTorchFile(source: ByteSource, onGlobal: GlobalListener): Promise<TorchOutline> {
  return openAfter(source, {}, () => onGlobal, false);
}

async function openAfter(
  source: ByteSource,
  last: LastTable,
  listener: (where: string) => GlobalListener = refuseGlobals,
  isLocated = true,
): Promise<TorchFile> {
  const { path } = source;
  if (await isLegacyFile(source)) {
    const table = await readLegacyTable(source, listener(path));
    if (isLocated) await checkLegacyStorages(source, table);
    const { root, storages } = table;
    const rebuilder = new TensorRebuilder(path, storages, { isLegacy: true });
    const tensor = (value: PickleValue, name: string) => rebuilder.rebuild(value, name);
    return { archive: legacyArchive(source), root, storages, tensor };
  }
  const { archive, root } = await readTorchTable(source, listener(`${path}: data.pkl`), last);
  const storages = new Map<string, StoredStorage>();
  for (const record of storageRecords(archive)) {
    const key = record.name.slice(STORAGE_FOLDER.length);
    // An outline doesn't give it out.
    const at = isLocated ? await archive.locate(record) : 0;
    const storage: Storage = { view: bytes(path, at, record.size), crc: record.crc };
    storages.set(key, { key, headerAt: record.headerOffset, size: record.size, storage });
    if (storages.size % TRIM_STORAGES === 0) trimMemory();
  }
  const rebuilder = new TensorRebuilder(path, storages);
  return { archive, root, storages, tensor: (value, name) => rebuilder.rebuild(value, name) };
}

/** The folder of an archive that its storages are in. */
export const STORAGE_FOLDER = "data/";

/** The records of an archive that are storages, in the order in which they lie in the file. */
function storageRecords({ records }: Archive): ArchiveRecord[] {
  return [...records.values()]
    .filter(({ name }) => name.startsWith(STORAGE_FOLDER))
    .sort((a, b) => a.headerOffset - b.headerOffset);
}

/**
 * Whether an archive is of TorchScript's: `torch.load` hands it to `torch.jit.load`, which runs programs in it (2.13
 * `torch/serialization.py` `_is_torchscript_zip`).
 */
export function isTorchScript({ records }: Archive): boolean {
  return records.has("constants.pkl");
}

/**
 * Opens an archive of torch's, and reads its pickle. No storage is looked for.
 *
 * @param onGlobal Told of every global that the pickle names, unless it is the same as the last one.
 * @param last The table that was read last; this file's takes its place.
 * @throws {FormatError} If it is no such archive, or is damaged.
 */
async function readTorchTable(
  source: ByteSource,
  onGlobal: GlobalListener,
  last: LastTable = {},
): Promise<Pick<TorchFile, "archive" | "root">> {
  const archive = await openArchive(source);
  const { path } = source;
  if (isTorchScript(archive)) {
    throw new FormatError(
      `${path}: is a TorchScript archive, which holds a program; ` +
        "load it with torch.jit.load and torch.save its state_dict()",
    );
  }
  const byteOrder = await readRecord(archive, "byteorder");
  if (byteOrder !== undefined && new TextDecoder().decode(byteOrder) !== "little") {
    throw new FormatError(
      `${path}: byteorder: the tensors are not little-endian; load the file with torch on a little-endian ` +
        "machine and torch.save it again",
    );
  }
  const pickle = (await readRecord(archive, "data.pkl"))!;
  if (last.root !== undefined && areSameBytes(last.pickle!, pickle)) return { archive, root: last.root };
  const limits = tableLimits(source.size);
  const root = readingPickle(`${path}: data.pkl`, () => readPickle(pickle, { onGlobal, limits }));
  last.pickle = pickle;
  last.root = root;
  return { archive, root };
}
