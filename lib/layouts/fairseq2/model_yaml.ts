/** `model.yaml`, which fairseq2 writes beside its checkpoints. */

import { OptionError } from "../../error.ts";
import { listed } from "../../words.ts";
import { ConfigFields, positiveInteger, show, text as textKind } from "../../models/config_fields.ts";
import { families, familyOf, findFamily } from "../../models/families.ts";
import type { Architecture, ConfigTree, Family, FamilyModel, Generation } from "../../models/family.ts";
import { MAX_SHARDS } from "../../models/limits.ts";
import { findArchitecture, findModelCard, type ModelCard } from "../../models/model_cards.ts";
import { describeScaling, type ModelDescription } from "../../models/model_description.ts";
import {
  architectureConfig,
  defaultConfig,
  mergeConfig,
  type UnknownField,
  unknownFields,
} from "./config_tree.ts";
import { possibleGenerations } from "./generation.ts";
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
  /** The fields of the configuration that no version of fairseq2 has which is known here. They were left out. */
  readonly unknownFields: readonly UnknownField[];
  /** What a user should be told: what was taken where the file can be read in two ways. */
  readonly notes: readonly string[];
}

/** How to read a `model.yaml`. */
export interface ModelYamlOptions {
  /** The file, as errors name it; `model.yaml` by default. */
  readonly file?: string;
  /**
   * The versions of fairseq2 that may have written the checkpoint, oldest first, where its form tells. They count where
   * the file itself fits several, as one does that is hand-written and short. Of those left the oldest is taken.
   */
  readonly generations?: readonly Generation[];
}

/** Where the configuration may be, first come, first served (0.8.1 `models/family.py`); older ones have the last. */
const CONFIG_KEYS = ["model_config_overrides", "model_config_override", "model_config"];

/**
 * Reads a `model.yaml` of any fairseq2 from 0.2 to 0.8.1.
 *
 * What the file doesn't say is what fairseq2 would take: the architecture that it names or is based on, else the
 * defaults of the generation. Fields that no generation has are left for the caller to judge.
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
 * assertEquals(config.eosIds, [128009]);
 * ```
 *
 * @throws {ConfigError} If it is no YAML, or a field is missing or isn't what it must be.
 */
export function parseModelYaml(text: string, options: ModelYamlOptions = {}): ModelConfig {
  const file = options.file ?? "model.yaml";
  const top = new ConfigFields(file, "", parseYamlMapping(text, file));
  top.optional("name", textKind);
  const baseName = top.optional("base", textKind);
  const said = readFamily(top, baseName);
  const base = baseName === undefined ? undefined : findNamed(top, "base", baseName, said?.name);
  const family = said ?? familyOf(base!.architecture);
  const architectureName = top.optional("model_arch", textKind);
  const architecture = architectureName === undefined
    ? base?.architecture
    : findNamed(top, "model_arch", architectureName, family.name).architecture;
  if (architecture !== undefined && architecture.family !== family.name) {
    throw top.error(
      architectureName === undefined ? "base" : "model_arch",
      `${architecture.name} is of the family ${show(architecture.family)}, not ${show(family.name)}`,
    );
  }
  const numShards = top.get("num_shards", positiveInteger(MAX_SHARDS), 0) || undefined;

  const configKey = CONFIG_KEYS.find((key) => top.values.has(key));
  const changes = configKey === undefined ? undefined : top.nested(configKey);
  const possible = possibleGenerations(top, changes, family, options.generations);
  const readAs = (generation: Generation): ReadConfig => {
    const start = startingConfig(family, generation, architecture, base);
    const values = changes === undefined ? start : mergeConfig(start, changes);
    return readConfig(new ConfigFields(file, configKey ?? "model_config", values), family, generation);
  };
  const [oldest, latest] = [possible[0]!, possible.at(-1)!];
  let generation = oldest;
  let config = readAs(generation);
  // What is unknown is of a later version than those that are known.
  if (config.unknownFields.length > 0 && latest === "0.5+") config = readAs(generation = latest);
  const notes: string[] = [];
  // 0.4 says of itself that it is 0.4, so nothing tells where both of the others are possible.
  if (oldest === "0.2-0.3" && latest === "0.5+" && config.model.ropeScaling !== undefined) {
    const isOld = generation === oldest;
    const other = readAs(isOld ? latest : oldest).model.ropeScaling!;
    const versions = ["0.2 and 0.3", "later versions"];
    if (!isOld) versions.reverse();
    notes.push(
      `${file}: nothing tells which fairseq2 it is of; RoPE is taken to be scaled by ${
        describeScaling(config.model.ropeScaling)
      }, as ${versions[0]} do it, where ${versions[1]} take ${describeScaling(other)}: for those, give ` +
        `model_config.${isOld ? "rope_scale" : "vocab_info"}`,
    );
  }
  return {
    generation,
    ...(architecture !== undefined && { architecture }),
    ...(base !== undefined && { base }),
    ...(numShards !== undefined && { numShards }),
    family: family.name,
    ...config.model,
    unknownFields: config.unknownFields,
    notes,
  };
}

interface ReadConfig {
  readonly model: FamilyModel;
  readonly unknownFields: readonly UnknownField[];
}

/** Reads a configuration; fields that `_del_` dropped get the defaults of the dataclass. */
function readConfig(config: ConfigFields, family: Family, generation: Generation): ReadConfig {
  const defaults = defaultConfig(family, generation);
  const values = new Map([...defaults, ...config.values]);
  return {
    model: family.modelYaml.read(new ConfigFields(config.file, config.path, values), generation),
    unknownFields: unknownFields(config, defaults),
  };
}

/**
 * A published architecture as the versions of a generation compute it, which isn't always what was published.
 *
 * @returns The model; `undefined` where these versions haven't got the family.
 */
export function asComputedBy(architecture: Architecture, generation: Generation): FamilyModel | undefined {
  const family = familyOf(architecture);
  if (!family.modelYaml.generations.includes(generation)) return undefined;
  const config = architectureConfig(family, architecture, generation);
  return readConfig(new ConfigFields("model.yaml", "model_config", config), family, generation).model;
}

/** A model card or an architecture by name. */
function findNamed(fields: ConfigFields, field: string, name: string, family: string | undefined): ModelCard {
  try {
    return findModelCard(name, family);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw fields.error(field, error.message);
  }
}

/** `model_family`, which was `model_type` before 0.3; it must be there unless there is a model card, which has it. */
function readFamily(top: ConfigFields, base: string | undefined): Family | undefined {
  const field = top.values.has("model_family") || !top.values.has("model_type")
    ? "model_family"
    : "model_type";
  if (!top.values.has(field) && base !== undefined) return undefined;
  const name = top.get(field, textKind);
  const family = findFamily(name);
  if (family === undefined) {
    const names = families.map(({ name }) => show(name));
    throw top.error(field, `expected ${listed(names, "or")}, got ${show(name)}`);
  }
  return family;
}

/** What the changes of a `model.yaml` apply to. */
function startingConfig(
  family: Family,
  generation: Generation,
  named: Architecture | undefined,
  base: ModelCard | undefined,
): ConfigTree {
  const unnamed = family.modelYaml.unnamed?.(generation);
  const architecture = named ?? (unnamed === undefined ? undefined : findArchitecture(unnamed, family.name));
  if (architecture === undefined) return defaultConfig(family, generation);
  const endsTurns = base !== undefined && base.eosId !== base.architecture.eosIds?.[0];
  return architectureConfig(family, architecture, generation, endsTurns ? base.eosId : undefined);
}
