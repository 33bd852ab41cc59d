/**
 * Planning the output of a conversion: any checkpoint to any layout, through the one canonical form.
 *
 * @module
 */

import { type CastType, castTypes } from "../bytes/view.ts";
import { OptionError } from "../error.ts";
import { oneOf, type Rules, text, wholeNumber } from "../options.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { fairseq2Files } from "../layouts/fairseq2/write.ts";
import { huggingFaceFiles } from "../layouts/huggingface/write.ts";
import { metaFiles } from "../layouts/reference/meta.ts";
import type { PlannedOutput } from "../layouts/planned_output.ts";
import { paramsNotes } from "../layouts/reference/params_json.ts";
import { referenceFiles } from "../layouts/reference/write.ts";
import { reshardedShards } from "../layouts/resharded.ts";
import { differingReplicas, reshard } from "../layouts/reshard.ts";
import type { ResolvedModel } from "./resolve_model.ts";
import { type Target, targets } from "./target.ts";
import { areMatricesTied } from "../layouts/tied.ts";
import { tokenizerFiles } from "../tokenizers/tokenizer_files.ts";

/** What is to be written. */
export interface OutputOptions {
  /** The layout; `"reference"` by default. */
  readonly to?: Target;
  /** The number of tensor-parallel shards; by default those of the input. Hugging Face's layout has none. */
  readonly shards?: number;
  /** The dtype to convert the weights to, for Hugging Face; their own by default. */
  readonly dtype?: CastType;
  /** The bytes of a safetensors file's tensors at most, for Hugging Face; 5 GB by default. */
  readonly maxShardSize?: number;
  /** The path of a `tokenizer.model` to convert, for Hugging Face. */
  readonly tokenizer?: string;
  /** Which of fairseq2's layouts: `"legacy"` (0.2 to 0.4), the default, or `"native"` (0.5 and later). */
  readonly layout?: "legacy" | "native";
}

/** The most tensor-parallel shards; the largest published models have 16. */
export const MAX_SHARDS = 4096;

/** What the options may be. */
export const outputRules: Rules<OutputOptions> = {
  to: oneOf(targets),
  shards: wholeNumber(1, MAX_SHARDS),
  dtype: oneOf(castTypes),
  maxShardSize: wholeNumber(1),
  tokenizer: text,
  layout: oneOf(["legacy", "native"]),
};

/** The options that only some layouts have. */
const optionsOf: Readonly<Record<keyof Omit<OutputOptions, "to">, readonly Target[]>> = {
  shards: ["reference", "meta", "fairseq2"],
  dtype: ["huggingface"],
  maxShardSize: ["huggingface"],
  tokenizer: ["huggingface"],
  layout: ["fairseq2"],
};

/**
 * Plans the files of a layout.
 *
 * @param checkpoint The checkpoint.
 * @param resolved Its model.
 * @param options What is to be written.
 * @returns The files, and what a user should be told.
 * @throws {OptionError} If the options don't fit the layout or the model.
 * @throws {MismatchError} If the layout can't say what the model is.
 */
export async function planOutput(
  checkpoint: Checkpoint,
  resolved: ResolvedModel,
  options: OutputOptions = {},
): Promise<PlannedOutput> {
  const { to = "reference", shards } = options;
  for (const name of Object.keys(optionsOf) as (keyof typeof optionsOf)[]) {
    if (options[name] !== undefined && !optionsOf[name].includes(to)) {
      throw new OptionError(
        `The ${to} layout has no ${optionNames[name]}; it goes with ${optionsOf[name].join(", ")}`,
      );
    }
  }
  const { model } = resolved;
  const architecture = resolved.architecture === undefined ? {} : { architecture: resolved.architecture };
  const count = shards === undefined ? {} : { shards };
  const notes = replicaNotes(checkpoint, resolved, options);
  const planned = await plan();
  return { files: planned.files, notes: [...notes, ...planned.notes] };

  async function plan(): Promise<PlannedOutput> {
    switch (to) {
      case "reference": {
        const parts = reshardedShards(checkpoint, model, shards ?? checkpoint.shards.length);
        return {
          files: referenceFiles(parts, model, checkpoint.dialect),
          notes: paramsNotes(model, "reference", resolved.architecture),
        };
      }
      case "meta":
        return metaFiles(checkpoint, model, count);
      case "fairseq2": {
        const layout = options.layout === undefined ? {} : { layout: options.layout };
        return fairseq2Files(checkpoint, model, { ...count, ...layout, ...architecture, tied: isTied() });
      }
      case "huggingface": {
        const { dtype, maxShardSize, tokenizer } = options;
        const weights = huggingFaceFiles(checkpoint, model, {
          ...architecture,
          tied: isTied(),
          ...(dtype === undefined ? {} : { dtype }),
          ...(maxShardSize === undefined ? {} : { maxShardSize }),
        });
        if (tokenizer === undefined) return weights;
        const converted = await tokenizerFiles(tokenizer, resolved);
        return {
          files: [...weights.files, ...converted.files],
          notes: [...weights.notes, ...converted.notes],
        };
      }
    }
  }

  function isTied(): boolean {
    return areMatricesTied(reshard(checkpoint.shards, model, 1)[0]!);
  }
}

/** What the options are called on the command line. */
const optionNames: Readonly<Record<keyof typeof optionsOf, string>> = {
  shards: "--shards",
  dtype: "--dtype",
  maxShardSize: "--max-shard-size",
  tokenizer: "--tokenizer",
  layout: "--layout",
};

/** Parameters of which each shard should have the same copy, but hasn't. */
function replicaNotes(
  { shards }: Checkpoint,
  { model }: ResolvedModel,
  { to, shards: count }: OutputOptions,
): string[] {
  const names = differingReplicas(shards, model);
  if (names.length === 0) return [];
  const more = names.length > 1 ? ` and ${names.length - 1} more differ` : " differs";
  const isJoined = to === "huggingface" || (count !== undefined && count !== shards.length);
  return [
    `${names[0]}${more} between the shards, though each should have the same copy; ` +
    (isJoined ? "that of the first shard is taken" : "each shard keeps its own"),
  ];
}
