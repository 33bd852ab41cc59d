/**
 * The reference layout and Meta's own: `consolidated.NN.pth`, one for each shard, and `params.json`, in which they differ.
 */

import type { CastType } from "../../bytes/view.ts";
import { trimMemory } from "../../copy/memory.ts";
import type { OutputFile } from "../../copy/plan.ts";
import { OptionError } from "../../error.ts";
import { familyOf } from "../../models/families.ts";
import type { ParamsJsonForm } from "../../models/family.ts";
import type { ModelDescription } from "../../models/model_description.ts";
import { formatName, parseName } from "../../models/parameter.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { LastPickle } from "../../torch/pickle_state.ts";
import { currentDialect, layoutState } from "../../torch/save_state.ts";
import { castShards } from "../cast.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { type PlannedOutput, plannedTensor, textFile } from "../planned_output.ts";
import { reshardedShards } from "../reshard.ts";
import { paramsJson, paramsNotes } from "./params_json.ts";

/** The name of a shard's file (fairseq2 0.3.0 `convert_checkpoint.py`: two digits, more where they are needed). */
export function consolidatedName(rank: number): string {
  return `consolidated.${String(rank).padStart(2, "0")}.pth`;
}

/** How to write the files. */
interface ReferenceOptions {
  /** The number of shards; the checkpoint's own by default, where the family's layout has shards. */
  readonly shards?: number;
  /** The dtype to convert the weights to; their own by default. */
  readonly dtype?: CastType;
  /** The name of the model's published architecture, where it has one. */
  readonly architecture?: string;
}

/**
 * The number of shards that a model has in the reference layout.
 *
 * @param wanted The number asked for; by default that of the checkpoint, where the family's layout has shards.
 * @throws {OptionError} If the family has but one.
 */
export function referenceShards({ shards }: Checkpoint, model: ModelDescription, wanted?: number): number {
  const { paramsJson, title } = familyOf(model);
  if (!paramsJson?.isOneFile) return wanted ?? shards.length;
  if (wanted === undefined || wanted === 1) return 1;
  throw new OptionError(
    `A ${title} in the reference layout is one file, which can't be split into ${wanted} shards; leave --shards out`,
  );
}

/**
 * The files of the reference layout, or of Meta's, which Meta's own loader reads (llama-models 0.3.0
 * `llama3/generation.py`). Meta's `params.json` has one word for scaled RoPE, which stands for the numbers of LLaMA 3.1;
 * where the model has others, a note says so.
 *
 * @param checkpoint The checkpoint. Tensors are carried over as they are: strides, sharing and all.
 * @param form Whose form `params.json` has.
 * @throws {MismatchError} If `params.json` can't say the feed-forward width.
 * @throws {OptionError} If the model can't be split into that many shards, or its family has no such form.
 */
export function referenceFiles(
  checkpoint: Checkpoint,
  model: ModelDescription,
  form: ParamsJsonForm,
  { shards: wanted, dtype, architecture }: ReferenceOptions = {},
): PlannedOutput {
  const params = textFile("params.json", paramsJson(model, form));
  const { dialect = currentDialect } = checkpoint;
  const count = referenceShards(checkpoint, model, wanted);
  const last: LastPickle = {};
  const shards = castShards(reshardedShards(checkpoint, model, count), dtype);
  const files = shards.map(({ parameters, file: base }, rank): OutputFile => {
    trimMemory();
    const state = new Map<string, Tensor>();
    const tensors = [...parameters].map(([from, tensor]) => {
      const to = formatName("reference", parseName(familyOf(model), "fairseq2", from)!);
      state.set(to, tensor);
      return plannedTensor(from, to, tensor);
    });
    return layoutState(consolidatedName(rank), state, { dialect, tensors, last, base });
  });
  return { files: [...files, params], notes: paramsNotes(model, form, architecture) };
}
