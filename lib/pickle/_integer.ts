/** The largest integer whose every smaller neighbour is a JavaScript number too. */
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** Gives an integer the form that integers have among the values of a pickle. */
export function normalInteger(value: bigint): number | bigint {
  return value <= MAX_SAFE && value >= -MAX_SAFE ? Number(value) : value;
}

/**
 * Reads a signed two's complement integer, lowest byte first (LONG1, LONG4). No bytes are zero.
 *
 * @param bytes The integer. How long it may be is the caller's to limit: an engine throws past some length.
 */
export function decodeInteger(bytes: Uint8Array): number | bigint {
  const length = bytes.length;
  if (length === 0) return 0;
  const high = bytes[length - 1]!;
  if (length <= 6) {
    let value = high >= 0x80 ? high - 0x100 : high;
    for (let i = length - 2; i >= 0; i--) value = value * 0x100 + bytes[i]!;
    return value;
  }
  // Through hexadecimal, which is linear in the length; shifting a bigint byte by byte is not.
  const digits: string[] = ["0x"];
  for (let i = length - 1; i >= 0; i--) digits.push(bytes[i]!.toString(16).padStart(2, "0"));
  return normalInteger(BigInt.asIntN(length * 8, BigInt(digits.join(""))));
}

/** Writes a signed two's complement integer in the fewest bytes, but one at least, lowest first. */
export function encodeInteger(value: bigint): Uint8Array {
  // A number needs one bit more than its magnitude has, for the sign; -(2^n) has its sign in the magnitude.
  const magnitude = value < 0n ? -value - 1n : value;
  const length = (magnitude.toString(2).length >> 3) + 1;
  const digits = BigInt.asUintN(length * 8, value).toString(16).padStart(length * 2, "0");
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    bytes[i] = parseInt(digits.slice((length - 1 - i) * 2, (length - i) * 2), 16);
  }
  return bytes;
}
