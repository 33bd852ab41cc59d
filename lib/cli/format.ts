/** Numbers for people. */

import { formatDuration } from "../deps.ts";

export { formatBytes, formatCount } from "../bytes/format_bytes.ts";

/** A duration, the two largest units of it: `0.8 s`, `2 min 5 s`, `1 h 2 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const parts = formatDuration(1000 * Math.round(seconds), { ignoreZero: true }).split(" ", 2);
  return parts.map((part) => part.replace(/(\d)m$/, "$1min").replace(/\D+/, " $&")).join(" ");
}
