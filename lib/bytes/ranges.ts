/** Which bytes of which files rows of a view are made of: what has to be fetched before the kernel can fill them. */

import type { StridedView, View } from "./view.ts";

/** A run of bytes of a file. */
export interface ByteRange {
  /** Where it starts, in bytes. */
  readonly start: number;
  /** Where it ends, in bytes. */
  readonly end: number;
}

/** What lies between two items that are no farther apart than this is read, too, as the kernel does. In bytes. */
const GAP_BYTES = 8192;

/**
 * Adds the ranges that some rows of a view need to those of each file.
 *
 * @param first The first row.
 * @param rows The number of rows.
 * @param into The ranges by path, in no order.
 */
export function addRanges(view: View, first: number, rows: number, into: Map<string, ByteRange[]>): void {
  if (rows === 0 || view.rowBytes === 0) return;
  switch (view.op) {
    case "bytes":
      add(into, view.path, view.offset + first * view.rowBytes, rows * view.rowBytes);
      break;
    case "memory":
      break;
    case "strided":
      addStrided(view, first, rows, into);
      break;
    case "concatRows": {
      let at = 0;
      for (const part of view.parts) {
        const from = Math.max(first, at);
        const to = Math.min(first + rows, at + part.rows);
        if (from < to) addRanges(part, from - at, to - from, into);
        at += part.rows;
      }
      break;
    }
    case "concatColumns":
      for (const part of view.parts) addRanges(part, first, rows, into);
      break;
    case "sliceRows":
      addRanges(view.of, view.start + first, rows, into);
      break;
    case "reorderRows": {
      const group = view.order.length;
      const end = first + rows;
      const firstWhole = Math.min(end, first + (group - first % group) % group);
      const endWhole = Math.max(firstWhole, end - end % group);
      addRanges(view.of, firstWhole, endWhole - firstWhole, into);
      // Of a group that isn't wanted whole, just the rows that are.
      const addRow = (row: number) =>
        addRanges(view.of, row - row % group + view.order[row % group]!, 1, into);
      for (let row = first; row < firstWhole; row++) addRow(row);
      for (let row = endWhole; row < end; row++) addRow(row);
      break;
    }
    default: // Whole rows are read, whatever is taken or made of them.
      addRanges(view.of, first, rows, into);
  }
}

function add(into: Map<string, ByteRange[]>, path: string, start: number, length: number): void {
  const ranges = into.get(path) ?? [];
  if (ranges.length === 0) into.set(path, ranges);
  ranges.push({ start, end: start + length });
}

function addStrided(view: StridedView, first: number, rows: number, into: Map<string, ByteRange[]>): void {
  const dimensions = [{ size: rows, from: view.rowStride }];
  view.inner.forEach((size, i) => dimensions.push({ size, from: view.innerStrides[i]! }));
  const apart = dimensions.filter(({ size }) => size > 1).sort((a, b) => a.from - b.from);
  let span = view.itemBytes;
  let piece = 0;
  for (; piece < apart.length; piece++) {
    const { size, from } = apart[piece]!;
    if (from - span > GAP_BYTES) break;
    span += (size - 1) * from;
  }
  const outer = apart.slice(piece);
  const addPieces = (level: number, at: number): void => {
    const dimension = outer[level];
    if (dimension === undefined) return add(into, view.path, at, span);
    for (let i = 0; i < dimension.size; i++) addPieces(level + 1, at + i * dimension.from);
  };
  addPieces(0, view.offset + first * view.rowStride);
}

/**
 * Sorts ranges and makes one of those that touch or overlap, or lie no farther apart than a gap.
 *
 * @param gapBytes How far, in bytes.
 */
export function mergeRanges(ranges: readonly ByteRange[], gapBytes: number): ByteRange[] {
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && start - last.end <= gapBytes) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** Cuts ranges into parts of some bytes at most. */
export function cutRanges(ranges: readonly ByteRange[], mostBytes: number): ByteRange[] {
  return ranges.flatMap(({ start, end }) => {
    const count = Math.ceil((end - start) / mostBytes);
    const size = Math.ceil((end - start) / count);
    return Array.from({ length: count }, (_, i) => ({
      start: start + i * size,
      end: Math.min(end, start + (i + 1) * size),
    }));
  });
}
