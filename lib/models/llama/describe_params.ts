/**
 * The model that a `params.json` and the weights beside it describe together. The file says less than a model needs:
 * no context length, no tokens, and of scaled RoPE at most that there is one.
 */

import { MismatchError } from "../../error.ts";
import type { ConfigFields } from "../config_fields.ts";
import type {
  Architecture,
  DescribedReference,
  FamilyModel,
  ObservedShape,
  ReferenceFiles,
} from "../family.ts";
import { fitArchitectures } from "../fit_architecture.ts";
import { describeScaling, kvDim } from "../model_description.ts";
import { tokensOf } from "../special_tokens.ts";
import { inferEmbeddingShardDim } from "./architectures.ts";
import { isMetaScaling, readLlamaParams, type ReferenceParams } from "./params_json.ts";
import { SCALING_UNTIL_0_3 } from "./model_yaml.ts";

/**
 * Describes the model of a reference directory.
 *
 * The vocabulary is that of the weights. What `params.json` can't say is what the published model has that it fits;
 * for sizes of their own it is what transformers' conversion script takes (4.46.3 `convert_llama_weights_to_hf.py`).
 *
 * @throws {ConfigError} If a field isn't what it must be.
 * @throws {MismatchError} If shards are missing.
 */
export function describeLlamaParams(
  fields: ConfigFields,
  { isNested, shards, observed }: ReferenceFiles,
): DescribedReference {
  const { file } = fields;
  const params = readLlamaParams(fields);
  checkShards(params, file, shards, observed);
  // fairseq2's converter never writes whether RoPE is scaled; in Meta's own file, no word means no.
  const saysScaling = !isNested;
  const fits = fitArchitectures(observed).map(({ architecture }) => architecture)
    .filter((each) => fitsParams(each, params))
    .filter((each) =>
      !saysScaling || (each.ropeScaling !== undefined) === (params.ropeScaling !== undefined)
    );
  const [published, ...others] = fits;
  if (others.some(({ ropeScaling }) => ropeScaling !== published!.ropeScaling)) return { notes: [] };

  const notes: string[] = [];
  const longer = others.find(({ maxSeqLen }) => maxSeqLen !== published!.maxSeqLen);
  if (longer !== undefined) {
    notes.push(
      `${file} fits ${published!.name} and ${longer.name}, which differ in the context length: ` +
        `${published!.maxSeqLen} is taken; name the other with --model`,
    );
  }
  const { vocabSize } = observed;
  if (params.vocabSize !== undefined && params.vocabSize !== vocabSize) {
    notes.push(`a vocabulary of ${vocabSize}, where ${file} has ${params.vocabSize}`);
  }
  if (published === undefined) notes.push(...notesOfOwnSizes(params, saysScaling));
  else if (published.ropeScaling !== undefined && !(saysScaling && isMetaScaling(published.ropeScaling))) {
    // fairseq2's converter has the nested form, and 0.2 and 0.3 numbers of their own.
    const other = saysScaling
      ? ""
      : `; fairseq2 0.2 and 0.3 scaled it by ${
        describeScaling(SCALING_UNTIL_0_3)
      }: if they trained the model, give ` +
        "its model.yaml with --model";
    notes.push(
      `${file} doesn't say how RoPE is scaled; it is taken to be as in ${published.name} ` +
        `(${describeScaling(published.ropeScaling)})${other}`,
    );
  }
  const { ropeScaling: saidScaling, ...sizes } = params;
  const ropeScaling = published === undefined ? saidScaling : published.ropeScaling;
  const { ropeTheta } = params;
  const model: FamilyModel = {
    ...sizes,
    vocabSize,
    ...(ropeScaling !== undefined && { ropeScaling }),
    maxSeqLen: published?.maxSeqLen ?? usualContextLength(params),
    embeddingShardDim: observed.embeddingShardDim ?? published?.embeddingShardDim ??
      inferEmbeddingShardDim({ vocabSize, ropeTheta, ...(ropeScaling !== undefined && { ropeScaling }) }),
    tied: false,
    ...(published !== undefined && tokensOf(published)),
  };
  return { model, notes };
}

function notesOfOwnSizes(params: ReferenceParams, saysScaling: boolean): string[] {
  const notes = [`params.json says no context length; ${usualContextLength(params)} is taken`];
  if (!saysScaling && params.ropeTheta > 10000) {
    notes.push(
      "params.json doesn't say whether RoPE is scaled; it is taken as not scaled; if it is, give the " +
        "model.yaml with --model",
    );
  }
  return notes;
}

/** Finds out whether shards are missing at the end, where no gap in the names of the files shows it. */
function checkShards(params: ReferenceParams, file: string, shards: number, observed: ObservedShape): void {
  const whole = kvDim(params);
  const needed = whole / observed.kvDim * shards;
  if (observed.kvDim >= whole || !Number.isInteger(needed) || observed.dim !== params.dim) return;
  throw new MismatchError(
    `${file}: speaks of a model in ${needed} shards of this size, but there are ${shards}; all shards are needed`,
  );
}

function fitsParams(architecture: Architecture, params: ReferenceParams): boolean {
  return architecture.heads === params.heads && architecture.kvHeads === params.kvHeads &&
    architecture.intermediateSize === params.intermediateSize &&
    architecture.ropeTheta === params.ropeTheta &&
    [architecture.layers, architecture.inFairseq2?.layers].includes(params.layers);
}

/** The context lengths that the script takes by the version of LLaMA, which the frequencies tell. */
function usualContextLength({ ropeTheta, ropeScaling }: ReferenceParams): number {
  if (ropeScaling !== undefined) return 131072;
  if (ropeTheta === 500000) return 8192;
  return ropeTheta > 10000 ? 16384 : 4096;
}
