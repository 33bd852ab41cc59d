/**
 * The directory of an archive just as torch writes it: the inverse of {@link centralDirectory}.
 *
 * zip.js takes 30 ms for one shard of a 405B model, and doesn't look at zip64 end records where the plain one would do,
 * so that it refuses torch's files with a first entry of their length, 76 bytes (docs/speed.md). torch's own form can be
 * read in a millisecond, and safely: what was read is laid out again and compared with the file, byte by byte. Anything
 * that differs is left to zip.js.
 */

import type { ByteSource } from "../bytes/source.ts";
import { areSameBytes } from "../deps.ts";
import { centralDirectory, END_BYTES, ENTRY_BYTES, type PlacedRecord } from "./archive_layout.ts";
import { maxDirectoryBytes } from "./table_limits.ts";

/** A record of an archive. */
export interface ArchiveRecord {
  /** The name below the archive's folder, such as `"data/0"`. */
  readonly name: string;
  /** Where the local header starts, in bytes from the start of the file. */
  readonly headerOffset: number;
  /** The length of the data in bytes. */
  readonly size: number;
  /** The CRC-32 of the data, as the archive's directory states it. */
  readonly crc: number;
}

/** A name of folders and a file that is nothing but that: no `..`, no drive, no separator of Windows'. */
// deno-lint-ignore no-control-regex -- Control characters.
const PLAIN_NAME = /^(?![A-Za-z]:)(?!.*(?:^|\/)\.{0,2}(?:\/|$))[^\\\x00-\x1f\x7f]+$/s;

/**
 * Reads the directory of an archive, if it is just as torch writes it.
 *
 * @returns Its records, by their full names, or `undefined` if the file's end is anything but what torch writes.
 */
export async function readTorchDirectory(source: ByteSource): Promise<ArchiveRecord[] | undefined> {
  if (source.size < END_BYTES) return undefined;
  const end = new DataView((await source.read(source.size - END_BYTES, END_BYTES)).buffer);
  const at = Number(end.getBigUint64(48, true));
  const length = source.size - END_BYTES - at;
  if (end.getUint32(0, true) !== 0x06064b50 || !(length >= 0 && length <= maxDirectoryBytes(source.size))) {
    return undefined;
  }
  const found = await source.read(at, length + END_BYTES);
  const records = parse(found.subarray(0, length));
  if (records === undefined || records[0]?.headerOffset !== 0) return undefined;
  const isInOrder = ({ headerOffset }: ArchiveRecord, i: number) =>
    i === 0 || headerOffset > records[i - 1]!.headerOffset;
  if (!records.every(({ name }) => PLAIN_NAME.test(name)) || !records.every(isInOrder)) return undefined;
  const placed = records.map(({ name, headerOffset, size }): PlacedRecord => ({
    path: name,
    headerAt: headerOffset,
    dataAt: 0, // The directory doesn't say.
    size,
  }));
  const expected = centralDirectory(placed, records.map(({ crc }) => crc), at);
  return areSameBytes(expected, found) ? records : undefined;
}

function parse(directory: Uint8Array): ArchiveRecord[] | undefined {
  const view = new DataView(directory.buffer, directory.byteOffset, directory.byteLength);
  const decoder = new TextDecoder();
  const records: ArchiveRecord[] = [];
  let p = 0;
  while (p + ENTRY_BYTES <= directory.length) {
    let size = view.getUint32(p + 24, true);
    let headerOffset = view.getUint32(p + 42, true);
    const nameEnd = p + ENTRY_BYTES + view.getUint16(p + 28, true);
    const next = nameEnd + view.getUint16(p + 30, true);
    if (next > directory.length) return undefined;
    // The zip64 field, if there is one: two sizes if they didn't fit, then the offset if it didn't.
    let field = nameEnd + 4;
    if (size === 0xffffffff) {
      if (field + 16 > next) return undefined;
      size = Number(view.getBigUint64(field, true));
      field += 16;
    }
    if (headerOffset === 0xffffffff) {
      if (field + 8 > next) return undefined;
      headerOffset = Number(view.getBigUint64(field, true));
    }
    records.push({
      name: decoder.decode(directory.subarray(p + ENTRY_BYTES, nameEnd)),
      headerOffset,
      size,
      crc: view.getUint32(p + 16, true),
    });
    p = next;
  }
  return p === directory.length ? records : undefined;
}
