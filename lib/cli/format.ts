/**
 * Numbers for people.
 *
 * @module
 */

import { formatBytes, scale } from "../bytes/format_bytes.ts";

export { formatBytes };

/** A count in words of English use: `1.24 billion`. */
export function formatCount(count: number): string {
  return scale(count, [["trillion", 1e12], ["billion", 1e9], ["million", 1e6]], "");
}

/** A duration: `0.8 s`, `2 min 5 s`, `1 h 2 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
