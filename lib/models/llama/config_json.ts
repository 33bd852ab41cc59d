/**
 * LLaMA's `config.json` (transformers' `LlamaConfig`, 4.46 and 5.x).
 *
 * @module
 */

import type { PythonJsonValue } from "../../python/python_json.ts";
import { PythonFloat } from "../../python/python_number.ts";
import {
  anyNumber,
  boolean,
  type ConfigFields,
  type Kind,
  positiveInteger,
  positiveNumber,
  show,
  text as textKind,
} from "../config_fields.ts";
import type { ConfigJsonOptions, FamilyModel } from "../family.ts";
import {
  MAX_DIM,
  MAX_HEADS,
  MAX_INTERMEDIATE_SIZE,
  MAX_LAYERS,
  MAX_SEQUENCE_LENGTH,
  MAX_VOCABULARY,
} from "../limits.ts";
import {
  headsProblem,
  type ModelDescription,
  type RopeScaling,
  type SpecialTokens,
} from "../model_description.ts";
import { inferEmbeddingShardDim, inferMultipleOf } from "./infer_fields.ts";

/** Two names of one function. */
const SILU = ["silu", "swish"];

/**
 * Reads the fields of a LLaMA model. What they don't say is what transformers takes. `rope_parameters`, which 5.x writes,
 * is read as well as `rope_theta` and `rope_scaling`.
 *
 * Biases, activations other than SiLU, heads of a size of their own, and scalings of RoPE other than LLaMA 3's are
 * errors, since no other layout can say them.
 */
export function readLlamaJson(fields: ConfigFields, notes: string[]): FamilyModel {
  const heads = fields.get("num_attention_heads", positiveInteger(MAX_HEADS));
  const shape = {
    dim: fields.get("hidden_size", positiveInteger(MAX_DIM)),
    layers: fields.get("num_hidden_layers", positiveInteger(MAX_LAYERS)),
    heads,
    kvHeads: fields.optional("num_key_value_heads", positiveInteger(MAX_HEADS)) ?? heads,
    intermediateSize: fields.get("intermediate_size", positiveInteger(MAX_INTERMEDIATE_SIZE)),
    vocabSize: fields.get("vocab_size", positiveInteger(MAX_VOCABULARY)),
  };
  const unfit = headsProblem(shape);
  if (unfit !== undefined) {
    throw fields.error(
      unfit.field === "heads" ? "num_attention_heads" : "num_key_value_heads",
      unfit.problem,
    );
  }
  const headDim = shape.dim / heads;
  const rows = fields.optional("head_dim", positiveInteger(MAX_DIM));
  if (rows !== undefined && rows !== headDim) {
    throw fields.error(
      "head_dim",
      `expected hidden_size / num_attention_heads, which is ${headDim}, got ${rows}; ` +
        "neither fairseq2 nor Meta's code has heads of another size",
    );
  }
  checkConvertible(fields);
  const maxSeqLen = fields.optional("max_position_embeddings", positiveInteger(MAX_SEQUENCE_LENGTH)) ?? 2048;
  const rope = readRope(fields, maxSeqLen);
  return {
    ...shape,
    headDim,
    ...rope,
    ...readTokens(fields, notes),
    multipleOf: inferMultipleOf(shape.dim, shape.intermediateSize),
    normEps: fields.optional("rms_norm_eps", positiveNumber) ?? 1e-6,
    maxSeqLen,
    embeddingShardDim: inferEmbeddingShardDim({ ...shape, ...rope }),
    tied: fields.optional("tie_word_embeddings", boolean) ?? false,
  };
}

/** Refuses what no other layout has. */
function checkConvertible(fields: ConfigFields): void {
  for (const name of ["attention_bias", "mlp_bias"]) {
    if (fields.optional(name, boolean) === true) {
      throw fields.error(
        name,
        "says that the model has biases, which fairseq2's and Meta's LLaMA haven't got",
      );
    }
  }
  const activation = fields.optional("hidden_act", textKind) ?? "silu";
  if (!SILU.includes(activation)) {
    throw fields.error("hidden_act", `is ${show(activation)}, but fairseq2's and Meta's LLaMA have "silu"`);
  }
  checkWholeRotation(fields);
}

/** Refuses heads of which RoPE turns a part alone. */
function checkWholeRotation(fields: ConfigFields): void {
  const rotated = fields.optional("partial_rotary_factor", anyNumber) ?? 1;
  if (rotated !== 1) throw fields.error("partial_rotary_factor", `expected 1, got ${rotated}`);
}

function readRope(
  fields: ConfigFields,
  maxSeqLen: number,
): Pick<FamilyModel, "ropeTheta" | "ropeScaling"> {
  const theta = fields.optional("rope_theta", positiveNumber) ?? 10000;
  // The order of transformers 5.x `convert_rope_params_to_dict`.
  const name = ["rope_scaling", "rope_parameters"].find((name) => (fields.values.get(name) ?? null) !== null);
  if (name === undefined) return { ropeTheta: theta };
  const rope = fields.nested(name);
  const ropeTheta = rope.optional("rope_theta", positiveNumber) ?? theta;
  checkWholeRotation(rope);
  const kind = rope.optional("rope_type", textKind) ?? rope.optional("type", textKind) ?? "default";
  if (kind === "default") return { ropeTheta };
  if (kind !== "llama3") {
    throw fields.error(
      name,
      `is of the kind ${show(kind)}, but fairseq2's and Meta's LLaMA have "llama3" alone`,
    );
  }
  const ropeScaling: RopeScaling = {
    factor: rope.get("factor", positiveNumber),
    lowFreqFactor: rope.get("low_freq_factor", positiveNumber),
    highFreqFactor: rope.get("high_freq_factor", positiveNumber),
    originalContextLength:
      rope.optional("original_max_position_embeddings", positiveInteger(MAX_SEQUENCE_LENGTH)) ?? maxSeqLen,
  };
  if (ropeScaling.lowFreqFactor >= ropeScaling.highFreqFactor) {
    throw rope.error(
      "high_freq_factor",
      `expected more than low_freq_factor, which is ${ropeScaling.lowFreqFactor}, got ${ropeScaling.highFreqFactor}`,
    );
  }
  return { ropeTheta, ropeScaling };
}

/** A token, `null`, or -1, which early configurations have for none. */
const token: Kind<number | null> = {
  expectation: (value) =>
    value === null ||
      typeof value === "number" && Number.isInteger(value) && value >= -1 && value <= MAX_VOCABULARY
      ? undefined
      : "a token's number or null",
};

function readTokens(fields: ConfigFields, notes: string[]): SpecialTokens {
  const read = (name: string, absent: number | null): number | undefined => {
    let value = fields.values.get(name) ?? (fields.values.has(name) ? null : absent);
    if (name === "eos_token_id" && Array.isArray(value) && value.length > 0) {
      if (value.length > 1) {
        notes.push(`${name} has several tokens; the first one, ${show(value[0])}, is taken`);
      }
      value = value[0];
    }
    const expected = token.expectation(value);
    if (expected !== undefined) throw fields.error(name, `expected ${expected}, got ${show(value)}`);
    return value === null || value === -1 ? undefined : value as number;
  };
  const bosId = read("bos_token_id", 1);
  const eosId = read("eos_token_id", 2);
  const padId = read("pad_token_id", null);
  return {
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosId }),
    ...(padId !== undefined && { padId }),
  };
}

/** Writes the fields of a LLaMA model, those of 4.46.3. */
export function writeLlamaJson(
  model: ModelDescription,
  { dtype, tied, tokens }: ConfigJsonOptions,
): Record<string, PythonJsonValue> {
  return {
    architectures: ["LlamaForCausalLM"],
    attention_bias: false,
    attention_dropout: new PythonFloat(0),
    // Left out, they would be those of LLaMA 1.
    bos_token_id: tokens.bosId ?? null,
    eos_token_id: tokens.eosId ?? null,
    head_dim: model.headDim,
    hidden_act: "silu",
    hidden_size: model.dim,
    initializer_range: new PythonFloat(0.02),
    intermediate_size: model.intermediateSize,
    max_position_embeddings: model.maxSeqLen,
    mlp_bias: false,
    model_type: "llama",
    num_attention_heads: model.heads,
    num_hidden_layers: model.layers,
    num_key_value_heads: model.kvHeads,
    pretraining_tp: 1,
    rms_norm_eps: new PythonFloat(model.normEps),
    rope_scaling: model.ropeScaling === undefined ? null : scalingJson(model.ropeScaling),
    rope_theta: new PythonFloat(model.ropeTheta),
    tie_word_embeddings: tied,
    torch_dtype: dtype,
    use_cache: true,
    vocab_size: model.vocabSize,
    ...(tokens.padId !== undefined && { pad_token_id: tokens.padId }),
  };
}

function scalingJson(scaling: RopeScaling): PythonJsonValue {
  return {
    factor: new PythonFloat(scaling.factor),
    high_freq_factor: new PythonFloat(scaling.highFreqFactor),
    low_freq_factor: new PythonFloat(scaling.lowFreqFactor),
    original_max_position_embeddings: scaling.originalContextLength,
    rope_type: "llama3",
  };
}
