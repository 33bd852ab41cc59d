/**
 * Numbers as text, in the grammars of CPython's C unpickler (3.11 Modules/_pickle.c load_int, load_long,
 * load_float, load_get): those of C's `strtol`, of Python's `int()`, and of Python's `float()`. A NUL byte ends
 * a number there, and the rest of the line is lost; here it isn't part of any number.
 *
 * Every function takes a line without its newline and gives `undefined` where it is no number. The time to
 * convert grows with the square of the digits, so the caller limits the length first.
 */

import { normalInteger } from "./_integer.ts";

/** What nearly all lines are, and a number does for them. */
const PLAIN_INTEGER = /^[1-9][0-9]{0,14}$/;
// The spaces are those that C and Python skip; `\s` would take others too.
const CLIB_INTEGER = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/;
const PYTHON_INTEGER =
  /^[ \t\n\v\f\r]*([+-]?)(0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?0)*|[1-9](?:_?[0-9])*)[ \t\n\v\f\r]*$/;
const PYTHON_DECIMAL = /^[ \t\n\v\f\r]*([+-]?)([0-9](?:_?[0-9])*)[ \t\n\v\f\r]*$/;
const PYTHON_FLOAT = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const PYTHON_SPECIAL_FLOAT = /^([+-]?)(?:(inf|infinity)|nan)$/i;

const MIN_LONG = -(2n ** 63n);
const MAX_LONG = 2n ** 63n - 1n;

/**
 * Reads the line of INT: first as `strtol` with base 0 does, to which `010` is eight, and what that can't read
 * or hold as Python's `int(text, 0)`. The lines `00` and `01` are the booleans.
 */
export function parseInt0(line: string): number | bigint | boolean | undefined {
  if (PLAIN_INTEGER.test(line)) return Number(line);
  const match = CLIB_INTEGER.exec(line);
  if (match !== null) {
    const digits = match[2]!;
    const octal = /^0[0-7]/.test(digits);
    const value = signed(match[1]!, BigInt(octal ? `0o${digits.slice(1)}` : digits));
    if (value >= MIN_LONG && value <= MAX_LONG) {
      return line.length === 2 && (value === 0n || value === 1n) ? value === 1n : normalInteger(value);
    }
  }
  return parseLong(line);
}

/** Reads the line of LONG without its `L`: Python's `int(text, 0)`. */
export function parseLong(line: string): number | bigint | undefined {
  const match = PYTHON_INTEGER.exec(line);
  return match === null ? undefined : normalInteger(signed(match[1]!, BigInt(plain(match[2]!))));
}

/** Reads the line of GET and PUT: Python's `int(text, 10)`. */
export function parseDecimal(line: string): number | bigint | undefined {
  if (PLAIN_INTEGER.test(line)) return Number(line);
  const match = PYTHON_DECIMAL.exec(line);
  return match === null ? undefined : normalInteger(signed(match[1]!, BigInt(plain(match[2]!))));
}

/** Reads the line of FLOAT: Python's `float(text)` without spaces and underscores; too large is an error. */
export function parseFloatText(line: string): number | undefined {
  if (PYTHON_FLOAT.test(line)) {
    const value = Number(line);
    return Number.isFinite(value) ? value : undefined;
  }
  const match = PYTHON_SPECIAL_FLOAT.exec(line);
  if (match === null) return undefined;
  if (match[2] === undefined) return NaN;
  return match[1] === "-" ? -Infinity : Infinity;
}

/** Whether Python's `float(text)`, which pickle.py uses, reads the line of FLOAT: with spaces, underscores, any size. */
export function isPythonFloat(line: string): boolean {
  const text = line.trim().replaceAll(/(?<=[0-9])_(?=[0-9])/g, "");
  return PYTHON_FLOAT.test(text) || PYTHON_SPECIAL_FLOAT.test(text);
}

function signed(sign: string, magnitude: bigint): bigint {
  return sign === "-" ? -magnitude : magnitude;
}

/** Drops what `BigInt()` doesn't take from what Python does: underscores, and the zeros of `00`. */
function plain(digits: string): string {
  return digits.replaceAll("_", "");
}
