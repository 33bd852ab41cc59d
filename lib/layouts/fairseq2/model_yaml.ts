/**
 * `model.yaml`, which fairseq2 writes beside its checkpoints.
 *
 * @module
 */

import { OptionError } from "../../error.ts";
import type { Architecture } from "../../models/family.ts";
import { findModelCard, type ModelCard } from "../../models/model_cards.ts";
import {
  anyNumber,
  boolean,
  ConfigFields,
  nonNegativeInteger,
  nullable,
  positiveInteger,
  positiveNumber,
  positivePair,
  show,
  text as textKind,
} from "../../models/config_fields.ts";
import { fairseq2IntermediateSize } from "../../models/llama/intermediate_size.ts";
import {
  MAX_DIM,
  MAX_HEADS,
  MAX_INTERMEDIATE_SIZE,
  MAX_LAYERS,
  MAX_SEQUENCE_LENGTH,
  MAX_SHARDS,
  MAX_VOCABULARY,
} from "../../models/limits.ts";
import {
  architectureConfig,
  type ConfigTree,
  defaultConfig,
  defaultRopeScaling,
  mergeConfig,
  unknownField,
} from "./model_config_tree.ts";
import { headsProblem, type ModelDescription, type RopeScaling } from "../../models/model_description.ts";
import { detectGeneration, type Generation } from "../../layouts/fairseq2/generation.ts";
import { parseYamlMapping } from "./yaml_mapping.ts";

/** What a `model.yaml` says, under one set of names whatever version of fairseq2 wrote it. */
export interface ModelConfig extends ModelDescription {
  /** The versions of fairseq2 that write such a file. */
  readonly generation: Generation;
  /** The architecture that the file names, by itself or through the model card that it is based on. */
  readonly architecture?: Architecture;
  /** The model card that the file is based on: what fairseq2 0.3 writes for a fine-tuned model. */
  readonly base?: ModelCard;
  /** The number of tensor-parallel shards, where the file has one. fairseq2 0.2 to 0.4 write it from 2 up. */
  readonly numShards?: number;
  /** `ffn_inner_dim`. */
  readonly ffnInnerDim: number;
  /** `ffn_inner_dim_scale`. */
  readonly ffnInnerDimScale: number;
  /** `ffn_inner_dim_multiplier`; 1 before 0.4. */
  readonly ffnInnerDimMultiplier: number;
}

/** How to read a `model.yaml`. */
export interface ModelYamlOptions {
  /** The file, as errors name it; `model.yaml` by default. */
  readonly file?: string;
  /**
   * The versions of fairseq2 that wrote the checkpoint, where that is known. It counts where the file itself fits
   * several, as one does that is hand-written and short. By default the oldest of them are taken.
   */
  readonly generation?: Generation;
}

/** What fairseq2 0.2 and 0.3 compute scaled RoPE with, whatever the model (0.3.0 `LLaMABuilder._init_scaled_freqs`). */
const SCALING_UNTIL_0_3: RopeScaling = {
  factor: 8,
  lowFreqFactor: 1,
  highFreqFactor: 5,
  originalContextLength: 8192,
};

/** The epsilon of fairseq2's `RMSNorm`, in all versions. No configuration has it. */
const NORM_EPS = 1e-5;

/** Where the configuration may be, first come, first served (0.8.1 `models/family.py`); older ones have the last. */
const CONFIG_KEYS = ["model_config_overrides", "model_config_override", "model_config"];

/**
 * Reads a `model.yaml` of any fairseq2 from 0.2 to 0.8.1.
 *
 * What the file doesn't say is what fairseq2 would take: the architecture that it names or is based on, else the
 * defaults of the generation. A field that the generation hasn't got is an error, as in fairseq2.
 *
 * Limits: 65536 characters, 10000 values with aliases expanded, 32 levels.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseModelYaml } from "./model_yaml.ts";
 *
 * const config = parseModelYaml("name: checkpoint\nbase: llama3_1_8b_instruct\n");
 * assertEquals(config.intermediateSize, 14336);
 * assertEquals(config.eosId, 128009);
 * ```
 *
 * @param text The text of the file.
 * @param options How to read it.
 * @returns What it says.
 * @throws {ConfigError} If it is no YAML, or a field is missing, unknown or isn't what it must be.
 */
export function parseModelYaml(text: string, options: ModelYamlOptions = {}): ModelConfig {
  const file = options.file ?? "model.yaml";
  const top = new ConfigFields(file, "", parseYamlMapping(text, file));
  top.optional("name", textKind);
  const baseName = top.optional("base", textKind);
  const base = baseName === undefined ? undefined : findNamed(top, "base", baseName);
  checkFamily(top, base);
  const architectureName = top.optional("model_arch", textKind);
  const architecture = architectureName === undefined
    ? base?.architecture
    : findNamed(top, "model_arch", architectureName).architecture;
  const numShards = top.get("num_shards", positiveInteger(MAX_SHARDS), 0) || undefined;

  const configKey = CONFIG_KEYS.find((key) => top.values.has(key));
  const changes = configKey === undefined ? undefined : top.nested(configKey);
  const generation = detectGeneration(top, changes, options.generation);
  const start = startingConfig(generation, architecture, base);
  const config = new ConfigFields(
    file,
    configKey ?? "model_config",
    changes === undefined ? start : mergeConfig(start, changes),
  );
  return {
    generation,
    ...(architecture !== undefined && { architecture }),
    ...(base !== undefined && { base }),
    ...(numShards !== undefined && { numShards }),
    ...readConfig(config, generation),
  };
}

/** A model card or an architecture by name. */
function findNamed(fields: ConfigFields, field: string, name: string): ModelCard {
  try {
    return findModelCard(name);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw fields.error(field, error.message);
  }
}

/** `model_family`, which was `model_type` before 0.3, must be there unless a model card has it. */
function checkFamily(top: ConfigFields, base: ModelCard | undefined): void {
  const field = top.values.has("model_family") || !top.values.has("model_type")
    ? "model_family"
    : "model_type";
  const family = top.get(field, textKind, base === undefined ? undefined : "llama");
  if (family !== "llama") throw top.error(field, `expected "llama", got ${show(family)}`);
}

/** What the changes of a `model.yaml` apply to. */
function startingConfig(
  generation: Generation,
  named: Architecture | undefined,
  base: ModelCard | undefined,
): ConfigTree {
  // 0.4.0 to 0.4.6 setup/_models.py: with no architecture named, LLaMA is this one.
  const architecture = named ??
    (generation === "0.4" ? findModelCard("llama3_1_8b").architecture : undefined);
  if (architecture === undefined) return defaultConfig(generation);
  const endsTurns = base !== undefined && base.eosId !== base.architecture.eosId;
  return architectureConfig(architecture, generation, endsTurns ? base.eosId : architecture.eosId);
}

/** Reads the configuration, with the defaults of the dataclass for what `_del_` dropped. */
function readConfig(config: ConfigFields, generation: Generation): Omit<ModelConfig, "generation"> {
  const defaults = defaultConfig(generation);
  refuseUnknown(config, defaults);
  const read = new ConfigFields(config.file, config.path, new Map([...defaults, ...config.values]));

  const shape = {
    dim: read.get("model_dim", positiveInteger(MAX_DIM)),
    layers: read.get("num_layers", positiveInteger(MAX_LAYERS)),
    heads: read.get("num_attn_heads", positiveInteger(MAX_HEADS)),
    kvHeads: read.get("num_key_value_heads", positiveInteger(MAX_HEADS)),
  };
  const unfit = headsProblem(shape);
  if (unfit !== undefined) {
    throw read.error(unfit.field === "heads" ? "num_attn_heads" : "num_key_value_heads", unfit.problem);
  }

  const isNew = generation === "0.5+";
  const multipleOf = read.get(
    isNew ? "ffn_inner_dim_multiple_of" : "ffn_inner_dim_to_multiple",
    positiveInteger(MAX_INTERMEDIATE_SIZE),
  );
  const ffnInnerDim = read.get("ffn_inner_dim", positiveInteger(MAX_INTERMEDIATE_SIZE));
  const ffnInnerDimScale = read.get("ffn_inner_dim_scale", positiveNumber);
  const ffnInnerDimMultiplier = generation === "0.2-0.3"
    ? 1
    : read.get("ffn_inner_dim_multiplier", positiveNumber);
  const intermediateSize = fairseq2IntermediateSize({
    innerDim: ffnInnerDim,
    innerDimScale: ffnInnerDimScale,
    innerDimMultiplier: ffnInnerDimMultiplier,
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
    family: "llama",
    ...shape,
    headDim: shape.dim / shape.heads,
    ...(isNew ? readVocabulary(read) : readVocabularyInfo(read.nested("vocab_info"), defaults)),
    intermediateSize,
    multipleOf,
    ffnInnerDim,
    ffnInnerDimScale,
    ffnInnerDimMultiplier,
    ropeTheta,
    ...(ropeScaling !== undefined && { ropeScaling }),
    normEps: NORM_EPS,
    maxSeqLen,
    embeddingShardDim: shardsColumns(read, isNew, maxSeqLen) ? 1 : 0,
    tied: isNew && read.get("tied_embeddings", boolean),
  };
}

function refuseUnknown(fields: ConfigFields, known: ConfigTree): void {
  const unknown = unknownField(fields.values, known);
  if (unknown !== undefined) throw fields.error(unknown.name, unknown.problem);
}

/** From 0.5 on the field says; before, the context length tells LLaMA 1 and 2 (0.3.0 `loader.py`, 0.4 `_handler.py`). */
function shardsColumns(read: ConfigFields, isNew: boolean, maxSeqLen: number): boolean {
  return isNew ? read.get("shard_embed_dim", boolean) : maxSeqLen < 8192;
}

function readRopeScaling(read: ConfigFields, generation: Generation): RopeScaling | undefined {
  const isScaled = read.get("use_scaled_rope", boolean);
  if (generation === "0.2-0.3") return isScaled ? SCALING_UNTIL_0_3 : undefined;
  const nested = read.nested(generation === "0.4" ? "rope_scaling" : "rope_scale");
  refuseUnknown(nested, defaultRopeScaling);
  const fields = new ConfigFields(
    nested.file,
    nested.path,
    new Map([...defaultRopeScaling, ...nested.values]),
  );
  const factor = fields.get("factor", positiveNumber);
  const [lowFreqFactor, highFreqFactor] = fields.get("frequency_factors", positivePair);
  const originalContextLength = fields.get("original_context_length", positiveInteger(MAX_SEQUENCE_LENGTH));
  if (!isScaled) return undefined;
  if (lowFreqFactor >= highFreqFactor) {
    throw fields.error(
      "frequency_factors",
      `expected a low and a higher one, got ${lowFreqFactor} and ${highFreqFactor}`,
    );
  }
  return { factor, lowFreqFactor, highFreqFactor, originalContextLength };
}

/** `VocabularyInfo` of 0.2 to 0.4. */
function readVocabularyInfo(
  fields: ConfigFields,
  defaults: ConfigTree,
): Pick<ModelConfig, "vocabSize" | "bosId" | "eosId" | "padId"> {
  refuseUnknown(fields, defaults.get("vocab_info") as ConfigTree);
  const id = nonNegativeInteger(MAX_VOCABULARY);
  for (const name of ["unk_idx", "boh_idx", "eoh_idx"]) fields.optional(name, id);
  const [bosId, eosId, padId] = ["bos_idx", "eos_idx", "pad_idx"].map((name) => fields.optional(name, id));
  return {
    vocabSize: fields.get("size", positiveInteger(MAX_VOCABULARY)),
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosId }),
    ...(padId !== undefined && { padId }),
  };
}

/** From 0.5 on, the tokenizer alone knows how a sequence begins and ends. */
function readVocabulary(fields: ConfigFields): Pick<ModelConfig, "vocabSize" | "padId"> {
  const padId = fields.optional("pad_idx", nonNegativeInteger(MAX_VOCABULARY));
  return {
    vocabSize: fields.get("vocab_size", positiveInteger(MAX_VOCABULARY)),
    ...(padId !== undefined && { padId }),
  };
}

/** What only training needs; a wrong type still means that the file is damaged. */
function checkTrainingFields(read: ConfigFields, isNew: boolean): void {
  read.get("dropout_p", anyNumber);
  if (!isNew) return;
  read.get("init_std", nullable(anyNumber));
  read.get("init_std_scale", textKind);
}
