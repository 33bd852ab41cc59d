/**
 * Reads what stands in front of a GGUF file's tensors: its metadata, and where which tensor lies.
 *
 * Nothing in it is believed. What llama.cpp refuses (`ggml/src/gguf.cpp`, `src/llama-model-loader.h`) is refused, and what
 * it would read as something else: a zero in a name ends it there. Refused, too, are bools that are neither 0 nor 1, and
 * texts that are no UTF-8, as the format's description demands. Only a tensor of a type that isn't known is kept, to be
 * shown.
 *
 * npm has `@huggingface/gguf`, which isn't taken. Tried with 0.4.6: it opens URLs and paths itself, so it reads none of
 * our sources; it cuts a text that goes past a chunk of 2 MB, without a word; tensors may overlap, lie past the file's end,
 * have one name, any type, and rows that aren't whole blocks; the last of two equal keys wins, bytes that are no text
 * become U+FFFD, and a mark at the start of a text is lost.
 */

import type { ByteSource } from "../bytes/source.ts";
import { trimMemory } from "../copy/memory.ts";
import { FormatError } from "../error.ts";
import { ggmlBytes, type GgmlType, ggmlType } from "./ggml_types.ts";
import { ALIGNMENT_KEY, alignUp, DEFAULT_ALIGNMENT, isPowerOfTwo, MAGIC, VERSION } from "./layout.ts";
import {
  MAX_DIMENSIONS,
  MAX_ENTRIES,
  MAX_HEADER_BYTES,
  MAX_ITEMS,
  MAX_KEY_BYTES,
  MAX_NAME_BYTES,
  MAX_TEXT_BYTES,
} from "./limits.ts";
import {
  type GgufArray,
  type GgufMetadata,
  type GgufNumberType,
  type GgufValue,
  type GgufValueType,
  ggufValueTypes,
} from "./value.ts";

/** A file that isn't what GGUF demands. */
export class GgufError extends FormatError {
  /** Makes an error about the file at a path. */
  constructor(path: string, message: string) {
    super(`${path}: ${message}`);
  }
}

/** Where a tensor lies. */
export interface GgufTensorInfo {
  /** Its name. */
  readonly name: string;
  /** Its type. */
  readonly type: GgmlType;
  /** The sizes of the dimensions, in torch's order: rows first. */
  readonly shape: readonly number[];
  /** Where its bytes start, counted from the start of the file. */
  readonly offset: number;
  /** How many they are; `undefined` where the type isn't known. */
  readonly bytes: number | undefined;
}

/** What stands in front of the tensors. */
export interface GgufFile {
  /** The file's path. */
  readonly path: string;
  /** The version of the format: 2, or 3, which differ in nothing that matters here. */
  readonly version: number;
  /** What the places of tensors are multiples of, in bytes. */
  readonly alignment: number;
  /** The values by key, in the file's order. */
  readonly metadata: GgufMetadata;
  /** The tensors, in the order in which they lie. */
  readonly tensors: readonly GgufTensorInfo[];
}

/**
 * Reads a file's table. The tensors' bytes aren't read, but they are all there.
 *
 * Limits: little-endian files of version 2 and 3; `limits.ts`.
 *
 * @example Usage
 * ```ts
 * import { readGguf } from "@ckpt/ckpt/gguf";
 * import { FileSource } from "@ckpt/ckpt/sources";
 *
 * using source = FileSource.open("fixtures/gguf/types.gguf");
 * const { tensors, metadata } = await readGguf(source);
 * for (const { name, type, shape } of tensors) console.log(name, type.name, shape);
 * console.log([...metadata.keys()]);
 * ```
 *
 * @throws {GgufError} If it isn't what the format demands.
 * @throws {FileError} If it can't be read.
 */
export async function readGguf(source: ByteSource): Promise<GgufFile> {
  const { path } = source;
  const cursor = new Cursor(source);
  const version = await readVersion(cursor);
  const tensorCount = await cursor.count("its number of tensors", MAX_ENTRIES, "tensors");
  const keyCount = await cursor.count("its number of keys", MAX_ENTRIES, "keys");

  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = await cursor.name(`key ${i}`, MAX_KEY_BYTES);
    if (key === "") throw cursor.error(`key ${i} is empty`);
    if (metadata.has(key)) throw cursor.error(`key ${shown(key)} is there twice`);
    metadata.set(key, await readValue(cursor, await readType(cursor, shown(key)), shown(key)));
  }
  const alignment = alignmentOf(metadata, cursor);

  const infos: GgufTensorInfo[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const info = await readTensor(cursor, i);
    if (seen.has(info.name)) throw cursor.error(`tensor ${shown(info.name)} is there twice`);
    seen.add(info.name);
    infos.push(info);
  }
  return { path, version, alignment, metadata, tensors: placed(infos, alignment, cursor) };
}

/** Whether a file that begins so says that it is one of GGUF. */
export function isGguf(start: Uint8Array): boolean {
  return String.fromCharCode(...start.subarray(0, MAGIC.length)) === MAGIC;
}

/** What other things begin with that get such names. */
const OTHERS: readonly (readonly [start: string, hint: string])[] = [
  ["vers", "if it is a Git LFS pointer, fetch the file itself with git lfs pull"],
  ["<", "if it is a web page, download the file itself"],
  ["lmgg", "it is of the format before GGUF; convert the model anew"],
  ["tjgg", "it is of the format before GGUF; convert the model anew"],
];

async function readVersion(cursor: Cursor): Promise<number> {
  const magic = String.fromCharCode(...await cursor.bytes(4, "its first bytes"));
  if (magic !== MAGIC) {
    const [, hint = "it is no GGUF file"] = OTHERS.find(([start]) => magic.startsWith(start)) ?? [];
    throw cursor.error(`begins with ${shown(magic)}, not with ${MAGIC}; ${hint}`);
  }
  const version = (await cursor.view(4, "its version")).getUint32(0, true);
  if (version === VERSION || version === 2) return version;
  if (version !== 0 && (version & 0xffff) === 0) {
    throw cursor.error(
      "is a big-endian file, and ckpt reads little-endian ones; convert it with gguf-convert-endian",
    );
  }
  if (version === 1) {
    throw cursor.error(
      "has version 1 of GGUF, which llama.cpp no longer reads, either; convert the model anew",
    );
  }
  throw cursor.error(`has version ${version} of GGUF, and ckpt reads 2 and 3`);
}

async function readType(cursor: Cursor, what: string): Promise<GgufValueType> {
  const id = (await cursor.view(4, what)).getUint32(0, true);
  const type = ggufValueTypes[id];
  if (type === undefined) throw cursor.error(`${what} has a value of type ${id}, which GGUF doesn't have`);
  return type;
}

/** The sizes of items in bytes: of texts, those of their lengths. */
const itemBytes: Readonly<Record<Exclude<GgufValueType, "array">, number>> = {
  ...{ uint8: 1, int8: 1, uint16: 2, int16: 2, uint32: 4, int32: 4, float32: 4 },
  ...{ bool: 1, string: 8, uint64: 8, int64: 8, float64: 8 },
};

const readNumber: Readonly<Record<GgufNumberType, (view: DataView, at: number) => number>> = {
  uint8: (view, at) => view.getUint8(at),
  int8: (view, at) => view.getInt8(at),
  uint16: (view, at) => view.getUint16(at, true),
  int16: (view, at) => view.getInt16(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  int32: (view, at) => view.getInt32(at, true),
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
};

function readBig(type: "uint64" | "int64", view: DataView, at: number): bigint {
  return type === "uint64" ? view.getBigUint64(at, true) : view.getBigInt64(at, true);
}

async function readValue(cursor: Cursor, type: GgufValueType, what: string): Promise<GgufValue> {
  if (type === "array") return await readArray(cursor, what);
  if (type === "string") return { type, value: await cursor.text(what) };
  const view = await cursor.view(itemBytes[type], what);
  if (type === "bool") return { type, value: toBool(view.getUint8(0), what, cursor) };
  if (type === "uint64" || type === "int64") return { type, value: readBig(type, view, 0) };
  return { type, value: readNumber[type](view, 0) };
}

async function readArray(cursor: Cursor, what: string): Promise<GgufArray> {
  const type = "array";
  const items = await readType(cursor, what);
  if (items === "array") {
    throw cursor.error(`${what} is an array of arrays, which llama.cpp doesn't read, either`);
  }
  const isPacked = items === "int32" || items === "uint32" || items === "float32";
  const count = await cursor.itemCount(what, itemBytes[items], isPacked);
  if (items === "string") {
    const values = new Array<string>(count);
    for (let i = 0; i < count; i++) values[i] = cursor.textInChunk(what) ?? await cursor.text(what);
    return { type, items, values };
  }
  const bytes = await cursor.bytes(count * itemBytes[items], what);
  const { buffer } = bytes;
  if (items === "int32") return { type, items, values: new Int32Array(buffer) };
  if (items === "uint32") return { type, items, values: new Uint32Array(buffer) };
  if (items === "float32") return { type, items, values: new Float32Array(buffer) };
  if (items === "bool") {
    return {
      type,
      items,
      values: Array.from(bytes, (byte) => toBool(byte, what, cursor)),
    };
  }
  const view = new DataView(buffer);
  const each = <T>(read: (at: number) => T) =>
    Array.from({ length: count }, (_, i) => read(i * itemBytes[items]));
  if (items === "uint64" || items === "int64") {
    return { type, items, values: each((at) => readBig(items, view, at)) };
  }
  return { type, items, values: each((at) => readNumber[items](view, at)) };
}

function toBool(byte: number, what: string, cursor: Cursor): boolean {
  if (byte > 1) throw cursor.error(`${what} is a bool that is ${byte}, neither 0 nor 1`);
  return byte === 1;
}

function alignmentOf(metadata: GgufMetadata, cursor: Cursor): number {
  const value = metadata.get(ALIGNMENT_KEY);
  if (value === undefined) return DEFAULT_ALIGNMENT;
  if (value.type !== "uint32") {
    throw cursor.error(`${ALIGNMENT_KEY} is a ${value.type}, and has to be a uint32`);
  }
  if (!isPowerOfTwo(value.value)) throw cursor.error(`${ALIGNMENT_KEY} is ${value.value}, no power of two`);
  return value.value;
}

/** Reads what is said of a tensor; its offset is counted from the end of the table, rounded up to the alignment. */
async function readTensor(cursor: Cursor, index: number): Promise<GgufTensorInfo> {
  const name = await cursor.name(`the name of tensor ${index}`, MAX_NAME_BYTES);
  const what = `tensor ${shown(name)}`;
  const dimensions = (await cursor.view(4, what)).getUint32(0, true);
  if (dimensions > MAX_DIMENSIONS) {
    throw cursor.error(`${what} has ${dimensions} dimensions, more than ${MAX_DIMENSIONS}`);
  }
  const sizes = await cursor.view(8 * dimensions, what);
  const shape: number[] = [];
  let items = 1;
  for (let i = 0; i < dimensions; i++) {
    const size = Number(sizes.getBigUint64(8 * i, true));
    items *= size;
    if (!Number.isSafeInteger(size) || !Number.isSafeInteger(items)) {
      throw cursor.error(`${what} has more numbers than can be counted`);
    }
    shape.unshift(size);
  }
  const rest = await cursor.view(12, what);
  const type = ggmlType(rest.getUint32(0, true));
  const bytes = ggmlBytes(type, shape);
  if (type.block !== undefined && bytes === undefined) {
    throw cursor.error(
      `${what} is ${type.name}, in blocks of ${type.block.items} numbers, but has rows of ${
        shape.at(-1) ?? 1
      }`,
    );
  }
  if (bytes !== undefined && !Number.isSafeInteger(bytes)) {
    throw cursor.error(`${what} has more bytes than can be counted`);
  }
  return { name, type, shape, offset: Number(rest.getBigUint64(4, true)), bytes };
}

/** Tensors at their places in the file. They have to follow one another, each at the next multiple of the alignment. */
function placed(infos: readonly GgufTensorInfo[], alignment: number, cursor: Cursor): GgufTensorInfo[] {
  const dataAt = alignUp(cursor.at, alignment);
  let expected = 0;
  let isLeast = false; // After a tensor of a type that isn't known.
  return infos.map((info) => {
    const { name, offset, bytes } = info;
    if (isLeast ? offset < expected || offset % alignment !== 0 : offset !== expected) {
      throw cursor.error(
        `tensor ${shown(name)} starts at byte ${offset} of the data, and has to start at ${
          isLeast ? `a multiple of ${alignment} from ${expected}` : expected
        }`,
      );
    }
    const end = dataAt + offset + (bytes ?? 0);
    if (end > cursor.size) {
      throw cursor.error(
        `tensor ${
          shown(name)
        } ends at byte ${end}, past the file's end at ${cursor.size}; copy the file again`,
      );
    }
    isLeast = bytes === undefined;
    expected = alignUp(offset + (bytes ?? 0), alignment);
    return { ...info, offset: dataAt + offset };
  });
}

/** How much is read at a time, in bytes. */
const CHUNK_BYTES = 256 * 1024;

/** Reads a file from its start, a chunk at a time. */
class Cursor {
  readonly #source: ByteSource;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #chunk: Uint8Array<ArrayBuffer> = new Uint8Array();
  #chunkView = new DataView(this.#chunk.buffer);
  #chunkAt = 0;
  #items = 0;
  /** Where it is, in bytes from the start. */
  at = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get size(): number {
    return this.#source.size;
  }

  error(message: string): GgufError {
    return new GgufError(this.#source.path, message);
  }

  /** The next bytes, in a buffer of their own. */
  async bytes(count: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
    const at = await this.#take(count, what);
    return count === this.#chunk.length ? this.#chunk : this.#chunk.slice(at, at + count);
  }

  async view(count: number, what: string): Promise<DataView> {
    const at = await this.#take(count, what);
    return new DataView(this.#chunk.buffer, this.#chunk.byteOffset + at, count);
  }

  /** Moves on; returns where in the chunk the bytes are. */
  async #take(count: number, what: string): Promise<number> {
    const { at } = this;
    const end = at + count;
    if (end > this.#chunkAt + this.#chunk.length) {
      if (end > this.size) {
        throw this.error(`ends at byte ${this.size}, within its table (${what}); copy the file again`);
      }
      if (end > MAX_HEADER_BYTES) {
        throw this.error(
          `has a table of more than ${MAX_HEADER_BYTES} bytes (${what}), which ckpt doesn't read`,
        );
      }
      trimMemory();
      this.#chunk = await this.#source.read(at, Math.min(Math.max(count, CHUNK_BYTES), this.size - at));
      this.#chunkView = new DataView(this.#chunk.buffer, this.#chunk.byteOffset);
      this.#chunkAt = at;
    }
    this.at = end;
    return at - this.#chunkAt;
  }

  async #uint64(what: string): Promise<number> {
    return Number((await this.view(8, what)).getBigUint64(0, true));
  }

  async count(what: string, most: number, things: string): Promise<number> {
    const count = await this.#uint64(what);
    if (count > most) throw this.error(`states ${count} ${things}, more than the ${most} that ckpt reads`);
    return count;
  }

  /** The number of an array's items, of which the file has room for so many. */
  async itemCount(what: string, leastBytes: number, isPacked: boolean): Promise<number> {
    const count = await this.#uint64(what);
    if (count * leastBytes > this.size - this.at) {
      throw this.error(
        `${what} states ${count} items, more than the file has bytes for; copy the file again`,
      );
    }
    if (!isPacked) this.#items += count;
    if (this.#items > MAX_ITEMS) {
      throw this.error(`has more than ${MAX_ITEMS} items in arrays (${what}), which ckpt doesn't read`);
    }
    return count;
  }

  async text(what: string, most = MAX_TEXT_BYTES): Promise<string> {
    const length = await this.#uint64(what);
    if (length > most) throw this.error(`${what} has ${length} bytes, more than ${most}`);
    return this.#decode(await this.#take(length, what), length, what);
  }

  /** A text, if there is no need to wait for it: of hundreds of thousands, most are here. */
  textInChunk(what: string): string | undefined {
    const at = this.at - this.#chunkAt;
    if (at + 8 > this.#chunk.length) return undefined;
    const length = Number(this.#chunkView.getBigUint64(at, true));
    if (at + 8 + length > this.#chunk.length) return undefined;
    this.at += 8 + length;
    return this.#decode(at + 8, length, what);
  }

  #decode(at: number, length: number, what: string): string {
    try {
      return this.#decoder.decode(this.#chunk.subarray(at, at + length));
    } catch {
      throw this.error(`${what} has a text that is no UTF-8`);
    }
  }

  /** A text in which llama.cpp takes a zero for the end. */
  async name(what: string, most: number): Promise<string> {
    const name = await this.text(what, most);
    if (name.includes("\0")) throw this.error(`${what} has a zero in it: ${shown(name)}`);
    return name;
  }
}

const MAX_SHOWN_CHARACTERS = 100;

/** A name as a message shows it: short, and on one line. */
function shown(name: string): string {
  return JSON.stringify(
    name.length > MAX_SHOWN_CHARACTERS ? `${name.slice(0, MAX_SHOWN_CHARACTERS)}…` : name,
  );
}
