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
import { PythonFloat } from "../../python/python_number.ts";

/**
 * The version of transformers whose form the files have. Later versions read it (5.x takes `rope_theta`,
 * `rope_scaling` and `torch_dtype` for its own `rope_parameters` and `dtype`), while earlier ones don't read theirs.
 */
const TRANSFORMERS_VERSION = "4.46.3";

/**
 * The `config.json` of a model, as transformers 4.46.3 prints it: sorted, indented, and with a newline at its end.
 *
 * @param model The model.
 * @param options What else it says.
 * @returns The text.
 */
export function configJson(model: ModelDescription, options: ConfigJsonOptions): string {
  const config = familyOf(model).configJson.write(model, options);
  const all = { ...config, transformers_version: TRANSFORMERS_VERSION };
  return `${pythonJson(all, { indent: 2, sortKeys: true })}\n`;
}

/**
 * The `generation_config.json` of a model, as transformers' conversion script writes it (4.46.3
 * `convert_llama_weights_to_hf.py`): the special tokens, and how Meta's own examples sample.
 *
 * @param tokens The special tokens.
 * @returns The text.
 */
export function generationConfigJson(tokens: SpecialTokens): string {
  const config: Record<string, PythonJsonValue> = {
    ...(tokens.bosId !== undefined && { bos_token_id: tokens.bosId }),
    do_sample: true,
    ...(tokens.eosId !== undefined && { eos_token_id: tokens.eosId }),
    temperature: new PythonFloat(0.6),
    top_p: new PythonFloat(0.9),
    transformers_version: TRANSFORMERS_VERSION,
  };
  return `${pythonJson(config, { indent: 2, sortKeys: true })}\n`;
}
