/** A checkpoint's model as a whole: its shards joined. */

import { CheckpointError, MismatchError } from "../error.ts";
import type { Checkpoint, Parameters } from "../layouts/checkpoint.ts";
import { findCheckpoint, type OpenOptions } from "../convert/open_checkpoint.ts";
import { ARCHITECTURE_KEY, TYPE_KEY } from "../layouts/gguf/read.ts";
import { ConfigError } from "../models/config_error.ts";
import type { Family } from "../models/family.ts";
import { checkShardsAgree, familiesOf, observeShape } from "../layouts/observe.ts";
import { differingReplicas, reshard, shardDimOfName, type SplitModel } from "../layouts/reshard.ts";
import { type ResolvedModel, resolveModel } from "../convert/resolve_model.ts";

export interface WholeModel {
  /** Its parameters by canonical name, in the order of the first shard. */
  readonly parameters: Parameters;
  readonly families: readonly Family[];
  /** What model it is, where that can be told. */
  readonly resolved: ResolvedModel | undefined;
  /** Why it can't be told. */
  readonly problem: CheckpointError | undefined;
  /** The names of parameters of which each shard should have the same copy, but hasn't; the first one counts. */
  readonly differingReplicas: readonly string[];
}

/**
 * Opens a checkpoint of a model whose family is known.
 *
 * @throws {CheckpointError} If there is none.
 */
export async function openModel(path: string, options: OpenOptions = {}): Promise<Checkpoint> {
  const checkpoint = await findCheckpoint(path, options)();
  try {
    resolveModel(checkpoint);
  } catch (error) {
    if (isUnknownFamily(error)) throw error;
    // Whatever else may be wrong is for others to find.
  }
  familiesOf(checkpoint.shards);
  return checkpoint;
}

/** The fields of configurations that say the family. */
const FAMILY_FIELDS: ReadonlySet<string> = new Set([
  "model_family",
  "model_type",
  ARCHITECTURE_KEY,
  TYPE_KEY,
]);

/** Whether an error is about a configuration of a family that isn't known. */
export function isUnknownFamily(error: unknown): boolean {
  return error instanceof ConfigError && FAMILY_FIELDS.has(error.field);
}

/**
 * Joins a checkpoint's shards. What model they are of need not be known, but for its family.
 *
 * @throws {MismatchError} If the shards don't fit together, or what would show how is missing.
 */
export async function wholeModel(checkpoint: Checkpoint): Promise<WholeModel> {
  const { shards } = checkpoint;
  checkShardsAgree(shards);
  const families = familiesOf(shards);
  let resolved: ResolvedModel | undefined;
  let problem: CheckpointError | undefined;
  try {
    resolved = resolveModel(checkpoint);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    problem = error;
  }
  if (shards.length === 1) {
    return { parameters: shards[0]!.parameters, families, resolved, problem, differingReplicas: [] };
  }
  const model: SplitModel = resolved?.model ??
    {
      family: families[0]!.name,
      embeddingShardDim: observeShape(shards, families[0]!).embeddingShardDim ?? 0,
    };
  for (const [name, { shape }] of shards[0]!.parameters) {
    const dimension = shardDimOfName(name, model);
    if (dimension === undefined || shape.length === 2 || shape.length === 1 && dimension === 0) continue;
    throw new MismatchError(
      `${shards[0]!.path}: ${name} is [${shape.join(", ")}], no matrix that shards could be joined to`,
    );
  }
  return {
    parameters: reshard(shards, model, 1)[0]!,
    families,
    resolved,
    problem,
    differingReplicas: await differingReplicas(shards, model),
  };
}
