/**
 * OLMo's configurations in fairseq2's `model.yaml` (0.8.0 and 0.8.1 `models/olmo/config.py`).
 *
 * @module
 */

import { PythonFloat } from "../../python/python_number.ts";
import type { YamlMapping, YamlValue } from "../../python/yaml_printer.ts";
import {
  anyNumber,
  boolean,
  type ConfigFields,
  nonNegativeInteger,
  nullable,
  oneOf,
  positiveInteger,
  positiveNumber,
  show,
  texts,
} from "../config_fields.ts";
import type { FamilyModel, ModelYamlFields } from "../family.ts";
import { MAX_INTERMEDIATE_SIZE, MAX_SEQUENCE_LENGTH, MAX_VOCABULARY } from "../limits.ts";
import type { ModelDescription, YarnScaling } from "../model_description.ts";
import { readHeads } from "../model_yaml_fields.ts";
import { LAYER_TYPES } from "./layer_types.ts";

/** Reads a configuration. Without a window, fairseq2 takes neither the layers' types nor YaRN (OLMo 2). */
export function readOlmoConfig(fields: ConfigFields): FamilyModel {
  const shape = readHeads(fields);
  const token = nonNegativeInteger(MAX_VOCABULARY);
  const bosId = fields.optional("bos_token_id", token);
  const slidingWindow = fields.optional("sliding_window", positiveInteger(MAX_SEQUENCE_LENGTH));
  const layerTypes = readLayerTypes(fields, shape.layers);
  const yarn = fields.values.get("yarn_scale_config") === null
    ? undefined
    : readYarn(fields.nested("yarn_scale_config"));
  // What only training needs; a wrong type still means that the file is damaged.
  fields.get("dropout_p", anyNumber);
  fields.get("init_std", nullable(anyNumber));
  fields.get("init_std_scale", oneOf("none", "layer", "stack"));
  return {
    ...shape,
    intermediateSize: fields.get("ffn_inner_dim", positiveInteger(MAX_INTERMEDIATE_SIZE)),
    vocabSize: fields.get("vocab_size", positiveInteger(MAX_VOCABULARY)),
    multipleOf: 1,
    ropeTheta: fields.get("rope_theta", positiveNumber),
    ...(slidingWindow !== undefined && {
      slidingWindow,
      ...(layerTypes !== undefined && { layerTypes }),
      ...(yarn !== undefined && { yarn }),
    }),
    normEps: fields.get("rms_norm_eps", positiveNumber),
    maxSeqLen: fields.get("max_seq_len", positiveInteger(MAX_SEQUENCE_LENGTH)),
    embeddingShardDim: fields.get("shard_embed_dim", boolean) ? 1 : 0,
    tied: fields.get("tied_embeddings", boolean),
    ...(bosId !== undefined && { bosId }),
    eosIds: [fields.get("eos_token_id", token)],
    padId: fields.get("pad_idx", token),
  };
}

/**
 * Reads which layers have the window.
 *
 * @throws {ConfigError} If there is a type that isn't known, or not one for each layer.
 */
export function readLayerTypes(fields: ConfigFields, layers: number): FamilyModel["layerTypes"] {
  const types = fields.optional("layer_types", texts);
  if (types === undefined) return undefined;
  const { sliding, full } = LAYER_TYPES;
  const other = types.find((type) => type !== sliding && type !== full);
  if (other !== undefined) {
    throw fields.error("layer_types", `expected ${show(sliding)} or ${show(full)}, got ${show(other)}`);
  }
  if (types.length !== layers) {
    throw fields.error("layer_types", `has ${types.length} types, where the model has ${layers} layers`);
  }
  return types.map((type) => type === sliding ? "sliding" : "full");
}

/** Reads `YaRNScaleConfig`, with its defaults. */
function readYarn(fields: ConfigFields): YarnScaling {
  const yarn: YarnScaling = {
    factor: fields.get("scale_factor", positiveNumber, 8),
    originalContextLength: fields.get("original_max_seq_len", positiveInteger(MAX_SEQUENCE_LENGTH), 8192),
    betaFast: fields.get("beta_fast", positiveNumber, 32),
    betaSlow: fields.get("beta_slow", positiveNumber, 1),
    mscale: fields.get("mscale", anyNumber, 1),
    mscaleAllDim: fields.get("mscale_all_dim", anyNumber, 0),
    truncate: fields.get("truncate", boolean, true),
  };
  fields.refuseOthers(yarnFields(yarn).keys());
  return yarn;
}

function yarnFields(yarn: YarnScaling): YamlMapping {
  return new Map<string, YamlValue>([
    ["scale_factor", new PythonFloat(yarn.factor)],
    ["original_max_seq_len", yarn.originalContextLength],
    ["beta_fast", new PythonFloat(yarn.betaFast)],
    ["beta_slow", new PythonFloat(yarn.betaSlow)],
    ["mscale", new PythonFloat(yarn.mscale)],
    ["mscale_all_dim", new PythonFloat(yarn.mscaleAllDim)],
    ["truncate", yarn.truncate],
  ]);
}

/** Writes a configuration. Dropout is 0: no other layout says one. */
export function writeOlmoConfig(model: ModelDescription, { tied, tokens }: ModelYamlFields): YamlMapping {
  const { vocabSize, slidingWindow = null, layerTypes, yarn } = model;
  // Neither may be null. Only training looks at the one, and nothing but fairseq2's exporter at the other.
  const eosId = tokens.eosIds?.[0] ?? tokens.padId ?? vocabSize - 1;
  return new Map<string, YamlValue>([
    ["model_dim", model.dim],
    ["max_seq_len", model.maxSeqLen],
    ["vocab_size", vocabSize],
    ["pad_idx", tokens.padId ?? eosId],
    ["bos_token_id", tokens.bosId ?? null],
    ["eos_token_id", eosId],
    ["tied_embeddings", tied],
    ["num_layers", model.layers],
    ["num_attn_heads", model.heads],
    ["num_key_value_heads", model.kvHeads],
    ["ffn_inner_dim", model.intermediateSize],
    ["rms_norm_eps", new PythonFloat(model.normEps)],
    ["rope_theta", new PythonFloat(model.ropeTheta)],
    ["dropout_p", new PythonFloat(0)],
    ["init_std", null],
    ["init_std_scale", "layer"],
    ["shard_embed_dim", model.embeddingShardDim === 1],
    ["sliding_window", slidingWindow],
    ["layer_types", layerTypes === undefined ? null : layerTypes.map((type) => LAYER_TYPES[type])],
    ["yarn_scale_config", yarn === undefined ? null : yarnFields(yarn)],
  ]);
}
