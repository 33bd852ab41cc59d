/**
 * Numbers of any dtype as JavaScript numbers, exactly.
 *
 * @module
 */

import type { DType } from "../tensor/dtype.ts";

/** Numbers of one dtype in memory, made comparable. */
export type Numbers = Float64Array | Float32Array | BigInt64Array | BigUint64Array | IntegerArray;

type IntegerArray = Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

type Widen = (bytes: Uint8Array<ArrayBuffer>) => Numbers;

const wideners: Readonly<Record<string, Widen>> = {
  float64: ({ buffer, byteLength }) => new Float64Array(buffer, 0, byteLength / 8),
  float32: ({ buffer, byteLength }) => new Float32Array(buffer, 0, byteLength / 4),
  float16: ({ buffer, byteLength }) => lookUp(new Uint16Array(buffer, 0, byteLength / 2), halves()),
  bfloat16: ({ buffer, byteLength }) => widenBfloat16(new Uint16Array(buffer, 0, byteLength / 2)),
  // torch/headeronly/util: a sign, so many bits of exponent and of fraction; "fn" has no infinities, "uz" no -0.
  float8_e4m3fn: (bytes) => lookUp(bytes, float8(4, 7, "fn")),
  float8_e5m2: (bytes) => lookUp(bytes, float8(5, 15, "ieee")),
  float8_e4m3fnuz: (bytes) => lookUp(bytes, float8(4, 8, "fnuz")),
  float8_e5m2fnuz: (bytes) => lookUp(bytes, float8(5, 16, "fnuz")),
  float8_e8m0fnu: (bytes) => lookUp(bytes, powersOfTwo()),
  int64: ({ buffer, byteLength }) => new BigInt64Array(buffer, 0, byteLength / 8),
  uint64: ({ buffer, byteLength }) => new BigUint64Array(buffer, 0, byteLength / 8),
  int32: ({ buffer, byteLength }) => new Int32Array(buffer, 0, byteLength / 4),
  uint32: ({ buffer, byteLength }) => new Uint32Array(buffer, 0, byteLength / 4),
  int16: ({ buffer, byteLength }) => new Int16Array(buffer, 0, byteLength / 2),
  uint16: ({ buffer, byteLength }) => new Uint16Array(buffer, 0, byteLength / 2),
  int8: ({ buffer, byteLength }) => new Int8Array(buffer, 0, byteLength),
  uint8: (bytes) => bytes,
  bool: (bytes) => bytes,
  // Real and imaginary parts are numbers of their own.
  complex128: ({ buffer, byteLength }) => new Float64Array(buffer, 0, byteLength / 8),
  complex64: ({ buffer, byteLength }) => new Float32Array(buffer, 0, byteLength / 4),
  complex32: ({ buffer, byteLength }) => lookUp(new Uint16Array(buffer, 0, byteLength / 2), halves()),
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
 * @param bytes The bytes, little-endian, at the start of their buffer.
 * @returns The numbers, each exactly what the item is.
 */
export function widen(dtype: DType, bytes: Uint8Array<ArrayBuffer>): Numbers {
  return wideners[dtype.name]!(bytes);
}

/** The numbers that bits stand for. `Float32Array.from` takes ten times as long. */
function lookUp(bits: Uint16Array | Uint8Array, table: Float32Array): Float32Array {
  const numbers = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) numbers[i] = table[bits[i]!]!;
  return numbers;
}

function widenBfloat16(words: Uint16Array): Float32Array {
  const bits = new Uint32Array(words.length);
  for (let i = 0; i < words.length; i++) bits[i] = words[i]! << 16;
  return new Float32Array(bits.buffer);
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
