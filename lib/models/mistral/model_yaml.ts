/**
 * Mistral's configurations in fairseq2's `model.yaml` (0.3.0 `models/mistral/factory.py`, 0.4.5
 * `models/mistral/_config.py`, 0.8.1 `models/mistral/config.py`).
 *
 * @module
 */

import { MismatchError } from "../../error.ts";
import { PythonFloat } from "../../python/python_number.ts";
import type { YamlMapping, YamlValue } from "../../python/yaml_printer.ts";
import { anyNumber, type ConfigFields, positiveInteger } from "../config_fields.ts";
import type { FamilyModel, Generation, ModelYamlFields } from "../family.ts";
import { MAX_INTERMEDIATE_SIZE, MAX_SEQUENCE_LENGTH } from "../limits.ts";
import type { ModelDescription } from "../model_description.ts";
import { normEpsNotes, readHeads, readVocabulary, vocabularyFields } from "../model_yaml_fields.ts";
import { NORM_EPS, ROPE_THETA } from "./architectures.ts";

/** Reads a configuration. */
export function readMistralConfig(fields: ConfigFields, generation: Generation): FamilyModel {
  const shape = readHeads(fields);
  fields.get("dropout_p", anyNumber); // What only training needs; a wrong type still means that the file is damaged.
  return {
    ...shape,
    ...readVocabulary(fields, generation),
    intermediateSize: fields.get("ffn_inner_dim", positiveInteger(MAX_INTERMEDIATE_SIZE)),
    multipleOf: 1,
    ropeTheta: ROPE_THETA,
    slidingWindow: fields.get("attn_window_len", positiveInteger(MAX_SEQUENCE_LENGTH)),
    normEps: NORM_EPS,
    maxSeqLen: fields.get("max_seq_len", positiveInteger(MAX_SEQUENCE_LENGTH)),
    embeddingShardDim: 0,
    tied: false,
  };
}

/**
 * Writes a configuration. Dropout is 0: no other layout says one.
 *
 * @throws {MismatchError} If RoPE turns otherwise than fairseq2's.
 */
export function writeMistralConfig(model: ModelDescription, { form, tokens }: ModelYamlFields): YamlMapping {
  const { maxSeqLen, ropeTheta, slidingWindow = maxSeqLen } = model;
  if (ropeTheta !== ROPE_THETA) {
    throw new MismatchError(
      `Cannot write model.yaml: fairseq2's Mistral has a rope_theta of ${ROPE_THETA} and no field for another, but the ` +
        `model has ${ropeTheta}`,
    );
  }
  return new Map<string, YamlValue>([
    ["model_dim", model.dim],
    ["max_seq_len", maxSeqLen],
    ...vocabularyFields(model, tokens, form),
    ["attn_window_len", slidingWindow],
    ["num_layers", model.layers],
    ["num_attn_heads", model.heads],
    ["num_key_value_heads", model.kvHeads],
    ["ffn_inner_dim", model.intermediateSize],
    ["dropout_p", new PythonFloat(0)],
  ]);
}

/** What no form can say of a model. */
export function mistralNotes(model: ModelDescription): string[] {
  const notes = normEpsNotes(model, NORM_EPS);
  if (model.slidingWindow === undefined) {
    notes.push(
      `fairseq2's Mistral always has a window: attn_window_len is ${model.maxSeqLen}, which is the whole context`,
    );
  }
  return notes;
}
