/**
 * `config.json` and `generation_config.json`, which lie beside the weights in the Hugging Face layout: as they are
 * written. `parse_config_json.ts` reads them.
 *
 * @module
 */

import { familyOf } from "../../models/families.ts";
import type { ConfigJsonOptions } from "../../models/family.ts";
import type { ModelDescription, SpecialTokens } from "../../models/model_description.ts";
import { pythonJson, type PythonJsonValue } from "../../python/python_json.ts";

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
 * The `generation_config.json` of a model: the special tokens, and how the model is sampled from where its family has a
 * custom.
 *
 * @param model The model.
 * @param tokens The special tokens.
 * @returns The text.
 */
export function generationConfigJson(model: ModelDescription, tokens: SpecialTokens): string {
  const { sampling, version } = familyOf(model).configJson;
  const config: Record<string, PythonJsonValue> = {
    ...(tokens.bosId !== undefined && { bos_token_id: tokens.bosId }),
    ...(tokens.eosId !== undefined && { eos_token_id: tokens.eosId }),
    ...sampling,
    transformers_version: version,
  };
  return `${pythonJson(config, { indent: 2, sortKeys: true })}\n`;
}
