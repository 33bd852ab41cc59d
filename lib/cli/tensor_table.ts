/** A table of tensors for people, fitted to the terminal. */

import { formatBytes } from "./format.ts";
import { oneLine } from "./plain_text.ts";
import type { Style } from "./terminal.ts";
import type { TensorRow } from "./tensor_rows.ts";

/** The width of the longest bar, in columns. */
const BAR_COLUMNS = 16;

/** The narrowest column of names. */
const LEAST_LABEL = 16;

/** The widest column of names where lines may be as long as they are. */
const MOST_LABEL = 100;

const GAP = "  ";

/** Lays out rows: names, dtypes, shapes, sizes, and a bar for the share of the size. */
export function tensorTable(
  rows: readonly TensorRow[],
  totalBytes: number,
  width: number,
  style: Style,
): string[] {
  const cells = rows.map((row) => {
    const times = row.count > 1 && row.tensor !== undefined ? ` ×${row.count}` : "";
    return {
      label: "  ".repeat(row.depth) + oneLine(row.label === "" ? "(the file itself)" : row.label),
      dtype: row.tensor?.dtype ?? "",
      shape: row.tensor === undefined ? "" : `[${row.tensor.shape.join(", ")}]${times}`,
      size: formatBytes(row.bytes),
      share: totalBytes === 0 ? 0 : row.bytes / totalBytes,
      isTensor: row.tensor !== undefined,
    };
  });
  const longest = (of: (cell: typeof cells[number]) => string) =>
    cells.reduce((most, cell) => Math.max(most, [...of(cell)].length), 0);
  const columns = {
    dtype: longest((cell) => cell.dtype),
    shape: longest((cell) => cell.shape),
    size: longest((cell) => cell.size),
  };
  const wanted = Math.min(longest((cell) => cell.label), MOST_LABEL);
  // What doesn't fit goes, the bar first, then the dtype and the shape; then names are cut.
  const isNarrow =
    width < LEAST_LABEL + columns.size + 2 * GAP.length + columns.dtype + columns.shape + 2 * GAP.length;
  const fixed = columns.size + GAP.length + (isNarrow ? 0 : columns.dtype + columns.shape + 2 * GAP.length);
  const label = Math.max(1, Math.min(wanted, width - fixed - 1));
  const bar = Math.min(BAR_COLUMNS, width - fixed - label - GAP.length - 1);
  return cells.map((cell) => {
    const name = fit(cell.label, width === Infinity ? Math.max(label, [...cell.label].length) : label);
    const parts = [
      cell.isTensor ? name : style.bold(name),
      ...(isNarrow ? [] : [
        style.dim(cell.dtype.padEnd(columns.dtype)),
        style.dim(cell.shape.padEnd(columns.shape)),
      ]),
      cell.size.padStart(columns.size),
      ...(bar >= 4 ? [style.cyan(shareBar(cell.share, bar))] : []),
    ];
    return parts.join(GAP).trimEnd();
  });
}

/** A text in a column, cut where it is too long. */
function fit(text: string, columns: number): string {
  const characters = [...text];
  if (characters.length <= columns) return text + " ".repeat(columns - characters.length);
  return `${characters.slice(0, columns - 1).join("")}…`;
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar for a share from 0 to 1. What is there at all has a bar. */
export function shareBar(share: number, columns: number): string {
  const eighths = share <= 0 ? 0 : Math.max(1, Math.round(Math.min(1, share) * columns * 8));
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}
