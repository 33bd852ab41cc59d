import { formatSize } from "../deps.ts";

/** Bytes in decimal units, as disks are sold, with the zeros that a column of them needs: `3.00 GB`. */
export function formatBytes(bytes: number): string {
  const [number, unit] = formatSize(bytes).split(" ") as [string, string];
  if (number === "1000") return formatBytes(Number(bytes.toPrecision(1))); // Rounded up to the next unit.
  return `${unit === "B" ? number : Number(number).toPrecision(3)} ${unit}`;
}

/** What a unit of bytes comes to, of things that are counted. */
const WORDS = new Map([["MB", "million"], ["GB", "billion"], ["TB", "trillion"]]);

/** A count in words of English use: `1.24 billion`. Intl has them too, and takes 5 MB of memory. */
export function formatCount(count: number): string {
  const [number, unit] = formatBytes(count).split(" ") as [string, string];
  const word = WORDS.get(unit);
  return word === undefined ? String(count) : `${number} ${word}`;
}
