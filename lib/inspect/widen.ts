/**
 * Numbers of any dtype as JavaScript numbers, exactly.
 *
 * @module
 */

import type { DType } from "../tensor/dtype.ts";

/** Numbers of one dtype in memory, made comparable. */
export type Numbers = Float64Array | Float32Array | BigInt64Array | BigUint64Array | IntegerArray;

type IntegerArray = Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

type Widen = (bytes: Uint8Array<ArrayBuffer>, into: Float32Array<ArrayBuffer>) => Numbers;

/** Numbers that need no more than another view of their bytes. */
function viewed<T extends Numbers>(
  type: new (buffer: ArrayBuffer, byteOffset: number, length: number) => T,
  itemBytes: number,
): Widen {
  return ({ buffer, byteOffset, byteLength }) => new type(buffer, byteOffset, byteLength / itemBytes);
}

const wideners: Readonly<Record<string, Widen>> = {
  float64: viewed(Float64Array, 8),
  float32: viewed(Float32Array, 4),
  float16: (bytes, into) => lookUp(words(bytes), halves(), into),
  bfloat16: (bytes, into) => widenBfloat16(words(bytes), into),
  // torch/headeronly/util: a sign, so many bits of exponent and of fraction; "fn" has no infinities, "uz" no -0.
  float8_e4m3fn: (bytes, into) => lookUp(bytes, floats(8, 4, 7, "fn"), into),
  float8_e5m2: (bytes, into) => lookUp(bytes, floats(8, 5, 15, "ieee"), into),
  float8_e4m3fnuz: (bytes, into) => lookUp(bytes, floats(8, 4, 8, "fnuz"), into),
  float8_e5m2fnuz: (bytes, into) => lookUp(bytes, floats(8, 5, 16, "fnuz"), into),
  float8_e8m0fnu: (bytes, into) => lookUp(bytes, powersOfTwo(), into),
  int64: viewed(BigInt64Array, 8),
  uint64: viewed(BigUint64Array, 8),
  int32: viewed(Int32Array, 4),
  uint32: viewed(Uint32Array, 4),
  int16: viewed(Int16Array, 2),
  uint16: viewed(Uint16Array, 2),
  int8: viewed(Int8Array, 1),
  uint8: (bytes) => bytes,
  bool: (bytes) => bytes,
  // Real and imaginary parts are numbers of their own.
  complex128: viewed(Float64Array, 8),
  complex64: viewed(Float32Array, 4),
  complex32: (bytes, into) => lookUp(words(bytes), halves(), into),
};

/** The number of numbers in an item of a dtype: 2 in those of complex ones. */
export function numbersPerItem(dtype: DType): number {
  return dtype.name.startsWith("complex") ? 2 : 1;
}

/** Whether the numbers of a dtype can be compared; those of `float4_e2m1fn_x2` can't. */
export function canWiden(dtype: DType): boolean {
  return dtype.name in wideners;
}

/**
 * The numbers in some bytes, each exactly what the item is. {@linkcode canWiden} must allow the dtype.
 *
 * @param bytes The bytes, little-endian, at a multiple of an item's bytes from the start of their buffer.
 * @param into Where to put numbers that have to be made: room for one for every byte is enough. What is returned may lie
 * in it, so it is overwritten by the next call.
 */
export function widen(
  dtype: DType,
  bytes: Uint8Array<ArrayBuffer>,
  into: Float32Array<ArrayBuffer> = new Float32Array(bytes.length),
): Numbers {
  return wideners[dtype.name]!(bytes, into);
}

function words({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Uint16Array {
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}

/** The numbers that bits stand for. `Float32Array.from` takes ten times as long. */
function lookUp(bits: Uint16Array | Uint8Array, table: Float32Array, into: Float32Array): Float32Array {
  for (let i = 0; i < bits.length; i++) into[i] = table[bits[i]!]!;
  return into.subarray(0, bits.length);
}

function widenBfloat16(words: Uint16Array, into: Float32Array): Float32Array {
  const bits = new Uint32Array(into.buffer, into.byteOffset, words.length);
  for (let i = 0; i < words.length; i++) bits[i] = words[i]! << 16;
  return into.subarray(0, words.length);
}

const halves = (): Float32Array => floats(16, 5, 15, "ieee");

const tables = new Map<string, Float32Array>();

/** All numbers of a format of floats, by their bits. */
function floats(
  bits: 8 | 16,
  exponentBits: number,
  bias: number,
  kind: "ieee" | "fn" | "fnuz",
): Float32Array {
  const key = `${bits} ${exponentBits} ${kind}`;
  let table = tables.get(key);
  if (table === undefined) {
    const fractionBits = bits - 1 - exponentBits;
    const [highest, signBit] = [(1 << exponentBits) - 1, 1 << (bits - 1)];
    table = Float32Array.from({ length: 1 << bits }, (_, word) => {
      const sign = word >= signBit ? -1 : 1;
      const exponent = (word >> fractionBits) & highest;
      const fraction = word & ((1 << fractionBits) - 1);
      if (kind === "fnuz" && word === signBit) return NaN;
      if (kind === "fn" && (word & (signBit - 1)) === signBit - 1) return NaN;
      if (kind === "ieee" && exponent === highest) return fraction === 0 ? sign * Infinity : NaN;
      const part = fraction / (1 << fractionBits);
      return exponent === 0 ? sign * part * 2 ** (1 - bias) : sign * (1 + part) * 2 ** (exponent - bias);
    });
    tables.set(key, table);
  }
  return table;
}

let powerTable: Float32Array | undefined;

/** All numbers of float8_e8m0fnu, by their bits: powers of two alone. */
function powersOfTwo(): Float32Array {
  powerTable ??= Float32Array.from({ length: 256 }, (_, bits) => bits === 255 ? NaN : 2 ** (bits - 127));
  return powerTable;
}
