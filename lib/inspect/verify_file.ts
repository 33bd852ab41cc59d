/**
 * Checking one file of tensors: all that can be checked without knowing what it is for.
 *
 * @module
 */

import { type ChecksumOptions, checksums, type Run } from "../copy/checksums.ts";
import { FileSource } from "../bytes/source.ts";
import { badCrc } from "../copy/source_check.ts";
import { CancelledError, CheckpointError, FormatError } from "../error.ts";
import { type Archive, openArchive } from "../torch/archive.ts";
import { checkArchive } from "../torch/check_archive.ts";
import { isLegacyFile, locateLegacyStorages, readLegacyTable } from "../torch/legacy_file.ts";
import { outlineTorchFile } from "../torch/torch_outline.ts";
import { openIfSafetensors } from "./file_format.ts";
import { pickledTensors } from "./pickled_tensors.ts";

/** What came of checking a file. */
export interface FileVerification {
  /** The file. */
  readonly path: string;
  /** Its size in bytes, if it could be opened. */
  readonly bytes: number;
  /** The number of records or storages that were found in it, apart from each other and within the file. */
  readonly records: number;
  /** The number of checksums that were compared with what the file holds. Only torch's zip format states any. */
  readonly checksums: number;
  /** The names of its tensors. */
  readonly tensors: readonly string[];
  /** What is wrong with it; `undefined` if nothing is. */
  readonly problem?: string;
}

/**
 * Checks a file: that its records lie within it and apart from each other, that its local headers and its directory
 * agree, that every byte of a record has the checksum that the file states, and that each tensor lies in its storage.
 *
 * @param path The file.
 * @param options How to read it.
 * @returns What came of it. What is wrong with the file isn't thrown.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function verifyFile(path: string, options: ChecksumOptions = {}): Promise<FileVerification> {
  let size = 0;
  try {
    using source = FileSource.open(path);
    size = source.size;
    return { path, bytes: size, ...await check(source, options) };
  } catch (error) {
    if (error instanceof CancelledError || !(error instanceof CheckpointError)) throw error;
    const problem = error.message.startsWith(`${path}: `)
      ? error.message.slice(path.length + 2)
      : error.message;
    return { path, bytes: size, records: 0, checksums: 0, tensors: [], problem };
  }
}

async function check(
  source: FileSource,
  options: ChecksumOptions,
): Promise<Pick<FileVerification, "records" | "checksums" | "tensors">> {
  const safetensors = await openIfSafetensors(source);
  if (safetensors !== undefined) {
    const tensors = [...safetensors.tensors.keys()];
    return { records: tensors.length, checksums: 0, tensors };
  }
  if (await isLegacyFile(source)) {
    const table = await readLegacyTable(source, () => {});
    const storages = await locateLegacyStorages(source, table);
    return { records: storages.size, checksums: 0, tensors: await tensorNames(source) };
  }
  const archive = await openArchive(source);
  await checkArchive(archive);
  const records = await checkRecords(archive, options);
  return { records, checksums: records, tensors: await tensorNames(source) };
}

/** Compares the checksums of all records. */
async function checkRecords(archive: Archive, options: ChecksumOptions): Promise<number> {
  const { path } = archive.source;
  const records = [...archive.records.values()];
  const runs: Run[] = [];
  for (const record of records) {
    runs.push({ path, offset: await archive.locate(record), length: record.size });
  }
  const crcs = await checksums(runs, options);
  records.forEach(({ name, crc }, i) => {
    if (crcs[i] !== crc) throw badCrc(path, name, crc, crcs[i]!);
  });
  return records.length;
}

/** The names of a torch file's tensors, each of which was found to lie in its storage. */
async function tensorNames(source: FileSource): Promise<string[]> {
  const outline = await outlineTorchFile(source, () => {});
  return pickledTensors(outline.root, source.path).map(({ name, value }) => {
    if (value !== undefined && outline.tensor(value, name) === undefined) {
      throw new FormatError(`${source.path}: ${name}: is no tensor after all`);
    }
    return name;
  });
}
