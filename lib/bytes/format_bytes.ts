import { formatSize } from "../deps.ts";

/** Bytes in decimal units, as disks are sold, with the zeros that a column of them needs: `3.00 GB`. */
export function formatBytes(bytes: number): string {
  const [number, unit] = formatSize(bytes).split(" ") as [string, string];
  if (number === "1000") return formatBytes(Number(bytes.toPrecision(1))); // Rounded up to the next unit.
  return `${unit === "B" ? number : Number(number).toPrecision(3)} ${unit}`;
}
