/** Whether weights are those of the model that a name or a file says. The weights have the last word. */

import { MismatchError } from "../error.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import type { ModelConfig } from "../layouts/fairseq2/model_yaml.ts";
import { describeDifferences, shapeDifferences } from "../layouts/observe.ts";
import { familyOf } from "../models/families.ts";
import type { Architecture, ObservedShape } from "../models/family.ts";
import { fitArchitectures, hasSize } from "../models/fit_architecture.ts";
import { kvDim, type ModelDescription, qDim } from "../models/model_description.ts";

/** What is said of a checkpoint's model. */
export interface Claim {
  readonly model: ModelDescription;
  /** What says so, for messages: a name, or a path. */
  readonly by: string;
  /** The architecture that is named. fairseq2 doesn't always have its published sizes. */
  readonly named?: Architecture;
  /** The name of the architecture that the model has. */
  readonly architecture: string | undefined;
}

/** The model, with the sizes of the weights; and what a user should be told of those. */
export interface CheckedModel extends Pick<Claim, "model" | "architecture"> {
  readonly notes: readonly string[];
}

/**
 * Checks that all weights are those of a model, but for the vocabulary and for sizes that fairseq2 has otherwise.
 *
 * @throws {MismatchError} If they are others.
 */
export function checkModel({ shards }: Checkpoint, observed: ObservedShape, claim: Claim): CheckedModel {
  const { model: said, by, named, architecture } = claim;
  const { model: built, notes } = asBuilt(said, named, observed, by);
  const { vocabSize, embeddingShardDim = said.embeddingShardDim } = observed;
  if (vocabSize !== said.vocabSize) {
    notes.push(`a vocabulary of ${vocabSize}, where ${by} has ${said.vocabSize}`);
  }
  const model = { ...built, vocabSize, embeddingShardDim };
  const differences = shapeDifferences(shards, model);
  if (differences.length > 0) {
    throw new MismatchError(
      `${differences[0]!.path}: the weights are not those of ${by}: ${describeDifferences(differences)}; ` +
        fitting(observed, architecture),
    );
  }
  return { model, architecture, notes };
}

/** Compares what a model.yaml says with the weights, so that a message can name the field. */
export function checkFields(config: ModelDescription, observed: ObservedShape, path: string): void {
  const { headDimField } = familyOf(config).modelYaml;
  const heads = headDimField === undefined
    ? "num_attn_heads stands"
    : `num_attn_heads and ${headDimField} stand`;
  const first = "decoder.layers.0";
  const { dim, layers, intermediateSize } = config;
  const rows: readonly [field: string, what: string, said: number, found: number, seen: string][] = [
    ["model_dim stands", "a dimension", dim, observed.dim, "decoder.layer_norm.weight"],
    ["num_layers stands", "a number of layers", layers, observed.layers, "decoder.layers"],
    [heads, "a width of q", qDim(config), observed.qDim, `${first}.self_attn.q_proj.weight`],
    [
      "num_key_value_heads stands",
      "a width of k and v",
      kvDim(config),
      observed.kvDim,
      `${first}.self_attn.k_proj.weight`,
    ],
    [
      "ffn_inner_dim stands",
      "a feed-forward width",
      intermediateSize,
      observed.intermediateSize,
      `${first}.ffn.gate_proj.weight`,
    ],
  ];
  for (const [field, what, said, found, seen] of rows) {
    if (said === found) continue;
    throw new MismatchError(
      `${path}: ${field} for ${what} of ${said}, but the weights have ${found} (${seen}); ${
        fitting(observed)
      }`,
    );
  }
}

/** Finds out whether shards are missing at the end, where no gap in the names of the files shows it. */
export function checkShardCount(
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

/** Which architectures would fit, for a message. */
function fitting(observed: ObservedShape, claimed?: string): string {
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
export function asBuilt(
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
