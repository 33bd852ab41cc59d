/**
 * What some configurations don't say of a model, worked out from what they do say.
 *
 * @module
 */

import { llamaArchitectures } from "./architectures.ts";
import { shortestMultiplier } from "./intermediate_size.ts";
import type { ModelDescription } from "../model_description.ts";

/** `multiple_of` where nothing else is known: that of most published models. */
const USUAL_MULTIPLE = 256;

/**
 * What the feed-forward width may have been rounded up to a multiple of. A `config.json` states the width itself.
 *
 * It is that of a published architecture with this dimension and width; else the largest power of two up to 256 with
 * which Meta's formula can give the width.
 *
 * @param dim The model's dimension.
 * @param intermediateSize The feed-forward width.
 * @returns The multiple.
 */
export function inferMultipleOf(dim: number, intermediateSize: number): number {
  const published = llamaArchitectures.find((each) =>
    each.dim === dim && each.intermediateSize === intermediateSize
  );
  if (published !== undefined) return published.multipleOf;
  let multiple = USUAL_MULTIPLE;
  while (multiple > 1 && shortestMultiplier(dim, multiple, intermediateSize) === undefined) multiple /= 2;
  return multiple;
}

/**
 * Along which dimension tensor parallelism splits the embedding: 1 in LLaMA 1 and 2 and what derives from them, 0 from
 * LLaMA 3 on. Where there is one shard, nothing in the weights shows it.
 *
 * LLaMA 3 can be told by its vocabulary, the base of its rotary frequencies, or their scaling.
 *
 * @param model What is known of the model.
 * @returns The dimension.
 */
export function inferEmbeddingShardDim(
  { vocabSize, ropeTheta, ropeScaling }: Pick<ModelDescription, "vocabSize" | "ropeTheta" | "ropeScaling">,
): 0 | 1 {
  return ropeScaling !== undefined || ropeTheta === 500000 || vocabSize >= 128000 ? 0 : 1;
}
