/**
 * JSON, read strictly. `JSON.parse` keeps the last of two members with one name, without a word: a file that says
 * two things at once is read as saying one. Here it is an error.
 *
 * Objects become `Map`s, so that a key such as `__proto__` is a key like any other.
 */

import { KeyGuard } from "../key_guard.ts";

/** How deep arrays and objects may nest. A header of safetensors has 3 levels, a config.json 3 or 4. */
export const MAX_JSON_DEPTH = 32;

/** How many values a JSON text may have where nothing else is said. A real config.json has about 40. */
const MAX_VALUES = 2 ** 17;

/** A text that is no JSON, or JSON that says a thing twice. */
export class JsonError extends SyntaxError {
  /** Makes an error; `duplicate` is the name that an object has twice, where that is what is wrong. */
  constructor(message: string, readonly duplicate?: string) {
    super(message);
    this.name = new.target.name;
  }
}

interface JsonOptions {
  /** What a number stands for, given its text; `Number` by default. */
  readonly number?: (text: string) => unknown;
  /** The most values that it may have, containers included; 131,072 by default. */
  readonly maxValues?: number;
}

/**
 * Parses JSON (RFC 8259).
 *
 * Limits: {@linkcode MAX_JSON_DEPTH} levels; as many values as the options say; names are unique within an object;
 * strings are well-formed, so no lone surrogates by `\u` escapes either.
 *
 * @example Usage
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { JsonError, parseStrictJson } from "./json.ts";
 *
 * assertEquals(parseStrictJson('{"shape": [2, 3]}'), new Map([["shape", [2, 3]]]));
 * assertThrows(() => parseStrictJson('{"a": 1, "a": 2}'), JsonError, '"a" is there twice');
 * ```
 *
 * @returns `null`, a boolean, a string, what `options.number` gives, an array, or a `Map` by name.
 * @throws {JsonError} If it is no JSON, or past a limit.
 */
export function parseStrictJson(text: string, options: JsonOptions = {}): unknown {
  return new Parser(text, options.number ?? Number, options.maxValues ?? MAX_VALUES).document();
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;
/** What ends a string or needs care in one. */
// deno-lint-ignore no-control-regex
const SPECIAL = /["\\\x00-\x1f]/g;

const literals: readonly (readonly [text: string, value: unknown])[] = [
  ["null", null],
  ["true", true],
  ["false", false],
];

class Parser {
  readonly #text: string;
  readonly #number: (text: string) => unknown;
  readonly #maxValues: number;
  readonly #guard = new KeyGuard();
  #at = 0;
  #values = 0;

  constructor(text: string, number: (text: string) => unknown, maxValues: number) {
    this.#text = text;
    this.#number = number;
    this.#maxValues = maxValues;
  }

  document(): unknown {
    this.#skipSpace();
    const value = this.#value(0);
    if (this.#at < this.#text.length) throw this.#unexpected();
    return value;
  }

  /** Reads a value and the space after it. */
  #value(depth: number): unknown {
    const value = this.#bareValue(depth);
    this.#skipSpace();
    return value;
  }

  #bareValue(depth: number): unknown {
    if (depth > MAX_JSON_DEPTH) throw new JsonError(`nests more than ${MAX_JSON_DEPTH} levels deep`);
    if (++this.#values > this.#maxValues) throw new JsonError(`has more than ${this.#maxValues} values`);
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
    }
    for (const [literal, value] of literals) {
      if (this.#text.startsWith(literal, this.#at)) {
        this.#at += literal.length;
        return value;
      }
    }
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) throw this.#unexpected();
    this.#at += match[0].length;
    return this.#number(match[0]);
  }

  #object(depth: number): Map<string, unknown> {
    const members = new Map<string, unknown>();
    this.#take("{");
    if (this.#tryTake("}")) return members;
    do {
      if (this.#text[this.#at] !== '"') throw this.#unexpected();
      const name = this.#string();
      if (!this.#guard.allows(members, name)) throw new JsonError("has too many names of one hash");
      if (members.has(name)) throw new JsonError(`${JSON.stringify(name)} is there twice`, name);
      this.#skipSpace();
      this.#take(":");
      members.set(name, this.#value(depth + 1));
    } while (this.#tryTake(","));
    if (!this.#tryTake("}", false)) throw this.#unexpected();
    return members;
  }

  #array(depth: number): unknown[] {
    const items: unknown[] = [];
    this.#take("[");
    if (this.#tryTake("]")) return items;
    do items.push(this.#value(depth + 1)); while (this.#tryTake(","));
    if (!this.#tryTake("]", false)) throw this.#unexpected();
    return items;
  }

  #string(): string {
    const start = this.#at;
    let escaped = false;
    SPECIAL.lastIndex = start + 1;
    for (;;) {
      const match = SPECIAL.exec(this.#text);
      if (match === null) {
        this.#at = this.#text.length;
        throw this.#unexpected();
      }
      if (match[0] === '"') break;
      if (match[0] !== "\\") {
        this.#at = match.index;
        throw this.#unexpected();
      }
      escaped = true;
      SPECIAL.lastIndex = match.index + 2;
    }
    this.#at = SPECIAL.lastIndex;
    const value = escaped ? this.#unescape(start) : this.#text.slice(start + 1, this.#at - 1);
    if (!value.isWellFormed()) throw new JsonError(`has half a character in a string at ${start}`);
    return value;
  }

  /** What a string with escapes stands for; what its escapes may be, the built-in parser knows. */
  #unescape(start: number): string {
    try {
      return JSON.parse(this.#text.slice(start, this.#at));
    } catch {
      throw new JsonError(`has a bad escape in the string at ${start}`);
    }
  }

  #skipSpace(): void {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)![0].length;
  }

  #take(mark: string): void {
    if (!this.#tryTake(mark)) throw this.#unexpected();
  }

  /** Takes a mark and, unless it ends a value, the space after it. */
  #tryTake(mark: string, andSpace = true): boolean {
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    if (andSpace) this.#skipSpace();
    return true;
  }

  #unexpected(): JsonError {
    const found = this.#text.codePointAt(this.#at);
    return new JsonError(
      found === undefined
        ? "ends too early"
        : `has an unexpected ${JSON.stringify(String.fromCodePoint(found))} at ${this.#at}`,
    );
  }
}
