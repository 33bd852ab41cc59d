/** Tensors laid out as a GGUF file. */

import { type View, viewBytes } from "../bytes/view.ts";
import type { Copy, FileLayout, Literal, OutputFile } from "../copy/plan.ts";
import { ggmlBytes, type GgmlType } from "./ggml_types.ts";
import { MAX_DIMENSIONS, MAX_NAME_BYTES } from "./limits.ts";
import { type GgufMetadata, type GgufValue, type GgufValueType, ggufValueTypes } from "./value.ts";

/** What a file begins with. */
export const MAGIC = "GGUF";

/** The version of the format that is written. */
export const VERSION = 3;

/** The key that says what the places of tensors are multiples of, in bytes. */
export const ALIGNMENT_KEY = "general.alignment";

/** What they are multiples of where nothing says so. */
export const DEFAULT_ALIGNMENT = 32;

/** A tensor to write. */
export interface GgufTensor {
  /** Its name. */
  readonly name: string;
  /** Its type. */
  readonly type: GgmlType;
  /** The sizes of the dimensions, in torch's order: rows first. A file has them the other way round. */
  readonly shape: readonly number[];
  /** The bytes, in that type: where they lie, or those themselves. */
  readonly data: View | Uint8Array;
  /** Their CRC-32, where it is known. */
  readonly crc?: number;
}

/**
 * Lays out tensors as a GGUF file of version 3, little-endian, byte for byte as gguf-py's `GGUFWriter` does: the
 * metadata and the tensors in the order given, each tensor's bytes at the next multiple of the alignment, zeros between
 * and after them.
 *
 * Limits: names of 63 bytes, 4 dimensions, values that fit their types.
 *
 * @param metadata The values by key. `general.alignment`, a `uint32`, is heeded.
 * @throws {RangeError} If a tensor or a value can't be in such a file.
 */
export function layoutGguf(
  name: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensor[],
): Pick<OutputFile, "name" | keyof FileLayout> {
  const alignment = alignmentOf(metadata);
  const head = new Head();
  head.bytes(new TextEncoder().encode(MAGIC));
  head.number("version", "uint32", VERSION);
  head.number("tensor count", "uint64", tensors.length);
  head.number("key count", "uint64", metadata.size);
  for (const [key, value] of metadata) {
    if (key === "") throw new RangeError("Cannot write a value without a key");
    head.string(key);
    head.value(key, value);
  }

  const seen = new Set<string>();
  let end = 0;
  const places = tensors.map((tensor) => {
    checkTensor(tensor);
    if (seen.has(tensor.name)) throw new RangeError(`Cannot write ${tensor.name}: it is there twice`);
    seen.add(tensor.name);
    const at = end;
    head.string(tensor.name);
    head.number(tensor.name, "uint32", tensor.shape.length);
    for (const size of tensor.shape.toReversed()) head.number(tensor.name, "uint64", size);
    head.number(tensor.name, "uint32", tensor.type.id);
    head.number(tensor.name, "uint64", at);
    end = alignUp(at + dataBytes(tensor), alignment);
    return at;
  });
  head.bytes(new Uint8Array(alignUp(head.length, alignment) - head.length));

  const dataAt = head.length;
  const copies: Copy[] = [];
  const literals: Literal[] = [{ at: 0, bytes: head.take() }];
  tensors.forEach((tensor, i) => {
    const { name, data, crc } = tensor;
    const length = dataBytes(tensor);
    if (length === 0) return;
    const at = dataAt + places[i]!;
    if (data instanceof Uint8Array) literals.push({ at, bytes: data });
    else copies.push({ label: name, at, view: data, ...(crc === undefined ? {} : { crc }) });
    const padding = alignUp(at + length, alignment) - at - length;
    if (padding > 0) literals.push({ at: at + length, bytes: new Uint8Array(padding) });
  });
  return { name, size: dataAt + end, copies, literals };
}

/** What the places of tensors are multiples of. */
function alignmentOf(metadata: GgufMetadata): number {
  const value = metadata.get(ALIGNMENT_KEY);
  if (value === undefined) return DEFAULT_ALIGNMENT;
  if (value.type !== "uint32" || !isPowerOfTwo(value.value)) {
    throw new RangeError(`Cannot align tensors: ${ALIGNMENT_KEY} is no uint32 that is a power of two`);
  }
  return value.value;
}

/** Whether a number can be an alignment. */
export function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value)) && value >= 1;
}

/** The next multiple of an alignment. */
export function alignUp(at: number, alignment: number): number {
  return Math.ceil(at / alignment) * alignment;
}

/** The size of a tensor in bytes. */
export function dataBytes({ data }: Pick<GgufTensor, "data">): number {
  return data instanceof Uint8Array ? data.length : viewBytes(data);
}

function checkTensor(tensor: GgufTensor): void {
  const { name, type, shape } = tensor;
  const nameBytes = new TextEncoder().encode(name).length;
  if (nameBytes > MAX_NAME_BYTES) {
    throw new RangeError(
      `Cannot write ${name}: its name has ${nameBytes} bytes, more than ${MAX_NAME_BYTES}`,
    );
  }
  if (shape.length > MAX_DIMENSIONS) {
    throw new RangeError(
      `Cannot write ${name}: it has ${shape.length} dimensions, more than ${MAX_DIMENSIONS}`,
    );
  }
  const needed = ggmlBytes(type, shape);
  if (needed === undefined) {
    throw new RangeError(`Cannot write ${name}: rows of ${shape.at(-1)} aren't whole blocks of ${type.name}`);
  }
  if (needed !== dataBytes(tensor)) {
    throw new RangeError(
      `Cannot write ${name}: ${type.name} [${shape.join(", ")}] has ${needed} bytes and the data ${
        dataBytes(tensor)
      }`,
    );
  }
}

/** The numbers of a type: how many bytes one has, which there are, and how one is written. */
interface NumberType {
  readonly bytes: number;
  readonly isOne: (value: number | bigint) => boolean;
  readonly write: (view: DataView, at: number, value: number | bigint) => void;
}

function wholeNumbers(bits: 8 | 16 | 32 | 64, least: bigint): NumberType {
  const most = least + 2n ** BigInt(bits) - 1n;
  return {
    bytes: bits / 8,
    isOne: (value) =>
      (typeof value === "bigint" || Number.isInteger(value)) && value >= least && value <= most,
    write(view, at, value) { // Negative numbers wrap.
      if (bits === 8) view.setUint8(at, Number(value));
      else if (bits === 16) view.setUint16(at, Number(value), true);
      else if (bits === 32) view.setUint32(at, Number(value), true);
      else view.setBigUint64(at, BigInt(value), true);
    },
  };
}

const numberTypes: Readonly<Record<Exclude<GgufValueType, "string" | "array">, NumberType>> = {
  uint8: wholeNumbers(8, 0n),
  int8: wholeNumbers(8, -(2n ** 7n)),
  uint16: wholeNumbers(16, 0n),
  int16: wholeNumbers(16, -(2n ** 15n)),
  uint32: wholeNumbers(32, 0n),
  int32: wholeNumbers(32, -(2n ** 31n)),
  uint64: wholeNumbers(64, 0n),
  int64: wholeNumbers(64, -(2n ** 63n)),
  bool: wholeNumbers(8, 0n),
  float32: {
    bytes: 4,
    isOne: (value) => Number.isFinite(Math.fround(Number(value))) || !Number.isFinite(value),
    write: (view, at, value) => view.setFloat32(at, Number(value), true),
  },
  float64: {
    bytes: 8,
    isOne: () => true,
    write: (view, at, value) => view.setFloat64(at, Number(value), true),
  },
};

/** Puts a file's head together. */
class Head {
  readonly #encoder = new TextEncoder();
  #buffer = new Uint8Array(4096);
  #view = new DataView(this.#buffer.buffer);
  /** How many bytes there are. */
  length = 0;

  /** The bytes. */
  take(): Uint8Array {
    return this.#buffer.slice(0, this.length);
  }

  /** Makes room for more bytes; returns where they go. */
  #grow(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.length, 2 * this.#buffer.length));
      larger.set(this.#buffer);
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
  }

  number(key: string, type: keyof typeof numberTypes, value: number | bigint): void {
    const { bytes, isOne, write } = numberTypes[type];
    if (!isOne(value)) throw new RangeError(`Cannot write ${key}: ${value} is no ${type}`);
    const at = this.#grow(bytes);
    write(this.#view, at, value);
  }

  string(text: string): void {
    if (!text.isWellFormed()) {
      throw new RangeError(`Cannot write ${JSON.stringify(text)}: it is no UTF-8 text`);
    }
    const at = this.#grow(8 + 3 * text.length); // As much as it may need.
    const { written } = this.#encoder.encodeInto(text, this.#buffer.subarray(at + 8));
    this.#view.setBigUint64(at, BigInt(written), true);
    this.length = at + 8 + written;
  }

  value(key: string, value: GgufValue): void {
    this.type(value.type);
    if (value.type !== "array") return this.#item(key, value.type, value.value);
    this.type(value.items);
    this.number(key, "uint64", value.values.length);
    for (const item of value.values) this.#item(key, value.items, item);
  }

  type(type: GgufValueType): void {
    this.number(type, "uint32", ggufValueTypes.indexOf(type));
  }

  #item(key: string, type: Exclude<GgufValueType, "array">, value: number | bigint | boolean | string): void {
    if (type === "string") return this.string(String(value));
    this.number(key, type, typeof value === "bigint" ? value : Number(value));
  }
}
