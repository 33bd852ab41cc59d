/** `generation_config.json` of a Hugging Face directory: as it is read and carried over, and written anew. */

import { join } from "../../deps.ts";
import { ConfigError } from "../../models/config_error.ts";
import type { ModelDescription, SpecialTokens } from "../../models/model_description.ts";
import { familyOf } from "../../models/families.ts";
import { endsJson, readTokenFields } from "../../models/token_fields.ts";
import type { SamplingSettings } from "../../models/token_family.ts";
import { pythonJson, type PythonJsonValue } from "../../python/python_json.ts";
import { PythonFloat } from "../../python/python_number.ts";
import { readConfigTextNow } from "../config_text.ts";
import type { Listing } from "../directory.ts";
import { parseJsonFields } from "../json_fields.ts";

export const GENERATION_CONFIG = "generation_config.json";

/** What a `generation_config.json` says. */
export interface GenerationConfig {
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
 * @throws {FormatError} If it isn't what it must be.
 * @throws {FileError} If it can't be read.
 */
export function readGenerationConfig({ path: directory, files }: Listing): GenerationConfig | undefined {
  if (!files.has(GENERATION_CONFIG)) return undefined;
  const path = join(directory, GENERATION_CONFIG);
  const text = readConfigTextNow(path);
  try {
    const tokens = readTokenFields(parseJsonFields(text, path));
    return { path, text, tokens };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(path, error.field, `${error.problem}; mend the file, or move it away`);
  }
}

/**
 * The `generation_config.json` of a model that has none yet: its special tokens, and how it samples, where that is
 * known. Without it `generate` takes the likeliest token each time.
 */
export function generationConfigJson(
  model: ModelDescription,
  tokens: SpecialTokens,
  sampling?: SamplingSettings,
): string {
  const { bosId, padId } = tokens;
  const ends = endsJson(tokens);
  const config: Record<string, PythonJsonValue> = {
    ...(bosId !== undefined && { bos_token_id: bosId }),
    ...(ends !== undefined && { eos_token_id: ends }),
    ...(padId !== undefined && { pad_token_id: padId }),
    ...(sampling !== undefined && {
      do_sample: true,
      temperature: new PythonFloat(sampling.temperature),
      top_p: new PythonFloat(sampling.topP),
    }),
    ...(sampling?.maxLength !== undefined && { max_length: sampling.maxLength }),
    transformers_version: familyOf(model).configJson.version,
  };
  return `${pythonJson(config, { indent: 2, sortKeys: true })}\n`;
}
