/** Mistral's `config.json` (transformers' `MistralConfig`, 4.57 and 5.x). */

import type { PythonJsonValue } from "../../python/python_json.ts";
import { type ConfigFields, positiveInteger, show } from "../config_fields.ts";
import { checkHeadDim, readDecoder, readRope, writeDecoder } from "../config_json_fields.ts";
import type { ConfigJsonOptions, FamilyModel } from "../family.ts";
import { MAX_SEQUENCE_LENGTH } from "../limits.ts";
import type { ModelDescription } from "../model_description.ts";
import { MISTRAL_TOKENS } from "./architectures.ts";

/** Whose code is to compute what is read. */
export const WHOSE = "fairseq2's Mistral models";

/** What `MistralConfig` takes where nothing is said. */
const DEFAULTS = { ...MISTRAL_TOKENS, kvHeads: 8, maxSeqLen: 131072, normEps: 1e-6 };

/** The window where nothing is said; `null` says that there is none. */
const DEFAULT_WINDOW = 4096;

/** Reads the fields of a Mistral model. Scaled RoPE and heads of a size of their own are errors. */
export function readMistralJson(fields: ConfigFields): FamilyModel {
  const model = readDecoder(fields, WHOSE, DEFAULTS);
  checkHeadDim(fields, model, "fairseq2's Mistral has no heads of another size");
  const { ropeTheta } = readRope(fields, WHOSE, [], 10000);
  const slidingWindow = fields.values.has("sliding_window")
    ? fields.optional("sliding_window", positiveInteger(MAX_SEQUENCE_LENGTH))
    : DEFAULT_WINDOW;
  checkLayerTypes(fields, slidingWindow === undefined ? "full_attention" : "sliding_attention");
  return {
    ...model,
    ropeTheta,
    ...(slidingWindow !== undefined && { slidingWindow }),
    multipleOf: 1,
    embeddingShardDim: 0,
  };
}

/** Refuses layers that differ in their attention, as transformers' `AutoModel` takes them: it makes a Ministral of them. */
function checkLayerTypes(fields: ConfigFields, expected: string): void {
  const types = fields.values.get("layer_types") ?? null;
  if (types === null || Array.isArray(types) && types.every((type) => type === expected)) return;
  throw fields.error(
    "layer_types",
    `expected ${show(expected)} for each layer: all layers of ${WHOSE} have the same window`,
  );
}

/** Writes the fields of a Mistral model. */
export function writeMistralJson(
  model: ModelDescription,
  options: ConfigJsonOptions,
): Record<string, PythonJsonValue> {
  return {
    ...writeDecoder(model, options, "MistralForCausalLM", "mistral"),
    sliding_window: model.slidingWindow ?? null,
  };
}
