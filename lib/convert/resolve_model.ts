/**
 * Which model a checkpoint holds: as it is named, as its model.yaml says, or as its shapes tell. Whatever is
 * claimed is checked against the weights, which have the last word.
 *
 * @module
 */

import { join } from "../deps.ts";
import { CheckpointError, MismatchError, OptionError } from "../error.ts";
import { describeFailure } from "../bytes/source.ts";
import { families, familyOf } from "../models/families.ts";
import type { Architecture } from "../models/family.ts";
import { findModelCard } from "../models/model_cards.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { fitArchitectures, hasSize, haveSameParams, likelyFits } from "../models/fit_architecture.ts";
import type { ObservedShape } from "../models/family.ts";
import {
  describeScaling,
  isSameScaling,
  kvDim,
  type ModelDescription,
  qDim,
} from "../models/model_description.ts";
import type { UnknownField } from "../layouts/fairseq2/config_tree.ts";
import { asComputedBy, type ModelConfig, parseModelYaml } from "../layouts/fairseq2/model_yaml.ts";
import {
  checkShardsAgree,
  describeDifferences,
  familiesOf,
  observeShape,
  shapeDifferences,
} from "../layouts/observe.ts";
import { describeUnknownFields } from "./unknown_fields.ts";

/** A checkpoint's model. */
export interface ResolvedModel {
  /** What there is to know of it, with the sizes that the weights have. */
  readonly model: ModelDescription;
  /** The architecture's name, or `undefined` for sizes of its own. */
  readonly architecture: string | undefined;
  /** The name by which the user called it, an architecture or a model card; or the card that a model.yaml names. */
  readonly card?: string;
  /** The file that says the model's special tokens, where one does: else those in `model` are but the usual ones. */
  readonly tokensFrom?: string;
  /** Fields of the model.yaml that ckpt doesn't know. They may change what the model computes. */
  readonly unknownFields: readonly UnknownField[];
  /** What a user should be told. */
  readonly notes: readonly string[];
}

/** The largest model.yaml that is read, in bytes; the parser has its own, stricter limit. */
const MAX_MODEL_YAML_BYTES = 1024 * 1024;

/**
 * Finds a checkpoint's model.
 *
 * @param checkpoint The checkpoint.
 * @param named What the user named: an architecture, a model card, or the path of a model.yaml. Without it, the
 * checkpoint's own model.yaml decides, and without that the shapes, where they fit one architecture alone.
 * @param family The name of the family that the model has to be of; any by default. Where several families have an
 * architecture of the name, this one's is meant, or else that of the family which the checkpoint's own model.yaml,
 * config.json or params.json says.
 * @returns The model.
 * @throws {OptionError} If the name is unknown or that of several, the shapes fit several architectures or none, or the
 * model is of another family.
 * @throws {MismatchError} If the weights aren't such a model's.
 * @throws {ConfigError} If the model.yaml is none.
 */
export function resolveModel(checkpoint: Checkpoint, named?: string, family?: string): ResolvedModel {
  checkShardsAgree(checkpoint.shards);
  const resolved = resolve(checkpoint, named, family);
  const { title, name } = familyOf(resolved.model);
  if (family !== undefined && name !== family) {
    throw new OptionError(
      `${checkpoint.path}: is a ${title} model, not a ${
        familyOf({ family }).title
      }; convert it with ckpt convert`,
    );
  }
  return resolved;
}

function resolve(checkpoint: Checkpoint, named?: string, family?: string): ResolvedModel {
  if (named !== undefined) {
    return isYamlPath(named) ? fromYaml(checkpoint, named) : fromName(checkpoint, named, family);
  }
  if (checkpoint.modelYaml !== undefined) return fromYaml(checkpoint, checkpoint.modelYaml);
  if (checkpoint.model !== undefined) return fromDescription(checkpoint, checkpoint.model);
  return fromShapes(checkpoint, family);
}

/** A path, rather than a name: no architecture's or card's name has a dot or a slash. */
function isYamlPath(named: string): boolean {
  return /\.ya?ml$/i.test(named);
}

function fromName(checkpoint: Checkpoint, name: string, family?: string): ResolvedModel {
  const { architecture, eosId } = findModelCard(name, family ?? saidFamily(checkpoint));
  checkFamily(checkpoint, architecture, name);
  const observed = observeShape(checkpoint.shards, familyOf(architecture));
  const notes: string[] = [];
  const yaml = fittingYaml(checkpoint, observed, notes);
  const named = { ...architecture, ...(eosId !== undefined && { eosIds: [eosId] }) };
  const description = asTrained(checkpoint, yaml, named, name, notes);
  const resolved = check(checkpoint, observed, description, architecture, name, architecture.name);
  const unknownFields = yaml?.unknownFields ?? [];
  // An architecture's name says less than the model.yaml, if that names a model which has the architecture.
  const base = name === architecture.name ? yaml?.base : undefined;
  const card = base?.architecture === architecture ? base.name : name;
  const said = yaml ?? checkpoint.model;
  return {
    ...resolved,
    card,
    unknownFields,
    ...(said === undefined ? {} : tokenSource(checkpoint, said, yaml && checkpoint.modelYaml)),
    notes: [...resolved.notes, ...notes],
  };
}

/** The family that other files beside the weights say. */
function saidFamily(checkpoint: Checkpoint): string | undefined {
  const { model, modelYaml } = checkpoint;
  if (modelYaml === undefined) return model?.family;
  try {
    return readModelYaml(modelYaml, checkpoint).family;
  } catch (error) {
    if (error instanceof CheckpointError) return undefined; // What is wrong with it is said where it is used.
    throw error;
  }
}

/**
 * A named model as it was trained. The shapes say nothing of RoPE, of windows and of the special tokens, so a model.yaml
 * of the same sizes, or a config.json, has the word on them.
 */
function asTrained(
  checkpoint: Checkpoint,
  yaml: ModelConfig | undefined,
  named: Architecture,
  name: string,
  notes: string[],
): ModelDescription {
  // LLaMA's params.json doesn't say how RoPE is scaled, so there the name does.
  const saysAll = checkpoint.naming === "huggingface" ||
    checkpoint.naming === "reference" && familyOf(named).paramsJson?.isComplete === true;
  const config = saysAll ? checkpoint.model : yaml;
  if (config === undefined) return asComputed(checkpoint, named, notes);
  checkFamily(checkpoint, named, name, config.family);
  const { ropeScaling: _, yarn: _yarn, slidingWindow: _window, layerTypes: _types, ...others } = named;
  const { bosId: _bos, eosIds: _eos, padId: _pad, ...rest } = others;
  const { bosId, eosIds, padId, ropeTheta, maxSeqLen, ropeScaling, yarn, slidingWindow, layerTypes } = config;
  return {
    ...rest,
    ropeTheta,
    maxSeqLen,
    ...(ropeScaling === undefined ? {} : { ropeScaling }),
    ...(yarn === undefined ? {} : { yarn }),
    ...(slidingWindow === undefined ? {} : { slidingWindow }),
    ...(layerTypes === undefined ? {} : { layerTypes }),
    ...(bosId === undefined ? {} : { bosId }),
    ...(eosIds === undefined ? {} : { eosIds }),
    ...(padId === undefined ? {} : { padId }),
  };
}

/** Which file says a model's tokens: a config.json says all of them, a model.yaml of 0.5 or later none. */
function tokenSource(
  { naming, path }: Checkpoint,
  { bosId, eosIds }: ModelDescription,
  yaml: string | undefined,
): { readonly tokensFrom?: string } {
  if (yaml !== undefined) return bosId === undefined && eosIds === undefined ? {} : { tokensFrom: yaml };
  return naming === "huggingface" ? { tokensFrom: join(path, "config.json") } : {};
}

/**
 * A published model with RoPE as fairseq2 scaled it, where nothing but the form of the files can tell: 0.2 and 0.3 have
 * numbers of their own, whatever the model; later versions take those that it was published with.
 */
function asComputed<T extends Architecture>(
  { naming = "fairseq2", generations, model }: Checkpoint,
  published: T,
  notes: string[],
): T {
  const { ropeScaling } = published;
  const oldest = asComputedBy(published, "0.2-0.3")?.ropeScaling;
  if (ropeScaling === undefined || oldest === undefined) return published;
  const [own, their] = [describeScaling(oldest), describeScaling(ropeScaling)];
  if (generations?.[0] === "0.2-0.3") {
    notes.push(
      `RoPE is taken to be scaled by ${own}: the files have the form of fairseq2 0.2 and 0.3, which scaled it so ` +
        `whatever the model; 0.4.0, which has the same form, took the published ${their}: if it trained the model, ` +
        "give its model.yaml with --model",
    );
    return { ...published, ropeScaling: oldest };
  }
  // From 0.4 on the form tells enough; a params.json has said so, or what was taken in its stead.
  if (naming === "fairseq2" ? generations === undefined : !isSameScaling(ropeScaling, model?.ropeScaling)) {
    notes.push(
      `RoPE is taken to be scaled as published, by ${their}; nothing tells which code trained the model, and fairseq2 ` +
        `0.2 and 0.3 scaled it by ${own} whatever the model: if they did, give its model.yaml with --model`,
    );
  }
  return published;
}

/** A checkpoint's own model.yaml, if it is one and speaks of these weights. Else the name was given for a reason. */
function fittingYaml(
  checkpoint: Checkpoint,
  observed: ObservedShape,
  notes: string[],
): ModelConfig | undefined {
  const { modelYaml } = checkpoint;
  if (modelYaml === undefined) return undefined;
  try {
    const config = readModelYaml(modelYaml, checkpoint);
    checkFields(config, observed, modelYaml);
    notes.push(...config.notes);
    return config;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    notes.push(
      `the model.yaml isn't used, since it isn't these weights' or can't be read (${error.message})`,
    );
    return undefined;
  }
}

/** Compares the family of a model that was named with what other files beside the weights say. */
function checkFamily(
  { path, model, modelYaml }: Checkpoint,
  { family }: Pick<ModelDescription, "family">,
  named: string,
  said: string | undefined = model?.family,
): void {
  if (said === undefined || said === family) return;
  const titles = [said, family].map((name) => familyOf({ family: name }).title);
  throw new MismatchError(
    `${modelYaml ?? path}: says that the model is of the family ${titles[0]}, but ${named} is of ${
      titles[1]
    }`,
  );
}

/** A model that other files beside the weights describe: a config.json or a params.json. */
function fromDescription(checkpoint: Checkpoint, description: ModelDescription): ResolvedModel {
  const observed = observeShape(checkpoint.shards, familyOf(description));
  const fit = fitArchitectures(observed).find(({ architecture }) => isSameModel(architecture, description));
  const resolved = check(
    checkpoint,
    observed,
    description,
    undefined,
    checkpoint.path,
    fit?.architecture.name,
  );
  return { ...resolved, ...tokenSource(checkpoint, description, undefined) };
}

function fromShapes(checkpoint: Checkpoint, family?: string): ResolvedModel {
  const { shards } = checkpoint;
  const among = family === undefined ? families : [familyOf({ family })];
  const candidates = familiesOf(shards, among).map((family) => observeShape(shards, family));
  const fits = likelyFits(candidates.flatMap(fitArchitectures));
  const [fit, ...others] = fits;
  if (fit === undefined) {
    const { dim, layers, intermediateSize } = candidates[0]!;
    throw new OptionError(
      `${checkpoint.path}: no published architecture has these shapes (dim ${dim}, ${layers} layers, feed-forward ` +
        `width ${intermediateSize}) and there is no model.yaml; give one with --model <model.yaml>`,
    );
  }
  if (!others.every((other) => areOneRow(fit.architecture, other.architecture))) {
    const names = fits.map(({ architecture }) => architecture.name);
    throw new OptionError(
      `${checkpoint.path}: the shapes fit ${
        names.join(" and ")
      } and there is no model.yaml; say which with --model`,
    );
  }
  const observed = candidates.find(({ family }) => family.name === fit.architecture.family)!;
  const { name } = fit.architecture;
  const notes: string[] = [];
  const description = asComputed(checkpoint, fit.architecture, notes);
  const resolved = check(checkpoint, observed, description, fit.architecture, name, name);
  return { ...resolved, notes: [...resolved.notes, ...notes] };
}

/** Whether two architectures differ in the context length alone, as those of LLaMA 1 and 2 do. */
function areOneRow(a: Architecture, b: Architecture): boolean {
  return haveSameParams(a, b) && a.vocabSize === b.vocabSize && a.ropeScaling === b.ropeScaling;
}

function fromYaml(checkpoint: Checkpoint, path: string): ResolvedModel {
  const config = readModelYaml(path, checkpoint);
  checkFamily(checkpoint, config, path);
  const { unknownFields } = config;
  try {
    return fromConfig(checkpoint, config, path);
  } catch (error) {
    // A field that is misspelt is unknown, and what it stands for then has its default.
    if (!(error instanceof MismatchError) || unknownFields.length === 0) throw error;
    throw new MismatchError(`${error.message}; ${describeUnknownFields(unknownFields)}`);
  }
}

function fromConfig(checkpoint: Checkpoint, config: ModelConfig, path: string): ResolvedModel {
  const observed = observeShape(checkpoint.shards, familyOf(config));
  checkShardCount(checkpoint, config, observed, path);
  // fairseq2's own 13B has fewer layers than the published one, whose weights it may have been started from.
  checkFields(asBuilt(config, config.architecture, observed).model, observed, path);
  const fit = fitArchitectures(observed).find(({ architecture }) => isSameModel(architecture, config));
  const resolved = check(checkpoint, observed, config, config.architecture, path, fit?.architecture.name);
  return {
    ...resolved,
    ...(config.base === undefined ? {} : { card: config.base.name }),
    ...tokenSource(checkpoint, config, path),
    unknownFields: config.unknownFields,
    notes: [...resolved.notes, ...config.notes],
  };
}

function readModelYaml(path: string, { generations }: Checkpoint): ModelConfig {
  return parseModelYaml(readText(path), {
    file: path,
    ...(generations === undefined ? {} : { generations }),
  });
}

function isSameModel(architecture: Architecture, config: ModelDescription): boolean {
  return architecture.heads === config.heads && architecture.multipleOf === config.multipleOf &&
    architecture.ropeTheta === config.ropeTheta && architecture.maxSeqLen === config.maxSeqLen &&
    architecture.slidingWindow === config.slidingWindow;
}

/** Finds out whether shards are missing at the end, where no gap in the names of the files shows it. */
function checkShardCount(
  { path, shards }: Checkpoint,
  config: ModelConfig,
  observed: ObservedShape,
  yaml: string,
): void {
  const { numShards } = config;
  const needed = numShards ?? shardsOfThisSize(config, observed, shards.length);
  if (shards.length >= needed || observed.kvDim * needed !== kvDim(config) * shards.length) return;
  throw new MismatchError(
    `${path}: holds ${shards.length} of the ${needed} shards ` +
      `${numShards === undefined ? "of this size " : ""}that ${yaml} speaks of; all shards are needed`,
  );
}

/** How many shards such as these make up the whole model. From 0.5 on, no model.yaml says their number. */
function shardsOfThisSize(config: ModelConfig, observed: ObservedShape, count: number): number {
  const needed = kvDim(config) * count / observed.kvDim;
  return Number.isInteger(needed) && config.dim === observed.dim &&
      observed.intermediateSize * needed === config.intermediateSize * count
    ? needed
    : count;
}

/** Compares what a model.yaml says with the weights, so that a message can name the field. */
function checkFields(config: ModelDescription, observed: ObservedShape, path: string): void {
  const compare = (field: string, what: string, said: number, found: number, seen: string) => {
    if (said === found) return;
    throw new MismatchError(
      `${path}: ${field} ${
        field.includes(" and ") ? "stand" : "stands"
      } for ${what} of ${said}, but the weights have ${found} (${seen}); ` +
        fitting(observed, undefined),
    );
  };
  const first = "decoder.layers.0";
  const { dim, layers, intermediateSize } = config;
  compare("model_dim", "a dimension", dim, observed.dim, "decoder.layer_norm.weight");
  compare("num_layers", "a number of layers", layers, observed.layers, "decoder.layers");
  const { headDimField } = familyOf(config).modelYaml;
  compare(
    headDimField === undefined ? "num_attn_heads" : `num_attn_heads and ${headDimField}`,
    "a width of q",
    qDim(config),
    observed.qDim,
    `${first}.self_attn.q_proj.weight`,
  );
  compare(
    "num_key_value_heads",
    "a width of k and v",
    kvDim(config),
    observed.kvDim,
    `${first}.self_attn.k_proj.weight`,
  );
  compare(
    "ffn_inner_dim",
    "a feed-forward width",
    intermediateSize,
    observed.intermediateSize,
    `${first}.ffn.gate_proj.weight`,
  );
}

/** Which architectures would fit, for a message. */
function fitting(observed: ObservedShape, claimed: string | undefined): string {
  const names = fitArchitectures(observed).map(({ architecture }) => architecture.name)
    .filter((name) => name !== claimed);
  return names.length > 0
    ? `the shapes fit ${names.join(", ")}`
    : "no published architecture has these shapes";
}

/** Sizes that fairseq2 doesn't always have as published, with words for them. */
const BUILT_SIZES = [
  ["layers", (size: number) => `${size} layers`],
  ["intermediateSize", (size: number) => `a feed-forward width of ${size}`],
] as const;

/** A model of a named architecture with the sizes of the weights, be they the published ones or fairseq2's. */
function asBuilt(
  description: ModelDescription,
  named: Architecture | undefined,
  observed: ObservedShape,
  claimed = "",
): { readonly model: ModelDescription; readonly notes: string[] } {
  let model = description;
  const notes: string[] = [];
  for (const [size, words] of BUILT_SIZES) {
    const [said, found] = [description[size], observed[size]];
    if (said === found || named === undefined) continue;
    if (!hasSize(named, size, said) || !hasSize(named, size, found)) continue;
    model = { ...model, [size]: found };
    notes.push(`${words(found)}, where ${claimed} has ${said}`);
  }
  return { model, notes };
}

function check(
  checkpoint: Checkpoint,
  observed: ObservedShape,
  description: ModelDescription,
  named: Architecture | undefined,
  claimed: string,
  architecture: string | undefined,
): ResolvedModel {
  const { model: built, notes } = asBuilt(description, named, observed, claimed);
  if (observed.vocabSize !== description.vocabSize) {
    notes.push(`a vocabulary of ${observed.vocabSize}, where ${claimed} has ${description.vocabSize}`);
  }
  const model: ModelDescription = {
    ...built,
    vocabSize: observed.vocabSize,
    embeddingShardDim: observed.embeddingShardDim ?? description.embeddingShardDim,
  };
  const differences = shapeDifferences(checkpoint.shards, model);
  if (differences.length > 0) {
    const path = differences[0]!.path;
    throw new MismatchError(
      `${path}: the weights are not those of ${claimed}: ${describeDifferences(differences)}; ` +
        fitting(observed, architecture),
    );
  }
  return { model, architecture, unknownFields: [], notes };
}

function readText(path: string): string {
  try {
    const { size, isFile } = Deno.statSync(path);
    if (isFile && size > MAX_MODEL_YAML_BYTES) {
      throw new OptionError(`${path}: has ${size} bytes, which no model.yaml has; name the right file`);
    }
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw error instanceof OptionError ? error : describeFailure(path, error);
  }
}
