/**
 * Numbers of bytes for people.
 *
 * @module
 */

/** Bytes in decimal units, as disks are sold: `3.00 GB`. */
export function formatBytes(bytes: number): string {
  return scale(bytes, [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]], "B");
}

/** A number with three digits in the largest unit that it fills, or as it is. */
export function scale(value: number, units: readonly (readonly [string, number])[], plain: string): string {
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
