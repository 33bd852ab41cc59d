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

const wideners: Readonly<Record<string, Widen>> = {
  float64: ({ buffer, byteOffset, byteLength }) => new Float64Array(buffer, byteOffset, byteLength / 8),
  float32: ({ buffer, byteOffset, byteLength }) => new Float32Array(buffer, byteOffset, byteLength / 4),
  float16: (bytes, into) => lookUp(words(bytes), halves(), into),
  bfloat16: (bytes, into) => widenBfloat16(words(bytes), into),
  // torch/headeronly/util: a sign, so many bits of exponent and of fraction; "fn" has no infinities, "uz" no -0.
  float8_e4m3fn: (bytes, into) => lookUp(bytes, float8(4, 7, "fn"), into),
  float8_e5m2: (bytes, into) => lookUp(bytes, float8(5, 15, "ieee"), into),
  float8_e4m3fnuz: (bytes, into) => lookUp(bytes, float8(4, 8, "fnuz"), into),
  float8_e5m2fnuz: (bytes, into) => lookUp(bytes, float8(5, 16, "fnuz"), into),
  float8_e8m0fnu: (bytes, into) => lookUp(bytes, powersOfTwo(), into),
  int64: ({ buffer, byteOffset, byteLength }) => new BigInt64Array(buffer, byteOffset, byteLength / 8),
  uint64: ({ buffer, byteOffset, byteLength }) => new BigUint64Array(buffer, byteOffset, byteLength / 8),
  int32: ({ buffer, byteOffset, byteLength }) => new Int32Array(buffer, byteOffset, byteLength / 4),
  uint32: ({ buffer, byteOffset, byteLength }) => new Uint32Array(buffer, byteOffset, byteLength / 4),
  int16: ({ buffer, byteOffset, byteLength }) => new Int16Array(buffer, byteOffset, byteLength / 2),
  uint16: ({ buffer, byteOffset, byteLength }) => new Uint16Array(buffer, byteOffset, byteLength / 2),
  int8: ({ buffer, byteOffset, byteLength }) => new Int8Array(buffer, byteOffset, byteLength),
  uint8: (bytes) => bytes,
  bool: (bytes) => bytes,
  // Real and imaginary parts are numbers of their own.
  complex128: ({ buffer, byteOffset, byteLength }) => new Float64Array(buffer, byteOffset, byteLength / 8),
  complex64: ({ buffer, byteOffset, byteLength }) => new Float32Array(buffer, byteOffset, byteLength / 4),
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
 * The numbers in some bytes.
 *
 * @param dtype Their dtype; {@linkcode canWiden} must allow it.
 * @param bytes The bytes, little-endian, at a multiple of an item's bytes from the start of their buffer.
 * @param into Where to put numbers that have to be made: room for one for every byte is enough. What is returned may lie
 * in it, so it is overwritten by the next call.
 * @returns The numbers, each exactly what the item is.
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

let halfTable: Float32Array | undefined;

/** All numbers of float16, by their bits. */
function halves(): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => {
    const sign = bits >= 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  return halfTable;
}

const float8Tables = new Map<string, Float32Array>();

/** All numbers of a float8 format, by their bits. */
function float8(exponentBits: number, bias: number, kind: "ieee" | "fn" | "fnuz"): Float32Array {
  const key = `${exponentBits} ${kind}`;
  let table = float8Tables.get(key);
  if (table === undefined) {
    const fractionBits = 7 - exponentBits;
    const highest = (1 << exponentBits) - 1;
    table = Float32Array.from({ length: 256 }, (_, bits) => {
      const sign = bits >= 0x80 ? -1 : 1;
      const exponent = (bits >> fractionBits) & highest;
      const fraction = bits & ((1 << fractionBits) - 1);
      if (kind === "fnuz" && bits === 0x80) return NaN;
      if (kind === "fn" && (bits & 0x7f) === 0x7f) return NaN;
      if (kind === "ieee" && exponent === highest) return fraction === 0 ? sign * Infinity : NaN;
      const part = fraction / (1 << fractionBits);
      return exponent === 0 ? sign * part * 2 ** (1 - bias) : sign * (1 + part) * 2 ** (exponent - bias);
    });
    float8Tables.set(key, table);
  }
  return table;
}

let powerTable: Float32Array | undefined;

/** All numbers of float8_e8m0fnu, by their bits: powers of two alone. */
function powersOfTwo(): Float32Array {
  powerTable ??= Float32Array.from({ length: 256 }, (_, bits) => bits === 255 ? NaN : 2 ** (bits - 127));
  return powerTable;
}
