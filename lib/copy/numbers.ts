/** Numbers of any dtype as JavaScript numbers, exactly. */

/** Numbers in memory, made comparable. */
export type Numbers = Float64Array | Float32Array | BigInt64Array | BigUint64Array | IntegerArray;

type IntegerArray = Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

/** One kind of numbers. */
export interface NumberKind {
  /** The length of a number in bytes. */
  readonly bytes: number;
  /**
   * The numbers in some bytes, each exactly what it is.
   *
   * @param bytes The bytes, little-endian, at a multiple of a number's from the start of their buffer.
   * @param into Where to put numbers that have to be made. What is returned may lie in it, so it is overwritten by the
   * next call.
   */
  read(bytes: Uint8Array<ArrayBuffer>, into: Float32Array<ArrayBuffer>): Numbers;
}

/**
 * Makes the kinds of numbers that can be compared, by torch's names for the dtypes. Closed like the kernel: it refers to
 * nothing outside itself.
 */
export function createNumberKinds(): Map<string, NumberKind> {
  /** Numbers that need no more than another view of their bytes. */
  function viewed<T extends Numbers>(
    bytes: number,
    type: new (buffer: ArrayBuffer, byteOffset: number, length: number) => T,
  ): NumberKind {
    return { bytes, read: (of) => new type(of.buffer, of.byteOffset, of.byteLength / bytes) };
  }

  /** Numbers that are looked up by their bits in a table, which is made when it is needed. */
  function lookedUp(bytes: 1 | 2, makeTable: () => Float32Array): NumberKind {
    let table: Float32Array | undefined;
    return {
      bytes,
      read(of, into) {
        table ??= makeTable();
        const bits = bytes === 1 ? of : words(of);
        // `Float32Array.from` takes ten times as long.
        for (let i = 0; i < bits.length; i++) into[i] = table[bits[i]!]!;
        return into.subarray(0, bits.length);
      },
    };
  }

  function words({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Uint16Array {
    return new Uint16Array(buffer, byteOffset, byteLength / 2);
  }

  /** All numbers of a format of floats, by their bits. */
  function floats(
    bits: 8 | 16,
    exponentBits: number,
    bias: number,
    kind: "ieee" | "fn" | "fnuz",
  ): Float32Array {
    const fractionBits = bits - 1 - exponentBits;
    const [highest, signBit] = [(1 << exponentBits) - 1, 1 << (bits - 1)];
    return Float32Array.from({ length: 1 << bits }, (_, word) => {
      const sign = word >= signBit ? -1 : 1;
      const exponent = (word >> fractionBits) & highest;
      const fraction = word & ((1 << fractionBits) - 1);
      if (kind === "fnuz" && word === signBit) return NaN;
      if (kind === "fn" && (word & (signBit - 1)) === signBit - 1) return NaN;
      if (kind === "ieee" && exponent === highest) return fraction === 0 ? sign * Infinity : NaN;
      const part = fraction / (1 << fractionBits);
      return exponent === 0 ? sign * part * 2 ** (1 - bias) : sign * (1 + part) * 2 ** (exponent - bias);
    });
  }

  const bfloat16: NumberKind = {
    bytes: 2,
    read(bytes, into) {
      const halves = words(bytes);
      const bits = new Uint32Array(into.buffer, into.byteOffset, halves.length);
      for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
      return into.subarray(0, halves.length);
    },
  };
  const float16 = lookedUp(2, () => floats(16, 5, 15, "ieee"));
  const byte: NumberKind = { bytes: 1, read: (bytes) => bytes };
  return new Map([
    ["float64", viewed(8, Float64Array)],
    ["float32", viewed(4, Float32Array)],
    ["float16", float16],
    ["bfloat16", bfloat16],
    // torch/headeronly/util: a sign, so many bits of exponent and of fraction; "fn" has no infinities, "uz" no -0.
    ["float8_e4m3fn", lookedUp(1, () => floats(8, 4, 7, "fn"))],
    ["float8_e5m2", lookedUp(1, () => floats(8, 5, 15, "ieee"))],
    ["float8_e4m3fnuz", lookedUp(1, () => floats(8, 4, 8, "fnuz"))],
    ["float8_e5m2fnuz", lookedUp(1, () => floats(8, 5, 16, "fnuz"))],
    // Powers of two alone.
    [
      "float8_e8m0fnu",
      lookedUp(
        1,
        () => Float32Array.from({ length: 256 }, (_, bits) => bits === 255 ? NaN : 2 ** (bits - 127)),
      ),
    ],
    ["int64", viewed(8, BigInt64Array)],
    ["uint64", viewed(8, BigUint64Array)],
    ["int32", viewed(4, Int32Array)],
    ["uint32", viewed(4, Uint32Array)],
    ["int16", viewed(2, Int16Array)],
    ["uint16", viewed(2, Uint16Array)],
    ["int8", viewed(1, Int8Array)],
    ["uint8", byte],
    ["bool", byte],
    // Real and imaginary parts are numbers of their own.
    ["complex128", viewed(8, Float64Array)],
    ["complex64", viewed(4, Float32Array)],
    ["complex32", float16],
  ]);
}
