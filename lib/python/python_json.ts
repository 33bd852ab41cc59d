/** JSON as Python's `json.dumps` prints it, byte for byte. */

import { PythonFloat, pythonFloatRepr } from "./python_number.ts";

/** A value that can be printed. Numbers are Python's `int`; floats are wrapped. */
export type PythonJsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PythonFloat
  | readonly PythonJsonValue[]
  | ReadonlyMap<string, PythonJsonValue>
  | { readonly [key: string]: PythonJsonValue };

/** How to print: the arguments of `json.dumps` that have a use here. */
interface PythonJsonOptions {
  /** Spaces a level; without it, everything is on one line, with a space after each comma and colon. */
  readonly indent?: number;
  /** Whether keys are sorted, by code points as Python sorts them. Without it they keep their order. */
  readonly sortKeys?: boolean;
}

/**
 * What Python's `json.dumps` gives (CPython Lib/json/encoder.py, with `ensure_ascii` left on). The keys of plain
 * objects come in JavaScript's order, which puts whole numbers first; where that matters, give a `Map`.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pythonJson } from "./python_json.ts";
 * import { PythonFloat } from "./python_number.ts";
 *
 * assertEquals(pythonJson({ dim: 2048, theta: new PythonFloat(500000) }), '{"dim": 2048, "theta": 500000.0}');
 * ```
 *
 * @returns The text, without a newline at its end.
 * @throws {TypeError} If a number that isn't wrapped is no safe integer, or a value has no form in JSON.
 */
export function pythonJson(value: PythonJsonValue, options: PythonJsonOptions = {}): string {
  return print(value, options, "");
}

function print(value: PythonJsonValue, options: PythonJsonOptions, margin: string): string {
  if (value === null || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return printString(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) {
      throw new TypeError(`Cannot print ${value} as a Python int: wrap it as a PythonFloat`);
    }
    return String(value);
  }
  if (value instanceof PythonFloat) return printFloat(value.value);
  if (isArray(value)) {
    return printItems(
      "[",
      "]",
      value.map((item) => (inner: string) => print(item, options, inner)),
      options,
      margin,
    );
  }
  if (typeof value !== "object") {
    throw new TypeError(`Cannot print a ${typeof value} as JSON: it has no form there`);
  }
  const entries = [
    ...(value instanceof Map ? value as ReadonlyMap<string, PythonJsonValue> : Object.entries(value)),
  ];
  if (options.sortKeys) entries.sort(([a], [b]) => compareCodePoints(a, b));
  const items = entries.map(([key, item]) => (inner: string) =>
    `${printString(key)}: ${print(item, options, inner)}`
  );
  return printItems("{", "}", items, options, margin);
}

/** `Array.isArray` doesn't narrow to a read-only array. */
function isArray(value: PythonJsonValue): value is readonly PythonJsonValue[] {
  return Array.isArray(value);
}

/** Prints what stands between two brackets: nothing, items on one line, or an item a line. */
function printItems(
  open: string,
  close: string,
  items: readonly ((margin: string) => string)[],
  { indent }: PythonJsonOptions,
  margin: string,
): string {
  if (items.length === 0) return open + close;
  if (indent === undefined) return open + items.map((item) => item(margin)).join(", ") + close;
  const inner = margin + " ".repeat(indent);
  return `${open}\n${inner}${items.map((item) => item(inner)).join(`,\n${inner}`)}\n${margin}${close}`;
}

/** Python prints the three special floats by names that are no JSON. */
function printFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "-Infinity" : "Infinity";
  return pythonFloatRepr(value);
}

const shortEscapes: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\f", "\\f"],
  ["\b", "\\b"],
]);

/** Escapes all but printable ASCII; what lies past U+FFFF goes as its two surrogates, which JavaScript has. */
function printString(text: string): string {
  const escaped = text.replace(
    /["\\]|[^ -~]/g,
    (unit) => shortEscapes.get(unit) ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/** The order of Python's strings, and of UTF-8. JavaScript compares UTF-16 units, which puts U+FFFF after U+10000. */
export function compareCodePoints(a: string, b: string): number {
  for (let at = 0;;) {
    const [left, right] = [a.codePointAt(at) ?? -1, b.codePointAt(at) ?? -1];
    if (left !== right || left < 0) return left - right;
    at += left > 0xffff ? 2 : 1;
  }
}
