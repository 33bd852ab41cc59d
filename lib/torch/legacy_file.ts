/**
 * torch's format before 1.6, which `torch.save(…, _use_new_zipfile_serialization=False)` still writes
 * (2.13 `torch/serialization.py` `_legacy_save`): five pickles, one after the other, and the storages behind them.
 *
 * The pickles are a magic number, the version of the format, facts about the machine, what was saved, and the keys of
 * the storages in the order in which they lie in the file. Each storage is its number of items, as a little-endian
 * 64-bit number, and its bytes. There are no checksums.
 */

import { bytes } from "../bytes/view.ts";
import type { ByteSource } from "../bytes/source.ts";
import { FormatError } from "../error.ts";
import { PickleError, type PickleValue, readPickleFrom, type ReadPickleOptions } from "../pickle/mod.ts";
import type { Archive } from "./archive.ts";
import type { GlobalListener } from "./checkpoint_pickle.ts";
import { storageReferences } from "./storage_references.ts";
import { itemBytesOfStorage } from "./storage_type.ts";
import { MAX_TABLE_BYTES, tableLimits } from "./table_limits.ts";
import { isTarHeader, TAR_HEADER_BYTES } from "./tar_header.ts";
import type { StoredStorage } from "./stored_storage.ts";

/** The number that a file begins with (`torch/serialization.py` `MAGIC_NUMBER`). */
const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn;

/** The only version of the format that there has been (`torch/serialization.py` `PROTOCOL_VERSION`). */
const FORMAT_VERSION = 1001;

/** The number of pickles that a file begins with. */
export const LEGACY_PICKLES = 5;

/** How much of a file is read to find its pickles, in bytes; four times as much if that isn't enough, and so on. */
const FIRST_READ_BYTES = 16 * 1024;

/** The bytes in front of each storage: the number of its items. */
const COUNT_BYTES = 8;

/** What a legacy file says of its storages, before any of them was looked at. */
export interface LegacyTable {
  readonly root: PickleValue;
  /** The storages by key, in the order in which they lie in the file. */
  readonly storages: ReadonlyMap<string, LegacyStorage>;
  /** Whether the file was written on a big-endian machine. The storages' bytes are little-endian all the same. */
  readonly isBigEndian: boolean;
}

interface LegacyStorage extends StoredStorage {
  /** The size of an item in bytes. */
  readonly itemBytes: number;
}

/**
 * Whether a file is in torch's legacy format, by the magic number that it begins with. A pickle of it can be padded
 * past what is read here; no file that torch wrote is.
 */
export async function isLegacyFile(source: ByteSource): Promise<boolean> {
  const start = await source.read(0, Math.min(TAR_HEADER_BYTES, source.size));
  // torch looks for these first.
  if (isTarHeader(start)) return false;
  try {
    return readPickleFrom(start, 0).value === MAGIC_NUMBER;
  } catch (error) {
    if (error instanceof PickleError) return false;
    throw error;
  }
}

/**
 * Reads the pickles of a legacy file, and works out where its storages are.
 *
 * @param source The file; {@linkcode isLegacyFile} must be true of it.
 * @param onGlobal Told of every global that the pickles name, with the offset in its own pickle.
 * @throws {FormatError} If a pickle is damaged or isn't what it must be, or the storages don't fill the file.
 */
export async function readLegacyTable(source: ByteSource, onGlobal: GlobalListener): Promise<LegacyTable> {
  const { path } = source;
  const limit = Math.min(source.size, MAX_TABLE_BYTES);
  const options: ReadPickleOptions = { onGlobal, limits: tableLimits(source.size) };
  let start = await source.read(0, Math.min(limit, FIRST_READ_BYTES));
  for (;;) {
    const { pickles, end, error } = readPickles(start, options);
    if (error === undefined) return layOut(source, pickles, end);
    // It may just be cut off.
    if (start.length === limit) {
      throw new FormatError(`${path}: the pickle at byte ${end}: ${error.message}; copy the file again`);
    }
    const longer = new Uint8Array(Math.min(limit, 4 * start.length));
    longer.set(start);
    longer.set(await source.read(start.length, longer.length - start.length), start.length);
    start = longer;
  }
}

/** The pickles of a legacy file, as far as they could be read. */
interface Pickles {
  readonly pickles: readonly PickleValue[];
  /** Where the last one ends, or where the one starts that can't be read. */
  readonly end: number;
  readonly error?: PickleError;
}

function readPickles(file: Uint8Array, options: ReadPickleOptions): Pickles {
  const pickles: PickleValue[] = [];
  let end = 0;
  try {
    while (pickles.length < LEGACY_PICKLES) {
      const read = readPickleFrom(file, end, options);
      pickles.push(read.value);
      end = read.end;
    }
  } catch (error) {
    if (error instanceof PickleError) return { pickles, end, error };
    throw error;
  }
  return { pickles, end };
}

function layOut(
  { path, size: fileSize }: ByteSource,
  pickles: readonly PickleValue[],
  end: number,
): LegacyTable {
  const [, version, facts, root = null, keys] = pickles;
  if (version !== FORMAT_VERSION) {
    throw new FormatError(
      `${path}: is in a version of torch's legacy format that ckpt doesn't know, not in ${FORMAT_VERSION}; ` +
        "load it with torch and torch.save it again",
    );
  }
  if (!(facts instanceof Map)) throw damaged(path, "lacks the facts about the machine that wrote it");
  if (!Array.isArray(keys)) throw damaged(path, "lacks the list of its storages");
  const references = storageReferences(root);
  const storages = new Map<string, LegacyStorage>();
  let at = end;
  for (const key of keys) {
    const reference = typeof key === "string" ? references.get(key) : undefined;
    if (reference === undefined) throw damaged(path, "lists a storage that nothing refers to");
    const { key: name, type, count } = reference;
    if (storages.has(name)) throw damaged(path, `lists storage ${name} twice`);
    const itemBytes = itemBytesOfStorage(type);
    if (itemBytes === undefined) {
      throw new FormatError(`${path}: ckpt doesn't know the storage class ${type}`);
    }
    const size = typeof count === "number" && count >= 0 ? count * itemBytes : NaN;
    if (!Number.isSafeInteger(size)) throw damaged(path, `gives storage ${name} an impossible size`);
    const storage = { view: bytes(path, at + COUNT_BYTES, size) };
    storages.set(name, { key: name, headerAt: at, size, itemBytes, storage });
    at += COUNT_BYTES + size;
    if (at > fileSize) {
      throw new FormatError(
        `${path}: storage ${name} ends past the end of the file; the file is truncated`,
      );
    }
  }
  if (at < fileSize) {
    throw new FormatError(
      `${path}: has ${
        fileSize - at
      } bytes after its last storage; it is damaged, or something was appended to it`,
    );
  }
  return { root, storages, isBigEndian: facts.get("little_endian") === false };
}

/**
 * Checks that each storage of a legacy file has as many items as the pickle says.
 *
 * @throws {FormatError} If one has another number of items.
 */
export async function checkLegacyStorages(
  source: ByteSource,
  { storages, isBigEndian }: LegacyTable,
): Promise<void> {
  const { path } = source;
  for (const { key, headerAt, itemBytes, size } of storages.values()) {
    const found = new DataView((await source.read(headerAt, COUNT_BYTES)).buffer).getBigUint64(0, true);
    if (found !== BigInt(size / itemBytes)) {
      // Early versions wrote this number, and it alone, in the machine's own order.
      throw new FormatError(
        isBigEndian
          ? `${path}: was written on a big-endian machine; load it with torch there and torch.save it again`
          : `${path}: storage ${key} has ${found} items, but ${
            size / itemBytes
          } are needed; the file is damaged`,
      );
    }
  }
}

/** A legacy file as an archive without records. */
export function legacyArchive(source: ByteSource): Archive {
  return {
    source,
    stem: "archive",
    records: new Map(),
    isLegacy: true,
    locate: ({ name }) => Promise.reject(new RangeError(`Cannot locate ${name}: the file is no archive`)),
  };
}

function damaged(path: string, what: string): FormatError {
  return new FormatError(`${path}: ${what}; the file is damaged`);
}
