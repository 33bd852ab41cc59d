/**
 * The header of a safetensors file: JSON in front of the bytes, which says what they are.
 *
 * Nothing in it is believed. What is read has passed every check that the format asks for, and those that the
 * library leaves to "parsers": each name is there once, and the tensors cover the bytes exactly.
 */

import type { DType } from "../tensor/dtype.ts";
import { quoted } from "../words.ts";
import { safetensorsDTypeOfName } from "./dtype.ts";
import { SafetensorsError, type SafetensorsProblem } from "./error.ts";
import { JsonError, parseStrictJson } from "./json.ts";
import { MAX_DIMENSIONS, MAX_HEADER_BYTES, MAX_READ_HEADER_BYTES, maxHeaderValues } from "./limits.ts";

/** The bytes in front of the header: its length, as a little-endian 64-bit number. */
export const LENGTH_BYTES = 8;

/** The name in a header under which texts about the file stand. */
export const METADATA_NAME = "__metadata__";

/** What a header says of a tensor. */
interface TensorEntry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Where its bytes start, counted from the end of the header. */
  readonly start: number;
  readonly end: number;
}

interface SafetensorsHeader {
  /** Texts about the file by name; empty where it has none. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The tensors by name, in the order in which they lie in the file. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
}

/** Makes an error about a part of a file. */
type Complain = (problem: SafetensorsProblem, message: string) => SafetensorsError;

function complaintsAbout(where: string): Complain {
  return (problem, message) => new SafetensorsError(where, problem, message);
}

/**
 * Reads the length of a header.
 *
 * @param bytes The first {@linkcode LENGTH_BYTES} bytes of the file, or all of a shorter one.
 * @throws {SafetensorsError} If it can't be the length of a header of such a file.
 */
export function parseHeaderLength(bytes: Uint8Array, size: number, path: string): number {
  const complain = complaintsAbout(path);
  if (size < LENGTH_BYTES || bytes.length < LENGTH_BYTES) {
    throw complain("no header", `has ${size} bytes, too few for a safetensors file; copy the file again`);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw complain(
      "header too large",
      `states a header of ${length} bytes, more than the ${MAX_HEADER_BYTES} that safetensors allows; ` +
        "it is no safetensors file, or damaged",
    );
  }
  if (length > BigInt(size - LENGTH_BYTES)) {
    throw complain(
      "header past the end",
      `states a header of ${length} bytes, but has only ${size - LENGTH_BYTES} after its length; ` +
        "copy the file again",
    );
  }
  if (length > BigInt(MAX_READ_HEADER_BYTES)) {
    throw complain(
      "header too large",
      `has a header of ${length} bytes, more than the ${MAX_READ_HEADER_BYTES} that ckpt reads`,
    );
  }
  return Number(length);
}

/**
 * Reads and checks a header.
 *
 * @throws {SafetensorsError} If it isn't what it must be.
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number, path: string): SafetensorsHeader {
  const complain = complaintsAbout(`${path}: header`);
  const top = parseTop(bytes, maxHeaderValues(bytes.length + dataBytes), complain);
  const metadata = readMetadata(top.get(METADATA_NAME), complain);
  top.delete(METADATA_NAME);
  const entries = Array.from(top, ([name, value]): [string, TensorEntry] => [
    name,
    readEntry(value, (problem, message) => complain(problem, `${shown(name)}: ${message}`)),
  ]);
  entries.sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  checkCover(entries, dataBytes, path);
  return { metadata, tensors: new Map(entries) };
}

function parseTop(bytes: Uint8Array, maxValues: number, complain: Complain): Map<string, unknown> {
  let text: string;
  try {
    // Without a byte order mark being dropped, which the format doesn't allow.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw complain("no UTF-8", "is no UTF-8 text; it is no safetensors file");
  }
  if (!text.startsWith("{")) {
    throw complain(
      "no object",
      `begins with ${shown(text.slice(0, 1))}, not with a brace; it is no safetensors file`,
    );
  }
  try {
    return parseStrictJson(text, { number: wholeNumber, maxValues }) as Map<string, unknown>;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const { duplicate } = error;
    if (duplicate === undefined) throw complain("no JSON", `is no JSON: ${error.message}`);
    throw complain("duplicate name", `${shown(duplicate)} is there twice`);
  }
}

/** A whole number from 0 as serde reads it: without a fraction or an exponent. Others become no number at all. */
function wholeNumber(text: string): number {
  const value = /^(?:0|[1-9][0-9]*)$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : NaN;
}

function readMetadata(value: unknown, complain: Complain): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  if (value instanceof Map && [...value.values()].every((text) => typeof text === "string")) return value;
  throw complain("bad metadata", `${METADATA_NAME} isn't a mapping of texts`);
}

const FIELDS = ["dtype", "shape", "data_offsets"];

function readEntry(value: unknown, complain: Complain): TensorEntry {
  if (!(value instanceof Map)) throw complain("bad entry", "isn't an object");
  const missing = FIELDS.find((field) => !value.has(field));
  if (missing !== undefined) throw complain("bad entry", `has no ${missing}`);
  const unknown = [...value.keys()].find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) throw complain("bad entry", `has an unknown field ${shown(unknown)}`);

  const name = value.get("dtype");
  const dtype = typeof name === "string" ? safetensorsDTypeOfName(name)?.dtype : undefined;
  if (dtype === undefined) {
    throw complain(
      "unknown dtype",
      `has dtype ${typeof name === "string" ? shown(name) : "that is no text"}, which ckpt doesn't know`,
    );
  }
  const shape = readShape(value.get("shape"), complain);
  const [start, end] = readOffsets(value.get("data_offsets"), complain);
  const needed = shape.reduce((product, size) => product * size, dtype.itemBytes);
  if (!Number.isSafeInteger(needed)) {
    throw complain("too large", `has a shape [${shape.join(", ")}] with more bytes than can be counted`);
  }
  if (end - start !== needed) {
    throw complain(
      "wrong span",
      `has ${end - start} bytes, but ${dtype.name} [${shape.join(", ")}] needs ${needed}`,
    );
  }
  return { dtype, shape, start, end };
}

function readShape(value: unknown, complain: Complain): number[] {
  if (!Array.isArray(value) || !value.every(isWholeNumber)) {
    throw complain("bad shape", "has a shape that isn't a sequence of whole numbers");
  }
  if (value.length > MAX_DIMENSIONS) {
    throw complain("bad shape", `has ${value.length} dimensions, more than ${MAX_DIMENSIONS}`);
  }
  return value;
}

function readOffsets(value: unknown, complain: Complain): [start: number, end: number] {
  if (!Array.isArray(value) || value.length !== 2 || !value.every(isWholeNumber)) {
    throw complain("bad offsets", "has data_offsets that aren't two whole numbers");
  }
  const [start, end] = value as [number, number];
  if (start > end) throw complain("bad offsets", `starts at ${start}, past its end ${end}`);
  return [start, end];
}

function isWholeNumber(value: unknown): value is number {
  return typeof value === "number" && !Number.isNaN(value);
}

/** Checks that tensors, sorted by their places, cover all bytes and none twice. */
function checkCover(
  entries: readonly (readonly [string, TensorEntry])[],
  dataBytes: number,
  path: string,
): void {
  const complain = complaintsAbout(path);
  let at = 0;
  let before: string | undefined;
  for (const [name, { start, end }] of entries) {
    if (start < at) {
      throw complain(
        "overlap",
        `header: ${shown(name)} starts at ${start}, before the end of ${shown(before!)} at ${at}`,
      );
    }
    if (start > at) {
      const after = before === undefined ? "the header" : shown(before);
      throw complain("gap", `header: ${shown(name)} starts at ${start}, ${start - at} bytes after ${after}`);
    }
    at = end;
    before = name;
  }
  if (at > dataBytes) {
    throw complain(
      "missing bytes",
      `holds ${dataBytes} bytes of tensors, but its header speaks of ${at}; copy the file again`,
    );
  }
  if (at < dataBytes) {
    throw complain(
      "trailing bytes",
      `has ${dataBytes - at} bytes after its last tensor; it is damaged, or something was appended to it`,
    );
  }
}

/** A name as a message shows it. */
function shown(name: string): string {
  return quoted(name, 100);
}
