import { ConfigError } from "../models/config_error.ts";
import { ConfigFields, mapping, show } from "../models/config_fields.ts";
import { MAX_CONFIG_CHARACTERS } from "../models/limits.ts";
import { JsonError, parseStrictJson } from "../safetensors/json.ts";

/**
 * Parses a text that is one JSON object.
 *
 * @param maxCharacters The most characters that it may have; 65536 by default.
 * @returns The fields, with a `Map` for each object in it.
 * @throws {ConfigError} If it is too long, no JSON, no object, or says a field twice.
 */
export function parseJsonFields(
  text: string,
  file: string,
  maxCharacters?: number,
): ConfigFields {
  checkLength(text, file, maxCharacters);
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw error.duplicate === undefined
      ? new ConfigError(file, "", `is no JSON: ${error.message}`)
      : new ConfigError(file, error.duplicate, "is there twice");
  }
  return new ConfigFields(file, "", asMapping(value, file));
}

/** Refuses a text that is too long to be a configuration. */
export function checkLength(text: string, file: string, maxCharacters: number = MAX_CONFIG_CHARACTERS): void {
  if (text.length <= maxCharacters) return;
  throw new ConfigError(file, "", `expected at most ${maxCharacters} characters, got ${text.length}`);
}

/** What a text says, which has to be a mapping. */
export function asMapping(value: unknown, file: string): ReadonlyMap<string, unknown> {
  const expected = mapping.expectation(value);
  if (expected !== undefined) throw new ConfigError(file, "", `expected ${expected}, got ${show(value)}`);
  return value as ReadonlyMap<string, unknown>;
}
