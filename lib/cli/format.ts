/**
 * Numbers for people.
 *
 * @module
 */

/** Bytes in decimal units, as disks are sold: `3.00 GB`. */
export function formatBytes(bytes: number): string {
  return scale(bytes, [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]], "B");
}

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

function scale(value: number, units: readonly (readonly [string, number])[], plain: string): string {
  for (const [unit, size] of units) {
    // Three digits, and never "1000 MB" where rounding reaches the next unit.
    if (value >= size * 0.9995) {
      const scaled = value / size;
      const digits = scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
      return `${scaled.toFixed(digits)} ${unit}`;
    }
  }
  return plain === "" ? String(value) : `${value} ${plain}`;
}
