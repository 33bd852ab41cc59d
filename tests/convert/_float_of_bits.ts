/** The float of some bits, given as big-endian hex. */
export function floatOfBits(bits: string): number {
  return new Float64Array(new BigUint64Array([BigInt(`0x${bits}`)]).buffer)[0]!;
}
