/**
 * `config.json` and `generation_config.json`, which lie beside the weights in the Hugging Face layout: as they are
 * written. `parse_config_json.ts` reads them.
 *
 * @module
 */

import { familyOf } from "../../models/families.ts";
import type { ConfigJsonOptions } from "../../models/family.ts";
import type { ModelDescription, SpecialTokens } from "../../models/model_description.ts";
import { endsJson } from "../../models/token_fields.ts";
import type { SamplingSettings } from "../../models/token_family.ts";
import { pythonJson, type PythonJsonValue } from "../../python/python_json.ts";
import { PythonFloat } from "../../python/python_number.ts";

/**
 * The `config.json` of a model, as transformers prints it: sorted, indented, and with a newline at its end.
 *
 * @param model The model.
 * @param options What else it says.
 * @returns The text.
 */
export function configJson(model: ModelDescription, options: ConfigJsonOptions): string {
  const { write, version } = familyOf(model).configJson;
  const all = { ...write(model, options), transformers_version: version };
  return `${pythonJson(all, { indent: 2, sortKeys: true })}\n`;
}

/**
 * The `generation_config.json` of a model that has none yet: its special tokens, and how it samples, where that is
 * known. Without it `generate` takes the likeliest token each time.
 *
 * @param model The model.
 * @param tokens The special tokens.
 * @param sampling How the published model samples.
 * @returns The text.
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
