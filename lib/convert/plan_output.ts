/**
 * Planning the output of a conversion: any checkpoint to any layout, through the one canonical form.
 *
 * @module
 */

import { type CastType, castTypes } from "../bytes/view.ts";
import { OptionError } from "../error.ts";
import { flag, oneOf, type Rules, text, wholeNumber } from "../options.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { castShards } from "../layouts/cast.ts";
import { fairseq2Files, isNativeLayout } from "../layouts/fairseq2/write.ts";
import { metaFiles } from "../layouts/reference/meta.ts";
import type { PlannedOutput } from "../layouts/planned_output.ts";
import { paramsNotes } from "../layouts/reference/params_json.ts";
import { referenceFiles, referenceShards } from "../layouts/reference/write.ts";
import { reshardedShards } from "../layouts/resharded.ts";
import { examineWeights, type WeightFacts } from "./examine_weights.ts";
import { planHuggingFace } from "./plan_huggingface.ts";
import type { ResolvedModel } from "./resolve_model.ts";
import { lostTokens, resolveTokens } from "./resolve_tokens.ts";
import { type Target, targets } from "./target.ts";

/** What is written where nothing is said. */
export const DEFAULT_TARGET: Target = "reference";

/** What is to be written. */
export interface OutputOptions {
  /** The layout; `"reference"` by default. */
  readonly to?: Target;
  /**
   * The number of tensor-parallel shards; by default those of the input. Hugging Face's layout has none, nor has
   * Mistral's reference layout.
   */
  readonly shards?: number;
  /** The dtype to convert the weights to; their own by default. */
  readonly dtype?: CastType;
  /** The bytes of a safetensors file's tensors at most, for Hugging Face; 5 GB by default. */
  readonly maxShardSize?: number;
  /**
   * The tokenizer, for Hugging Face: the path of a `tokenizer.model` to convert, or of a directory that has one of
   * Hugging Face's. Without it the input's goes along, where that is Hugging Face's, too; `false` leaves it.
   */
  readonly tokenizer?: string | false;
  /** Whether the model is an instruct one, where its name doesn't say so: it stops at the end of a turn. */
  readonly instruct?: boolean;
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
  tokenizer: { what: `${text.what}, or false`, allows: (value) => value === false || text.allows(value) },
  instruct: flag,
  layout: oneOf(["legacy", "native"]),
};

/** The options that only some layouts have. */
const optionsOf: Readonly<Record<keyof Omit<OutputOptions, "to" | "dtype">, readonly Target[]>> = {
  shards: ["reference", "meta", "fairseq2"],
  maxShardSize: ["huggingface"],
  tokenizer: ["huggingface"],
  instruct: ["huggingface", "fairseq2"],
  layout: ["fairseq2"],
};

/**
 * Checks that options go with the layout.
 *
 * @param options What is to be written.
 * @throws {OptionError} If one doesn't.
 */
export function checkOutputOptions(options: OutputOptions): void {
  const { to = DEFAULT_TARGET } = options;
  for (const name of Object.keys(optionsOf) as (keyof typeof optionsOf)[]) {
    // What is false asks for nothing.
    if ((options[name] ?? false) !== false && !optionsOf[name].includes(to)) {
      throw new OptionError(
        `The ${to} layout has no ${optionNames[name]}; it goes with ${optionsOf[name].join(", ")}`,
      );
    }
  }
}

/**
 * Plans the files of a layout.
 *
 * @param checkpoint The checkpoint.
 * @param resolved Its model.
 * @param options What is to be written.
 * @param facts What the weights themselves tell; by default they are examined first.
 * @returns The files, and what a user should be told.
 * @throws {OptionError} If the options don't fit the layout or the model.
 * @throws {MismatchError} If the layout can't say what the model is.
 */
export async function planOutput(
  checkpoint: Checkpoint,
  resolved: ResolvedModel,
  options: OutputOptions = {},
  facts: WeightFacts = examineWeights(checkpoint, resolved.model, options.to ?? DEFAULT_TARGET),
): Promise<PlannedOutput> {
  checkOutputOptions(options);
  const { to = DEFAULT_TARGET, shards, dtype } = options;
  const { model } = resolved;
  const count = { ...(shards !== undefined && { shards }), ...(dtype !== undefined && { dtype }) };
  const notes = replicaNotes(checkpoint, resolved, facts, options);
  const planned = await plan();
  return { ...planned, notes: [...notes, ...planned.notes] };

  async function plan(): Promise<PlannedOutput> {
    switch (to) {
      case "reference": {
        const whole = reshardedShards(checkpoint, model, referenceShards(checkpoint, model, shards));
        const parts = castShards(whole, dtype);
        const files = referenceFiles(parts, model, checkpoint.dialect);
        const notes = paramsNotes(model, "reference", resolved.architecture);
        return { files, notes: [...notes, ...lossNotes(checkpoint, resolved, to)] };
      }
      case "meta": {
        const { files, notes } = metaFiles(checkpoint, model, count);
        return { files, notes: [...notes, ...lossNotes(checkpoint, resolved, to)] };
      }
      case "fairseq2":
        return planFairseq2(checkpoint, resolved, options, facts.tied);
      case "huggingface":
        return await planHuggingFace(checkpoint, resolved, { ...options, tied: facts.tied });
    }
  }
}

/** Plans a checkpoint of fairseq2's. A model.yaml has room for one token that ends a sequence, or from 0.5 on for none. */
function planFairseq2(
  checkpoint: Checkpoint,
  resolved: ResolvedModel,
  { layout, shards, dtype, instruct }: OutputOptions,
  tied: boolean,
): PlannedOutput {
  const found = resolveTokens(checkpoint, resolved, { instruct });
  const { eosIds: _, ...others } = found.tokens;
  const tokens = { ...others, ...(found.mainEnd !== undefined && { eosIds: [found.mainEnd] }) };
  const { files, notes } = fairseq2Files(checkpoint, resolved.model, {
    tied,
    tokens,
    ...(layout !== undefined && { layout }),
    ...(shards !== undefined && { shards }),
    ...(dtype !== undefined && { dtype }),
  });
  const isNative = isNativeLayout(resolved.model, layout);
  const lost = lostTokens(resolved, found, isNative ? {} : tokens);
  const why = isNative
    ? "says no special tokens from fairseq2 0.5 on"
    : "has room for one token that ends a sequence";
  return {
    files,
    notes: [...notes, ...found.notes, ...(lost === undefined ? [] : [`model.yaml ${why}; lost: ${lost}`])],
  };
}

/** What a layout that says no tokens loses of those that a Hugging Face input says. */
function lossNotes(checkpoint: Checkpoint, resolved: ResolvedModel, to: Target): string[] {
  if (checkpoint.naming !== "huggingface") return [];
  const lost = lostTokens(resolved, resolveTokens(checkpoint, resolved), {});
  return lost === undefined ? [] : [`the ${to} layout says no special tokens; lost: ${lost}`];
}

/** What the options are called on the command line. */
const optionNames: Readonly<Record<keyof typeof optionsOf, string>> = {
  shards: "--shards",
  maxShardSize: "--max-shard-size",
  tokenizer: "--tokenizer",
  instruct: "--instruct",
  layout: "--layout",
};

/** Parameters of which each shard should have the same copy, but hasn't. */
function replicaNotes(
  checkpoint: Checkpoint,
  { model }: ResolvedModel,
  { differingReplicas: names }: WeightFacts,
  { to, shards: count }: OutputOptions,
): string[] {
  const { shards } = checkpoint;
  if (names.length === 0) return [];
  const more = names.length > 1 ? ` and ${names.length - 1} more differ` : " differs";
  const written = to === "huggingface"
    ? 1
    : to === "reference"
    ? referenceShards(checkpoint, model, count)
    : count;
  const isJoined = written !== undefined && written !== shards.length;
  return [
    `${names[0]}${more} between the shards, though each should have the same copy; ` +
    (isJoined ? "that of the first shard is taken" : "each shard keeps its own"),
  ];
}
