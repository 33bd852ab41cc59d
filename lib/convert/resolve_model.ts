/**
 * Which model a checkpoint holds: as it is named, as its model.yaml says, or as its shapes tell. Whatever is
 * claimed is checked against the weights, which have the last word.
 */

import { CheckpointError, MismatchError, OptionError } from "../error.ts";
import { heldText, isRemote } from "../bytes/remote.ts";
import { describeFailure } from "../bytes/source.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import type { UnknownField } from "../layouts/fairseq2/config_tree.ts";
import { type ModelConfig, parseModelYaml } from "../layouts/fairseq2/model_yaml.ts";
import { checkShardsAgree, familiesOf, observeShape } from "../layouts/observe.ts";
import { families, familyOf } from "../models/families.ts";
import type { Architecture, ObservedShape } from "../models/family.ts";
import { fitArchitectures, haveSameParams, likelyFits } from "../models/fit_architecture.ts";
import { findModelCard } from "../models/model_cards.ts";
import type { ModelDescription } from "../models/model_description.ts";
import { asComputed, asTrained } from "./as_trained.ts";
import { asBuilt, type CheckedModel, checkFields, checkModel, checkShardCount } from "./check_model.ts";
import { describeUnknownFields } from "./unknown_fields.ts";
import { checkOptions, oneOf, text } from "../options.ts";

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
 * @example Usage
 * ```ts
 * import { openCheckpoint, resolveModel } from "@ckpt/ckpt/plan";
 * import { assertEquals } from "@std/assert";
 *
 * const { model } = resolveModel(
 *   await openCheckpoint("fixtures/checkpoints/fairseq2-0.8.1/qwen3_bf16_tied/checkpoints/step_10"),
 * );
 * assertEquals(model.family, "qwen");
 * ```
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
  checkOptions({ named, family }, { named: text, family: oneOf(families.map(({ name }) => name)) });
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

/** Whether what names a model is the path of a model.yaml. No architecture's or card's name has a dot. */
export function isModelYaml(named: string): boolean {
  return /\.ya?ml$/i.test(named);
}

function resolve(checkpoint: Checkpoint, named?: string, family?: string): ResolvedModel {
  if (named !== undefined && !isModelYaml(named)) return fromName(checkpoint, named, family);
  const yaml = named ?? checkpoint.modelYaml;
  if (yaml !== undefined) return fromYaml(checkpoint, yaml);
  return checkpoint.model === undefined
    ? fromShapes(checkpoint, family)
    : fromDescription(checkpoint, checkpoint.model);
}

/** A model that was checked, with what else is known of it. */
function resolved(checked: CheckedModel, facts: Partial<ResolvedModel>): ResolvedModel {
  const { notes = [] } = facts;
  return { unknownFields: [], ...facts, ...checked, notes: [...checked.notes, ...notes] };
}

function fromName(checkpoint: Checkpoint, given: string, wanted?: string): ResolvedModel {
  const own = readOwnYaml(checkpoint);
  const saidFamily = own instanceof CheckpointError ? undefined : (own ?? checkpoint.model)?.family;
  const { name, architecture, eosId } = findModelCard(given, wanted ?? saidFamily);
  checkFamily(checkpoint, architecture, name);
  const observed = observeShape(checkpoint.shards, familyOf(architecture));
  const notes: string[] = [];
  const yaml = fittingYaml(checkpoint, own, observed, notes);
  checkFamily(checkpoint, architecture, name, yaml?.family);
  const named = { ...architecture, eosIds: eosId === undefined ? architecture.eosIds : [eosId] };
  const model = asTrained(checkpoint, yaml, named, notes);
  const claim = { model, by: name, named: architecture, architecture: architecture.name };
  // An architecture's name says less than the model.yaml, if that names a model which has the architecture.
  const base = name === architecture.name ? yaml?.base : undefined;
  const said = yaml ?? checkpoint.model;
  return resolved(checkModel(checkpoint, observed, claim), {
    card: base?.architecture === architecture ? base.name : name,
    unknownFields: yaml?.unknownFields ?? [],
    tokensFrom: said && tokenSource(checkpoint, said, yaml && checkpoint.modelYaml),
    notes,
  });
}

/** A checkpoint's own model.yaml, or what is wrong with it. */
function readOwnYaml(checkpoint: Checkpoint): ModelConfig | CheckpointError | undefined {
  try {
    return checkpoint.modelYaml === undefined ? undefined : readModelYaml(checkpoint.modelYaml, checkpoint);
  } catch (error) {
    if (error instanceof CheckpointError) return error;
    throw error;
  }
}

/** A checkpoint's own model.yaml, if it speaks of these weights. Else the name was given for a reason. */
function fittingYaml(
  { modelYaml = "" }: Checkpoint,
  config: ModelConfig | CheckpointError | undefined,
  observed: ObservedShape,
  notes: string[],
): ModelConfig | undefined {
  if (config === undefined) return undefined;
  try {
    if (config instanceof CheckpointError) throw config;
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

/** Which file says a model's tokens: a config.json says all of them, a model.yaml of 0.5 or later none. */
function tokenSource(
  { describedBy }: Checkpoint,
  { bosId, eosIds }: ModelDescription,
  yaml: string | undefined,
): string | undefined {
  if (yaml !== undefined) return bosId === undefined && eosIds === undefined ? undefined : yaml;
  return describedBy;
}

/** Compares the family of a model that was named with what other files beside the weights say. */
function checkFamily(
  { path, model, modelYaml, families = [] }: Checkpoint,
  { family }: Pick<ModelDescription, "family">,
  named: string,
  said: string | undefined = model?.family,
): void {
  if (said === undefined || said === family || families.includes(family)) return;
  const titles = [said, family].map((name) => familyOf({ family: name }).title);
  throw new MismatchError(
    `${modelYaml ?? path}: says that the model is of the family ${titles[0]}, but ${named} is of ${
      titles[1]
    }`,
  );
}

/** A model that something beside the weights describes. */
function fromDescription(checkpoint: Checkpoint, model: ModelDescription): ResolvedModel {
  const observed = observeShape(checkpoint.shards, familyOf(model));
  const claim = { model, by: checkpoint.path, architecture: architectureOf(model, observed) };
  const tokensFrom = tokenSource(checkpoint, model, undefined);
  return resolved(checkModel(checkpoint, observed, claim), { tokensFrom });
}

/** The name of the published architecture that a model has. */
function architectureOf(model: ModelDescription, observed: ObservedShape): string | undefined {
  return fitArchitectures(observed).find(({ architecture }) => isSameModel(architecture, model))?.architecture
    .name;
}

function isSameModel(architecture: Architecture, config: ModelDescription): boolean {
  return architecture.heads === config.heads && architecture.multipleOf === config.multipleOf &&
    architecture.ropeTheta === config.ropeTheta && architecture.maxSeqLen === config.maxSeqLen &&
    architecture.slidingWindow === config.slidingWindow;
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
  const model = asComputed(checkpoint, fit.architecture, notes);
  const claim = { model, by: name, named: fit.architecture, architecture: name };
  return resolved(checkModel(checkpoint, observed, claim), { notes });
}

/** Whether two architectures differ in the context length alone, as those of LLaMA 1 and 2 do. */
function areOneRow(a: Architecture, b: Architecture): boolean {
  return haveSameParams(a, b) && a.vocabSize === b.vocabSize && a.ropeScaling === b.ropeScaling;
}

function fromYaml(checkpoint: Checkpoint, path: string): ResolvedModel {
  const config = readModelYaml(path, checkpoint);
  checkFamily(checkpoint, config, path);
  const { architecture: named, base, unknownFields, notes } = config;
  try {
    const observed = observeShape(checkpoint.shards, familyOf(config));
    checkShardCount(checkpoint, config, observed, path);
    // fairseq2's own 13B has fewer layers than the published one, whose weights it may have been started from.
    checkFields(asBuilt(config, named, observed).model, observed, path);
    const claim = { model: config, by: path, named, architecture: architectureOf(config, observed) };
    const tokensFrom = tokenSource(checkpoint, config, path);
    return resolved(checkModel(checkpoint, observed, claim), {
      card: base?.name,
      tokensFrom,
      unknownFields,
      notes,
    });
  } catch (error) {
    // A field that is misspelt is unknown, and what it stands for then has its default.
    if (!(error instanceof MismatchError) || unknownFields.length === 0) throw error;
    throw new MismatchError(`${error.message}; ${describeUnknownFields(unknownFields)}`);
  }
}

function readModelYaml(path: string, { generations }: Checkpoint): ModelConfig {
  return parseModelYaml(readText(path), { file: path, generations });
}

function readText(path: string): string {
  if (isRemote(path)) {
    const text = heldText(path);
    if (text === undefined) throw new OptionError(`${path}: no model.yaml is read from there; download it`);
    return text;
  }
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
