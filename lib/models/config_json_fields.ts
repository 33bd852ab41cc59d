/**
 * What the families' `config.json` have in common: transformers' decoders have the same names for the same things.
 *
 * @module
 */

import type { PythonJsonValue } from "../python/python_json.ts";
import { PythonFloat } from "../python/python_number.ts";
import {
  anyNumber,
  boolean,
  type ConfigFields,
  positiveInteger,
  positiveNumber,
  show,
  text as textKind,
} from "./config_fields.ts";
import { ConfigError } from "./config_error.ts";
import type { ConfigJsonOptions, FamilyModel } from "./family.ts";
import {
  MAX_DIM,
  MAX_HEADS,
  MAX_INTERMEDIATE_SIZE,
  MAX_LAYERS,
  MAX_SEQUENCE_LENGTH,
  MAX_VOCABULARY,
} from "./limits.ts";
import { endsJson, readTokenFields } from "./token_fields.ts";
import { headsProblem, type ModelDescription, type SpecialTokens } from "./model_description.ts";

/** What transformers' class takes where a `config.json` says nothing. */
export interface DecoderDefaults extends SpecialTokens {
  /** `num_key_value_heads` where it isn't there; `null` stands for as many as heads, and so does this by default. */
  readonly kvHeads?: number;
  /** `head_dim`; the dimension divided by the heads by default. */
  readonly headDim?: number;
  /** `max_position_embeddings`. */
  readonly maxSeqLen: number;
  /** `rms_norm_eps`. */
  readonly normEps: number;
}

/** What all `config.json` say. */
export type DecoderFields = Omit<FamilyModel, "multipleOf" | "ropeTheta" | "embeddingShardDim">;

/**
 * Reads the fields that all families have.
 *
 * @param fields The fields.
 * @param whose Whose code is to compute the model, for messages.
 * @param defaults What transformers takes where they say nothing.
 * @throws {ConfigError} If a field isn't what it must be, or says of the model what the code can't compute.
 */
export function readDecoder(
  fields: ConfigFields,
  whose: string,
  defaults: DecoderDefaults,
): DecoderFields {
  const heads = fields.get("num_attention_heads", positiveInteger(MAX_HEADS));
  const shape = {
    dim: fields.get("hidden_size", positiveInteger(MAX_DIM)),
    layers: fields.get("num_hidden_layers", positiveInteger(MAX_LAYERS)),
    heads,
    kvHeads: fields.optional("num_key_value_heads", positiveInteger(MAX_HEADS)) ??
      (fields.values.has("num_key_value_heads") ? undefined : defaults.kvHeads) ?? heads,
    intermediateSize: fields.get("intermediate_size", positiveInteger(MAX_INTERMEDIATE_SIZE)),
    vocabSize: fields.get("vocab_size", positiveInteger(MAX_VOCABULARY)),
  };
  const headDim = fields.optional("head_dim", positiveInteger(MAX_DIM)) ?? defaults.headDim;
  const unfit = headsProblem({ ...shape, ...(headDim !== undefined && { headDim }) });
  if (unfit !== undefined) throw fields.error(HEADS_FIELDS[unfit.field], unfit.problem);
  const activation = fields.optional("hidden_act", textKind) ?? "silu";
  if (!SILU.includes(activation)) {
    throw fields.error("hidden_act", `is ${show(activation)}, but ${whose} have "silu"`);
  }
  checkWholeRotation(fields);
  return {
    ...shape,
    headDim: headDim ?? shape.dim / heads,
    ...readTokenFields(fields, defaults),
    maxSeqLen: fields.optional("max_position_embeddings", positiveInteger(MAX_SEQUENCE_LENGTH)) ??
      defaults.maxSeqLen,
    normEps: fields.optional("rms_norm_eps", positiveNumber) ?? defaults.normEps,
    tied: fields.optional("tie_word_embeddings", boolean) ?? false,
  };
}

const HEADS_FIELDS = {
  heads: "num_attention_heads",
  kvHeads: "num_key_value_heads",
  headDim: "head_dim",
} as const;

/** Two names of one function. */
const SILU = ["silu", "swish"];

/** Refuses a head of another size than the dimension divided by the heads. */
export function checkHeadDim(
  fields: ConfigFields,
  { dim, heads, headDim }: DecoderFields,
  why: string,
): void {
  if (headDim === dim / heads) return;
  throw fields.error(
    "head_dim",
    `expected hidden_size / num_attention_heads, which is ${dim / heads}, got ${headDim}; ${why}`,
  );
}

/** Refuses biases that the code hasn't got. */
export function refuseBiases(fields: ConfigFields, whose: string, names: readonly string[]): void {
  for (const name of names) {
    if (fields.optional(name, boolean) === true) {
      throw fields.error(name, `says that the model has biases, which ${whose} haven't got`);
    }
  }
}

/** Refuses heads of which RoPE turns a part alone. */
function checkWholeRotation(fields: ConfigFields): void {
  const rotated = fields.optional("partial_rotary_factor", anyNumber) ?? 1;
  if (rotated !== 1) throw fields.error("partial_rotary_factor", `expected 1, got ${rotated}`);
}

/** How RoPE turns. */
export interface Rope {
  /** The base of the frequencies. */
  readonly ropeTheta: number;
  /** How they are scaled: the kind, and the fields that say more; `undefined` where they aren't. */
  readonly scaling?: { readonly kind: string; readonly fields: ConfigFields };
}

/**
 * Reads how RoPE turns: `rope_theta` and `rope_scaling`, or `rope_parameters`, which transformers 5.x writes.
 *
 * @param fields The fields.
 * @param whose Whose code is to compute the model, for messages.
 * @param kinds The kinds of scaling that the code has.
 * @param theta The base where nothing is said.
 * @throws {ConfigError} If a field isn't what it must be, or RoPE is scaled in another way.
 */
export function readRope(
  fields: ConfigFields,
  whose: string,
  kinds: readonly string[],
  theta: number,
): Rope {
  const base = fields.optional("rope_theta", positiveNumber) ?? theta;
  // The order of transformers 5.x `convert_rope_params_to_dict`.
  const name = ["rope_scaling", "rope_parameters"].find((name) => (fields.values.get(name) ?? null) !== null);
  return name === undefined ? { ropeTheta: base } : readRopeMapping(fields.nested(name), whose, kinds, base);
}

/** Reads one mapping that says how RoPE turns. */
export function readRopeMapping(
  rope: ConfigFields,
  whose: string,
  kinds: readonly string[],
  theta: number,
): Rope {
  const ropeTheta = rope.optional("rope_theta", positiveNumber) ?? theta;
  checkWholeRotation(rope);
  const kind = rope.optional("rope_type", textKind) ?? rope.optional("type", textKind) ?? "default";
  if (kind === "default") return { ropeTheta };
  if (!kinds.includes(kind)) {
    const those = kinds.length === 0 ? "don't scale it" : `have ${kinds.map(show).join(" and ")} alone`;
    throw new ConfigError(rope.file, rope.path, `is of the kind ${show(kind)}, but ${whose} ${those}`);
  }
  return { ropeTheta, scaling: { kind, fields: rope } };
}

/**
 * Writes the fields that all families have.
 *
 * @param model The model.
 * @param options What else they say.
 * @param className The class in `architectures`.
 * @param modelType The `model_type`.
 */
export function writeDecoder(
  model: ModelDescription,
  { dtype, tied, tokens }: ConfigJsonOptions,
  className: string,
  modelType: string,
): Record<string, PythonJsonValue> {
  return {
    architectures: [className],
    attention_dropout: new PythonFloat(0),
    // Left out, they would be those that the class has by default.
    bos_token_id: tokens.bosId ?? null,
    eos_token_id: endsJson(tokens) ?? null,
    head_dim: model.headDim,
    hidden_act: "silu",
    hidden_size: model.dim,
    initializer_range: new PythonFloat(0.02),
    intermediate_size: model.intermediateSize,
    max_position_embeddings: model.maxSeqLen,
    model_type: modelType,
    num_attention_heads: model.heads,
    num_hidden_layers: model.layers,
    num_key_value_heads: model.kvHeads,
    rms_norm_eps: new PythonFloat(model.normEps),
    rope_theta: new PythonFloat(model.ropeTheta),
    tie_word_embeddings: tied,
    torch_dtype: dtype,
    use_cache: true,
    vocab_size: model.vocabSize,
    ...(tokens.padId !== undefined && { pad_token_id: tokens.padId }),
  };
}
