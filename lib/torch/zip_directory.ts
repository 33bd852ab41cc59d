/**
 * The directory of any zip archive, read by zip.js, which knows all that a zip may be. What torch's archives
 * never are is refused: compressed, encrypted, ambiguous, or with data before, between and behind. So is every field
 * that torch's own reader (miniz) or another takes in another way than zip.js, for they would read another archive.
 */

import { trimMemory } from "../copy/memory.ts";
import { messageOf } from "../bytes/file_system.ts";
import type { ByteSource } from "../bytes/source.ts";
import { areSameBytes, loadZip, type ZipEntry } from "../deps.ts";
import { CheckpointError, FormatError } from "../error.ts";
import { ENTRY_BYTES } from "./archive_layout.ts";
import type { ArchiveRecord } from "./torch_directory.ts";

/**
 * The most records of an archive that isn't just as torch writes it. A 405B model has 1,138 tensors. zip.js takes
 * 40 µs for each.
 */
const MAX_RECORDS = 2 ** 14;

/** The longest directory that zip.js gets to read, in bytes: 512 for each record. */
const MAX_DIRECTORY_BYTES = 2 ** 23;

/** After how many records memory is looked at: zip.js leaves some 9 kB of garbage for each. */
const TRIM_RECORDS = 512;

/**
 * zip.js reads the zip64 end records only where the plain one can't do without them. torch always writes them, so
 * zip.js takes them for something unknown; {@linkcode checkEnd} looks at them instead.
 */
const UNREAD_ZIP64_END = "trailing central directory data";

/**
 * Reads the directory of a zip archive.
 *
 * @returns Its entries, by their full names, in the directory's order.
 * @throws {FormatError} If it can't be read, or has what no archive of torch's has.
 */
export async function readZipDirectory(source: ByteSource): Promise<ArchiveRecord[]> {
  const { path } = source;
  const { Reader, ZipReader } = await loadZip();
  class SourceReader extends Reader<ByteSource> {
    constructor() {
      super(source);
      this.size = source.size;
    }
    override readUint8Array(index: number, length: number): Promise<Uint8Array> {
      const end = Math.min(index + length, this.size);
      // zip.js reads the directory whole.
      if (end - index > MAX_DIRECTORY_BYTES) throw tooMany(path, `${MAX_DIRECTORY_BYTES} bytes of directory`);
      return source.read(Math.min(index, end), Math.max(0, end - index));
    }
  }
  const reader = new ZipReader(new SourceReader(), { strictness: "balanced", useWebWorkers: false });
  const entries: ArchiveRecord[] = [];
  let length = 0;
  try {
    for await (const entry of reader.getEntriesGenerator()) {
      // zip.js's entries are large, so each is let go of at once.
      entries.push(recordOf(source, entry));
      length += ENTRY_BYTES + entry.rawFilename.length + entry.rawExtraField.length + entry.rawComment.length;
      if (entries.length > MAX_RECORDS) throw tooMany(path, `${MAX_RECORDS} records`);
      if (entries.length % TRIM_RECORDS === 0) trimMemory();
    }
    const warning = reader.warnings?.find(({ reason }) => reason !== UNREAD_ZIP64_END);
    if (warning !== undefined) throw new Error(warning.reason);
    // zip.js lets the four bytes pass that split archives may start with.
    if (!entries.some(({ headerOffset }) => headerOffset === 0) && entries.length > 0) {
      throw new Error("prepended data");
    }
    await checkEnd(source, entries.length, length);
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new FormatError(
      `${path}: the zip archive can't be read (${decapitalize(messageOf(error))}); ` +
        "it is truncated or damaged, so copy it again",
    );
  } finally {
    await reader.close();
  }
  return entries;
}

/** The lengths of the plain end record, of the locator, and of the zip64 end record with its locator, in bytes. */
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const ZIP64_END_BYTES = 56 + LOCATOR_BYTES;

function tooMany(path: string, what: string): FormatError {
  return new FormatError(`${path}: the zip archive has more than ${what}, so torch didn't write it`);
}

/** Checks that the end records agree with each other and with the directory, and that nothing is among them. */
async function checkEnd(source: ByteSource, count: number, bytes: number): Promise<void> {
  const length = Math.min(source.size, END_BYTES + ZIP64_END_BYTES);
  const end = new DataView((await source.read(source.size - length, length)).buffer);
  const plain = length - END_BYTES;
  if (end.getUint32(plain, true) !== 0x06054b50 || end.getUint16(plain + 20, true) !== 0) {
    throw new Error("a comment or other data at its end");
  }
  // The disks, and the entries on this one.
  const counts = end.getUint16(plain + 8, true) === end.getUint16(plain + 10, true);
  if (end.getUint32(plain + 4, true) !== 0 || !counts) throw new Error("a part of a split archive");
  const directoryBytes = end.getUint32(plain + 12, true);
  const directoryAt = end.getUint32(plain + 16, true);
  const locator = plain - LOCATOR_BYTES;
  // What looks like a locator is one for miniz and Python, whatever it is a part of.
  if (locator < 0 || end.getUint32(locator, true) !== 0x07064b50) {
    if (directoryAt + directoryBytes !== source.size - END_BYTES || directoryBytes !== bytes) {
      throw new Error("data between its directory and its end");
    }
    return await checkLengths(source, directoryAt, bytes);
  }
  const zip64At = source.size - length;
  const agree = plain === ZIP64_END_BYTES && end.getUint32(0, true) === 0x06064b50 &&
    end.getBigUint64(4, true) === 44n && end.getBigUint64(16, true) === 0n &&
    end.getBigUint64(24, true) === BigInt(count) && end.getUint32(locator + 4, true) === 0 &&
    end.getBigUint64(locator + 8, true) === BigInt(zip64At) && end.getUint32(locator + 16, true) === 1 &&
    end.getBigUint64(32, true) === BigInt(count) && end.getBigUint64(40, true) === BigInt(bytes) &&
    end.getBigUint64(48, true) + end.getBigUint64(40, true) === BigInt(zip64At) &&
    (directoryAt === 0xffffffff || end.getBigUint64(48, true) === BigInt(directoryAt)) &&
    (directoryBytes === 0xffffffff || end.getBigUint64(40, true) === BigInt(directoryBytes));
  if (!agree) throw new Error("its end records contradict each other");
  await checkLengths(source, zip64At - bytes, bytes);
}

/**
 * Checks that each entry of the directory is as long as it says. zip.js takes what is there of the last one, where its
 * name, extra field or comment would reach past the end.
 */
async function checkLengths(source: ByteSource, at: number, bytes: number): Promise<void> {
  const view = new DataView((await source.read(at, bytes)).buffer);
  let p = 0;
  while (p + ENTRY_BYTES <= bytes) {
    p += ENTRY_BYTES + view.getUint16(p + 28, true) + view.getUint16(p + 30, true) +
      view.getUint16(p + 32, true);
  }
  if (p !== bytes) throw new Error("its last entry reaches past its directory");
}

/** An entry of the zip as a record, still with its full name. */
function recordOf({ path }: ByteSource, entry: ZipEntry): ArchiveRecord {
  const { filename } = entry;
  const where = `${path}: ${filename}`;
  // zip.js keeps names in a Set, in which such ones can be chosen to collide. All of torch's lie in a folder.
  if (/^\d{8,}$/.test(filename)) {
    throw new FormatError(`${where}: lies outside the archive's folder, so torch didn't write it`);
  }
  if (entry.encrypted) throw new FormatError(`${where}: the record is encrypted, which torch never does`);
  if (entry.compressionMethod !== 0) {
    throw new FormatError(
      `${where}: the record is compressed, which torch never does; ` +
        "unpack the file and pack it again without compression (zip -0)",
    );
  }
  if (entry.compressedSize !== entry.uncompressedSize) {
    throw new FormatError(`${where}: the record has two lengths, so the archive is damaged`);
  }
  // miniz reads nothing of what is marked as a directory of MS-DOS, on whatever system.
  if (entry.directory || (entry.externalFileAttributes & DOS_DIRECTORY) !== 0) {
    throw new FormatError(`${where}: is a directory, so torch didn't write the archive`);
  }
  const oddity = oddityOf(entry);
  if (oddity !== undefined) {
    throw new FormatError(
      `${where}: ${oddity}, which torch never writes and others read differently; ` +
        "unpack the file and pack it again without compression (zip -0)",
    );
  }
  return {
    name: filename,
    headerOffset: entry.offset,
    size: entry.uncompressedSize,
    crc: (entry.crc32 ?? entry.signature ?? 0) >>> 0,
  };
}

/** The mark of a directory in the attributes of an entry. */
const DOS_DIRECTORY = 0x10;

/** The flags that an entry may have: a descriptor follows the data, and the name is UTF-8. */
const KNOWN_FLAGS = 0x0808;

/** What an entry has that readers take in different ways. */
function oddityOf(entry: ZipEntry): string | undefined {
  const { filename, rawFilename, rawBitFlag = -1, diskNumberStart, rawComment, rawExtraField } = entry;
  // zip.js takes names from an extra field as well, and has code pages for those that aren't UTF-8; torch has neither.
  if (!areSameBytes(new TextEncoder().encode(filename), rawFilename)) {
    return "the record has another name in its directory's bytes";
  }
  if ((rawBitFlag & ~KNOWN_FLAGS) !== 0) return `the record has the flags 0x${rawBitFlag.toString(16)}`;
  if (diskNumberStart !== 0) return "the record lies on another disk";
  if (rawComment.length > 0) return "the record has a comment";
  const view = new DataView(rawExtraField.buffer, rawExtraField.byteOffset, rawExtraField.byteLength);
  const kinds = new Set<number>();
  for (let at = 0; at + 4 <= view.byteLength; at += 4 + view.getUint16(at + 2, true)) {
    const kind = view.getUint16(at, true);
    // Of two, zip.js takes the last, and miniz the first.
    if (kinds.has(kind)) return "the record has two extra fields of one kind";
    kinds.add(kind);
  }
  return undefined;
}

function decapitalize(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
