/** A GGUF file's metadata for people: a line for each value, fitted to the terminal. */

import type { InspectedMetadata } from "../inspect/gguf_metadata.ts";
import { oneLine } from "./plain_text.ts";
import type { Style } from "./terminal.ts";

/** The most of a key and of a value that is shown, in characters. JSON has all of them. */
const MOST_KEY = 64;
const MOST_VALUE = 80;

/** The least room that is left for a value. Where there is less, types go. */
const LEAST_VALUE = 12;

const GAP = "  ";

/** Lays out values: key, type, and of the value as much as fits. */
export function metadataLines(
  metadata: readonly InspectedMetadata[],
  width: number,
  style: Style,
): string[] {
  const rows = metadata.map((entry) => ({
    key: oneLine(entry.key),
    type: entry.count === undefined ? entry.type : entry.type.replace("[]", `[${entry.count}]`),
    value: valueText(entry),
  }));
  const longest = (of: (row: typeof rows[number]) => string) =>
    rows.reduce((most, row) => Math.max(most, [...of(row)].length), 0);
  const keys = Math.min(
    longest((row) => row.key),
    MOST_KEY,
    Math.max(1, width - LEAST_VALUE - GAP.length - 1),
  );
  const types = longest((row) => row.type);
  const left = width - keys - GAP.length - 1;
  const hasTypes = left - types - GAP.length >= LEAST_VALUE;
  const room = Math.max(0, Math.min(MOST_VALUE, hasTypes ? left - types - GAP.length : left));
  return rows.map(({ key, type, value }) =>
    [cut(key, keys), ...(hasTypes ? [style.dim(type.padEnd(types))] : []), cut(value, room).trimEnd()].join(
      GAP,
    )
  );
}

function valueText({ type, value, count = 0 }: InspectedMetadata): string {
  const text = (item: unknown) =>
    type.startsWith("string") ? oneLine(JSON.stringify(String(item).slice(0, MOST_VALUE))) : String(item);
  if (!Array.isArray(value)) return text(value);
  return value.map(text).join(", ") + (count > value.length ? ", …" : "");
}

/** A text in a column, cut where it is too long. */
function cut(text: string, columns: number): string {
  const characters = [...text];
  if (characters.length <= columns) return text + " ".repeat(columns - characters.length);
  return `${characters.slice(0, Math.max(0, columns - 1)).join("")}…`;
}
