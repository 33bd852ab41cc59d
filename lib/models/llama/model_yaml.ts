/**
 * LLaMA's configurations in fairseq2's `model.yaml`, as they are read.
 *
 * @module
 */

import {
  anyNumber,
  boolean,
  type ConfigFields,
  nullable,
  positiveInteger,
  positiveNumber,
  positivePair,
  text as textKind,
} from "../config_fields.ts";
import type { FamilyModel, Generation } from "../family.ts";
import { MAX_INTERMEDIATE_SIZE, MAX_SEQUENCE_LENGTH } from "../limits.ts";
import type { RopeScaling } from "../model_description.ts";
import { readHeads, readVocabulary } from "../model_yaml_fields.ts";
import { fairseq2IntermediateSize } from "./intermediate_size.ts";

/** What fairseq2 0.2 and 0.3 compute scaled RoPE with, whatever the model (0.3.0 `LLaMABuilder._init_scaled_freqs`). */
export const SCALING_UNTIL_0_3: RopeScaling = {
  factor: 8,
  lowFreqFactor: 1,
  highFreqFactor: 5,
  originalContextLength: 8192,
};

/** The epsilon of fairseq2's `RMSNorm`, in all versions. No configuration has it. */
export const NORM_EPS = 1e-5;

/**
 * Reads a configuration.
 *
 * @param read The fields.
 * @param generation The versions of fairseq2 that it is of.
 * @returns The model.
 * @throws {ConfigError} If a field isn't what it must be.
 */
export function readLlamaConfig(read: ConfigFields, generation: Generation): FamilyModel {
  const shape = readHeads(read);
  const isNew = generation === "0.5+";
  const multipleOf = read.get(
    isNew ? "ffn_inner_dim_multiple_of" : "ffn_inner_dim_to_multiple",
    positiveInteger(MAX_INTERMEDIATE_SIZE),
  );
  const intermediateSize = fairseq2IntermediateSize({
    innerDim: read.get("ffn_inner_dim", positiveInteger(MAX_INTERMEDIATE_SIZE)),
    innerDimScale: read.get("ffn_inner_dim_scale", positiveNumber),
    innerDimMultiplier: generation === "0.2-0.3" ? 1 : read.get("ffn_inner_dim_multiplier", positiveNumber),
    multipleOf,
  });
  if (intermediateSize < 1 || intermediateSize > MAX_INTERMEDIATE_SIZE) {
    throw read.error(
      "ffn_inner_dim",
      `gives a feed-forward width of ${intermediateSize}, past 1 to ${MAX_INTERMEDIATE_SIZE}`,
    );
  }

  const maxSeqLen = read.get("max_seq_len", positiveInteger(MAX_SEQUENCE_LENGTH));
  const ropeTheta = read.get("rope_theta", positiveNumber);
  const ropeScaling = readRopeScaling(read, generation);
  checkTrainingFields(read, isNew);
  return {
    ...shape,
    ...readVocabulary(read, generation),
    intermediateSize,
    multipleOf,
    ropeTheta,
    ...(ropeScaling !== undefined && { ropeScaling }),
    normEps: NORM_EPS,
    maxSeqLen,
    embeddingShardDim: shardsColumns(read, isNew, maxSeqLen) ? 1 : 0,
    tied: isNew && read.get("tied_embeddings", boolean),
  };
}

/** From 0.5 on the field says; before, the context length tells LLaMA 1 and 2 (0.3.0 `loader.py`, 0.4 `_handler.py`). */
function shardsColumns(read: ConfigFields, isNew: boolean, maxSeqLen: number): boolean {
  return isNew ? read.get("shard_embed_dim", boolean) : maxSeqLen < 8192;
}

function readRopeScaling(read: ConfigFields, generation: Generation): RopeScaling | undefined {
  const isScaled = read.get("use_scaled_rope", boolean);
  if (generation === "0.2-0.3") return isScaled ? SCALING_UNTIL_0_3 : undefined;
  const fields = read.nested(generation === "0.4" ? "rope_scaling" : "rope_scale");
  // The defaults of `LLaMARopeScalingConfig` of 0.4 and `LLaMARoPEScaleConfig` from 0.5 on.
  const factor = fields.get("factor", positiveNumber, 8);
  const [lowFreqFactor, highFreqFactor] = fields.get("frequency_factors", positivePair, [1, 4]);
  const length = positiveInteger(MAX_SEQUENCE_LENGTH);
  const originalContextLength = fields.get("original_context_length", length, 8192);
  if (!isScaled) return undefined;
  if (lowFreqFactor >= highFreqFactor) {
    throw fields.error(
      "frequency_factors",
      `expected a low and a higher one, got ${lowFreqFactor} and ${highFreqFactor}`,
    );
  }
  return { factor, lowFreqFactor, highFreqFactor, originalContextLength };
}

/** What only training needs; a wrong type still means that the file is damaged. */
function checkTrainingFields(read: ConfigFields, isNew: boolean): void {
  read.get("dropout_p", anyNumber);
  if (!isNew) return;
  read.get("init_std", nullable(anyNumber));
  read.get("init_std_scale", textKind);
}
