/** LLaMA's `config.json` (transformers' `LlamaConfig`, 4.46 and 5.x). */

import type { PythonJsonValue } from "../../python/python_json.ts";
import { PythonFloat } from "../../python/python_number.ts";
import { type ConfigFields, positiveInteger, positiveNumber } from "../config_fields.ts";
import { checkHeadDim, readDecoder, readRope, refuseBiases, writeDecoder } from "../config_json_fields.ts";
import type { ConfigJsonOptions, FamilyModel } from "../family.ts";
import { MAX_SEQUENCE_LENGTH } from "../limits.ts";
import type { ModelDescription, RopeScaling } from "../model_description.ts";
import { inferEmbeddingShardDim, inferMultipleOf } from "./architectures.ts";

/** Whose code is to compute what is read. */
export const WHOSE = "fairseq2's and Meta's LLaMA";

/**
 * Reads the fields of a LLaMA model. Biases, activations other than SiLU, heads of a size of their own, and scalings of
 * RoPE other than LLaMA 3's are errors, since no other layout can say them.
 */
export function readLlamaJson(fields: ConfigFields): FamilyModel {
  const defaults = { maxSeqLen: 2048, normEps: 1e-6, bosId: 1, eosIds: [2] };
  const model = readDecoder(fields, WHOSE, defaults);
  checkHeadDim(fields, model, "neither fairseq2 nor Meta's code has heads of another size");
  refuseBiases(fields, WHOSE, ["attention_bias", "mlp_bias"]);
  const { ropeTheta, scaling } = readRope(fields, WHOSE, ["llama3"], 10000);
  const rope = {
    ropeTheta,
    ...(scaling !== undefined && { ropeScaling: readScaling(scaling, fields, model.maxSeqLen) }),
  };
  return {
    ...model,
    ...rope,
    multipleOf: inferMultipleOf(model.dim, model.intermediateSize),
    embeddingShardDim: inferEmbeddingShardDim({ ...model, ...rope }),
  };
}

/** What stands beside the mapping goes before what is in it, as in transformers 5.x `standardize_rope_params`. */
function readScaling(rope: ConfigFields, fields: ConfigFields, maxSeqLen: number): RopeScaling {
  const original = "original_max_position_embeddings";
  const scaling: RopeScaling = {
    factor: rope.get("factor", positiveNumber),
    lowFreqFactor: rope.get("low_freq_factor", positiveNumber),
    highFreqFactor: rope.get("high_freq_factor", positiveNumber),
    originalContextLength: fields.optional(original, positiveInteger(MAX_SEQUENCE_LENGTH)) ??
      rope.optional(original, positiveInteger(MAX_SEQUENCE_LENGTH)) ?? maxSeqLen,
  };
  if (scaling.lowFreqFactor >= scaling.highFreqFactor) {
    throw rope.error(
      "high_freq_factor",
      `expected more than low_freq_factor, which is ${scaling.lowFreqFactor}, got ${scaling.highFreqFactor}`,
    );
  }
  return scaling;
}

/** Writes the fields of a LLaMA model. */
export function writeLlamaJson(
  model: ModelDescription,
  options: ConfigJsonOptions,
): Record<string, PythonJsonValue> {
  const { ropeScaling } = model;
  return {
    ...writeDecoder(model, options, "LlamaForCausalLM", "llama"),
    attention_bias: false,
    mlp_bias: false,
    pretraining_tp: 1,
    rope_scaling: ropeScaling === undefined ? null : {
      factor: new PythonFloat(ropeScaling.factor),
      high_freq_factor: new PythonFloat(ropeScaling.highFreqFactor),
      low_freq_factor: new PythonFloat(ropeScaling.lowFreqFactor),
      original_max_position_embeddings: ropeScaling.originalContextLength,
      rope_type: "llama3",
    },
  };
}
