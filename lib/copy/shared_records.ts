/**
 * Which records of the sources can't be checked while they are copied: more than one output file has a part of them, or
 * their items are read here and there.
 */

import type { Copy, KnownCrc, Plan } from "./plan.ts";
import type { BytesView, StridedView, View } from "../bytes/view.ts";

/**
 * The records with a known CRC-32 that several files of a plan read. Whoever makes one of these files alone doesn't read
 * all of such a record, and so can't check it.
 */
export function sharedRecords({ files, known }: Plan): KnownCrc[] {
  const byPath = recordsByPath(known);
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

/**
 * The records with a known CRC-32 that copies read through strides. What is read of them are no runs whose checksums
 * could be combined.
 */
export function stridedRecords(copies: Iterable<Copy>, known: readonly KnownCrc[]): KnownCrc[] {
  let byPath: Map<string, KnownCrc[]> | undefined; // Most plans have nothing to look up.
  const found = new Set<KnownCrc>();
  for (const { view } of copies) {
    for (const leaf of leaves(view)) {
      if (leaf.op !== "strided") continue;
      byPath ??= recordsByPath(known);
      const record = recordAt(byPath.get(leaf.path) ?? [], leaf.offset);
      if (record !== undefined) found.add(record);
    }
  }
  return [...found];
}

function recordsByPath(known: readonly KnownCrc[]): Map<string, KnownCrc[]> {
  const byPath = Map.groupBy(known, ({ path }) => path);
  for (const records of byPath.values()) records.sort((a, b) => a.offset - b.offset);
  return byPath;
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

function* leaves(view: View): Generator<BytesView | StridedView> {
  switch (view.op) {
    case "bytes":
    case "strided":
      yield view;
      break;
    case "memory":
      break;
    case "concatRows":
    case "concatColumns":
      for (const part of view.parts) yield* leaves(part);
      break;
    default:
      yield* leaves(view.of);
  }
}
