/**
 * `model.yaml` as fairseq2 writes it.
 *
 * @module
 */

import { fairseq2IntermediateSize, shortestMultiplier } from "../../models/llama/intermediate_size.ts";
import type { ModelDescription, RopeScaling } from "../../models/model_description.ts";
import type { Generation } from "../../layouts/fairseq2/generation.ts";
import { PythonFloat } from "../../python/python_number.ts";
import type { SpecialTokens } from "../huggingface/special_tokens.ts";
import { printYaml, type YamlMapping, type YamlValue } from "../../python/yaml_printer.ts";

/**
 * The versions of fairseq2 that a `model.yaml` is for. `"0.2-0.4"` is a form that all of them read; it can't say how
 * RoPE is scaled, for which 0.4 then takes LLaMA 3.1's numbers, and 0.2 and 0.3 their own as always.
 */
export type ModelYamlForm = Generation | "0.2-0.4";

/** What a `model.yaml` says besides what a {@linkcode ModelDescription} does. */
export interface ModelYamlFields {
  /** The versions that it is for. */
  readonly form: ModelYamlForm;
  /** The number of tensor-parallel shards; forms until 0.4 have it from 2 up, later ones never. */
  readonly shards: number;
  /** Whether the output projection is the embedding; forms until 0.4 can't say so and needn't. */
  readonly tied: boolean;
  /** The special tokens. */
  readonly tokens: SpecialTokens;
}

/** What fairseq2 has where RoPE isn't scaled. */
const UNUSED_SCALING: RopeScaling = {
  factor: 8,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalContextLength: 8192,
};

/**
 * The `model.yaml` of a model, as the versions of fairseq2 print it that it is for (0.3.0 `checkpoint/manager.py`,
 * 0.4.5 `checkpoint/_metadata_provider.py`, 0.8.1 `checkpoint/model_metadata.py`).
 *
 * Every field is there but those that name a tokenizer. Dropout is 0: no other layout says one.
 *
 * @param model The model.
 * @param fields What else it says.
 * @returns The text.
 */
export function modelYaml(model: ModelDescription, fields: ModelYamlFields): string {
  const { form, shards } = fields;
  const config = form === "0.5+" ? newConfig(model, fields) : oldConfig(model, fields);
  const top = new Map<string, YamlValue>([
    ["name", "checkpoint"],
    ["model_family", "llama"],
    ["model_config", form === "0.2-0.3" || form === "0.5+" ? config : setting(config, form)],
  ]);
  if (form !== "0.5+" && shards > 1) top.set("num_shards", shards);
  return printYaml(top);
}

/**
 * 0.4 changes the configuration of LLaMA 3.1 8B by a `model.yaml` and needs `_set_` to do so; 0.3 knows `_set_`, too.
 * For both, the two fields of 0.4 alone are dropped: 0.3 hasn't got them, and 0.4 then takes its class's defaults.
 */
function setting(config: YamlMapping, form: "0.4" | "0.2-0.4"): YamlMapping {
  const changes = new Map<string, YamlValue>([["_set_", config]]);
  if (form === "0.2-0.4") changes.set("_del_", ["ffn_inner_dim_multiplier", "rope_scaling"]);
  return changes;
}

/** The fields of 0.2 to 0.4, in the order of the dataclass. */
function oldConfig(model: ModelDescription, { form, tokens }: ModelYamlFields): YamlMapping {
  const config = new Map<string, YamlValue>([
    ["model_dim", model.dim],
    ["max_seq_len", model.maxSeqLen],
    ["vocab_info", vocabularyInfo(model, tokens, form)],
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
function newConfig(model: ModelDescription, { tied, tokens }: ModelYamlFields): YamlMapping {
  const ffn = ffnFields(model, true);
  return new Map<string, YamlValue>([
    ["model_dim", model.dim],
    ["max_seq_len", model.maxSeqLen],
    ["vocab_size", model.vocabSize],
    ["pad_idx", tokens.padId ?? null],
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

function vocabularyInfo(
  { vocabSize }: ModelDescription,
  { bosId, eosId, padId }: SpecialTokens,
  form: ModelYamlForm,
): YamlMapping {
  // SentencePiece's unknown token is the first one, where a sequence begins with the second; tiktoken has none.
  const info = new Map<string, YamlValue>([
    ["size", vocabSize],
    ["unk_idx", bosId === 1 ? 0 : null],
    ["bos_idx", bosId ?? null],
    ["eos_idx", eosId ?? null],
    ["pad_idx", padId ?? null],
  ]);
  if (form === "0.4") {
    info.set("boh_idx", null);
    info.set("eoh_idx", null);
  }
  return info;
}

function scalingFields(scaling: RopeScaling = UNUSED_SCALING): YamlMapping {
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
