/**
 * Tar headers.
 *
 * @module
 */

import { text } from "./_zip.ts";

/** A header that begins with some bytes and states a checksum in its own way. */
export function tarHeader(
  start: Uint8Array,
  spell: (sum: number) => Uint8Array = (sum) => text(sum.toString(8).padStart(6, "0") + "\0 "),
): Uint8Array {
  const header = new Uint8Array(512);
  header.set(start);
  header.fill(0, 148, 156);
  const sum = 256 + header.reduce((total, byte) => total + byte, 0);
  header.set(spell(sum).subarray(0, 8), 148);
  return header;
}
