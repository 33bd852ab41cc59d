/**
 * torch's archive layout: from records to the bytes of a zip file, as a pure function.
 *
 * The rules are those of torch's `PyTorchStreamWriter` (`caffe2/serialize/inline_container.cc`) and the miniz
 * that it uses, checked byte by byte against files of torch 2.5 and 2.13 on both sides of 4 GiB:
 *
 * - records are stored; each one's data starts at a multiple of the alignment, for which the local header has
 *   an extra field `FB` filled with `Z`;
 * - local headers state neither CRC nor sizes: a data descriptor after the data does, with 32-bit sizes, or
 *   64-bit ones for a record that needs zip64 (its size or its offset reaches 2^32 - 1), but none for a record
 *   without data;
 * - local headers and directory entries of such records carry a zip64 extra field with just what didn't fit;
 * - a zip64 end record and its locator are always there.
 */

import { crc32 } from "../copy/crc32.ts";
import type { ChecksumDigest, Copy, FileLayout, Literal } from "../copy/plan.ts";
import { type View, viewBytes } from "../bytes/view.ts";

/** A record to write: its data as bytes, or as bytes to gather from elsewhere. */
export type NewRecord =
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly name: string; readonly view: View; readonly crc?: number };

/** The record with which torch marks its files; its content depends on all checksums. */
const SERIALIZATION_ID = ".data/serialization_id";
const SERIALIZATION_ID_BYTES = 40;

/** Sizes and offsets from here on don't fit their 32-bit fields (miniz: `>=`, so the value itself marks it). */
const ZIP64_FROM = 0xffffffff;

/** A record's local header, without its name and extra field, in bytes. */
export const LOCAL_HEADER_BYTES = 30;
/** An entry of the directory, without its name, extra field and comment, in bytes. */
export const ENTRY_BYTES = 46;
/** The zip64 end record, its locator, and the plain end record, in bytes. */
export const END_BYTES: number = 56 + 20 + 22;
/** Where the CRC-32 is in a descriptor and in an entry of the directory, in bytes. */
const DESCRIPTOR_CRC_AT = 4;
const ENTRY_CRC_AT = 16;
const UTF8_NAMES = 0x0800;
const HAS_DESCRIPTOR = 0x0008;
/** The longest extra field of a local header, in bytes. */
const MAX_EXTRA_BYTES = 0xffff;

/** A record with the places of its local header and its data in the file, and the length of the data, in bytes. */
export interface PlacedRecord {
  /** The full name, with the archive's folder. */
  readonly path: string;
  readonly headerAt: number;
  readonly dataAt: number;
  readonly size: number;
}

/** Whether a record's descriptor has 64-bit sizes, and its headers a zip64 field. */
function isZip64(record: Pick<PlacedRecord, "size" | "headerAt">): boolean {
  return record.size >= ZIP64_FROM || record.headerAt >= ZIP64_FROM;
}

/** The flags of a record's local header and of its directory entry. */
function flagsOf({ size }: Pick<PlacedRecord, "size">): number {
  return UTF8_NAMES | (size === 0 ? 0 : HAS_DESCRIPTOR);
}

/** The length of the descriptor that follows a record's data, in bytes; a record without data has none. */
export function descriptorBytes(record: Pick<PlacedRecord, "size" | "headerAt">): number {
  return record.size === 0 ? 0 : isZip64(record) ? 24 : 16;
}

/** The length of the zip64 extra field of a local header or a directory entry, in bytes: 0 where there is none. */
export function zip64Bytes({ size, headerAt }: Pick<PlacedRecord, "size" | "headerAt">): number {
  const values = (size >= ZIP64_FROM ? 2 : 0) + (headerAt >= ZIP64_FROM ? 1 : 0);
  return values === 0 ? 0 : 4 + 8 * values;
}

/**
 * Writes a zip64 extra field, which holds just what didn't fit its usual place. The compressed size is still 0 in a
 * local header, since miniz writes that before the data.
 */
function writeZip64(
  view: DataView,
  at: number,
  record: Pick<PlacedRecord, "size" | "headerAt">,
  compressedSize: number,
): void {
  const length = zip64Bytes(record);
  if (length === 0) return;
  const { size, headerAt } = record;
  const values = [
    ...(size >= ZIP64_FROM ? [size, compressedSize] : []),
    ...(headerAt >= ZIP64_FROM ? [headerAt] : []),
  ];
  view.setUint16(at, 1, true);
  view.setUint16(at + 2, length - 4, true);
  values.forEach((value, i) => view.setBigUint64(at + 4 + 8 * i, BigInt(value), true));
}

const encoder = new TextEncoder();

/** The length of a name in UTF-8, which is its length in letters for all that torch writes. */
function nameBytes(path: string): number {
  // deno-lint-ignore no-control-regex -- ASCII.
  return /^[\x00-\x7f]*$/.test(path) ? path.length : encoder.encode(path).length;
}

/** Writes a name in UTF-8. There are thousands in a file, nearly all of them plain. */
function writeName(view: DataView, at: number, path: string): void {
  const length = nameBytes(path);
  if (length === path.length) {
    for (let i = 0; i < length; i++) view.setUint8(at + i, path.charCodeAt(i));
  } else {
    encoder.encodeInto(path, new Uint8Array(view.buffer, view.byteOffset + at, length));
  }
}

/** What a record needs for being placed: its name below the archive's folder, and the length of its data in bytes. */
export interface RecordSize {
  readonly name: string;
  readonly size: number;
}

/**
 * Places records one after the other.
 *
 * @param alignment What the data of every record starts at a multiple of, in bytes.
 * @param slack Bytes to spread over the extra fields beside the usual padding; a multiple of `alignment`.
 * @returns The records with their places, or `undefined` if the extra fields can't hold the slack.
 */
export function placeRecords(
  stem: string,
  records: readonly RecordSize[],
  alignment: number,
  start = 0,
  slack = 0,
): PlacedRecord[] | undefined {
  const placed: PlacedRecord[] = [];
  let at = start;
  let left = slack;
  for (const { name, size } of records) {
    const path = `${stem}/${name}`;
    const zip64 = zip64Bytes({ size, headerAt: at });
    const unpadded = at + LOCAL_HEADER_BYTES + nameBytes(path) + zip64 + 4;
    const aligned = Math.ceil(unpadded / alignment) * alignment;
    const room = MAX_EXTRA_BYTES - zip64 - 4 - (aligned - unpadded);
    const more = Math.min(left, room - room % alignment);
    left -= more;
    const record = { path, headerAt: at, dataAt: aligned + more, size };
    placed.push(record);
    at = record.dataAt + size + descriptorBytes(record);
  }
  return left === 0 ? placed : undefined;
}

/** The end of a record with its descriptor, in bytes from the start of the file. */
export function recordEnd(record: PlacedRecord): number {
  return record.dataAt + record.size + descriptorBytes(record);
}

/** A record's local header, with the padding up to its data. */
export function localHeader(record: PlacedRecord): Uint8Array {
  const bytes = new Uint8Array(record.dataAt - record.headerAt);
  writeLocalHeader(new DataView(bytes.buffer), 0, record);
  return bytes;
}

/** The data descriptor after a record's data. */
export function dataDescriptor(record: PlacedRecord, crc: number): Uint8Array {
  const bytes = new Uint8Array(descriptorBytes(record));
  writeDescriptor(new DataView(bytes.buffer), 0, record, crc);
  return bytes;
}

function writeLocalHeader(view: DataView, at: number, record: PlacedRecord): void {
  const { headerAt, dataAt, path } = record;
  const name = nameBytes(path);
  view.setUint32(at, 0x04034b50, true);
  view.setUint16(at + 6, flagsOf(record), true);
  view.setUint16(at + 26, name, true);
  view.setUint16(at + 28, dataAt - headerAt - LOCAL_HEADER_BYTES - name, true);
  writeName(view, at + LOCAL_HEADER_BYTES, path);
  writeZip64(view, at + LOCAL_HEADER_BYTES + name, record, 0);
  const fieldAt = at + LOCAL_HEADER_BYTES + name + zip64Bytes(record);
  const end = at + dataAt - headerAt;
  view.setUint16(fieldAt, 0x4246, true); // "FB"
  view.setUint16(fieldAt + 2, end - fieldAt - 4, true);
  new Uint8Array(view.buffer).fill(0x5a, fieldAt + 4, end); // "Z"
}

function writeDescriptor(view: DataView, at: number, record: PlacedRecord, crc: number): void {
  const { size } = record;
  if (size === 0) return;
  view.setUint32(at, 0x08074b50, true);
  view.setUint32(at + DESCRIPTOR_CRC_AT, crc, true);
  if (isZip64(record)) {
    view.setBigUint64(at + 8, BigInt(size), true);
    view.setBigUint64(at + 16, BigInt(size), true);
  } else {
    view.setUint32(at + 8, size, true);
    view.setUint32(at + 12, size, true);
  }
}

/** The length of a record's entry in the directory, in bytes. */
function entryBytes(record: PlacedRecord): number {
  return ENTRY_BYTES + nameBytes(record.path) + zip64Bytes(record);
}

/** The length of the directory and the end records, in bytes. */
export function directoryBytes(records: readonly PlacedRecord[]): number {
  return records.reduce((sum, record) => sum + entryBytes(record), END_BYTES);
}

/** The central directory and the end records. */
export function centralDirectory(
  records: readonly PlacedRecord[],
  crcs: readonly number[],
  at: number,
): Uint8Array {
  const bytes = new Uint8Array(directoryBytes(records));
  const view = new DataView(bytes.buffer);
  let p = 0;
  records.forEach((record, i) => {
    const name = nameBytes(record.path);
    const zip64 = zip64Bytes(record);
    const size = Math.min(record.size, ZIP64_FROM);
    view.setUint32(p, 0x02014b50, true);
    view.setUint16(p + 8, flagsOf(record), true);
    view.setUint32(p + ENTRY_CRC_AT, crcs[i]!, true);
    view.setUint32(p + 20, size, true);
    view.setUint32(p + 24, size, true);
    view.setUint16(p + 28, name, true);
    view.setUint16(p + 30, zip64, true);
    view.setUint32(p + 42, Math.min(record.headerAt, ZIP64_FROM), true);
    writeName(view, p + ENTRY_BYTES, record.path);
    writeZip64(view, p + ENTRY_BYTES + name, record, record.size);
    p += ENTRY_BYTES + name + zip64;
  });
  const length = p;
  const count = records.length;
  view.setUint32(p, 0x06064b50, true);
  view.setBigUint64(p + 4, 44n, true);
  view.setUint16(p + 12, 0x031e, true); // Made by: Unix, 3.0.
  view.setUint16(p + 14, 0x2d, true); // Needs: 4.5.
  view.setBigUint64(p + 24, BigInt(count), true);
  view.setBigUint64(p + 32, BigInt(count), true);
  view.setBigUint64(p + 40, BigInt(length), true);
  view.setBigUint64(p + 48, BigInt(at), true);
  p += 56;
  view.setUint32(p, 0x07064b50, true);
  view.setBigUint64(p + 8, BigInt(at + length), true);
  view.setUint32(p + 16, 1, true);
  p += 20;
  view.setUint32(p, 0x06054b50, true);
  view.setUint16(p + 8, Math.min(count, 0xffff), true);
  view.setUint16(p + 10, Math.min(count, 0xffff), true);
  view.setUint32(p + 12, Math.min(length, ZIP64_FROM), true);
  view.setUint32(p + 16, Math.min(at, ZIP64_FROM), true);
  return bytes;
}

export interface ArchiveOptions {
  /** The archive's folder: the file's name without its last extension. */
  readonly stem: string;
  /** What the data of every record starts at a multiple of, in bytes; 64 by default. */
  readonly alignment?: number;
  /** The first 20 digits of `.data/serialization_id`. */
  readonly nameDigits?: string;
}

/** The `.data/serialization_id` record, whose data is made once the checksums are known. */
export function serializationIdRecord(): NewRecord {
  return { name: SERIALIZATION_ID, bytes: new Uint8Array(SERIALIZATION_ID_BYTES) };
}

/** The length of a record's data in bytes. */
export function newRecordBytes(record: NewRecord): number {
  return "bytes" in record ? record.bytes.length : viewBytes(record.view);
}

/** How much of a record's bytes is merged with what lies around it, in bytes: all, or nothing of many. */
function mergedBytes({ length }: Uint8Array): number {
  return length < 4096 ? length : 0;
}

/**
 * The layout of a file of records that have their places.
 *
 * The serialization id is 20 digits for the records' names and 20 for the CRC-32s of those before it that have data. The
 * first depend on the iteration order of a C++ hash set, so they are taken from a file with the same records, or zero.
 *
 * @param records The records, in the order in which they lie.
 * @param placed Their places.
 * @param nameDigits The first 20 digits of `.data/serialization_id`.
 * @param isThere Whether a record's header and its descriptor are in the file already; they aren't by default.
 */
export function layoutRecords(
  records: readonly NewRecord[],
  placed: readonly PlacedRecord[],
  nameDigits: string,
  isThere: (index: number) => { readonly header: boolean; readonly descriptor: boolean } = () => ({
    header: false,
    descriptor: false,
  }),
): FileLayout {
  const directoryAt = placed.length === 0 ? 0 : recordEnd(placed.at(-1)!);
  const directoryEnd = directoryAt + directoryBytes(placed);
  const copies: Copy[] = [];
  // All literals lie in one buffer, since there are thousands of them; but for the pickle, which files may share.
  const literals: Literal[] = [];
  const buffer = new Uint8Array(
    records.reduce((sum, record, i) => {
      const { headerAt, dataAt } = placed[i]!;
      const { header, descriptor } = isThere(i);
      return sum + (header ? 0 : dataAt - headerAt) + ("bytes" in record ? mergedBytes(record.bytes) : 0) +
        (descriptor ? 0 : descriptorBytes(placed[i]!));
    }, directoryEnd - directoryAt),
  );
  const view = new DataView(buffer.buffer);
  let [runAt, runStart, end] = [0, 0, 0];
  const flush = (at: number) => {
    if (end > runStart) literals.push({ at: runAt, bytes: buffer.subarray(runStart, end) });
    [runAt, runStart] = [at, end];
  };
  /** Where in the buffer what goes to a place in the file is. */
  const room = (at: number, length: number): number => {
    if (at !== runAt + end - runStart) flush(at);
    end += length;
    return end - length;
  };
  const crcs: (number | null)[] = [];
  const known: number[] = []; // Of a copy 0, until it is filled in.
  let digest: ChecksumDigest | undefined;
  let entryAt = directoryAt;
  records.forEach((record, i) => {
    const place = placed[i]!;
    const { size, headerAt, dataAt } = place;
    const { header, descriptor } = isThere(i);
    const crcPlaces = [entryAt + ENTRY_CRC_AT];
    entryAt += entryBytes(place);
    if (!descriptor && size > 0) crcPlaces.push(dataAt + size + DESCRIPTOR_CRC_AT);
    if (!header) writeLocalHeader(view, room(headerAt, dataAt - headerAt), place);
    let crc = 0;
    if ("bytes" in record) {
      if (mergedBytes(record.bytes) > 0) {
        buffer.set(record.bytes, room(dataAt, size));
      } else if (size > 0) {
        flush(dataAt + size);
        literals.push({ at: dataAt, bytes: record.bytes });
      }
      crc = crc32(record.bytes);
      if (record.name === SERIALIZATION_ID) {
        digest = { at: dataAt, prefix: nameDigits.padStart(20, "0"), crcs: [...crcs], crcPlaces };
      }
    } else {
      const { name, view, crc } = record;
      copies.push({ label: name, at: dataAt, view, ...(crc === undefined ? {} : { crc }), crcPlaces });
    }
    if (!descriptor) writeDescriptor(view, room(dataAt + size, descriptorBytes(place)), place, crc);
    known.push(crc);
    if (size > 0) crcs.push("bytes" in record ? crc : null);
  });
  buffer.set(centralDirectory(placed, known, directoryAt), room(directoryAt, directoryEnd - directoryAt));
  flush(0);
  return { size: directoryEnd, copies, literals, ...(digest === undefined ? {} : { digest }) };
}

/** Lays out an archive as torch writes it. */
export function layoutArchive(records: readonly NewRecord[], options: ArchiveOptions): FileLayout {
  const { stem, alignment = 64, nameDigits = "" } = options;
  const sizes = records.map((record) => ({ name: record.name, size: newRecordBytes(record) }));
  return layoutRecords(records, placeRecords(stem, sizes, alignment)!, nameDigits);
}
