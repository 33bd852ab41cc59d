/**
 * How copies are dealt to workers: cut into chunks that are big enough to pay and small enough to keep every
 * worker busy until the end.
 */

import { type Copy, type FileLayout, isInPlace, type OutputFile, type Overlay } from "./plan.ts";
import type { Chunk } from "./kernel.ts";
import { bytes, type BytesView, type View } from "../bytes/view.ts";

/** A chunk, and the copy that it is a part of. */
export interface DealtChunk extends Chunk {
  /** The index of the output file. */
  readonly file: number;
  /** The index of the copy in that file. */
  readonly copy: number;
}

/** What copies are dealt of. */
export interface CopyTarget {
  /** What is gathered. */
  readonly file: Pick<FileLayout, "copies">;
  /** Where it is being written; `undefined` if it is only read. */
  readonly path: string | undefined;
  /** The overlay, if the file was made as a copy of its base. */
  readonly overlay: Overlay | undefined;
}

/** An output file under construction. */
export interface StartedFile extends CopyTarget {
  /** What it is to be. */
  readonly file: OutputFile;
  /** Where it is being written. */
  readonly path: string;
}

/**
 * How many bytes of rows of a transposed matrix are made at a time: of each column as many items are read at once as
 * there are rows, so more is faster. This is the most that the kernel holds.
 */
const TRANSPOSED_BYTES = 8 * 1024 * 1024;

/**
 * The number of rows that must stay together for the kernel to read groups whole.
 *
 * @param chunkBytes About how long a chunk is to be, in bytes.
 * @param widest The longest row of the views that are made of this one, in bytes.
 */
export function groupRows(view: View, chunkBytes: number, widest = 1): number {
  const rowBytes = Math.max(widest, view.rowBytes);
  switch (view.op) {
    case "bytes":
    case "memory":
      return 1;
    case "strided": {
      const isTransposed = view.inner.some((size, i) => size > 1 && view.innerStrides[i]! > view.rowStride);
      const most = Math.max(1, Math.floor(Math.min(TRANSPOSED_BYTES, chunkBytes) / rowBytes));
      return isTransposed ? Math.min(view.rows, most) : 1;
    }
    case "concatRows":
    case "concatColumns":
      return view.parts.reduce((most, part) => Math.max(most, groupRows(part, chunkBytes, rowBytes)), 1);
    case "reorderRows": {
      const rows = groupRows(view.of, chunkBytes, rowBytes);
      return Math.max(view.order.length, rows - rows % view.order.length);
    }
    default:
      return groupRows(view.of, chunkBytes, rowBytes);
  }
}

/**
 * Cuts the copies of some files into chunks.
 *
 * @param chunkBytes About how long a chunk is to be, in bytes.
 * @returns The chunks, in the order in which they are to be dealt.
 */
export function dealChunks(started: readonly CopyTarget[], chunkBytes: number): DealtChunk[] {
  const chunks: DealtChunk[] = [];
  started.forEach((target, file) => {
    const layout = target.overlay ?? target.file;
    layout.copies.forEach((copy, index) => {
      if (target.overlay !== undefined && isInPlace(copy, target.overlay)) return;
      chunks.push(...cut(copy, target.path, file, index, chunkBytes));
    });
  });
  return chunks;
}

/** How much of a table is read at a time when several copies take columns of it, in bytes. */
const SLICED_BYTES = 4 * 1024 * 1024;

/**
 * Cuts the copies of some files into chunks, and puts them into batches of about the same size.
 *
 * Copies that take columns of the same table (a matrix split into tensor-parallel shards along its rows) are dealt
 * together, a few rows at a time, so that the kernel reads those rows once for all of them.
 *
 * @param chunkBytes About how long a chunk or a batch is to be, in bytes.
 * @param batchChunks The most chunks in a batch.
 * @returns The batches, in the order in which they are to be dealt.
 */
export function dealBatches(
  started: readonly CopyTarget[],
  chunkBytes: number,
  batchChunks: number,
): DealtChunk[][] {
  const sliced = new Map<View, DealtChunk[]>();
  const batches: DealtChunk[][] = [];
  let current: DealtChunk[] = [];
  let bytes = 0;
  for (const chunk of dealChunks(started, chunkBytes)) {
    if (chunk.view.op === "sliceColumns") {
      const together = sliced.get(chunk.view.of) ?? [];
      sliced.set(chunk.view.of, together);
      // One for each copy: it is cut anew, at the same rows as its siblings.
      if (chunk.firstRow === 0) together.push(chunk);
      continue;
    }
    const size = chunk.rows * chunk.view.rowBytes;
    if (current.length > 0 && (bytes + size > chunkBytes || current.length >= batchChunks)) {
      batches.push(current);
      current = [];
      bytes = 0;
    }
    current.push(chunk);
    bytes += size;
  }
  if (current.length > 0) batches.push(current);
  for (const [of, siblings] of sliced) batches.push(...dealTogether(of, siblings, chunkBytes));
  return batches;
}

/**
 * Cuts the copies of some files into chunks, and puts them into batches in the order in which the files have them. Copies
 * that take columns of one table aren't dealt together, so that it is read again for each.
 *
 * @param chunkBytes About how long a chunk or a batch is to be, in bytes.
 * @param batchChunks The most chunks in a batch.
 */
export function dealInOrder(
  started: readonly CopyTarget[],
  chunkBytes: number,
  batchChunks: number,
): DealtChunk[][] {
  const chunks = dealChunks(started, chunkBytes);
  // Chunks of one copy follow each other, and sorting keeps them so.
  chunks.sort((a, b) => a.file - b.file || a.at - b.at);
  const batches: DealtChunk[][] = [];
  let bytes = 0;
  for (const chunk of chunks) {
    const last = batches.at(-1);
    const size = chunk.rows * chunk.view.rowBytes;
    if (last !== undefined && bytes + size <= chunkBytes && last.length < batchChunks) {
      last.push(chunk);
      bytes += size;
    } else {
      batches.push([chunk]);
      bytes = size;
    }
  }
  return batches;
}

/** Batches of copies that take columns of one table: in each, the same rows of all of them. */
function dealTogether(of: View, siblings: readonly DealtChunk[], chunkBytes: number): DealtChunk[][] {
  const group = groupRows(of, chunkBytes);
  let step = Math.max(1, Math.floor(SLICED_BYTES / Math.max(1, of.rowBytes)));
  step = Math.max(group, step - step % group);
  const batches: DealtChunk[][] = [];
  for (let firstRow = 0; firstRow === 0 || firstRow < of.rows; firstRow += step) {
    const rows = Math.min(step, of.rows - firstRow);
    batches.push(siblings.map((chunk) => ({ ...chunk, firstRow, rows, group: step })));
  }
  return batches;
}

function flat({ path, offset, rows, rowBytes }: BytesView): BytesView {
  return bytes(path, offset, rows * rowBytes);
}

function cut(
  copy: Copy,
  path: string | undefined,
  file: number,
  index: number,
  chunkBytes: number,
): DealtChunk[] {
  const { at } = copy;
  // The rows of a plain run may be of any length, and mean nothing.
  const view = copy.view.op === "bytes" ? flat(copy.view) : copy.view;
  const { rows, rowBytes } = view;
  if (rows * rowBytes === 0) return [{ view, path, at, firstRow: 0, rows: 0, group: 1, file, copy: index }];
  const group = groupRows(view, chunkBytes);
  let step = Math.max(1, Math.floor(chunkBytes / rowBytes));
  step = Math.max(group, step - step % group);
  const chunks: DealtChunk[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += step) {
    chunks.push({
      view,
      path,
      at,
      firstRow,
      rows: Math.min(step, rows - firstRow),
      group,
      file,
      copy: index,
    });
  }
  return chunks;
}
