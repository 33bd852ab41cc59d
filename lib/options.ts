/**
 * Checking the options that a caller gives, before anything is done with them. Types don't hold at run time, and a
 * number of workers that is none would copy nothing.
 */

import { OptionError } from "./error.ts";
import { quoted } from "./words.ts";

/** What an option may be. */
export interface Rule {
  /** What it must be, for people. */
  readonly what: string;
  /** Whether it must be given. */
  readonly isRequired?: boolean;
  /** Whether it may be this. */
  allows(value: unknown): boolean;
}

/** A rule for every option that there is. */
export type Rules<Options> = { readonly [Name in keyof Options]-?: Rule };

/** The most workers; far more than any storage gains from. */
export const MAX_JOBS = 256;

/** A whole number, from one to another. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): Rule {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return {
    what: `a whole number ${range}`,
    allows: (value) => Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most,
  };
}

/** One of some words. */
export function oneOf(words: readonly string[]): Rule {
  return {
    what: `one of ${words.map((word) => JSON.stringify(word)).join(", ")}`,
    allows: (value) => words.some((word) => word === value),
  };
}

/** A number of workers. */
export const jobs: Rule = wholeNumber(1, MAX_JOBS);

/** Yes or no. */
export const flag: Rule = { what: "true or false", allows: (value) => typeof value === "boolean" };

/** A path or a name. */
export const text: Rule = {
  what: "a text that isn't empty",
  allows: (value) => typeof value === "string" && value !== "",
};

/** A path or a name that a function can't do without. */
export const required: Rule = { ...text, isRequired: true };

/** Several names. */
export const texts: Rule = {
  what: "a list of texts that aren't empty",
  allows: (value) => Array.isArray(value) && value.every((each) => text.allows(each)),
};

/** What is called back. */
export const callback: Rule = { what: "a function", allows: (value) => typeof value === "function" };

/** What cancels the work. */
export const signal: Rule = { what: "an AbortSignal", allows: (value) => value instanceof AbortSignal };

/** Where something lies: a path, or an address. */
export const place: Rule = {
  what: "a text that isn't empty, or a URL",
  isRequired: true,
  allows: (value) => text.allows(value) || value instanceof URL,
};

/**
 * Checks options, or arguments by their names. One that is `undefined` isn't given.
 *
 * @throws {OptionError} If one of them isn't what its rule allows.
 */
export function checkOptions<Options extends object>(
  options: Options,
  rules: Rules<Options>,
): void {
  if (typeof options !== "object" || options === null) {
    throw new OptionError(`The options are ${shown(options)}; they must be an object`);
  }
  for (const [name, rule] of Object.entries<Rule>(rules)) {
    const value = (options as Record<string, unknown>)[name];
    if (value === undefined && !rule.isRequired) continue;
    if (!rule.allows(value)) {
      throw new OptionError(`Option ${name} is ${shown(value)}; it must be ${rule.what}`);
    }
  }
}

function shown(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (value === null || typeof value === "boolean" || typeof value === "number") return String(value);
  return value === undefined ? "not given" : `of type ${typeof value}`;
}
