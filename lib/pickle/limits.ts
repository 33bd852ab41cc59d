/**
 * What a pickle may demand before it is refused.
 *
 * A length is checked against the bytes that are left before anything is allocated for it, so a short pickle
 * can't ask for a long value. These limits are for the rest: opcodes of one byte that make objects of hundreds
 * of bytes, and values that the JavaScript engine can't hold.
 *
 * "Seen" below is the largest in the data.pkl of LLaMA 3.1 405B's state dict (1137 tensors, 145 kB, torch 2.13), or in
 * the pickles that CPython makes for this project's tests, whichever is larger. `tests/pickle/limits_test.ts` reads
 * with exactly these.
 */

import { OptionError } from "../error.ts";

/** Limits on what a pickle may demand. Each names the most that is allowed. */
export interface PickleLimits {
  /** Opcodes in one pickle. */
  readonly opcodes: number;
  /** Objects that one pickle makes: lists, dicts, sets, tuples, bytes, globals, reductions, persistent ids. */
  readonly objects: number;
  /** Values on the stack at once. */
  readonly stack: number;
  /** MARKs on the stack at once. */
  readonly marks: number;
  /** Entries in the memo. */
  readonly memoEntries: number;
  /** The index of a memo entry. */
  readonly memoIndex: number;
  /** The length of a string, or of a line of text, in bytes. */
  readonly textBytes: number;
  /** The length of an integer in LONG1 and LONG4, in bytes. */
  readonly integerBytes: number;
  /** The digits of a number that is written as text (INT, LONG, FLOAT, GET, PUT). */
  readonly digits: number;
}

/**
 * Opcodes. Seen: 35,900. Headroom: 467 times. A `Map` or `Set` holds at most 2^24 entries in V8 and throws a
 * RangeError after that; an entry takes an opcode at least, so below this limit no container fills up. For this
 * reason the limit can be lowered, but not raised.
 */
export const MAX_OPCODES = 2 ** 24;

/** Objects. Seen: 7,964. Headroom: 131 times. An empty `Map` takes about 200 bytes and one byte asks for it. */
const MAX_OBJECTS = 2 ** 20;

/** Values on the stack. Seen: 2,010, a full batch of SETITEMS. Headroom: 521 times. A value takes 8 bytes. */
const MAX_STACK = 2 ** 20;

/** MARKs on the stack. Seen: 4. Headroom: 4,096 times. Only what nests unfinished values sets many. */
const MAX_MARKS = 2 ** 14;

/** Memo entries. Seen: 9,105. Headroom: 460 times. Most strings and objects get one. An entry takes 8 bytes. */
const MAX_MEMO_ENTRIES = 2 ** 22;

/** Memo indices. Seen: 9,104. The largest that LONG_BINPUT can name: no memory goes by the index. */
const MAX_MEMO_INDEX = 2 ** 32 - 1;

/** Bytes of text. Seen: 30,000; in a checkpoint, 52. Headroom: 2,236 times. V8 has no string of 2^29 and throws. */
const MAX_TEXT_BYTES = 2 ** 26;

/** Bytes of an integer. Seen: 257. Headroom: 255 times. V8 has no bigint of more than 2^30 bits and throws. */
const MAX_INTEGER_BYTES = 2 ** 16;

/** Digits. Seen: 4,300, which is CPython's own limit, since the time to convert them grows with their square. */
const MAX_DIGITS = 4300;

/** The limits that hold where none are given. */
export const DEFAULT_PICKLE_LIMITS: PickleLimits = Object.freeze({
  opcodes: MAX_OPCODES,
  objects: MAX_OBJECTS,
  stack: MAX_STACK,
  marks: MAX_MARKS,
  memoEntries: MAX_MEMO_ENTRIES,
  memoIndex: MAX_MEMO_INDEX,
  textBytes: MAX_TEXT_BYTES,
  integerBytes: MAX_INTEGER_BYTES,
  digits: MAX_DIGITS,
});

/**
 * Completes limits with the defaults.
 *
 * @throws {OptionError} If a limit isn't a non-negative integer, or `opcodes` is above {@linkcode MAX_OPCODES}.
 */
export function completeLimits(limits: Partial<PickleLimits>): PickleLimits {
  const all = { ...DEFAULT_PICKLE_LIMITS, ...limits };
  for (const [name, value] of Object.entries(all)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new OptionError(`Cannot use limit ${name}: ${value} is not a non-negative integer`);
    }
  }
  if (all.opcodes > MAX_OPCODES) {
    throw new OptionError(`Cannot use limit opcodes: ${all.opcodes} is more than ${MAX_OPCODES}`);
  }
  return all;
}
