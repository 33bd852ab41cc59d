/**
 * What pickles name that follow each other in a file, and what comes behind them. CPython reads them one by one, each
 * from where the last one ended, and so do programs that call `pickle.load` again and again, `torch.load` among them.
 */

import type { ByteSource } from "../bytes/source.ts";
import { type GlobalList, listGlobals, OPCODES, type PickleError } from "../pickle/mod.ts";
import { MAX_TABLE_BYTES, tableLimits } from "../torch/table_limits.ts";

/** How much of a file is read at first, in bytes; four times as much if that isn't enough, and so on. */
const FIRST_READ_BYTES = 4 * 1024;

/** The most pickles that are read, of those that follow each other. torch's legacy format has five. */
const MAX_PICKLES = 1000;

/** What pickles that follow each other name. */
export interface ListedPickles {
  /** The globals by their full names, each once: module and name. */
  readonly globals: ReadonlyMap<string, readonly [module: string, name: string]>;
  /** How many pickles were read to their ends. */
  readonly count: number;
  /** Where the last of them ends, in bytes. */
  readonly end: number;
  readonly bytesRead: number;
  /** Why what comes behind them is no whole pickle, where something does and it was read. */
  readonly error?: PickleError;
  /**
   * Whether nothing can be run but what is listed: what comes behind the pickles names nothing, and no reader gets past
   * the place where it breaks.
   */
  readonly isCertain: boolean;
}

/**
 * Lists what the pickles at the start of a file name. No more of it is read than they need, but for a little.
 *
 * Limits: the first 24 MiB of the file; {@linkcode MAX_PICKLES} pickles.
 */
export async function listPickles(source: ByteSource, most: number = MAX_PICKLES): Promise<ListedPickles> {
  const { size } = source;
  const limit = Math.min(size, MAX_TABLE_BYTES);
  for (let length = Math.min(limit, FIRST_READ_BYTES);; length = Math.min(limit, 4 * length)) {
    const listed = listPicklesIn(await source.read(0, length), size, size, most);
    const isDone = listed.error === undefined
      ? listed.count === most || listed.end === size
      : listed.error.problem === "malformed";
    if (isDone || length === limit) return listed;
  }
}

/**
 * Lists what the pickles name at the start of some bytes. These are the first ones of `length`, and those of a file by
 * whose size limits go.
 */
export function listPicklesIn(
  bytes: Uint8Array,
  length: number,
  fileSize: number,
  most: number = MAX_PICKLES,
): ListedPickles {
  const globals = new Map<string, readonly [string, string]>();
  let [count, end] = [0, 0];
  while (count < most && end < bytes.length) {
    const list = listDespiteFrames(bytes, end, fileSize);
    for (const { global: { module, name } } of list.globals) globals.set(`${module}.${name}`, [module, name]);
    const { error } = list;
    if (error !== undefined) {
      const isShort = bytes.length === length || (error.needs ?? 0) > length;
      // An extension code stands for a global that was registered: by none of these readers, nor by what names none.
      const isUnknown = globals.size === 0 && EXTENSIONS.has(bytes[end + error.offset]);
      const isDead = error.problem === "malformed" || (error.problem === "ends" && isShort) || isUnknown;
      const isCertain = isDead && list.globals.length === 0;
      return { globals, count, end, bytesRead: bytes.length, error, isCertain };
    }
    count++;
    end = list.end;
  }
  return { globals, count, end, bytesRead: bytes.length, isCertain: end === length };
}

const EXTENSIONS: ReadonlySet<number | undefined> = new Set([OPCODES.EXT1, OPCODES.EXT2, OPCODES.EXT4]);

/** The opcode that states the length of what follows, and the bytes of that length. */
const FRAME = OPCODES.FRAME;
const FRAME_LENGTH_BYTES = 8;

/** How many frames that are too long are forgiven. A file that was cut off has one. */
const FORGIVEN_FRAMES = 3;

/**
 * Lists globals like {@linkcode listGlobals}, but reads on where a frame is longer than what is left, as in a file that
 * was cut off: CPython's C unpickler reads nothing of such a frame, but its Python one does.
 */
function listDespiteFrames(file: Uint8Array, offset: number, fileSize: number): GlobalList {
  let list = listGlobals(file, { offset, limits: tableLimits(fileSize) });
  const { error } = list;
  let bytes = file;
  for (let i = 0; i < FORGIVEN_FRAMES && list.error !== undefined; i++) {
    const at = offset + list.error.offset + 1;
    const left = bytes.length - at - FRAME_LENGTH_BYTES;
    if (bytes[at - 1] !== FRAME || left < 0) break;
    if (bytes === file) bytes = file.slice();
    new DataView(bytes.buffer).setBigUint64(at, BigInt(left), true);
    list = listGlobals(bytes, { offset, limits: tableLimits(fileSize) });
  }
  return { ...list, error: list.error?.problem === "malformed" ? list.error : error ?? list.error };
}
