/** A model that is named, as it was trained: shapes say nothing of RoPE, of windows and of special tokens. */

import type { Checkpoint } from "../layouts/checkpoint.ts";
import { asComputedBy, type ModelConfig } from "../layouts/fairseq2/model_yaml.ts";
import { familyOf } from "../models/families.ts";
import type { Architecture } from "../models/family.ts";
import { describeScaling, isSameScaling, type ModelDescription } from "../models/model_description.ts";

/** A named model with what a model.yaml of the same sizes, or another file that says it all, has the word on. */
export function asTrained(
  checkpoint: Checkpoint,
  yaml: ModelConfig | undefined,
  named: Architecture,
  notes: string[],
): ModelDescription {
  // LLaMA's params.json doesn't say how RoPE is scaled, so there the name does.
  const saysAll = checkpoint.describedBy !== undefined ||
    checkpoint.naming === "reference" && familyOf(named).paramsJson?.isComplete === true;
  const config = saysAll ? checkpoint.model : yaml;
  if (config === undefined) return asComputed(checkpoint, named, notes);
  const { ropeTheta, maxSeqLen, ropeScaling, yarn, slidingWindow, layerTypes, bosId, eosIds, padId } = config;
  return {
    ...named,
    ropeTheta,
    maxSeqLen,
    ropeScaling,
    yarn,
    // What is said of a model of another family leaves a window out.
    slidingWindow: config.family === named.family ? slidingWindow : named.slidingWindow,
    layerTypes,
    bosId,
    eosIds,
    padId,
  };
}

/**
 * A published model with RoPE as fairseq2 scaled it, where nothing but the form of the files can tell: 0.2 and 0.3 have
 * numbers of their own, whatever the model; later versions take those that it was published with.
 */
export function asComputed(
  { naming = "fairseq2", generations, model }: Checkpoint,
  published: Architecture,
  notes: string[],
): Architecture {
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
