/** Qwen's `config.json` (transformers' `Qwen2Config` for 2.5 and `Qwen3Config`, 4.57 and 5.x). */

import { OptionError } from "../../error.ts";
import type { PythonJsonValue } from "../../python/python_json.ts";
import { boolean, type ConfigFields, nonNegativeInteger, show } from "../config_fields.ts";
import { readDecoder, readRope, refuseBiases, writeDecoder } from "../config_json_fields.ts";
import type { ConfigJsonOptions, FamilyModel } from "../family.ts";
import { MAX_LAYERS } from "../limits.ts";
import type { ModelDescription } from "../model_description.ts";

/** Whose code is to compute what is read. */
export const WHOSE = "fairseq2's Qwen models";

/** The `model_type` of 2.5. */
const TYPE_2 = "qwen2";

/** The `model_type` of 3. */
const TYPE_3 = "qwen3";

/** The values of `model_type`, with their classes. */
export const QWEN_TYPES: ReadonlyMap<string, readonly string[]> = new Map([
  [TYPE_2, ["Qwen2ForCausalLM"]],
  [TYPE_3, ["Qwen3ForCausalLM"]],
]);

/**
 * Reads the fields of a Qwen model. Windows, scaled RoPE, and biases other than 2.5's are errors, since fairseq2 hasn't
 * got them.
 */
export function readQwenJson(fields: ConfigFields): FamilyModel {
  const is3 = fields.values.get("model_type") === TYPE_3;
  const defaults = { kvHeads: 32, maxSeqLen: 32768, normEps: 1e-6, ...(is3 && { headDim: 128 }) };
  const model = readDecoder(fields, WHOSE, defaults);
  refuseBiases(fields, WHOSE, is3 ? ["attention_bias"] : []);
  refuseWindow(fields, model.layers);
  const { ropeTheta } = readRope(fields, WHOSE, [], 10000);
  return { ...model, ropeTheta, qkvBias: !is3, qNorm: is3, kNorm: is3, multipleOf: 1, embeddingShardDim: 0 };
}

/** Refuses layers that see but a window. The published configurations have a window that no layer uses. */
function refuseWindow(fields: ConfigFields, layers: number): void {
  const types = fields.values.get("layer_types") ?? null;
  if (Array.isArray(types)) {
    const other = types.find((type) => type !== "full_attention");
    if (other === undefined) return;
    throw fields.error("layer_types", `has ${show(other)}, but ${WHOSE} have "full_attention" alone`);
  }
  if (fields.optional("use_sliding_window", boolean) !== true) return;
  if (fields.values.get("sliding_window") === null) return;
  // The layers from this one on have the window.
  const first = fields.optional("max_window_layers", nonNegativeInteger(MAX_LAYERS)) ?? 28;
  if (first < layers) {
    throw fields.error("use_sliding_window", `says that layers have a window, which ${WHOSE} haven't got`);
  }
}

/**
 * The version of Qwen that a model is, which others have code for.
 *
 * @throws {OptionError} If it is neither.
 */
export function qwenVersion(
  { qkvBias = false, qNorm = false, kNorm = false }: ModelDescription,
  whose: string,
): 2 | 3 {
  if (qNorm === kNorm && qkvBias !== qNorm) return qkvBias ? 2 : 3;
  throw new OptionError(
    `${whose} has classes for Qwen models with qkv_proj_bias alone (2.5), and with q_norm and k_norm alone (3); ` +
      `this one has qkv_proj_bias ${qkvBias}, q_norm ${qNorm}, k_norm ${kNorm}`,
  );
}

/** Writes the fields of a Qwen model. */
export function writeQwenJson(
  model: ModelDescription,
  options: ConfigJsonOptions,
): Record<string, PythonJsonValue> {
  const is2 = qwenVersion(model, "Hugging Face") === 2;
  const type = is2 ? TYPE_2 : TYPE_3;
  return {
    // 2.5's class knows no head_dim, but its code takes the one that is there.
    ...writeDecoder(model, options, QWEN_TYPES.get(type)![0]!, type),
    ...(!is2 && { attention_bias: false }),
    max_window_layers: model.layers,
    rope_scaling: null,
    sliding_window: null,
    use_sliding_window: false,
  };
}
