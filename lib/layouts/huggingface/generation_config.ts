/**
 * `generation_config.json` of a Hugging Face directory: as it is read, and carried over.
 *
 * @module
 */

import { join } from "../../deps.ts";
import { ConfigError } from "../../models/config_error.ts";
import type { SpecialTokens } from "../../models/model_description.ts";
import { readTokenFields } from "../../models/token_fields.ts";
import { readConfigText } from "../config_text.ts";
import type { Listing } from "../directory.ts";
import { parseJsonFields } from "../json_fields.ts";

/** The file's name. */
export const GENERATION_CONFIG = "generation_config.json";

/** What a `generation_config.json` says. */
export interface GenerationConfig {
  /** Where it is. */
  readonly path: string;
  /** All of it, for a Hugging Face output: fields that nobody here knows go along. */
  readonly text: string;
  /** Its tokens: what `generate` begins with, stops at and pads with. */
  readonly tokens: SpecialTokens;
}

/**
 * Reads the `generation_config.json` of a directory.
 *
 * Limits: strict JSON of 65536 characters, an object whose tokens are tokens. All else in it is nobody's business here.
 *
 * @param listing What lies in the directory.
 * @returns What it says, or `undefined` where there is none.
 * @throws {FormatError} If it isn't what it must be.
 * @throws {FileError} If it can't be read.
 */
export function readGenerationConfig({ path: directory, files }: Listing): GenerationConfig | undefined {
  if (!files.has(GENERATION_CONFIG)) return undefined;
  const path = join(directory, GENERATION_CONFIG);
  const text = readConfigText(path);
  try {
    const tokens = readTokenFields(parseJsonFields(text, path));
    return { path, text, tokens };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(path, error.field, `${error.problem}; mend the file, or move it away`);
  }
}
