/**
 * How copies are dealt to workers: cut into chunks that are big enough to pay and small enough to keep every
 * worker busy until the end.
 *
 * @module
 */

import { type Copy, isInPlace, type OutputFile, type Overlay } from "./plan.ts";
import type { Chunk } from "./kernel.ts";
import { bytes, type BytesView, type View } from "./view.ts";

/** A chunk, and the copy that it is a part of. */
export interface DealtChunk extends Chunk {
  /** The index of the output file. */
  readonly file: number;
  /** The index of the copy in that file. */
  readonly copy: number;
}

/** An output file under construction. */
export interface Target {
  /** What it is to be. */
  readonly file: OutputFile;
  /** Where it is being written. */
  readonly path: string;
  /** The overlay, if the file was made as a copy of its base. */
  readonly overlay: Overlay | undefined;
}

/** The number of rows that must stay together for the kernel to read groups whole. */
function groupRows(view: View): number {
  switch (view.op) {
    case "bytes":
    case "strided":
      return 1;
    case "concatRows":
    case "concatColumns":
      return view.parts.reduce((most, part) => Math.max(most, groupRows(part)), 1);
    case "reorderRows":
      return Math.max(view.order.length, groupRows(view.of));
    default:
      return groupRows(view.of);
  }
}

/**
 * Cuts the copies of some files into chunks.
 *
 * @param targets The files.
 * @param chunkBytes About how long a chunk is to be, in bytes.
 * @returns The chunks, in the order in which they are to be dealt.
 */
export function dealChunks(targets: readonly Target[], chunkBytes: number): DealtChunk[] {
  const chunks: DealtChunk[] = [];
  targets.forEach((target, file) => {
    const layout = target.overlay ?? target.file;
    layout.copies.forEach((copy, index) => {
      if (target.overlay !== undefined && isInPlace(copy, target.overlay)) return;
      chunks.push(...cut(copy, target.path, file, index, chunkBytes));
    });
  });
  return chunks;
}

function flat({ path, offset, rows, rowBytes }: BytesView): BytesView {
  return bytes(path, offset, rows * rowBytes);
}

function cut(copy: Copy, path: string, file: number, index: number, chunkBytes: number): DealtChunk[] {
  const { at } = copy;
  // The rows of a plain run may be of any length, and mean nothing.
  const view = copy.view.op === "bytes" ? flat(copy.view) : copy.view;
  const { rows, rowBytes } = view;
  if (rows * rowBytes === 0) return [{ view, path, at, firstRow: 0, rows: 0, group: 1, file, copy: index }];
  const group = groupRows(view);
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
