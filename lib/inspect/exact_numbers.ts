/** Exact sums as float64, rounded once. */

/** A number that is `units × 2^exponent`, exactly. */
export interface ExactNumber {
  readonly units: bigint;
  readonly exponent: number;
}

/** The sum of numbers. */
export function exactSum(numbers: readonly ExactNumber[]): ExactNumber {
  const exponent = numbers.reduce((least, each) => Math.min(least, each.exponent), Infinity);
  if (exponent === Infinity) return { units: 0n, exponent: 0 };
  let units = 0n;
  for (const each of numbers) units += each.units << BigInt(each.exponent - exponent);
  return { units, exponent };
}

/** Bits that are more than a float64 has, so that what is cut off behind them can be said by the last one. */
const BITS = 64;

/** A number, divided by a count, rounded to the nearest float64. */
export function dividedBy({ units, exponent }: ExactNumber, count: number): number {
  if (units === 0n) return 0;
  const magnitude = units < 0n ? -units : units;
  const shift = Math.max(0, BITS + bits(BigInt(count)) - bits(magnitude));
  const shifted = magnitude << BigInt(shift);
  const quotient = shifted / BigInt(count);
  const rest = quotient * BigInt(count) === shifted ? 0n : 1n;
  const rounded = toFloat(quotient << 1n | rest, exponent - shift - 1);
  return units < 0n ? -rounded : rounded;
}

/** The square root of a number, divided by a count: to the last digit but one. */
export function rootDividedBy({ units, exponent }: ExactNumber, count: number): number {
  if (units <= 0n) return 0;
  // An even exponent, and as many bits as a float64 rounds.
  let shift = bits(units) - BITS;
  if ((exponent + shift) % 2 !== 0) shift++;
  const cut = shift > 0 ? units >> BigInt(shift) : units << BigInt(-shift);
  return scaled(Math.sqrt(Number(cut)) / count, (exponent + shift) / 2);
}

function bits(magnitude: bigint): number {
  const text = magnitude.toString(16);
  return 4 * text.length - Math.clz32(parseInt(text[0]!, 16)) + 28;
}

/** `units × 2^exponent` with the last bit of the units 1 where there is more behind them; rounded to nearest even. */
function toFloat(units: bigint, exponent: number): number {
  const spare = bits(units) - BITS;
  if (spare > 0) {
    const cut = units >> BigInt(spare);
    const rest = cut << BigInt(spare) === units ? 0n : 1n;
    return scaled(Number(cut | rest), exponent + spare);
  }
  return scaled(Number(units), exponent);
}

/** `number × 2^exponent`; the exponent may be past those of a float64. */
function scaled(number: number, exponent: number): number {
  while (exponent < -1000) {
    number *= 2 ** -1000;
    exponent += 1000;
  }
  while (exponent > 1000) {
    number *= 2 ** 1000;
    exponent -= 1000;
  }
  return number * 2 ** exponent;
}
