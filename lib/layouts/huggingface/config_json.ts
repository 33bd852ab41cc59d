/** `config.json` of the Hugging Face layout: as it is read, and written. */

import { listed } from "../../words.ts";
import { type ConfigFields, show, text as textKind } from "../../models/config_fields.ts";
import { families, familyOf } from "../../models/families.ts";
import type { ConfigJsonOptions, Family } from "../../models/family.ts";
import type { ModelDescription } from "../../models/model_description.ts";
import { pythonJson } from "../../python/python_json.ts";
import { parseJsonFields } from "../json_fields.ts";

/** The `config.json` of a model, as transformers prints it: sorted, indented, and with a newline at its end. */
export function configJson(model: ModelDescription, options: ConfigJsonOptions): string {
  const { write, version } = familyOf(model).configJson;
  const all = { ...write(model, options), transformers_version: version };
  return `${pythonJson(all, { indent: 2, sortKeys: true })}\n`;
}

/** What a `config.json` says. */
interface HuggingFaceConfig {
  readonly model: ModelDescription;
  /** What a user should be told: what can't be carried over. */
  readonly notes: readonly string[];
}

/**
 * Reads the `config.json` of a model. What it doesn't say is what transformers takes.
 *
 * Limits: 65536 characters. Unknown families and quantized weights are errors.
 *
 * @throws {ConfigError} If it is no JSON, a field isn't what it must be, or the model can't be converted.
 */
export function parseConfigJson(text: string, file = "config.json"): HuggingFaceConfig {
  const fields = parseJsonFields(text, file);
  const { name: family, configJson } = readFamily(fields);
  refuseQuantized(fields);
  const notes: string[] = [];
  return { model: { family, ...configJson.read(fields, notes) }, notes };
}

/** The family that `model_type` says, of which `architectures` must name a class. */
function readFamily(fields: ConfigFields): Family {
  const type = fields.get("model_type", textKind);
  const family = families.find(({ configJson }) => configJson.types.has(type));
  if (family === undefined) {
    const types = families.flatMap(({ configJson }) => [...configJson.types.keys()]).map(show);
    throw fields.error(
      "model_type",
      `is ${show(type)}, but only models of ${listed(types, "and")} can be converted`,
    );
  }
  const classes = fields.values.get("architectures") ?? null;
  if (classes === null) return family;
  if (!Array.isArray(classes)) {
    throw fields.error("architectures", `expected a sequence, got ${show(classes)}`);
  }
  const known = family.configJson.types.get(type)!;
  if (classes.length > 0 && !classes.some((name) => known.includes(name))) {
    throw fields.error("architectures", `is ${show(classes[0])}, but only ${known[0]} can be converted`);
  }
  return family;
}

function refuseQuantized(fields: ConfigFields): void {
  const quantization = fields.values.get("quantization_config") ?? null;
  if (quantization !== null) {
    const method = quantization instanceof Map ? quantization.get("quant_method") : undefined;
    throw fields.error(
      "quantization_config",
      `says that the weights are quantized${typeof method === "string" ? ` (${show(method)})` : ""}; ` +
        "convert the model that they were made of",
    );
  }
}
