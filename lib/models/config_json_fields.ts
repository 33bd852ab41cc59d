/**
 * What the families' `config.json` have in common: transformers' decoders have the same names for the same things.
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
import {
  constant,
  flag,
  float,
  headDimOf,
  type HeadsFields,
  integer,
  readTable,
  type Row,
  writeTable,
} from "./field_table.ts";
import { endsJson, readTokenFields } from "./token_fields.ts";
import type { ModelDescription, SpecialTokens } from "./model_description.ts";

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

const heads = integer("num_attention_heads", "heads", MAX_HEADS);

/** The fields that all families have; the defaults are for reading alone. */
function table(whose: string, { kvHeads, headDim, maxSeqLen, normEps, ...tokens }: Partial<DecoderDefaults>) {
  const kvHeadsRow: Row<"kvHeads"> = {
    ...integer("num_key_value_heads", "kvHeads", MAX_HEADS),
    read: (fields) => ({
      kvHeads: fields.optional("num_key_value_heads", positiveInteger(MAX_HEADS)) ??
        (fields.values.has("num_key_value_heads") ? undefined : kvHeads) ?? heads.read(fields).heads!,
    }),
  };
  const activation: Row = {
    ...constant("hidden_act", "silu"),
    read(fields) {
      const name = fields.optional("hidden_act", textKind) ?? "silu";
      if (!SILU.includes(name)) {
        throw fields.error("hidden_act", `is ${show(name)}, but ${whose} have "silu"`);
      }
      return {};
    },
  };
  const tokensRow: Row<"bosId" | "eosIds" | "padId"> = {
    keys: ["bosId", "eosIds", "padId"],
    read: (fields) => readTokenFields(fields, tokens),
    write: ({ bosId, eosIds, padId }) => [
      // Left out, they would be those that the class has by default.
      ["bos_token_id", bosId ?? null],
      ["eos_token_id", endsJson({ eosIds }) ?? null],
      ...(padId === undefined ? [] : [["pad_token_id", padId] as const]),
    ],
  };
  return [
    integer("hidden_size", "dim", MAX_DIM),
    integer("num_hidden_layers", "layers", MAX_LAYERS),
    heads,
    kvHeadsRow,
    integer("head_dim", "headDim", MAX_DIM, headDim ?? null),
    integer("intermediate_size", "intermediateSize", MAX_INTERMEDIATE_SIZE),
    integer("vocab_size", "vocabSize", MAX_VOCABULARY),
    integer("max_position_embeddings", "maxSeqLen", MAX_SEQUENCE_LENGTH, maxSeqLen),
    float("rms_norm_eps", "normEps", normEps),
    flag("tie_word_embeddings", "tied", false),
    tokensRow,
    activation,
    constant("attention_dropout", new PythonFloat(0)),
    constant("initializer_range", new PythonFloat(0.02)),
    constant("use_cache", true),
  ];
}

/**
 * Reads the fields that all families have. `whose` code is to compute the model is said in messages.
 *
 * @throws {ConfigError} If a field isn't what it must be, or says of the model what the code can't compute.
 */
export function readDecoder(fields: ConfigFields, whose: string, defaults: DecoderDefaults): DecoderFields {
  const read = readTable(fields, table(whose, defaults));
  const headDim = headDimOf(fields, read, HEADS_FIELDS);
  checkWholeRotation(fields);
  if (fields.optional("is_causal", boolean) === false) {
    throw fields.error("is_causal", `says that tokens see those behind them, which those of ${whose} don't`);
  }
  return { ...read, headDim };
}

const HEADS_FIELDS: HeadsFields = {
  heads: "num_attention_heads",
  kvHeads: "num_key_value_heads",
  headDim: "head_dim",
};

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

export interface Rope {
  /** The base of the frequencies. */
  readonly ropeTheta: number;
  /** The fields that say how they are scaled; `undefined` where they aren't. */
  readonly scaling?: ConfigFields;
}

/**
 * Reads how RoPE turns: `rope_theta` and `rope_scaling`, or `rope_parameters`, which transformers 5.x writes. The
 * code has some kinds of scaling, and takes a base where nothing is said.
 *
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
  const name = ["rope_scaling", "rope_parameters"].find((name) => says(fields.values.get(name)));
  return name === undefined ? { ropeTheta: base } : readRopeMapping(fields.nested(name), whose, kinds, base);
}

/** Whether a mapping says something: to Python's `or`, an empty one is none. */
function says(value: unknown): boolean {
  return (value ?? null) !== null && !(value instanceof Map && value.size === 0);
}

/** Reads one mapping that says how RoPE turns; `theta` is the base where it says none. */
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
  return { ropeTheta, scaling: rope };
}

/** Writes the fields that all families have, with the class in `architectures` and the `model_type`. */
export function writeDecoder(
  model: ModelDescription,
  { dtype, tied, tokens: { bosId, eosIds, padId } }: ConfigJsonOptions,
  className: string,
  modelType: string,
): Record<string, PythonJsonValue> {
  return {
    ...Object.fromEntries(writeTable({ ...model, tied, bosId, eosIds, padId }, table("", {}))),
    architectures: [className],
    model_type: modelType,
    rope_theta: new PythonFloat(model.ropeTheta),
    torch_dtype: dtype,
  };
}
