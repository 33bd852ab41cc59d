/**
 * LLaMA's configurations in fairseq2's `model.yaml`, as they are written.
 *
 * @module
 */

import { PythonFloat } from "../../python/python_number.ts";
import type { YamlMapping, YamlValue } from "../../python/yaml_printer.ts";
import type { ModelYamlFields, ModelYamlForm, ModelYamlTarget } from "../family.ts";
import { isSameScaling, type ModelDescription, type RopeScaling } from "../model_description.ts";
import { normEpsNotes, vocabularyFields } from "../model_yaml_fields.ts";
import { fairseq2IntermediateSize, shortestMultiplier } from "./intermediate_size.ts";
import { NORM_EPS, SCALING_UNTIL_0_3 } from "./model_yaml.ts";

/**
 * What fairseq2 0.4 scales RoPE by if it isn't told (0.4.5 `LLaMARopeScalingConfig`), and what all have in the fields
 * where RoPE isn't scaled.
 */
const USUAL_SCALING: RopeScaling = {
  factor: 8,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalContextLength: 8192,
};

/** Writes a configuration, with all fields of its form. Dropout is 0: no other layout says one. */
export function writeLlamaConfig(model: ModelDescription, fields: ModelYamlFields): YamlMapping {
  return fields.form === "0.5+" ? newConfig(model, fields) : oldConfig(model, fields);
}

/** The fields of 0.2 to 0.4, in the order of the dataclass. */
function oldConfig(model: ModelDescription, { form, tokens }: ModelYamlFields): YamlMapping {
  const config = new Map<string, YamlValue>([
    ["model_dim", model.dim],
    ["max_seq_len", model.maxSeqLen],
    ...vocabularyFields(model, tokens, form),
    ["num_layers", model.layers],
    ["num_attn_heads", model.heads],
    ["num_key_value_heads", model.kvHeads],
  ]);
  const ffn = ffnFields(model, form === "0.4");
  config.set("ffn_inner_dim", ffn.innerDim);
  config.set("ffn_inner_dim_scale", new PythonFloat(ffn.scale));
  if (form === "0.4") config.set("ffn_inner_dim_multiplier", new PythonFloat(ffn.multiplier));
  config.set("ffn_inner_dim_to_multiple", ffn.multipleOf);
  config.set("rope_theta", new PythonFloat(model.ropeTheta));
  config.set("use_scaled_rope", model.ropeScaling !== undefined);
  if (form === "0.4") config.set("rope_scaling", scalingFields(model.ropeScaling));
  config.set("dropout_p", new PythonFloat(0));
  return config;
}

/** The fields of 0.5 and later, in the order of the dataclass. */
function newConfig(model: ModelDescription, { form, tied, tokens }: ModelYamlFields): YamlMapping {
  const ffn = ffnFields(model, true);
  return new Map<string, YamlValue>([
    ["model_dim", model.dim],
    ["max_seq_len", model.maxSeqLen],
    ...vocabularyFields(model, tokens, form),
    ["tied_embeddings", tied],
    ["num_layers", model.layers],
    ["num_attn_heads", model.heads],
    ["num_key_value_heads", model.kvHeads],
    ["ffn_inner_dim", ffn.innerDim],
    ["ffn_inner_dim_scale", new PythonFloat(ffn.scale)],
    ["ffn_inner_dim_multiplier", new PythonFloat(ffn.multiplier)],
    ["ffn_inner_dim_multiple_of", ffn.multipleOf],
    ["rope_theta", new PythonFloat(model.ropeTheta)],
    ["use_scaled_rope", model.ropeScaling !== undefined],
    ["rope_scale", scalingFields(model.ropeScaling)],
    ["dropout_p", new PythonFloat(0)],
    ["init_std", null],
    ["init_std_scale", "layer"],
    ["shard_embed_dim", model.embeddingShardDim === 1],
  ]);
}

function scalingFields(scaling: RopeScaling = USUAL_SCALING): YamlMapping {
  return new Map<string, YamlValue>([
    ["factor", new PythonFloat(scaling.factor)],
    ["frequency_factors", [new PythonFloat(scaling.lowFreqFactor), new PythonFloat(scaling.highFreqFactor)]],
    ["original_context_length", scaling.originalContextLength],
  ]);
}

interface FfnFields {
  readonly innerDim: number;
  readonly scale: number;
  readonly multiplier: number;
  readonly multipleOf: number;
}

/**
 * The feed-forward width in fairseq2's terms: `4 · dim`, times a multiplier, times 2/3, rounded up. Where no multiplier
 * gives the width, it is stated as it is, with a scale of 1.
 */
function ffnFields(
  { dim, multipleOf, intermediateSize }: ModelDescription,
  hasMultiplier: boolean,
): FfnFields {
  const multiplier = shortestMultiplier(dim, multipleOf, intermediateSize) ?? 1;
  const fields: FfnFields = {
    innerDim: hasMultiplier ? 4 * dim : Math.trunc(4 * dim * multiplier),
    scale: 2 / 3,
    multiplier: hasMultiplier ? multiplier : 1,
    multipleOf,
  };
  const width = fairseq2IntermediateSize({
    innerDim: fields.innerDim,
    innerDimScale: fields.scale,
    innerDimMultiplier: fields.multiplier,
    multipleOf,
  });
  if (width === intermediateSize) return fields;
  return {
    innerDim: intermediateSize,
    scale: 1,
    multiplier: 1,
    multipleOf: intermediateSize % multipleOf === 0 ? multipleOf : 1,
  };
}

/** The form for 0.2 to 0.4 that says how RoPE is scaled, if one can. */
export function llamaLegacyForm({ ropeScaling }: ModelDescription): Exclude<ModelYamlForm, "0.5+"> {
  if (ropeScaling === undefined || isSameScaling(ropeScaling, USUAL_SCALING)) return "0.2-0.4";
  return isSameScaling(ropeScaling, SCALING_UNTIL_0_3) ? "0.2-0.3" : "0.4";
}

/** What a form can't say of a model: how RoPE is scaled, and the epsilon of the norms. */
export function llamaNotes(model: ModelDescription, { form, isChosen }: ModelYamlTarget): string[] {
  return [...scalingNotes(model.ropeScaling, form, isChosen), ...normEpsNotes(model, NORM_EPS)];
}

/** Which versions can't scale RoPE as the model does. */
function scalingNotes(scaling: RopeScaling | undefined, form: ModelYamlForm, isChosen: boolean): string[] {
  if (scaling === undefined || form === "0.5+") return [];
  const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
  const numbers = `factor ${factor}, low ${lowFreqFactor}, high ${highFreqFactor}, original length ` +
    `${originalContextLength}`;
  if (form !== "0.4" && !isSameScaling(scaling, SCALING_UNTIL_0_3)) {
    return [
      `fairseq2 0.2 and 0.3 can't scale RoPE as the model does (${numbers}): they take 8, 1, 5 and 8192`,
    ];
  }
  if (isChosen) return [];
  return [`model.yaml is for fairseq2 ${form}, which alone can scale RoPE as the model does (${numbers})`];
}
