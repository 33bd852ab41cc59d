import { OptionError } from "../error.ts";
import type { Checkpoint, TensorParallelShard } from "./checkpoint.ts";
import type { ModelDescription } from "../models/model_description.ts";
import { checkShardCount, reshard } from "./reshard.ts";

/**
 * A checkpoint's shards, joined or split to a number of them. Where it has that number already, they are its own, so
 * that an output may share blocks with their files.
 *
 * @param checkpoint The checkpoint.
 * @param model The model, as the weights are.
 * @param count The number of shards wanted.
 * @param embeddingShardDim Along which dimension the embedding is to be split; the model's own by default.
 * @returns The shards.
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
  const toShards = (parameters: TensorParallelShard["parameters"]): TensorParallelShard => ({
    parameters,
    path,
  });
  // Only a whole model can be split in another way than it was.
  const whole = isMoved ? reshard(shards, model, 1).map(toShards) : shards;
  const from = whole.length === 1 ? target : model;
  return reshard(whole, from, count).map(toShards);
}
