/**
 * torch's archives as they are read: a zip of stored records. Only the directory and the local headers are read, never
 * a record's data.
 */

import { lookalike } from "../bytes/lookalike.ts";
import { FormatError } from "../error.ts";
import type { ByteSource } from "../bytes/source.ts";
import { crc32 } from "../copy/crc32.ts";
import { KeyGuard } from "../key_guard.ts";
import { LOCAL_HEADER_BYTES } from "./archive_layout.ts";
import { MAX_TABLE_BYTES } from "./table_limits.ts";
import { isTarHeader, TAR_HEADER_BYTES } from "./tar_header.ts";
import { type ArchiveRecord, readTorchDirectory } from "./torch_directory.ts";

export { MAX_TABLE_BYTES };

/** An archive's table of contents. */
export interface Archive {
  /** The file that holds it. */
  readonly source: ByteSource;
  /** The folder that all records lie in: the file's name without its extension when torch wrote it. */
  readonly stem: string;
  /** The records, in the directory's order. */
  readonly records: ReadonlyMap<string, ArchiveRecord>;
  /** Whether this is no archive at all, but a file of torch's legacy format, which has no records. */
  readonly isLegacy?: boolean;
  /**
   * Finds where a record's data starts, by its local header.
   *
   * @throws {FormatError} If the local header contradicts the directory.
   */
  locate(record: ArchiveRecord): Promise<number>;
}

/** How often names of records may pass by others; see {@linkcode KeyGuard}. torch counts its storages from 0. */
const MAX_KEY_STEPS = 2 ** 20;

/**
 * Opens an archive.
 *
 * @throws {FormatError} If it is no archive of torch's: not a zip, truncated, ambiguous, compressed, encrypted …
 */
export async function openArchive(source: ByteSource): Promise<Archive> {
  const { path } = source;
  if (source.size === 0) throw new FormatError(`${path}: the file is empty; copy it again`);
  const start = await source.read(0, Math.min(TAR_HEADER_BYTES, source.size));
  const isZip = start[0] === 0x50 && start[1] === 0x4b;
  if (!isZip) throw notAnArchive(path, start);
  // An archive just as torch writes it needs no general reader; see torch_directory.ts.
  const entries = await readTorchDirectory(source) ??
    await (await import("./zip_directory.ts")).readZipDirectory(source);
  return tableOfContents(source, entries);
}

function tableOfContents(source: ByteSource, entries: readonly ArchiveRecord[]): Archive {
  const { path } = source;
  const pickle = entries.find(({ name }) =>
    name.indexOf("/") === name.length - "/data.pkl".length && name.endsWith("/data.pkl")
  );
  if (pickle === undefined) {
    throw new FormatError(
      `${path}: is a zip archive without data.pkl, so torch didn't write it; name a .pt file`,
    );
  }
  const stem = pickle.name.slice(0, -"/data.pkl".length);
  const ends = checkPlaces(source, entries);
  const limits = new Map<ArchiveRecord, number>();
  const records = new Map<string, ArchiveRecord>();
  const guard = new KeyGuard(MAX_KEY_STEPS);
  const folded = new Set<string>();
  for (const entry of entries) {
    if (!entry.name.startsWith(`${stem}/`)) {
      throw new FormatError(
        `${path}: ${entry.name}: lies outside the archive's folder ${stem}, so torch didn't write it`,
      );
    }
    const name = entry.name.slice(stem.length + 1);
    const lower = toLowerCase(name);
    // Others look storages up by the last part of their names alone.
    if (!guard.allows(records, name.slice(name.indexOf("/") + 1))) {
      throw new FormatError(`${path}: too many names of its records have one hash, so torch didn't write it`);
    }
    const problem = records.has(name)
      ? "the archive has two records of this name"
      : folded.has(lower)
      ? "the archive has two records whose names differ only in case, which torch takes for one"
      : nameProblem(entry.name, name, lower);
    if (problem !== undefined) {
      throw new FormatError(`${path}: ${entry.name.slice(0, MAX_SHOWN_CHARACTERS)}: ${problem}`);
    }
    folded.add(lower);
    const record = { ...entry, name };
    records.set(name, record);
    limits.set(record, ends.get(entry)!);
  }
  return {
    source,
    stem,
    records,
    locate: (record) => locate(source, stem, record, limits.get(record)!),
  };
}

/**
 * The records that torch asks for: 2.13 `torch/serialization.py` `_load`, and `caffe2/serialize/inline_container.cc`
 * `PyTorchStreamReader::init`. Storages are found below `data/`.
 */
const ASKED_FOR = /^(?:data\.pkl|byteorder|version|\.format_version|\.storage_alignment|\.?data\/)/;

/** The longest name that torch's reader sees whole (miniz.h `MZ_ZIP_MAX_ARCHIVE_FILENAME_SIZE`, with its NUL). */
const MAX_NAME_BYTES = 511;

/** How much of a name a message shows. */
const MAX_SHOWN_CHARACTERS = 100;

/** A path as torch writes it: nothing in it is empty, `.` or `..`, and nothing ends a text in C or splits a path. */
// deno-lint-ignore no-control-regex -- Control characters.
const PLAIN_PATH = /^(?!.*(?:^|\/)\.{0,2}(?:\/|$))[^\\\x00-\x1f\x7f]+$/s;

/** The letters that torch's reader doesn't tell apart: those of ASCII (miniz.c `MZ_TOLOWER`). */
function toLowerCase(name: string): string {
  return /[A-Z]/.test(name) ? name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : name;
}

/** What torch's reader, or another, would take a name for that it isn't. */
function nameProblem(path: string, name: string, lower: string): string | undefined {
  if (!PLAIN_PATH.test(path)) return "is no plain path, so torch didn't write it";
  // A letter of JavaScript's has up to three bytes.
  if (3 * path.length > MAX_NAME_BYTES && new TextEncoder().encode(path).length > MAX_NAME_BYTES) {
    return `has more than ${MAX_NAME_BYTES} bytes, which is as far as torch reads names`;
  }
  if (ASKED_FOR.test(lower) && !ASKED_FOR.test(name)) {
    return `is ${lower} in other letters, which torch takes for that`;
  }
  return undefined;
}

/**
 * Checks that records lie within the file and apart from each other. Headers count at their shortest;
 * {@linkcode locate} knows their length.
 *
 * @returns Where each record must have ended.
 */
function checkPlaces(
  { path, size: fileSize }: ByteSource,
  entries: readonly ArchiveRecord[],
): Map<ArchiveRecord, number> {
  const limits = new Map<ArchiveRecord, number>();
  const sorted = [...entries].sort((a, b) => a.headerOffset - b.headerOffset);
  sorted.forEach((entry, i) => {
    const { name, headerOffset, size } = entry;
    const limit = sorted[i + 1]?.headerOffset ?? fileSize;
    const end = headerOffset + LOCAL_HEADER_BYTES + size;
    if (end > fileSize) {
      throw new FormatError(
        `${path}: ${name}: the record ends past the end of the file; the file is truncated`,
      );
    }
    if (end > limit) {
      throw new FormatError(`${path}: ${name}: the record overlaps another; the file is damaged`);
    }
    limits.set(entry, limit);
  });
  return limits;
}

async function locate(
  source: ByteSource,
  stem: string,
  record: ArchiveRecord,
  limit: number,
): Promise<number> {
  const { path } = source;
  const rawName = new TextEncoder().encode(`${stem}/${record.name}`);
  const where = `${path}: ${record.name}`;
  const available = Math.min(LOCAL_HEADER_BYTES + rawName.length, source.size - record.headerOffset);
  const header = await source.read(record.headerOffset, available);
  const view = new DataView(header.buffer);
  if (view.getUint32(0, true) !== 0x04034b50) {
    throw new FormatError(
      `${where}: no local header at byte ${record.headerOffset}, so the archive is damaged`,
    );
  }
  const flags = view.getUint16(6, true);
  const nameBytes = view.getUint16(26, true);
  const extraBytes = view.getUint16(28, true);
  const name = header.subarray(LOCAL_HEADER_BYTES);
  const sameName = nameBytes === rawName.length && name.every((byte, i) => byte === rawName[i]);
  // torch leaves the CRC and sizes to the descriptor (flag 8); where they are here, they must agree.
  const hasDescriptor = (flags & 8) !== 0;
  const localCrc = view.getUint32(14, true);
  const isSize = (size: number) => size === record.size || size === 0xffffffff;
  const sameFacts = hasDescriptor ||
    (localCrc === record.crc && isSize(view.getUint32(18, true)) && isSize(view.getUint32(22, true)));
  if (!sameName || view.getUint16(8, true) !== 0 || (flags & 1) !== 0 || !sameFacts) {
    throw new FormatError(
      `${where}: the local header contradicts the archive's directory, so the archive is damaged`,
    );
  }
  const start = record.headerOffset + LOCAL_HEADER_BYTES + nameBytes + extraBytes;
  if (start + record.size > limit) {
    throw new FormatError(
      limit === source.size
        ? `${where}: the record ends past the end of the file; the file is truncated`
        : `${where}: the record overlaps another; the file is damaged`,
    );
  }
  return start;
}

/**
 * Reads a small record whole and checks its CRC-32.
 *
 * @throws {FormatError} If it is damaged or too long.
 */
export async function readRecord(archive: Archive, name: string): Promise<Uint8Array | undefined> {
  const record = archive.records.get(name);
  if (record === undefined) return undefined;
  const where = `${archive.source.path}: ${name}`;
  if (record.size > MAX_TABLE_BYTES) {
    throw new FormatError(
      `${where}: has ${record.size} bytes, more than the ${MAX_TABLE_BYTES} that ckpt reads`,
    );
  }
  const data = await archive.source.read(await archive.locate(record), record.size);
  const crc = crc32(data);
  if (crc !== record.crc) {
    if (record.crc === 0) throw noChecksum(where);
    throw new FormatError(`${where}: the record is damaged (its CRC-32 doesn't match); copy the file again`);
  }
  return data;
}

/**
 * The error for a record that has data and states 0 as its CRC-32: torch ≥ 2.6 writes that for all records after
 * `torch.serialization.set_crc32_options(False)`.
 */
export function noChecksum(where: string): FormatError {
  return new FormatError(
    `${where}: states no checksum (torch.serialization.set_crc32_options(False)), so damage couldn't be told; ` +
      "load the file with torch and torch.save it again, with checksums",
  );
}

/** What a tar archive has at this place, in bytes. */
const TAR_MAGIC = "ustar";
const TAR_MAGIC_AT = 257;

function notAnArchive(path: string, start: Uint8Array): FormatError {
  const other = lookalike(start);
  if (other !== undefined) return new FormatError(`${path}: ${other}`);
  const isPickle = start[0] === 0x80 && start[1]! <= 5;
  const magic = start.subarray(TAR_MAGIC_AT, TAR_MAGIC_AT + TAR_MAGIC.length);
  const isTar = isTarHeader(start) || new TextDecoder("latin1").decode(magic) === TAR_MAGIC;
  return new FormatError(
    isTar
      ? `${path}: is a tar archive, as torch's first releases wrote them; load it with torch and torch.save it again`
      : isPickle
      ? `${path}: is a bare pickle, not a checkpoint that torch saved; name a .pt or .pth file`
      : `${path}: is not a zip archive, so torch (1.6 or later) didn't save it; name a .pt or .pth file`,
  );
}
