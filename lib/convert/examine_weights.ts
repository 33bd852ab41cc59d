/** What only the weights themselves tell, found out before a conversion is planned: planning reads none of them. */

import type { Checkpoint } from "../layouts/checkpoint.ts";
import { differingReplicas, reshard } from "../layouts/reshard.ts";
import { areMatricesTied } from "../layouts/same_values.ts";
import type { ModelDescription } from "../models/model_description.ts";
import { type Target, targetFacts } from "./target.ts";

/** What the weights tell. */
export interface WeightFacts {
  /** Whether the embedding and the output projection are the same bytes. Some targets need not know; then it is false. */
  readonly tied: boolean;
  /** The names of parameters of which each shard should have the same copy, but hasn't. */
  readonly differingReplicas: readonly string[];
}

/**
 * Examines a checkpoint's weights.
 *
 * @param depth `"whole"` reads what it has to; `"quick"`, for a plan that isn't carried out, takes the checksums' word
 * and reads no more than some megabytes of a tensor.
 * @throws {FileError} If they can't be read.
 */
export async function examineWeights(
  { shards }: Checkpoint,
  model: ModelDescription,
  to: Target,
  depth: "whole" | "quick" = "whole",
): Promise<WeightFacts> {
  return {
    tied: targetFacts[to].saysTied === true && await areMatricesTied(reshard(shards, model, 1)[0]!, depth),
    differingReplicas: await differingReplicas(shards, model, depth === "quick" ? "quick" : "trusting"),
  };
}
