/**
 * The globals that pickles name: what they would import, and could call, if they were loaded.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { crc32 } from "../copy/crc32.ts";
import { type HttpOptions, openHttpSource } from "../bytes/http_source.ts";
import { type ByteSource, FileSource } from "../bytes/source.ts";
import { FileError, FormatError } from "../error.ts";
import { type GlobalList, listGlobals, OPCODES } from "../pickle/mod.ts";
import { isAllowedGlobal } from "../torch/allowed_globals.ts";
import { openArchive } from "../torch/archive.ts";
import { isLegacyFile, LEGACY_PICKLES } from "../torch/legacy_file.ts";
import { MAX_TABLE_BYTES, tableLimits } from "../torch/table_limits.ts";
import { relativePath } from "./relative_path.ts";
import { toUrl } from "./to_url.ts";
import { CHECKPOINT_DEPTH, findWeightFiles } from "./weight_files.ts";

/** A global that a pickle names. */
export interface NamedByPickle {
  /** Its full name, as the pickle has it: in protocols 0 to 2 often Python 2's, such as `__builtin__.eval`. */
  readonly name: string;
  /** Whether torch's `weights_only` allows it. */
  readonly allowed: boolean;
}

/** What pickles name. */
export interface GlobalsInspection {
  /** The globals, each once, in the order in which they are named first. */
  readonly globals: readonly NamedByPickle[];
  /** Whether all pickles were read to their ends. If not, there may be more globals. */
  readonly complete: boolean;
  /** What a user should be told. */
  readonly notes: readonly string[];
}

/** How much of a legacy file is read at first, in bytes; four times as much if that isn't enough, and so on. */
const FIRST_READ_BYTES = 16 * 1024;

/** The most pickles in a file without a format that are looked at. */
const MAX_PICKLES = 1000;

/**
 * Lists the globals that the pickles in a file name: in a file that torch saved, in either format, or in any file that
 * is a pickle, or several, of any protocol. In a directory, those of all files of torch's. Nothing is imported or run.
 *
 * A pickle can hold bytes that are a pickle themselves, for a function to load. Those aren't looked at; but the
 * function is a global, which is listed.
 *
 * Limits: the first 24 MiB of a pickle.
 *
 * @param path A file, a directory, or an `http:` or `https:` URL of a file.
 * @param options How to read from web servers.
 * @returns The globals.
 * @throws {FileError} If it can't be read.
 * @throws {FormatError} If it is an archive that is damaged, or no pickle at all.
 */
export async function inspectGlobals(
  path: string | URL,
  options: HttpOptions = {},
): Promise<GlobalsInspection> {
  const found = new Found();
  const url = toUrl(path);
  if (url !== undefined) {
    await inspectSource(await openHttpSource(url, options), found, "");
    return found.result();
  }
  const local = path instanceof URL ? fileURLToPath(path) : path;
  if (isDirectory(local)) {
    const files = findWeightFiles(local, CHECKPOINT_DEPTH);
    if (files.length === 0) throw new FileError(`${local}: holds no files of torch's; name a file`);
    for (const file of files) {
      using source = FileSource.open(file);
      await inspectSource(source, found, `${relativePath(local, file)}: `);
    }
  } else {
    using source = FileSource.open(local);
    await inspectSource(source, found, "");
  }
  return found.result();
}

/** Collects what is found. */
class Found {
  readonly #globals = new Map<string, boolean>();
  readonly #notes: string[] = [];
  #complete = true;

  /** Notes something. */
  note(note: string, complete = true): void {
    this.#notes.push(note);
    this.#complete &&= complete;
  }

  /** Lists a pickle in some bytes; says where it ends, or `undefined` where it can't be read to its end. */
  pickle(
    bytes: Uint8Array,
    offset: number,
    fileSize: number,
    where: string,
    isCut: boolean,
  ): number | undefined {
    const { globals, end, error } = listDespiteFrames(bytes, offset, fileSize);
    for (const { global: { module, name } } of globals) {
      this.#globals.set(`${module}.${name}`, isAllowedGlobal(module, name));
    }
    if (error === undefined) return end;
    const why = isCut && end >= bytes.length
      ? `only its first ${bytes.length} bytes were read`
      : error.message;
    this.note(`${where}: could not be read to its end: ${why}; it may name more`, false);
    return undefined;
  }

  /** Adds what was found apart. */
  add({ globals, complete, notes }: GlobalsInspection): void {
    for (const { name, allowed } of globals) this.#globals.set(name, allowed);
    for (const note of notes) this.note(note);
    this.#complete &&= complete;
  }

  result(): GlobalsInspection {
    const globals = [...this.#globals].map(([name, allowed]) => ({ name, allowed }));
    return { globals, complete: this.#complete, notes: this.#notes };
  }
}

/** The opcode that states the length of what follows. */
const FRAME = OPCODES.FRAME;

/** The bytes of a frame's length. */
const FRAME_LENGTH_BYTES = 8;

/** How many frames that are too long are forgiven. A file that was cut off has one. */
const FORGIVEN_FRAMES = 3;

/**
 * Lists globals like {@linkcode listGlobals}, but reads on where a frame is longer than what is left, as in a file that
 * was cut off: CPython reads nothing of such a frame, but other readers may.
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
  return { ...list, error: error ?? list.error };
}

async function inspectSource(source: ByteSource, found: Found, prefix: string): Promise<void> {
  const { path, size } = source;
  if (size === 0) throw new FormatError(`${path}: the file is empty; copy it again`);
  const start = await source.read(0, Math.min(9, size));
  const isZip = start[0] === 0x50 && start[1] === 0x4b;
  if (isZip) return await inspectArchive(source, found, prefix);
  if (path.endsWith(".safetensors") || (start[8] === 0x7b && start[7] === 0)) {
    return found.note(`${prefix}safetensors holds no pickle`);
  }
  if (await isLegacyFile(source)) return await inspectLegacy(source, found, prefix);
  inspectPickles(source, await source.read(0, Math.min(size, MAX_TABLE_BYTES)), found, prefix);
}

/** The pickles of a legacy file. No more of it is read than they need, but for a little. */
async function inspectLegacy(source: ByteSource, found: Found, prefix: string): Promise<void> {
  const { size } = source;
  const limit = Math.min(size, MAX_TABLE_BYTES);
  for (let length = Math.min(limit, FIRST_READ_BYTES);; length = Math.min(limit, 4 * length)) {
    const bytes = await source.read(0, length);
    const attempt = new Found();
    let at: number | undefined = 0;
    for (let i = 0; i < LEGACY_PICKLES && at !== undefined; i++) {
      at = attempt.pickle(bytes, at, size, `${prefix}the pickle at byte ${at}`, length < size);
    }
    if (at !== undefined || length === limit) return found.add(attempt.result());
  }
}

/** The pickles of an archive: torch's own, and that of TorchScript's constants. */
async function inspectArchive(source: ByteSource, found: Found, prefix: string): Promise<void> {
  const archive = await openArchive(source);
  for (const record of archive.records.values()) {
    if (!record.name.endsWith(".pkl")) continue;
    const where = `${prefix}${record.name}`;
    const at = await archive.locate(record);
    const bytes = await source.read(at, Math.min(record.size, MAX_TABLE_BYTES));
    const isCut = bytes.length < record.size;
    if (!isCut && crc32(bytes) !== record.crc) {
      found.note(`${where}: is damaged (its CRC-32 doesn't match)`, false);
    }
    const end = found.pickle(bytes, 0, source.size, where, isCut);
    if (end !== undefined && end < bytes.length) {
      found.note(`${where}: has ${bytes.length - end} bytes behind its end`);
    }
  }
}

/** A file without a format: one pickle, or several, one after the other. */
function inspectPickles({ path, size }: ByteSource, bytes: Uint8Array, found: Found, prefix: string): void {
  const isCut = bytes.length < size;
  const first = listDespiteFrames(bytes, 0, size);
  // A pickle begins with its protocol, or (0 and 1) has at least an opcode that makes sense and then a value.
  if (first.error !== undefined && bytes[0] !== 0x80 && first.globals.length === 0) {
    throw new FormatError(`${path}: is no pickle, nor does it hold one: ${first.error.message}`);
  }
  let at = found.pickle(bytes, 0, size, `${prefix}the pickle`, isCut);
  for (let i = 1; i < MAX_PICKLES && at !== undefined && at < bytes.length; i++) {
    const next = listDespiteFrames(bytes, at, size);
    if (next.error !== undefined && next.globals.length === 0) {
      found.note(
        `${prefix}has ${size - at} bytes after its ${i === 1 ? "pickle" : `${i} pickles`} that are none`,
      );
      return;
    }
    at = found.pickle(bytes, at, size, `${prefix}the pickle at byte ${at}`, isCut);
  }
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // What is wrong with it is said where it is opened as a file.
  }
}
