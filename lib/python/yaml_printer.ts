/**
 * YAML as PyYAML's `safe_dump` prints it with `sort_keys=False`: as much of it as a `model.yaml` needs. YAML 1.1 and
 * 1.2 read it alike.
 */

import { PythonFloat, pythonFloatRepr } from "./python_number.ts";

/** A mapping, in the order that it has. */
export type YamlMapping = ReadonlyMap<string, YamlValue>;

/** A value that can be printed. Numbers are Python's `int`; floats are wrapped. Sequences hold no mappings. */
export type YamlValue = null | boolean | number | string | PythonFloat | readonly YamlScalar[] | YamlMapping;

/** A value without parts. */
type YamlScalar = null | boolean | number | string | PythonFloat;

/**
 * Prints a mapping.
 *
 * Limits: texts and keys are words of letters, digits and underscores that YAML takes for nothing else; mappings and
 * sequences aren't empty; floats are finite.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { PythonFloat } from "./python_number.ts";
 * import { printYaml } from "./yaml_printer.ts";
 *
 * assertEquals(printYaml(new Map([["eps", new PythonFloat(1e-5)]])), "eps: 1.0e-05\n");
 * ```
 *
 * @returns The text, with a newline at its end.
 * @throws {TypeError} If there is something in it that this printer doesn't print.
 */
export function printYaml(mapping: YamlMapping): string {
  return printMapping(mapping, "");
}

function printMapping(mapping: YamlMapping, margin: string): string {
  if (mapping.size === 0) throw new TypeError("Cannot print a mapping as YAML: it is empty");
  return [...mapping].map(([key, value]) => {
    const start = `${margin}${printWord(key)}:`;
    if (isMapping(value)) return `${start}\n${printMapping(value, `${margin}  `)}`;
    if (!isSequence(value)) return `${start} ${printScalar(value)}\n`;
    if (value.length === 0) throw new TypeError("Cannot print a sequence as YAML: it is empty");
    // PyYAML doesn't indent a sequence in a mapping.
    return `${start}\n${value.map((item) => `${margin}- ${printScalar(item)}\n`).join("")}`;
  }).join("");
}

function isMapping(value: YamlValue): value is YamlMapping {
  return value instanceof Map;
}

/** `Array.isArray` doesn't narrow to a read-only array. */
function isSequence(value: YamlValue): value is readonly YamlScalar[] {
  return Array.isArray(value);
}

function printScalar(value: YamlScalar): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return printWord(value);
  if (value instanceof PythonFloat) return printFloat(value.value);
  if (!Number.isSafeInteger(value)) {
    throw new TypeError(`Cannot print ${value} as a Python int: wrap it as a PythonFloat`);
  }
  return String(value);
}

/** YAML 1.1 has no floats without a point (PyYAML `SafeRepresenter.represent_float`). */
function printFloat(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`Cannot print ${value} as YAML: it isn't finite`);
  const text = pythonFloatRepr(value);
  return text.includes(".") ? text : text.replace("e", ".0e");
}

/** What YAML 1.1 takes for a boolean or null. */
const NO_WORDS = /^(?:y|n|yes|no|on|off|true|false|null)$/i;

function printWord(text: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(text) || NO_WORDS.test(text)) {
    throw new TypeError(`Cannot print ${JSON.stringify(text)} as YAML: it needs quotes`);
  }
  return text;
}
