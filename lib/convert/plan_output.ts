/** Planning the output of a conversion: any checkpoint to any layout, through the one canonical form. */

import type { Checkpoint } from "../layouts/checkpoint.ts";
import { fairseq2Files, isNativeLayout } from "../layouts/fairseq2/write.ts";
import type { PlannedOutput } from "../layouts/planned_output.ts";
import { familyOf } from "../models/families.ts";
import { referenceFiles, referenceShards } from "../layouts/reference/write.ts";
import type { ParamsJsonForm } from "../models/family.ts";
import { examineWeights, type WeightFacts } from "./examine_weights.ts";
import { planGguf } from "./plan_gguf.ts";
import { planHuggingFace } from "./plan_huggingface.ts";
import type { ResolvedModel } from "./resolve_model.ts";
import { lostTokens, resolveTokens } from "./resolve_tokens.ts";
import { checkOutputOptions, DEFAULT_TARGET, type OutputOptions, plainDtype, type Target } from "./target.ts";

/** How the files of a layout are planned. */
interface Planner {
  plan(
    checkpoint: Checkpoint,
    resolved: ResolvedModel,
    options: OutputOptions & Pick<WeightFacts, "tied">,
  ): PlannedOutput | Promise<PlannedOutput>;
  /** The number of shards that are written. */
  shards(checkpoint: Checkpoint, resolved: ResolvedModel, wanted?: number): number;
}

const planners: Readonly<Record<Target, Planner>> = {
  reference: planReference("reference"),
  meta: planReference("meta"),
  huggingface: {
    plan: (checkpoint, resolved, options) =>
      planHuggingFace(checkpoint, resolved, { ...options, dtype: plainDtype(options) }),
    shards: () => 1,
  },
  gguf: { plan: planGguf, shards: () => 1 },
  fairseq2: { plan: planFairseq2, shards: ({ shards }, _, wanted = shards.length) => wanted },
};

/**
 * Plans the files of a layout.
 *
 * @param facts What the weights themselves tell; by default they are examined first.
 * @throws {OptionError} If the options don't fit the layout or the model.
 * @throws {MismatchError} If the layout can't say what the model is.
 */
export async function planOutput(
  checkpoint: Checkpoint,
  resolved: ResolvedModel,
  options: OutputOptions = {},
  facts?: WeightFacts,
): Promise<PlannedOutput> {
  checkOutputOptions(options);
  const { to = DEFAULT_TARGET } = options;
  const { plan, shards } = planners[to];
  facts ??= await examineWeights(checkpoint, resolved.model, to);
  const planned = await plan(checkpoint, resolved, { ...options, tied: facts.tied });
  const isJoined = shards(checkpoint, resolved, options.shards) !== checkpoint.shards.length;
  const lost = to === "gguf" ? [] : metadataNotes(checkpoint);
  return { ...planned, notes: [...replicaNotes(facts, isJoined), ...planned.notes, ...lost] };
}

/** What a GGUF file says of a model for people, which no other layout has a place for. */
function metadataNotes({ general = new Map() }: Checkpoint): string[] {
  // A directory is named by whoever names it.
  const [first, ...others] = [...general.keys()].filter((key) => key !== "general.name");
  if (first === undefined) return [];
  const those = others.length > 0 ? `${first} and ${others.length} more don't` : `${first} doesn't`;
  return [`${those} go along; ckpt inspect shows what the file says`];
}

function planReference(form: ParamsJsonForm): Planner {
  return {
    plan(checkpoint, resolved, options) {
      const { model, architecture } = resolved;
      const { shards } = options;
      const dtype = plainDtype(options);
      const { files, notes } = referenceFiles(checkpoint, model, form, { shards, dtype, architecture });
      if (checkpoint.describedBy === undefined) return { files, notes };
      const lost = lostTokens(resolved, resolveTokens(checkpoint, resolved), {});
      if (lost === undefined) return { files, notes };
      return { files, notes: [...notes, `the ${form} layout says no special tokens; lost: ${lost}`] };
    },
    shards: (checkpoint, { model }, wanted) => referenceShards(checkpoint, model, wanted),
  };
}

/** Plans a checkpoint of fairseq2's. A model.yaml has room for one token that ends a sequence, or from 0.5 on mostly for none. */
function planFairseq2(
  checkpoint: Checkpoint,
  resolved: ResolvedModel,
  options: OutputOptions & Pick<WeightFacts, "tied">,
): PlannedOutput {
  const { layout, shards, instruct, tied } = options;
  const dtype = plainDtype(options);
  const found = resolveTokens(checkpoint, resolved, { instruct });
  const { mainEnd } = found;
  const tokens = { ...found.tokens, eosIds: mainEnd === undefined ? undefined : [mainEnd] };
  const { files, notes } = fairseq2Files(checkpoint, resolved.model, { tied, tokens, layout, shards, dtype });
  const { saysTokens = false } = familyOf(resolved.model).modelYaml;
  const saysNone = isNativeLayout(resolved.model, layout) && !saysTokens;
  const lost = lostTokens(resolved, found, saysNone ? {} : tokens);
  const why = saysNone
    ? "says no special tokens from fairseq2 0.5 on"
    : "has room for one token that ends a sequence";
  return {
    files,
    notes: [...notes, ...found.notes, ...(lost === undefined ? [] : [`model.yaml ${why}; lost: ${lost}`])],
  };
}

/** Parameters of which each shard should have the same copy, but hasn't. */
function replicaNotes({ differingReplicas: names }: WeightFacts, isJoined: boolean): string[] {
  if (names.length === 0) return [];
  const more = names.length > 1 ? ` and ${names.length - 1} more differ` : " differs";
  return [
    `${names[0]}${more} between the shards, though each should have the same copy; ` +
    (isJoined ? "that of the first shard is taken" : "each shard keeps its own"),
  ];
}
