/**
 * Typed reading of the fields of a configuration, whatever the text was that it came from.
 *
 * A mapping is a `Map`, so that a key such as `__proto__` is a key like any other.
 */

import { listed, quoted } from "../words.ts";
import { ConfigError } from "./config_error.ts";

/** A kind of value: what is wrong with a value that isn't one, as the words after "expected". */
export interface Kind<T> {
  /** What was expected, or `undefined` if the value is of this kind. */
  readonly expectation: (value: unknown) => string | undefined;
  /** Never there: it only carries the type. */
  readonly type?: T;
}

/** A whole number from 1 to a limit. */
export function positiveInteger(limit: number): Kind<number> {
  return integer("a positive integer", 1, limit);
}

/** A whole number from 0 to a limit. */
export function nonNegativeInteger(limit: number): Kind<number> {
  return integer("a non-negative integer", 0, limit);
}

/** A finite number above 0. YAML and JSON parsers give `1.0` and `1` as the same, and Python takes both. */
export const positiveNumber: Kind<number> = kind(
  "a positive number",
  (value) => typeof value === "number" && Number.isFinite(value) && value > 0,
);

/** A finite number, of either sign. */
export const anyNumber: Kind<number> = kind(
  "a number",
  (value) => typeof value === "number" && Number.isFinite(value),
);

export const boolean: Kind<boolean> = kind("true or false", (value) => typeof value === "boolean");

export const text: Kind<string> = kind("a text", (value) => typeof value === "string");

export const mapping: Kind<ReadonlyMap<string, unknown>> = kind("a mapping", (value) => value instanceof Map);

/** A sequence of exactly two numbers above 0. */
export const positivePair: Kind<readonly [number, number]> = kind(
  "a sequence of two positive numbers",
  (value) =>
    Array.isArray(value) && value.length === 2 &&
    value.every((item) => positiveNumber.expectation(item) === undefined),
);

/** One of some texts. */
export function oneOf<T extends string>(...texts: readonly T[]): Kind<T> {
  return kind(
    listed(texts.map((each) => JSON.stringify(each)), "or"),
    (value) => texts.some((each) => each === value),
  );
}

export const texts: Kind<readonly string[]> = kind(
  "a sequence of texts",
  (value) => Array.isArray(value) && value.every((item) => typeof item === "string"),
);

/** A value of a kind, or `null`. */
export function nullable<T>(of: Kind<T>): Kind<T | null> {
  return {
    expectation: (value) => {
      if (value === null) return undefined;
      const expected = of.expectation(value);
      return expected === undefined ? undefined : `${expected} or null`;
    },
  };
}

function kind<T>(expected: string, accepts: (value: unknown) => boolean): Kind<T> {
  return { expectation: (value) => accepts(value) ? undefined : expected };
}

function integer(name: string, low: number, limit: number): Kind<number> {
  return {
    expectation: (value) => {
      if (typeof value !== "number" || !Number.isInteger(value) || value < low) return name;
      return value > limit ? `at most ${limit}` : undefined;
    },
  };
}

/** The fields of one mapping in a configuration file. */
export class ConfigFields {
  /** Takes the file, as errors name it; where the mapping lies in it, empty for the top; and the fields by name. */
  constructor(
    readonly file: string,
    readonly path: string,
    readonly values: ReadonlyMap<string, unknown>,
  ) {}

  /** The value of a field that must be there, or that has a value where it isn't. */
  get<T>(name: string, kind: Kind<T>, absent?: T): T {
    const value = this.values.get(name);
    if (value === undefined && absent !== undefined) return absent;
    const expected = kind.expectation(value);
    if (expected === undefined) return value as T;
    throw this.error(
      name,
      value === undefined ? `missing, expected ${expected}` : `expected ${expected}, got ${show(value)}`,
    );
  }

  /** The value of a field that may be missing, or there as `null`: both give `undefined`. */
  optional<T>(name: string, kind: Kind<T>): T | undefined {
    return this.get(name, nullable(kind), null as T | null) ?? undefined;
  }

  /** The fields of a mapping that is the value of a field. */
  nested(name: string): ConfigFields {
    return new ConfigFields(this.file, this.pathOf(name), this.get(name, mapping));
  }

  /** Refuses fields of other names. @throws {ConfigError} If there is one. */
  refuseOthers(known: Iterable<string>): void {
    const names = new Set(known);
    for (const [name, value] of this.values) {
      if (!names.has(name)) throw this.error(name, `unknown field with the value ${show(value)}`);
    }
  }

  /** An error about a field. */
  error(name: string, problem: string): ConfigError {
    return new ConfigError(this.file, this.pathOf(name), problem);
  }

  /** The path of a field in the file. */
  pathOf(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}

/** A value as an error shows it: short, and on one line. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return "a sequence";
  if (typeof value === "object" && value !== null) return "a mapping";
  return typeof value === "string" ? quoted(value) : String(value);
}

const MAX_REASON_CHARACTERS = 200;

/** A parser's reason without the line breaks and the control characters of what it read. */
export function oneLine(reason: string): string {
  // deno-lint-ignore no-control-regex
  return reason.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ").slice(0, MAX_REASON_CHARACTERS);
}
