/**
 * A checkpoint's model as a whole: its shards joined.
 *
 * @module
 */

import { CheckpointError, MismatchError } from "../error.ts";
import type { Checkpoint, Parameters } from "../layouts/checkpoint.ts";
import { checkShardsAgree, observeShape } from "../models/llama/observe.ts";
import { parseName, shardDimOf } from "../models/llama/parameter.ts";
import { differingReplicas, reshard } from "../layouts/reshard.ts";
import { type ResolvedModel, resolveModel } from "../convert/resolve_model.ts";

/** A whole model. */
export interface WholeModel {
  /** Its parameters by canonical name, in the order of the first shard. */
  readonly parameters: Parameters;
  /** What model it is, where that can be told. */
  readonly resolved: ResolvedModel | undefined;
  /** Why it can't be told. */
  readonly problem: CheckpointError | undefined;
  /** The names of parameters of which each shard should have the same copy, but hasn't; the first one counts. */
  readonly differingReplicas: readonly string[];
}

/**
 * Joins a checkpoint's shards. What model they are of need not be known.
 *
 * @param checkpoint The checkpoint.
 * @returns The whole.
 * @throws {MismatchError} If the shards don't fit together, or what would show how is missing.
 */
export function wholeModel(checkpoint: Checkpoint): WholeModel {
  const { shards } = checkpoint;
  checkShardsAgree(shards);
  let resolved: ResolvedModel | undefined;
  let problem: CheckpointError | undefined;
  try {
    resolved = resolveModel(checkpoint);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    problem = error;
  }
  if (shards.length === 1) {
    return { parameters: shards[0]!.parameters, resolved, problem, differingReplicas: [] };
  }
  const embeddingShardDim = resolved?.model.embeddingShardDim ?? observeShape(checkpoint).embeddingShardDim ??
    0;
  for (const [name, { shape }] of shards[0]!.parameters) {
    if (shape.length === 2 || shardDimOf(parseName("fairseq2", name)!, embeddingShardDim) === undefined) {
      continue;
    }
    throw new MismatchError(
      `${shards[0]!.path}: ${name} is [${shape.join(", ")}], no matrix that shards could be joined to`,
    );
  }
  return {
    parameters: reshard(shards, { embeddingShardDim }, 1)[0]!,
    resolved,
    problem,
    differingReplicas: differingReplicas(shards, { embeddingShardDim }),
  };
}
