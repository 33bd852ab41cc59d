/**
 * Floats as Python prints them. Files that Python code reads keep `500000.0` and `500000` apart, as Python does:
 * Hugging Face's configurations check types.
 */

/** A number that Python has as a `float`, even where it is whole. */
export class PythonFloat {
  /** Wraps a number as a Python `float`, bit for bit. */
  constructor(readonly value: number) {}
}

/**
 * What Python's `repr` gives for a float: the shortest digits that read back as the same number, with a point or
 * an exponent always there, so that no float looks like an int.
 *
 * The digits are the ones that JavaScript finds, since both languages ask for the shortest and, among those, the
 * closest. The notation is CPython's (Python/pystrtod.c `format_float_short`, format `r`): an exponent of two
 * digits or more from 1e16 up and below 1e-4.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pythonFloatRepr } from "./python_number.ts";
 *
 * assertEquals(pythonFloatRepr(500000), "500000.0");
 * assertEquals(pythonFloatRepr(0.00001), "1e-05");
 * ```
 *
 * @param value The number, which may be an infinity or NaN.
 */
export function pythonFloatRepr(value: number): string {
  if (Number.isNaN(value)) return "nan";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const magnitude = Math.abs(value);
  if (magnitude === Infinity) return `${sign}inf`;

  const [mantissa, power] = magnitude.toExponential().split("e") as [string, string];
  const digits = mantissa.replace(".", "");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    const exponentSign = exponent < 0 ? "-" : "+";
    return `${sign}${digits[0]}${fraction}e${exponentSign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}
