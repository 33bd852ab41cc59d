/**
 * Numbers for people.
 *
 * @module
 */

import { formatBytes } from "../bytes/format_bytes.ts";
import { formatDuration } from "../deps.ts";

export { formatBytes };

const inWords = new Intl.NumberFormat("en", {
  notation: "compact",
  compactDisplay: "long",
  minimumSignificantDigits: 3,
  maximumSignificantDigits: 3,
});

/** A count in words of English use: `1.24 billion`. */
export function formatCount(count: number): string {
  return count < 1e6 ? String(count) : inWords.format(count);
}

/** A duration, the two largest units of it: `0.8 s`, `2 min 5 s`, `1 h 2 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const parts = formatDuration(1000 * Math.round(seconds), { ignoreZero: true }).split(" ", 2);
  return parts.map((part) => part.replace(/(\d)m$/, "$1min").replace(/\D+/, " $&")).join(" ");
}
