/**
 * `config.json` of the Hugging Face layout: as it is read.
 *
 * @module
 */

import { JsonError, parseStrictJson } from "../../safetensors/json.ts";
import { ConfigError } from "../../models/config_error.ts";
import {
  anyNumber,
  boolean,
  ConfigFields,
  type Kind,
  mapping,
  positiveInteger,
  positiveNumber,
  show,
  text as textKind,
} from "../../models/config_fields.ts";
import { inferEmbeddingShardDim, inferMultipleOf } from "../../models/llama/infer_fields.ts";
import {
  MAX_CONFIG_CHARACTERS,
  MAX_DIM,
  MAX_HEADS,
  MAX_INTERMEDIATE_SIZE,
  MAX_LAYERS,
  MAX_SEQUENCE_LENGTH,
  MAX_VOCABULARY,
} from "../../models/limits.ts";
import { headsProblem, type ModelDescription, type RopeScaling } from "../../models/model_description.ts";
import type { SpecialTokens } from "./special_tokens.ts";

/** What a `config.json` says. */
export interface HuggingFaceConfig {
  /** The model. */
  readonly model: ModelDescription;
  /** What a user should be told: what can't be carried over. */
  readonly notes: readonly string[];
}

/** The names of the class in `architectures`; the second one is that of the first weights on the hub. */
const CAUSAL_LM = ["LlamaForCausalLM", "LLaMAForCausalLM"];

/** Two names of one function. */
const SILU = ["silu", "swish"];

/**
 * Reads the `config.json` of a LLaMA model. What it doesn't say is what transformers takes (`LlamaConfig`, 4.46 and
 * 5.x). `rope_parameters`, which 5.x writes, is read as well as `rope_theta` and `rope_scaling`.
 *
 * Limits: 65536 characters. Other families, quantized weights, biases, activations other than SiLU, heads of a size of
 * their own, and scalings of RoPE other than LLaMA 3's are errors, since no other layout can say them.
 *
 * @param text The text of the file.
 * @param file The file, as errors name it.
 * @returns What it says.
 * @throws {ConfigError} If it is no JSON, a field isn't what it must be, or the model can't be converted.
 */
export function parseConfigJson(text: string, file = "config.json"): HuggingFaceConfig {
  const fields = new ConfigFields(file, "", parseObject(text, file));
  checkFamily(fields);
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
  const notes: string[] = [];
  const model: ModelDescription = {
    family: "llama",
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
  return { model, notes };
}

function parseObject(text: string, file: string): ReadonlyMap<string, unknown> {
  if (text.length > MAX_CONFIG_CHARACTERS) {
    throw new ConfigError(
      file,
      "",
      `expected at most ${MAX_CONFIG_CHARACTERS} characters, got ${text.length}`,
    );
  }
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw error.duplicate === undefined
      ? new ConfigError(file, "", `is no JSON: ${error.message}`)
      : new ConfigError(file, error.duplicate, "is there twice");
  }
  const expected = mapping.expectation(value);
  if (expected !== undefined) throw new ConfigError(file, "", `expected ${expected}, got ${show(value)}`);
  return value as ReadonlyMap<string, unknown>;
}

function checkFamily(fields: ConfigFields): void {
  const family = fields.get("model_type", textKind);
  if (family !== "llama") {
    throw fields.error(
      "model_type",
      `is ${show(family)}, but only models of the family "llama" can be converted`,
    );
  }
  const classes = fields.values.get("architectures") ?? null;
  if (classes === null) return;
  if (!Array.isArray(classes)) {
    throw fields.error("architectures", `expected a sequence, got ${show(classes)}`);
  }
  if (classes.length > 0 && !classes.some((name) => CAUSAL_LM.includes(name))) {
    throw fields.error("architectures", `is ${show(classes[0])}, but only ${CAUSAL_LM[0]} can be converted`);
  }
}

/** Refuses what no other layout has. */
function checkConvertible(fields: ConfigFields): void {
  const quantization = fields.values.get("quantization_config") ?? null;
  if (quantization !== null) {
    const method = quantization instanceof Map ? quantization.get("quant_method") : undefined;
    throw fields.error(
      "quantization_config",
      `says that the weights are quantized${typeof method === "string" ? ` (${show(method)})` : ""}; ` +
        "convert the model that they were made of",
    );
  }
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
): Pick<ModelDescription, "ropeTheta" | "ropeScaling"> {
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
