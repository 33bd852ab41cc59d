/** Tensor-parallel shards joined, split, or both, as a pure function. */

import { OptionError } from "../error.ts";
import { TensorJoiner } from "../tensor/join.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Checkpoint, Parameters, TensorParallelShard } from "./checkpoint.ts";
import type { ModelDescription } from "../models/model_description.ts";
import { familyOf } from "../models/families.ts";
import { EMBEDDING, PROJECTION } from "../models/family.ts";
import { parseName, shardDimOf } from "../models/parameter.ts";
import { type Depth, haveSameBytes } from "./same_values.ts";

/**
 * Checks that a model can be split into a number of shards.
 *
 * Each shard has whole heads, whole key and value heads, and equal parts of the feed-forward width, the
 * vocabulary, and, where the embedding is split along it, the dimension (fairseq2 `ColumnShardedLinear` and its
 * siblings; llama-models `ColumnParallelLinear`).
 *
 * @throws {OptionError} If it can't; the message says which size doesn't divide.
 */
export function checkShardCount(model: ModelDescription, count: number): void {
  const matrices = [shardDimOfName(EMBEDDING, model), shardDimOfName(PROJECTION, model)];
  const sizes: readonly (readonly [number, string, boolean?])[] = [
    [model.heads, "attention heads"],
    [model.kvHeads, "key and value heads"],
    [model.intermediateSize, "feed-forward rows"],
    [model.vocabSize, "tokens of the vocabulary", matrices.includes(0)],
    [model.dim, "columns of the embedding", matrices[0] === 1],
  ];
  for (const [size, what, isSplit = true] of sizes) {
    if (isSplit && size % count !== 0) {
      throw new OptionError(
        `Can't split the model into ${count} shards: it has ${size} ${what}, which ${count} doesn't divide`,
      );
    }
  }
}

/** What decides how a model is split. */
export type SplitModel = Pick<ModelDescription, "family" | "embeddingShardDim">;

/**
 * The dimension along which tensor parallelism splits a parameter of a model.
 *
 * @param model The model, which must have it.
 * @returns The dimension, or `undefined` where each shard has a copy.
 */
export function shardDimOfName(name: string, model: SplitModel): 0 | 1 | undefined {
  return shardDimOf(parseName(familyOf(model), "fairseq2", name)!, model.embeddingShardDim);
}

/**
 * The parameters of some other number of shards.
 *
 * @param shards The shards that there are, checked to be the model's.
 * @param count The number of shards wanted; {@linkcode checkShardCount} must allow it.
 * @returns The parameters of each shard, in the order of the first one's.
 */
export function reshard(
  shards: readonly TensorParallelShard[],
  model: SplitModel,
  count: number,
): Parameters[] {
  if (shards.length === count) return shards.map(({ parameters }) => parameters);
  const joiner = new TensorJoiner();
  const results = Array.from({ length: count }, () => new Map<string, Tensor>());
  for (const name of shards[0]!.parameters.keys()) {
    const dimension = shardDimOfName(name, model);
    const parts = shards.map(({ parameters }) => parameters.get(name)!);
    const whole = dimension === undefined ? parts[0]! : joiner.join(parts, dimension);
    results.forEach((parameters, index) => {
      parameters.set(name, dimension === undefined ? whole : joiner.slice(whole, dimension, index, count));
    });
  }
  return results;
}

/**
 * A checkpoint's shards, joined or split to a number of them. Where it has that number already, they are its own, so
 * that an output may share blocks with their files.
 *
 * @param embeddingShardDim Along which dimension the embedding is to be split; the model's own by default.
 * @throws {OptionError} If the model can't be split like that.
 */
export function reshardedShards(
  { path, shards }: Checkpoint,
  model: ModelDescription,
  count: number,
  embeddingShardDim: 0 | 1 = model.embeddingShardDim,
): readonly TensorParallelShard[] {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new OptionError(`Can't split the model into ${count} shards: give a whole number from 1`);
  }
  const isMoved = count > 1 && shards.length > 1 && embeddingShardDim !== model.embeddingShardDim;
  if (shards.length === count && !isMoved) return shards;
  const target = { ...model, embeddingShardDim };
  checkShardCount(target, count);
  const toShards = (parameters: Parameters): TensorParallelShard => ({ parameters, path });
  // Only a whole model can be split in another way than it was.
  const whole = isMoved ? reshard(shards, model, 1).map(toShards) : shards;
  const from = whole.length === 1 ? target : model;
  return reshard(whole, from, count).map(toShards);
}

/**
 * Finds parameters of which each shard should have a copy, but hasn't the same one. Compares checksums where the
 * files state them, and reads the (small) tensors where they don't.
 */
export async function differingReplicas(
  shards: readonly TensorParallelShard[],
  model: SplitModel,
  depth: Depth = "trusting",
): Promise<string[]> {
  const [first, ...others] = shards;
  const differing = new Set<string>();
  for (const [name, tensor] of first!.parameters) {
    if (shardDimOfName(name, model) !== undefined) continue;
    for (const { parameters } of others) {
      if (differing.has(name) || await haveSameBytes(tensor, parameters.get(name)!, depth)) continue;
      differing.add(name);
    }
  }
  return [...differing];
}
