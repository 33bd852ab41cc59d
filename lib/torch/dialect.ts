/** The dialect of a torch file: which records it has, which depends on the version of torch that wrote it. */

import { FormatError } from "../error.ts";
import { readRecord } from "./archive.ts";
import { currentDialect, type TorchDialect } from "./save_state.ts";
import type { TorchFile } from "./torch_file.ts";

/**
 * What torch calls the folder of an archive that it writes to a stream (`caffe2/serialize/inline_container.cc`, the
 * constructor of `PyTorchStreamWriter` that takes a function).
 */
const STREAM_STEM = "archive";

/** The largest alignment that torch's `_set_storage_alignment` is used with is a memory page, in bytes; this is four. */
const MAX_ALIGNMENT = 16 * 1024;

/**
 * Finds a file's dialect, so that what is made of it can follow the same version of torch.
 *
 * @throws {FormatError} If a record states something impossible.
 */
export async function dialectOf(file: TorchFile): Promise<TorchDialect> {
  const { archive, storages } = file;
  // No version of torch that writes archives by itself wrote it.
  if (archive.isLegacy) return currentDialect;
  const text = async (name: string) => {
    const data = await readRecord(archive, name);
    return data === undefined ? undefined : new TextDecoder().decode(data);
  };
  const formatVersion = await text(".format_version");
  const stated = await text(".storage_alignment");
  const alignment = Number(stated ?? 64);
  if (!/^\d+$/.test(stated ?? "64") || alignment < 1 || alignment > MAX_ALIGNMENT) {
    throw new FormatError(`${archive.source.path}: .storage_alignment can't be ${JSON.stringify(stated)}`);
  }
  const id = await text(".data/serialization_id");
  const digits = id !== undefined && /^\d{40}$/.test(id) ? id.slice(0, 20) : undefined;
  return {
    ...(formatVersion === undefined ? {} : { formatVersion }),
    alignment,
    statesAlignment: stated !== undefined,
    statesByteOrder: archive.records.has("byteorder"),
    hasSerializationId: archive.records.has(".data/serialization_id"),
    ...(archive.stem === STREAM_STEM ? { stem: STREAM_STEM } : {}),
    // torch 2.13 torch/serialization.py _save: format version 1 stands for numeric order.
    numericOrder: formatVersion !== undefined,
    ...(digits === undefined ? {} : { nameDigits: { digits, storages: storages.size } }),
  };
}
