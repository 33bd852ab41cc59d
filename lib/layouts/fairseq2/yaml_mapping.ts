/** YAML from files that others may have made, with everything limited that could be a trap. */

import { parseYaml } from "../../deps.ts";
import { ConfigError } from "../../models/config_error.ts";
import { oneLine } from "../../models/config_fields.ts";
import { MAX_CONFIG_ALIASES, MAX_CONFIG_DEPTH, MAX_CONFIG_VALUES } from "../../models/limits.ts";
import { asMapping, checkLength } from "../json_fields.ts";

/**
 * Parses a text that is one YAML document, a mapping.
 *
 * @returns The mapping, with a `Map` for each mapping in it.
 * @throws {ConfigError} If it is no YAML, no mapping, or past a limit.
 */
export function parseYamlMapping(text: string, file: string): ReadonlyMap<string, unknown> {
  checkLength(text, file);
  const aliases = text.split("*").length - 1;
  if (aliases > MAX_CONFIG_ALIASES) {
    throw tooMuch(file, `${MAX_CONFIG_ALIASES} asterisks (aliases)`, aliases);
  }
  let value: unknown;
  try {
    // The core schema has no merge keys, dates or binary data, none of which fairseq2 writes.
    value = parseYaml(text, { schema: "core" });
  } catch (error) {
    if (error instanceof RangeError) throw tooMuch(file, LEVELS); // the parser's stack
    if (error instanceof SyntaxError) throw yamlError(text, file, error);
    throw error;
  }
  return asMapping(toTree(value, file, { values: 0 }, 0), file);
}

/** Turns objects into `Map`s. The parser expands aliases by reference; here they count each time. */
function toTree(value: unknown, file: string, seen: { values: number }, depth: number): unknown {
  if (++seen.values > MAX_CONFIG_VALUES) {
    throw tooMuch(file, `${MAX_CONFIG_VALUES} values with aliases expanded`);
  }
  if (typeof value !== "object" || value === null) return value;
  if (depth === MAX_CONFIG_DEPTH) throw tooMuch(file, LEVELS);
  if (Array.isArray(value)) return value.map((item) => toTree(item, file, seen, depth + 1));
  return new Map(Object.entries(value).map(([key, item]) => [key, toTree(item, file, seen, depth + 1)]));
}

const LEVELS = `${MAX_CONFIG_DEPTH} levels`;

function tooMuch(file: string, limit: string, got: number | "more" = "more"): ConfigError {
  return new ConfigError(file, "", `expected at most ${limit}, got ${got}`);
}

/** The parser's error as one line: it adds an excerpt, and doesn't say which key is there twice. */
function yamlError(text: string, file: string, { message }: SyntaxError): ConfigError {
  const [, reason, line] = /^(.*?)(?: at line (\d+), column \d+)?:?$/.exec(message.split("\n", 1)[0]!)!;
  const where = line === undefined ? "" : ` at line ${line}`;
  if (reason!.endsWith("duplicated key") && line !== undefined) {
    const key = /^[\s\-?{]*["']?(\w+)/.exec(text.split(/\r\n?|\n/)[Number(line) - 1] ?? "")?.[1] ?? "";
    return new ConfigError(file, key, `is there twice, for the second time${where}`);
  }
  return new ConfigError(file, "", `is no YAML${where}: ${oneLine(reason!)}`);
}
