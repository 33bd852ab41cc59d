/** Commands as data: one description serves parsing, `--help`, and dispatch. */

import { parseArgs } from "../deps.ts";
import { OptionError } from "../error.ts";
import { didYouMean } from "./nearest.ts";

/** An option of a command. */
export interface Option {
  /** The name, without the dashes. */
  readonly name: string;
  /** What stands for the value in help texts; a flag has none. */
  readonly value?: string;
  readonly help: string;
  /** Whether the flag is on unless it is given as `--no-<name>`. */
  readonly negated?: boolean;
  /** How often it may be given; once by default. */
  readonly most?: number;
  /** What it is listed under in help texts, where a command has many. */
  readonly group?: string;
  /** The words that its value may be, where there are a few. */
  readonly choices?: readonly string[];
  /** What its value names, where that can be completed. */
  readonly names?: "path" | "model";
}

/** A positional argument of a command. */
interface Positional {
  readonly name: string;
  readonly help: string;
  /** The words that it may be; a path by default. */
  readonly choices?: readonly string[];
}

/** Arguments as a command gets them. */
export interface Arguments {
  /** The positional arguments, as many as the command declares. */
  readonly positionals: readonly string[];
  /** Whether a flag is on. */
  flag(name: string): boolean;
  /** The value of an option, if it was given. */
  value(name: string): string | undefined;
  /** The value of an option that must be a whole number from `least` to `most`, if it was given. */
  number(name: string, least: number, most: number): number | undefined;
  /** The value of an option that must be one of a few words, if it was given. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined;
  /** The same of an option that may be given several times: all its values. */
  choices<T extends string>(name: string, choices: readonly T[]): readonly T[];
  /** All values of an option that may be given several times. */
  values(name: string): readonly string[];
  /** Checks the arguments with what throws an OptionError for those that can't be, whatever the files are. */
  check<T>(run: () => T): T;
  /** Refuses the arguments, for a reason that the command's description doesn't tell. */
  fail(message: string): never;
}

/** What a command needs from its surroundings. */
export interface Context {
  /** Aborted when the user interrupts the program. */
  readonly signal: AbortSignal;
}

/** A command. */
export interface Command {
  /** The words that name it, such as `["llama", "convert_checkpoint"]`. */
  readonly words: readonly string[];
  /** Other spellings of its last word. */
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** More about it, in paragraphs. */
  readonly details: readonly string[];
  readonly positionals: readonly Positional[];
  readonly options: readonly Option[];
  /** The exit code when it fails, where 1 means something else; 1 by default. */
  readonly failureCode?: number;
  /** Examples: arguments, and what they do. */
  readonly examples: readonly (readonly [args: string, what: string])[];
  /** Runs it and returns the exit code. */
  run(args: Arguments, context: Context): Promise<number>;
}

/** The words that a command is called by: its own, and its aliases. */
export function spellingsOf({ words, aliases = [] }: Command): string[][] {
  return [[...words], ...aliases.map((alias) => [...words.slice(0, -1), alias])];
}

/** A call that can't be understood: the program exits with 2. */
export class UsageError extends Error {
  /** The words of the command whose help would help. */
  readonly words: readonly string[];

  constructor(message: string, words: readonly string[]) {
    super(message);
    this.name = "UsageError";
    this.words = words;
  }
}

/** Other spellings of values, which people know from elsewhere. */
const SPELLINGS: ReadonlyMap<string, string> = new Map([
  ["hf", "huggingface"],
  ["bf16", "bfloat16"],
  ["fp16", "float16"],
  ["f16", "float16"],
  ["half", "float16"],
  ["fp32", "float32"],
  ["f32", "float32"],
]);

/** A value as it is spelled here: `BF16` and `Q8-0` are `bfloat16` and `q8_0`. */
function spelled(value: string): string {
  const word = value.toLowerCase().replaceAll("-", "_");
  return SPELLINGS.get(word) ?? word;
}

/**
 * Parses what follows a command's words on the command line; `"help"` if that was asked for.
 *
 * @throws {UsageError} If they aren't what the command declares.
 */
export function parseArguments(command: Command, given: readonly string[]): Arguments | "help" {
  const known = ["--help", ...command.options.map(({ name, negated }) => `--${negated ? "no-" : ""}${name}`)];
  // Other programs have underscores in the names of options.
  const dashed = (argument: string) =>
    argument.replace(/^--[^=]+/, (name) => known.find((each) => each === name.replaceAll("_", "-")) ?? name);
  const end = given.includes("--") ? given.indexOf("--") : given.length;
  const args = [...given.slice(0, end).map(dashed), ...given.slice(end)];
  const fail = (message: string): never => {
    throw new UsageError(message, command.words);
  };
  const flags = command.options.filter((option) => option.value === undefined);
  const valued = command.options.filter((option) => option.value !== undefined);
  for (const argument of args.slice(0, end)) {
    const flag = flags.find(({ name }) =>
      argument.startsWith(`--${name}=`) || argument.startsWith(`--no-${name}=`)
    );
    if (flag !== undefined) fail(`Option ${argument.replace(/=.*/s, "")} takes no value`);
  }
  const parsed = parseArgs(args, {
    boolean: ["help", ...flags.map(({ name }) => name)],
    string: ["_", ...valued.map(({ name }) => name)],
    collect: valued.map(({ name }) => name),
    default: Object.fromEntries(flags.map(({ name, negated = false }) => [name, negated])),
    negatable: flags.filter(({ negated }) => negated).map(({ name }) => name),
    alias: { help: "h" },
    unknown(argument, key) {
      if (key === undefined) return true;
      const name = argument.replace(/=.*/s, "");
      return fail(`Unknown option ${name}${didYouMean(name, known)}`);
    },
  });
  if (parsed.help === true) return "help";
  const values = new Map<string, readonly string[]>();
  for (const { name, most = 1 } of valued) {
    const given = parsed[name] as string[];
    if (given.length > most) fail(`Option --${name} was given ${given.length} times`);
    if (given.includes("")) fail(`Option --${name} needs a value`);
    values.set(name, given);
  }
  const positionals = parsed._.map(String);
  const missing = command.positionals[positionals.length];
  if (missing !== undefined) fail(`Missing <${missing.name}>`);
  if (positionals.length > command.positionals.length) {
    fail(`Unexpected argument ${JSON.stringify(positionals[command.positionals.length])}`);
  }
  positionals.forEach((value, i) => {
    const { name, choices } = command.positionals[i]!;
    if (value === "") fail(`<${name}> is empty`);
    if (choices === undefined || choices.includes(value)) return;
    fail(
      `<${name}> must be one of ${choices.join(", ")}, got ${JSON.stringify(value)}${
        didYouMean(value, choices)
      }`,
    );
  });
  const choicesOf = <T extends string>(name: string, choices: readonly T[]): readonly T[] =>
    (values.get(name) ?? []).map((value) =>
      choices.find((each) => each === spelled(value)) ??
        fail(
          `Option --${name} needs one of ${choices.join(", ")}, got ${JSON.stringify(value)}${
            didYouMean(value, choices)
          }`,
        )
    );
  return {
    positionals,
    flag: (name) => parsed[name] === true,
    value: (name) => values.get(name)?.[0],
    values: (name) => values.get(name) ?? [],
    number(name, least, most) {
      const value = values.get(name)?.[0];
      if (value === undefined) return undefined;
      const number = Number(value);
      return /^\d+$/.test(value) && number >= least && number <= most
        ? number
        : fail(`Option --${name} needs a number from ${least} to ${most}, got ${JSON.stringify(value)}`);
    },
    choice: (name, choices) => choicesOf(name, choices)[0],
    choices: choicesOf,
    check(run) {
      try {
        return run();
      } catch (error) {
        if (error instanceof OptionError) fail(error.message);
        throw error;
      }
    },
    fail,
  };
}
