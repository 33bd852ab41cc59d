/**
 * Damages bytes, in ways that come up with what nobody thought of: the same damage for the same random numbers.
 *
 * @module
 */

import type { Random } from "../copy/_random.ts";
import { concat } from "../torch/_zip.ts";

/** Numbers that are limits of something, or just past them. */
const INTERESTING: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 4n, 7n, 8n, 16n, 30n, 46n, 63n, 64n, 65n, 100n, 127n, 255n, 1000n, 4096n],
  ...[7n, 8n, 15n, 16n, 31n, 32n, 52n, 53n, 62n, 63n, 64n].flatMap((bits) => [
    (1n << bits) - 2n,
    (1n << bits) - 1n,
    1n << bits,
    (1n << bits) + 1n,
  ]),
  ...[1n, 2n, 128n, 32768n, 2147483648n].map((value) => -value),
];

/** Numbers as texts have them. */
const TEXT_NUMBERS: readonly string[] = [
  ...INTERESTING.map(String),
  ..."-0 0.0 1e308 1e309 -1e309 1e-320 NaN inf -inf .inf .nan 0x10 0o17 1_000 00 01 1. .5 true null ~".split(
    " ",
  ),
];

/** How to damage something. */
export interface MutateOptions {
  /** What else there is to take pieces from. */
  readonly others: readonly Uint8Array[];
  /** Words of the format, to put in at random. */
  readonly words?: readonly Uint8Array[];
  /** Where to do it, as a part of the bytes; anywhere by default. */
  readonly from?: number;
  /** The end of that part. */
  readonly to?: number;
}

/** Damages bytes in one to six places. */
export function mutate(random: Random, bytes: Uint8Array, options: MutateOptions): Uint8Array {
  let mutant: Uint8Array = bytes.slice();
  for (let count = random.integer(1, random.pick([1, 2, 3, 6])); count > 0; count--) {
    mutant = mutateOnce(random, mutant, options);
  }
  return mutant;
}

/** The longest run of bytes that is taken from elsewhere, or repeated. */
const LONGEST_PIECE = 256;

function mutateOnce(random: Random, bytes: Uint8Array, options: MutateOptions): Uint8Array {
  const { others, words = [], from = 0 } = options;
  const to = Math.min(options.to ?? bytes.length, bytes.length);
  const at = random.integer(Math.min(from, to), to);
  const length = random.integer(1, random.pick([1, 4, 16, LONGEST_PIECE]));
  switch (random.integer(0, 15)) {
    case 0:
    case 1:
      if (at < bytes.length) bytes[at]! ^= 1 << random.integer(0, 7);
      return bytes;
    case 2:
      if (at < bytes.length) bytes[at] = random.integer(0, 255);
      return bytes;
    case 3:
      if (at < bytes.length) bytes[at] = random.pick([0, 1, 0x7f, 0x80, 0xfe, 0xff]);
      return bytes;
    case 4:
    case 5:
      return setInteger(random, bytes, at);
    case 6:
      return concat(bytes.subarray(0, at), bytes.subarray(at + length));
    case 7:
      return concat(bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at));
    case 8: {
      const other = random.pick(others);
      const start = random.integer(0, other.length);
      return concat(bytes.subarray(0, at), other.subarray(start, start + length), bytes.subarray(at));
    }
    case 9: {
      const other = random.pick(others);
      const start = random.integer(0, other.length);
      bytes.set(other.subarray(start, start + Math.min(length, bytes.length - at)), at);
      return bytes;
    }
    case 10:
      return random.integer(0, 3) === 0
        ? bytes.slice(0, at)
        : concat(bytes.subarray(0, at), random.bytes(Math.min(length, 16)), bytes.subarray(at));
    case 11:
      return words.length === 0
        ? setInteger(random, bytes, at)
        : concat(bytes.subarray(0, at), random.pick(words), bytes.subarray(at));
    case 12:
      return replaceNumber(random, bytes, at);
    case 13: {
      // Two places change theirs.
      const other = random.integer(Math.min(from, to), to);
      const piece = bytes.slice(at, at + length);
      bytes.copyWithin(at, other, Math.min(other + length, bytes.length));
      bytes.set(piece.subarray(0, Math.max(0, bytes.length - other)), other);
      return bytes;
    }
    case 14: {
      const times = random.integer(1, random.pick([2, 8, 64]));
      const piece = bytes.slice(at, at + Math.min(length, 16));
      return concat(
        bytes.subarray(0, at),
        ...Array.from({ length: times }, () => piece),
        bytes.subarray(at),
      );
    }
    default: {
      // The start of one, and the end of another.
      if (random.integer(0, 3) !== 0) return setInteger(random, bytes, at);
      const other = random.pick(others);
      return concat(bytes.subarray(0, at), other.subarray(random.integer(0, other.length)));
    }
  }
}

/** Sets a number of 1, 2, 4 or 8 bytes to an interesting one, or to one near to what it was. */
function setInteger(random: Random, bytes: Uint8Array, at: number): Uint8Array {
  const width = random.pick([1, 2, 4, 8]);
  if (at + width > bytes.length) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, width);
  const little = random.integer(0, 7) !== 0;
  const scratch = new DataView(new ArrayBuffer(8));
  let value: bigint;
  if (random.integer(0, 2) === 0) {
    for (let i = 0; i < width; i++) scratch.setUint8(i, view.getUint8(little ? i : width - 1 - i));
    value = scratch.getBigUint64(0, true) + BigInt(random.integer(-9, 9));
  } else {
    value = random.integer(0, 7) === 0 ? BigInt(bytes.length) : random.pick(INTERESTING);
  }
  scratch.setBigUint64(0, BigInt.asUintN(64, value), true);
  for (let i = 0; i < width; i++) view.setUint8(little ? i : width - 1 - i, scratch.getUint8(i));
  return bytes;
}

/** Replaces the digits after a place by another number. */
function replaceNumber(random: Random, bytes: Uint8Array, at: number): Uint8Array {
  const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;
  let start = at;
  while (start < bytes.length && start < at + 64 && !isDigit(bytes[start])) start++;
  let end = start;
  while (isDigit(bytes[end])) end++;
  if (end === start) return bytes;
  const number = new TextEncoder().encode(random.pick(TEXT_NUMBERS));
  return concat(bytes.subarray(0, start), number, bytes.subarray(end));
}
