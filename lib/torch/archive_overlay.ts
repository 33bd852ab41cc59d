/**
 * A layout over an existing archive: the storages stay where they are, and only what comes before the first
 * and after the last one is written anew. So where the file system clones files, nothing is copied.
 */

import type { Overlay } from "../copy/plan.ts";
import type { Storage } from "../tensor/tensor.ts";
import type { StoredTensors } from "./torch_file.ts";
import {
  descriptorBytes,
  layoutRecords,
  type NewRecord,
  newRecordBytes,
  type PlacedRecord,
  placeRecords,
  recordEnd,
} from "./archive_layout.ts";

/**
 * Lays records over a torch file.
 *
 * The records before the first storage (`data.pkl` and the small ones) must not need more room than there is;
 * the room that they leave is spread over the padding of local headers, in multiples of the alignment, so that
 * every record stays aligned.
 *
 * @param records The records, in the file's order: storages under the names that they have in the file.
 * @param alignment What the data of every record starts at a multiple of, in bytes.
 * @returns The overlay, or `undefined` where it can't be made: a storage is left out, moved or changed, the
 * records don't lie one after the other as torch lays them, or there is no room.
 */
export function overlayArchive(
  file: StoredTensors,
  records: readonly NewRecord[],
  alignment: number,
  nameDigits: string,
): Overlay | undefined {
  const storages = [...file.storages.values()];
  const first = records.findIndex((record) => "view" in record);
  if (first < 0) return undefined;
  const end = first + storages.length;
  const kept = records.slice(first, end);
  if (records.slice(end).some((record) => "view" in record) || kept.length !== storages.length) {
    return undefined;
  }
  if (!kept.every((record, i) => isUnmoved(record, storages[i]!))) return undefined;

  const { stem } = file.archive;
  const inPlace = storages.map(({ key, headerAt, storage }): PlacedRecord => ({
    path: `${stem}/data/${key}`,
    headerAt,
    dataAt: storage.view.op === "bytes" ? storage.view.offset : -1,
    size: storage.view.rows,
  }));
  for (let i = 1; i < inPlace.length; i++) {
    if (recordEnd(inPlace[i - 1]!) !== inPlace[i]!.headerAt) return undefined;
  }
  const firstAt = inPlace[0]!.dataAt;
  const sizes = records.map((record) => ({ name: record.name, size: newRecordBytes(record) }));
  const packed = placeRecords(stem, sizes.slice(0, first + 1), alignment)!;
  const slack = firstAt - packed.at(-1)!.dataAt;
  if (slack < 0 || slack % alignment !== 0) return undefined;
  const head = placeRecords(stem, sizes.slice(0, first + 1), alignment, 0, slack);
  if (head === undefined || head.at(-1)!.dataAt !== firstAt) return undefined;
  // The first storage's descriptor stays, so its kind must too.
  if (descriptorBytes(head.at(-1)!) !== descriptorBytes(inPlace[0]!)) return undefined;
  const tailAt = recordEnd(inPlace.at(-1)!);
  const tail = placeRecords(stem, sizes.slice(end), alignment, tailAt)!;
  const placed = [...head, ...inPlace.slice(1), ...tail];
  // The descriptors between storages are there. That of the last one may not be: nothing has shown that the file's
  // writer left room for one after it.
  const layout = layoutRecords(records, placed, nameDigits, (i) => ({
    header: i > first && i < end,
    descriptor: i >= first && i < end - 1,
  }));
  return { base: file.archive.source.path, ...layout };
}

function isUnmoved(record: NewRecord, { key, storage }: { key: string; storage: Storage }): boolean {
  return "view" in record && record.name === `data/${key}` && record.view === storage.view &&
    storage.crc !== undefined;
}
