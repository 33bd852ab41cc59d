/** Numbers for people. */

import { formatBytes } from "../bytes/format_bytes.ts";
import { formatDuration } from "../deps.ts";

export { formatBytes };

/** What a unit of bytes comes to, of things that are counted. */
const WORDS = new Map([["MB", "million"], ["GB", "billion"], ["TB", "trillion"]]);

/** A count in words of English use: `1.24 billion`. Intl has them too, and takes 5 MB of memory. */
export function formatCount(count: number): string {
  const [number, unit] = formatBytes(count).split(" ") as [string, string];
  const word = WORDS.get(unit);
  return word === undefined ? String(count) : `${number} ${word}`;
}

/** A duration, the two largest units of it: `0.8 s`, `2 min 5 s`, `1 h 2 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const parts = formatDuration(1000 * Math.round(seconds), { ignoreZero: true }).split(" ", 2);
  return parts.map((part) => part.replace(/(\d)m$/, "$1min").replace(/\D+/, " $&")).join(" ");
}
