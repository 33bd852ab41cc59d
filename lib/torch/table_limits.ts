/**
 * What the table of contents of a checkpoint may demand: much less than any zip or pickle may, so that a small file can't
 * fill the memory.
 */

import { DEFAULT_PICKLE_LIMITS, type PickleLimits } from "../pickle/mod.ts";

/**
 * The longest pickle that is read, in bytes. `data.pkl` of a 405B model has 0.15 MB; optimizer states with one tensor a
 * parameter have a few. torch itself knows no limit.
 */
export const MAX_TABLE_BYTES: number = 24 * 1024 * 1024;

/**
 * Opcodes of a small file's pickle. LLaMA 3.1 405B has 35,900: 4 times as many. What one opcode makes takes up to 130
 * bytes of memory, if it is no object.
 */
const OPCODES = 5 * 2 ** 15;

/** Objects of a small file's pickle. LLaMA 3.1 405B has 7,964: 4 times as many. An object takes up to 650 bytes. */
const OBJECTS = 2 ** 15;

/**
 * Bytes of a text. A checkpoint's names have up to 52: 80,000 times as many. In memory a text takes up to twice its
 * length, and for a moment four times.
 */
const TEXT_BYTES = 4 * 1024 * 1024;

/** How many bytes of a file go with one more opcode. Where there are many tensors, there are many more bytes. */
const BYTES_PER_OPCODE = 256;

/** How many bytes of a file go with one more object. */
const BYTES_PER_OBJECT = 1024;

/** The longest directory of a small archive, in bytes: 25 times that of 405B. A record takes up to 1.1 kB of memory. */
const DIRECTORY_BYTES = 2 * 1024 * 1024;

/** How many bytes of a file go with one more byte of its directory, of which a record has 60 or so. */
const BYTES_PER_DIRECTORY_BYTE = 32;

/** The longest directory, in bytes: that of some 300,000 records. */
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024;

/** The longest directory that an archive may have. */
export function maxDirectoryBytes(fileSize: number): number {
  return Math.min(MAX_DIRECTORY_BYTES, DIRECTORY_BYTES + Math.floor(fileSize / BYTES_PER_DIRECTORY_BYTE));
}

/**
 * The limits for the pickle of a file. They grow with the file, and keep what reading it takes below the file's size
 * and 64 MB.
 */
export function tableLimits(fileSize: number): Partial<PickleLimits> {
  const { opcodes, objects, memoEntries } = DEFAULT_PICKLE_LIMITS;
  const allowed = Math.min(opcodes, OPCODES + Math.floor(fileSize / BYTES_PER_OPCODE));
  return {
    opcodes: allowed,
    objects: Math.min(objects, OBJECTS + Math.floor(fileSize / BYTES_PER_OBJECT)),
    memoEntries: Math.min(memoEntries, allowed),
    textBytes: TEXT_BYTES,
  };
}
