/** CRC-32 (the zip one: polynomial 0xEDB88320, reflected), and the CRC of a whole from those of its parts. */

import { crc32 as zlibCrc32 } from "node:zlib";

/**
 * CRC-32 of bytes.
 *
 * @param seed The CRC-32 of what comes before them, 0 at the start.
 * @returns The CRC-32 as an unsigned integer.
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}

/** Multiplies two polynomials over GF(2) modulo the CRC's, in its reflected form. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= b;
    b = b & 1 ? (b >>> 1) ^ 0xedb88320 : b >>> 1;
  }
  return product >>> 0;
}

/** `powers[k]` is x^(2^k) modulo the CRC's polynomial. */
const powers: number[] = (() => {
  const list = [0x40000000]; // x^1, reflected.
  for (let k = 1; k < 64; k++) list.push(multiply(list[k - 1]!, list[k - 1]!));
  return list;
})();

/** The CRC-32 of two runs of bytes put together. */
export function combineCrc32(first: number, second: number, secondBytes: number): number {
  // Appending n bytes multiplies by x^(8n): square and multiply over the bits of n.
  let shifted = first;
  let rest = secondBytes;
  for (let k = 3; rest > 0; k++) {
    if (rest % 2 === 1) shifted = multiply(shifted, powers[k]!);
    rest = Math.floor(rest / 2);
  }
  return (shifted ^ second) >>> 0;
}
