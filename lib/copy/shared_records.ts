/**
 * Which records of the sources more than one output file has a part of.
 *
 * @module
 */

import type { KnownCrc, Plan } from "./plan.ts";
import type { View } from "../bytes/view.ts";

/** A run of a source that a view reads. */
interface Leaf {
  readonly path: string;
  readonly offset: number;
}

/**
 * The records with a known CRC-32 that several files of a plan read. Whoever makes one of these files alone doesn't read
 * all of such a record, and so can't check it.
 *
 * @param plan The plan.
 * @returns The records.
 */
export function sharedRecords({ files, known }: Plan): KnownCrc[] {
  const byPath = Map.groupBy(known, ({ path }) => path);
  for (const records of byPath.values()) records.sort((a, b) => a.offset - b.offset);
  const readers = new Map<KnownCrc, Set<string>>();
  for (const { name, copies } of files) {
    for (const { view, crc } of copies) {
      if (crc !== undefined) continue; // Checked as it was written.
      for (const leaf of leaves(view)) {
        const record = recordAt(byPath.get(leaf.path) ?? [], leaf.offset);
        if (record === undefined) continue;
        const names = readers.get(record) ?? new Set();
        readers.set(record, names.add(name));
      }
    }
  }
  return [...readers].filter(([, names]) => names.size > 1).map(([record]) => record);
}

function recordAt(records: readonly KnownCrc[], offset: number): KnownCrc | undefined {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (records[middle]!.offset <= offset) low = middle + 1;
    else high = middle;
  }
  const record = records[low - 1];
  return record !== undefined && offset < record.offset + record.length ? record : undefined;
}

function* leaves(view: View): Generator<Leaf> {
  switch (view.op) {
    case "bytes":
    case "strided":
      yield view;
      break;
    case "concatRows":
    case "concatColumns":
      for (const part of view.parts) yield* leaves(part);
      break;
    default:
      yield* leaves(view.of);
  }
}
