/**
 * Checking what an archive is made of beside its records' data: local headers, descriptors, directory, end records.
 *
 * What torch wrote can be laid out again, and compared byte by byte. Of other zip writers' archives, each field that
 * stands in two places must be the same in both; what stands in the directory alone was checked when it was read.
 */

import { areSameBytes } from "../deps.ts";
import { FormatError } from "../error.ts";
import type { Archive } from "./archive.ts";
import type { ArchiveRecord } from "./torch_directory.ts";
import {
  centralDirectory,
  dataDescriptor,
  descriptorBytes,
  ENTRY_BYTES,
  LOCAL_HEADER_BYTES,
  localHeader,
  type PlacedRecord,
  recordEnd,
  zip64Bytes,
} from "./archive_layout.ts";

/** A record with its place, and the bytes in front of its data: the local header. */
interface Headed {
  readonly record: ArchiveRecord;
  readonly placed: PlacedRecord;
  readonly header: Uint8Array<ArrayBuffer>;
}

const HAS_DESCRIPTOR = 0x0008;
/** A size that stands in a zip64 field instead. */
const IN_ZIP64 = 0xffffffff;

/**
 * Checks all of an archive but its records' data.
 *
 * @throws {FormatError} If a header, a descriptor, the directory or an end record isn't what it must be.
 */
export async function checkArchive(archive: Archive): Promise<void> {
  const { source, stem } = archive;
  const headed: Headed[] = [];
  for (const record of archive.records.values()) {
    const { headerOffset, size } = record;
    const dataAt = await archive.locate(record);
    const placed = { path: `${stem}/${record.name}`, headerAt: headerOffset, dataAt, size };
    headed.push({ record, placed, header: await source.read(headerOffset, dataAt - headerOffset) });
  }
  const end = Math.max(...headed.map(({ placed }) => recordEnd(placed)));
  const directory = centralDirectory(
    headed.map(({ placed }) => placed),
    headed.map(({ record }) => record.crc),
    end,
  );
  const isTorchs = headed.map(({ placed, header }) => hasTorchsForm(placed, header));
  const isTorchsDirectory = source.size - end === directory.length &&
    areSameBytes(await source.read(end, directory.length), directory);
  // Damage leaves most of it as it was.
  if (!isTorchsDirectory && !isTorchs.includes(true)) return await checkOther(archive, headed);
  if (!isTorchsDirectory) {
    throw damaged(archive, "the directory isn't the one that torch writes for these records");
  }
  for (const [i, { record, placed }] of headed.entries()) {
    const where = `${record.name}: `;
    if (!isTorchs[i]) throw damaged(archive, `${where}the local header isn't the one that torch writes`);
    const found = await source.read(placed.dataAt + placed.size, descriptorBytes(placed));
    if (!areSameBytes(found, dataDescriptor(placed, record.crc))) {
      throw damaged(archive, `${where}the descriptor behind it contradicts the directory`);
    }
    const next = headed[i + 1]?.placed.headerAt ?? end;
    if (recordEnd(placed) !== next) {
      throw damaged(archive, `${where}something lies behind it that is no record`);
    }
  }
}

function hasTorchsForm(placed: PlacedRecord, header: Uint8Array): boolean {
  const nameBytes = new TextEncoder().encode(placed.path).length;
  const least = LOCAL_HEADER_BYTES + nameBytes + zip64Bytes(placed) + 4;
  return header.length >= least && areSameBytes(header, localHeader(placed));
}

/** Compares what another writer's local headers and descriptors say with the directory. */
async function checkOther(archive: Archive, headed: readonly Headed[]): Promise<void> {
  const { source } = archive;
  const directory = await readDirectory(archive);
  let p = 0;
  for (const { record, placed, header } of headed) {
    const where = `${record.name}: `;
    const local = new DataView(header.buffer, header.byteOffset, header.length);
    const flags = local.getUint16(6, true);
    const hasDescriptor = (flags & HAS_DESCRIPTOR) !== 0;
    // Version, flags, method, time and date; they start two bytes later in the directory.
    const sameFacts = [4, 8, 10, 12].every((at) =>
      local.getUint16(at, true) === directory.getUint16(p + at + 2, true)
    ) && ((flags ^ directory.getUint16(p + 8, true)) & ~HAS_DESCRIPTOR) === 0;
    const crc = local.getUint32(14, true);
    const sizes = [local.getUint32(18, true), local.getUint32(22, true)];
    const isLeft = hasDescriptor && crc === 0 && sizes.every((size) => size === 0 || size === IN_ZIP64);
    const isStated = crc === record.crc && sizes.every((size) => size === record.size || size === IN_ZIP64);
    if (!sameFacts || !(isLeft || isStated)) {
      throw damaged(archive, `${where}the local header contradicts the directory`);
    }
    if (hasDescriptor) {
      const at = placed.dataAt + record.size;
      const found = await source.read(at, Math.min(24, source.size - at));
      if (!descriptors(record).some((bytes) => areSameBytes(found.subarray(0, bytes.length), bytes))) {
        throw damaged(archive, `${where}the descriptor behind it contradicts the directory`);
      }
    }
    p += ENTRY_BYTES + directory.getUint16(p + 28, true) + directory.getUint16(p + 30, true) +
      directory.getUint16(p + 32, true);
  }
}

/** The bytes of the directory, whose end records were found to agree. */
async function readDirectory({ source }: Archive): Promise<DataView> {
  const length = Math.min(source.size, 22 + 20 + 56);
  const end = new DataView((await source.read(source.size - length, length)).buffer);
  const plain = length - 22;
  const isZip64 = plain === 76 && end.getUint32(0, true) === 0x06064b50 &&
    end.getUint32(56, true) === 0x07064b50;
  const at = isZip64 ? Number(end.getBigUint64(48, true)) : end.getUint32(plain + 16, true);
  const bytes = isZip64 ? Number(end.getBigUint64(40, true)) : end.getUint32(plain + 12, true);
  return new DataView((await source.read(at, bytes)).buffer);
}

/** The forms that a record's descriptor may have: with its signature or without, with sizes of 32 or 64 bits. */
function descriptors({ crc, size }: ArchiveRecord): Uint8Array[] {
  return [4, 8].flatMap((sizeBytes) => {
    const bytes = new Uint8Array(8 + 2 * sizeBytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x08074b50, true);
    view.setUint32(4, crc, true);
    for (const at of [8, 8 + sizeBytes]) {
      if (sizeBytes === 8) view.setBigUint64(at, BigInt(size), true);
      else view.setUint32(at, size, true);
    }
    return [bytes, bytes.subarray(4)];
  });
}

function damaged({ source }: Archive, what: string): FormatError {
  return new FormatError(
    `${source.path}: ${what}, so the archive is damaged; get it again from where it was written`,
  );
}
