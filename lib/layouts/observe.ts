/** What the weights themselves say of their model, and whether that is what they are said to be. */

import { MismatchError } from "../error.ts";
import { families, familyOf } from "../models/families.ts";
import { EMBEDDING, type Family, PROJECTION } from "../models/family.ts";
import type { ObservedShape } from "../models/family.ts";
import type { ModelDescription } from "../models/model_description.ts";
import {
  countLayers,
  expectedParameters,
  formatName,
  parseName,
  shapeOf,
  shardDimOf,
} from "../models/parameter.ts";
import type { TensorParallelShard } from "./checkpoint.ts";

/** Weights as far as they are observed: one shard or several, by canonical names. */
interface ObservedShard {
  readonly path: string;
  readonly parameters: ReadonlyMap<string, { readonly shape: readonly number[] }>;
}

/**
 * Observes the names and the shapes of weights.
 *
 * @throws {MismatchError} If there is a parameter that the family hasn't got, or those are missing that would have to
 * say it.
 */
export function observeShape(shards: readonly ObservedShard[], family: Family): ObservedShape {
  familiesOf(shards, [family]);
  const first = shards[0]!;
  const dim = size(first, "decoder.layer_norm.weight", 0);
  const isWhole = shards.length === 1;
  const embeddingShardDim = isWhole ? undefined : size(first, EMBEDDING, 1) === dim ? 0 : 1;
  const kinds = new Set<string>();
  for (const name of first.parameters.keys()) {
    kinds.add(parseName(family, "fairseq2", name)!.spec.names.fairseq2);
  }
  const rows = (name: string): number => {
    const split = shardDimOf(parseName(family, "fairseq2", name)!, embeddingShardDim ?? 0) === 0;
    return (split ? shards : [first]).reduce((total, shard) => total + size(shard, name, 0), 0);
  };
  return {
    family,
    kinds,
    dim,
    layers: countLayers(first.parameters.keys()),
    qDim: rows("decoder.layers.0.self_attn.q_proj.weight"),
    kvDim: rows("decoder.layers.0.self_attn.k_proj.weight"),
    intermediateSize: rows("decoder.layers.0.ffn.gate_proj.weight"),
    vocabSize: rows(PROJECTION),
    embeddingShardDim,
  };
}

function size({ path, parameters }: ObservedShard, name: string, dimension: number): number {
  const tensor = parameters.get(name);
  if (tensor === undefined) {
    throw new MismatchError(`${path}: the model lacks ${name}; the checkpoint is incomplete`);
  }
  return tensor.shape[dimension] ?? 0;
}

/**
 * The families that have all of some weights' parameters.
 *
 * @param among The families that come into question; all by default.
 * @returns The families, at least one.
 * @throws {MismatchError} If there is none; the message has the first parameter at fault.
 */
export function familiesOf(
  shards: readonly ObservedShard[],
  among: readonly Family[] = families,
): readonly Family[] {
  const { path, parameters } = shards[0]!;
  let possible = among;
  for (const name of parameters.keys()) {
    const having = possible.filter((family) => parseName(family, "fairseq2", name) !== undefined);
    if (having.length === 0) {
      const titles = possible.map(({ title }) => title).join(" or ");
      throw new MismatchError(
        `${path}: ${name}: is no parameter of a fairseq2 ${titles} model; is this another model?`,
      );
    }
    possible = having;
  }
  return possible;
}

const NAMED_DIFFERENCES = 3;

/**
 * Checks that shards have the same parameters, and that each has one dtype and one shape in all of them: tensor
 * parallelism splits evenly.
 *
 * @throws {MismatchError} If they haven't.
 */
export function checkShardsAgree(shards: readonly TensorParallelShard[]): void {
  const [first, ...others] = shards;
  for (const other of others) {
    for (const [shard, than] of [[other, first!], [first!, other]] as const) {
      for (const name of than.parameters.keys()) {
        if (!shard.parameters.has(name)) {
          throw new MismatchError(
            `${shard.path}: lacks ${name}, which ${than.path} has; the shards are of different models`,
          );
        }
      }
    }
    for (const [name, tensor] of other.parameters) {
      const { dtype, shape } = first!.parameters.get(name)!;
      const [here, there] = tensor.dtype === dtype
        ? [`[${tensor.shape.join(", ")}]`, `[${shape.join(", ")}]`]
        : [tensor.dtype.name, dtype.name];
      if (here !== there) {
        throw new MismatchError(
          `${other.path}: ${name} is ${here}, but ${there} in ${
            first!.path
          }; the shards are of different models`,
        );
      }
    }
  }
}

/** A tensor that isn't what a model needs it to be. */
interface ShapeDifference {
  readonly path: string;
  readonly name: string;
  /** Its shape, or `undefined` where it is missing. */
  readonly found: readonly number[] | undefined;
  /** The shape that the model needs, or `undefined` where the model has no such parameter. */
  readonly expected: readonly number[] | undefined;
}

/**
 * Compares the weights' shapes with those that a model needs, shard by shard.
 *
 * @param family Its family; that of its name by default.
 * @returns All tensors that differ, in the model's order.
 */
export function shapeDifferences(
  shards: readonly TensorParallelShard[],
  model: ModelDescription,
  family: Family = familyOf(model),
): ShapeDifference[] {
  const differences: ShapeDifference[] = [];
  const expectedNames = new Set<string>();
  for (const each of expectedParameters(family, model)) {
    const name = formatName("fairseq2", each);
    expectedNames.add(name);
    const whole = shapeOf(each, model);
    const dimension = shards.length === 1 ? undefined : shardDimOf(each, model.embeddingShardDim);
    const expected = whole.map((size, i) => i === dimension ? size / shards.length : size);
    for (const { path, parameters } of shards) {
      const found = parameters.get(name)?.shape;
      if (
        found === undefined || found.length !== expected.length ||
        found.some((size, i) => size !== expected[i])
      ) {
        differences.push({ path, name, found, expected });
      }
    }
  }
  for (const { path, parameters } of shards) {
    for (const [name, { shape }] of parameters) {
      if (!expectedNames.has(name)) differences.push({ path, name, found: shape, expected: undefined });
    }
  }
  return differences;
}

/** The first of some differences in words. */
export function describeDifferences(differences: readonly ShapeDifference[]): string {
  // The shards of a model mostly differ in the same way.
  const distinct = [...new Map(differences.map((each) => [each.name, each])).values()];
  const shown = distinct.slice(0, NAMED_DIFFERENCES).map(({ name, found, expected }) => {
    if (found === undefined) return `${name} is missing`;
    if (expected === undefined) return `${name} is one too many`;
    return `${name} is [${found.join(", ")}], expected [${expected.join(", ")}]`;
  });
  const more = distinct.length - shown.length;
  return shown.join("; ") + (more > 0 ? `; and ${more} more` : "");
}
