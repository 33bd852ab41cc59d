/**
 * Qwen's configurations in fairseq2's `model.yaml` (0.5.0 to 0.8.1 `models/qwen/config.py`).
 *
 * @module
 */

import { PythonFloat } from "../../python/python_number.ts";
import type { YamlMapping, YamlValue } from "../../python/yaml_printer.ts";
import { anyNumber, boolean, type ConfigFields, positiveInteger, positiveNumber } from "../config_fields.ts";
import type { FamilyModel, ModelYamlFields } from "../family.ts";
import { MAX_DIM, MAX_INTERMEDIATE_SIZE, MAX_SEQUENCE_LENGTH, MAX_VOCABULARY } from "../limits.ts";
import type { ModelDescription } from "../model_description.ts";
import { readHeads } from "../model_yaml_fields.ts";
import { NORM_EPS } from "./architectures.ts";

/** Reads a configuration. */
export function readQwenConfig(fields: ConfigFields): FamilyModel {
  const shape = readHeads(fields, fields.optional("head_dim", positiveInteger(MAX_DIM)));
  fields.get("dropout_p", anyNumber); // What only training needs; a wrong type still means that the file is damaged.
  return {
    ...shape,
    intermediateSize: fields.get("ffn_inner_dim", positiveInteger(MAX_INTERMEDIATE_SIZE)),
    vocabSize: fields.get("vocab_size", positiveInteger(MAX_VOCABULARY)),
    qkvBias: fields.get("qkv_proj_bias", boolean),
    qNorm: fields.get("q_norm", boolean),
    kNorm: fields.get("k_norm", boolean),
    multipleOf: 1,
    ropeTheta: fields.get("rope_theta", positiveNumber),
    normEps: NORM_EPS,
    maxSeqLen: fields.get("max_seq_len", positiveInteger(MAX_SEQUENCE_LENGTH)),
    embeddingShardDim: 0,
    tied: fields.get("tied_embeddings", boolean),
  };
}

/** Writes a configuration. Dropout is 0: no other layout says one. */
export function writeQwenConfig(model: ModelDescription, { tied }: ModelYamlFields): YamlMapping {
  const { dim, heads, headDim, qkvBias = false, qNorm = false, kNorm = false } = model;
  return new Map<string, YamlValue>([
    ["model_dim", dim],
    ["max_seq_len", model.maxSeqLen],
    ["vocab_size", model.vocabSize],
    ["tied_embeddings", tied],
    ["num_layers", model.layers],
    ["num_attn_heads", heads],
    ["num_key_value_heads", model.kvHeads],
    // Qwen 3 says it even where it is what is taken for null.
    ["head_dim", headDim === dim / heads && !qNorm ? null : headDim],
    ["qkv_proj_bias", qkvBias],
    ["q_norm", qNorm],
    ["k_norm", kNorm],
    ["ffn_inner_dim", model.intermediateSize],
    ["rope_theta", new PythonFloat(model.ropeTheta)],
    ["dropout_p", new PythonFloat(0)],
  ]);
}
