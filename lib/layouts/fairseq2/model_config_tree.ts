/**
 * fairseq2's configurations as trees of fields: what each generation starts from, and how a `model.yaml` changes it.
 *
 * A mapping is a `Map`. The names of fields are those of the generation.
 */

import type { Architecture } from "../../models/family.ts";
import { shortestMultiplier } from "../../models/llama/intermediate_size.ts";
import { mapping, show } from "../../models/config_fields.ts";
import type { ConfigFields } from "../../models/config_fields.ts";
import type { Generation } from "../../layouts/fairseq2/generation.ts";

/** A mapping of a configuration. */
export type ConfigTree = ReadonlyMap<string, unknown>;

/**
 * What a configuration has where nothing is said: the defaults of the dataclass `LLaMAConfig`.
 *
 * @param generation 0.3.0 `models/llama/factory.py`; 0.4.0 to 0.4.6 `models/llama/_config.py`; 0.5.0 to 0.8.1
 * `models/llama/config.py`.
 */
export function defaultConfig(generation: Generation): ConfigTree {
  const common: [string, unknown][] = [
    ["model_dim", 4096],
    ["max_seq_len", 2048],
    ["num_layers", 32],
    ["num_attn_heads", 32],
    ["num_key_value_heads", 32],
    ["ffn_inner_dim", 4096 * 4],
    ["ffn_inner_dim_scale", 2 / 3],
    ["rope_theta", 10000],
    ["use_scaled_rope", false],
    ["dropout_p", generation === "0.5+" ? 0 : 0.1],
  ];
  if (generation === "0.5+") {
    return new Map([
      ...common,
      ["vocab_size", 32000],
      ["pad_idx", null],
      ["tied_embeddings", false],
      ["ffn_inner_dim_multiplier", 1],
      ["ffn_inner_dim_multiple_of", 256],
      ["rope_scale", defaultRopeScaling],
      ["init_std", null],
      ["init_std_scale", "layer"],
      ["shard_embed_dim", true],
    ]);
  }
  const vocabulary: [string, unknown][] = [["size", 32000], ["unk_idx", 0], ["bos_idx", 1], ["eos_idx", 2], [
    "pad_idx",
    null,
  ]];
  const older: [string, unknown][] = [...common, ["ffn_inner_dim_to_multiple", 256]];
  if (generation === "0.2-0.3") return new Map([...older, ["vocab_info", new Map(vocabulary)]]);
  return new Map([
    ...older,
    ["vocab_info", new Map([...vocabulary, ["boh_idx", null], ["eoh_idx", null]])],
    ["ffn_inner_dim_multiplier", 1],
    ["rope_scaling", defaultRopeScaling],
  ]);
}

/** `LLaMARopeScalingConfig` of 0.4 and `LLaMARoPEScaleConfig` from 0.5 on. */
export const defaultRopeScaling: ConfigTree = new Map<string, unknown>([
  ["factor", 8],
  ["frequency_factors", [1, 4]],
  ["original_context_length", 8192],
]);

/**
 * The configuration that fairseq2 has for an architecture (the same files, and 0.3.0 `models/llama/archs.py`).
 *
 * @param architecture The architecture.
 * @param generation The generation.
 * @param eosId The token that ends a sequence, which a model card may change.
 */
export function architectureConfig(
  architecture: Architecture,
  generation: Generation,
  eosId: number | undefined,
): ConfigTree {
  const { dim, intermediateSize, bosId, padId, vocabSize, multipleOf } = architecture;
  const ffnDimMultiplier = shortestMultiplier(dim, multipleOf, intermediateSize)!;
  const config = new Map(defaultConfig(generation));
  config.set("model_dim", dim);
  config.set("max_seq_len", architecture.maxSeqLen);
  // For 13B, fairseq2 leaves the default: see Architecture.alternativeLayers.
  config.set("num_layers", architecture.alternativeLayers[0] ?? architecture.layers);
  config.set("num_attn_heads", architecture.heads);
  config.set("num_key_value_heads", architecture.kvHeads);
  config.set("rope_theta", architecture.ropeTheta);
  config.set("use_scaled_rope", architecture.ropeScaling !== undefined);
  config.set("ffn_inner_dim", generation === "0.2-0.3" ? Math.trunc(dim * 4 * ffnDimMultiplier) : dim * 4);
  if (generation !== "0.2-0.3") config.set("ffn_inner_dim_multiplier", ffnDimMultiplier);
  const scaling = new Map([...defaultRopeScaling, ["factor", architecture.ropeScaling?.factor ?? 8]]);
  if (generation === "0.5+") {
    config.set("ffn_inner_dim_multiple_of", multipleOf);
    config.set("vocab_size", vocabSize);
    config.set("pad_idx", padId ?? null);
    config.set("tied_embeddings", architecture.tied);
    config.set("rope_scale", scaling);
    config.set("shard_embed_dim", architecture.embeddingShardDim === 1);
    return config;
  }
  config.set("ffn_inner_dim_to_multiple", multipleOf);
  const vocabulary = new Map(config.get("vocab_info") as ConfigTree);
  vocabulary.set("size", vocabSize);
  vocabulary.set("unk_idx", padId === undefined ? 0 : null); // SentencePiece has an unknown token, tiktoken none
  vocabulary.set("bos_idx", bosId);
  vocabulary.set("eos_idx", eosId);
  config.set("vocab_info", vocabulary);
  if (generation === "0.4") config.set("rope_scaling", scaling);
  return config;
}

/**
 * A configuration with the changes that a `model.yaml` makes (0.3.0 `utils/structured.py` `merge_unstructured`, 0.4.5
 * `utils/merge.py`, 0.8.1 `utils/config.py`): `_del_` drops fields, so that they get their defaults, `_add_` and
 * `_set_` replace them, and a mapping in the place of a mapping changes it field by field.
 *
 * It takes all that any generation takes. Fields that the generation hasn't got are for the caller to find.
 *
 * @param target The configuration.
 * @param changes The changes.
 * @returns The configuration with the changes.
 * @throws {ConfigError} If a directive isn't of the kind that it must be.
 */
export function mergeConfig(target: ConfigTree, changes: ConfigFields): ConfigTree {
  const merged = new Map(target);
  for (const name of changes.get("_del_", sequenceOfTexts, [])) merged.delete(name);
  for (const directive of ["_add_", "_set_"]) {
    for (const [name, value] of changes.get(directive, mapping, new Map())) merged.set(name, value);
  }
  for (const [name, value] of changes.values) {
    if (directives.has(name)) continue;
    const old = merged.get(name);
    merged.set(
      name,
      value instanceof Map ? mergeConfig(old instanceof Map ? old : new Map(), changes.nested(name)) : value,
    );
  }
  return merged;
}

/** What is no field; `_type_` is a remnant that 0.3 skips. */
const directives: ReadonlySet<string> = new Set(["_del_", "_add_", "_set_", "_type_"]);

const sequenceOfTexts = {
  expectation: (value: unknown) =>
    Array.isArray(value) && value.every((item) => typeof item === "string")
      ? undefined
      : "a sequence of texts",
  type: [] as readonly string[],
};

/** The first field of a mapping that another hasn't got, with the words for it. */
export function unknownField(
  fields: ConfigTree,
  known: ConfigTree,
): { name: string; problem: string } | undefined {
  const name = [...fields.keys()].find((each) => !known.has(each));
  if (name === undefined) return undefined;
  return { name, problem: `unknown field with the value ${show(fields.get(name))}` };
}
