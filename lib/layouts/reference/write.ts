/**
 * The reference layout: `consolidated.NN.pth`, one for each shard, and `params.json`.
 *
 * @module
 */

import { trimMemory } from "../../copy/memory.ts";
import type { OutputFile, PlannedTensor } from "../../copy/plan.ts";
import { OptionError } from "../../error.ts";
import { numel, type Tensor } from "../../tensor/tensor.ts";
import type { LastPickle } from "../../torch/pickle_state.ts";
import { currentDialect, layoutState, type TorchDialect } from "../../torch/save_state.ts";
import type { Checkpoint, TensorParallelShard } from "../checkpoint.ts";
import type { ModelDescription } from "../../models/model_description.ts";
import { familyOf } from "../../models/families.ts";
import { formatName, parseName } from "../../models/parameter.ts";
import { paramsJson } from "./params_json.ts";
import { textFile } from "../text_file.ts";

/** The name of a shard's file (fairseq2 0.3.0 `convert_checkpoint.py`: two digits, more where they are needed). */
export function consolidatedName(rank: number): string {
  return `consolidated.${String(rank).padStart(2, "0")}.pth`;
}

/** The reference layout's name of a model's parameter that goes by its canonical one. */
function referenceName(canonical: string, model: ModelDescription): string {
  return formatName("reference", parseName(familyOf(model), "fairseq2", canonical)!);
}

/** A tensor for a dry run. */
export function plannedTensor(from: string, to: string, { dtype, shape }: Tensor): PlannedTensor {
  return { from, to, dtype: dtype.name, shape, bytes: numel(shape) * dtype.itemBytes };
}

/** The parameters of one output file, and the torch file that all of them come from, where there is one. */
export type OutputShard = Pick<TensorParallelShard, "parameters" | "file">;

/**
 * The number of shards that a model has in the reference layout.
 *
 * @param checkpoint The checkpoint.
 * @param model The model.
 * @param wanted The number asked for; by default that of the checkpoint, where the family's layout has shards.
 * @throws {OptionError} If the family has but one.
 */
export function referenceShards(
  { shards }: Pick<Checkpoint, "shards">,
  model: ModelDescription,
  wanted?: number,
): number {
  const { paramsJson, title } = familyOf(model);
  if (!paramsJson?.isOneFile) return wanted ?? shards.length;
  if (wanted === undefined || wanted === 1) return 1;
  throw new OptionError(
    `A ${title} in the reference layout is one file, which can't be split into ${wanted} shards; leave --shards out`,
  );
}

/**
 * The files of the reference layout.
 *
 * @param shards The shards. Tensors are carried over as they are: strides, sharing and all.
 * @param model The model, as the weights are.
 * @param dialect Which records torch's files are to have.
 * @returns The files.
 */
export function referenceFiles(
  shards: readonly OutputShard[],
  model: ModelDescription,
  dialect: TorchDialect = currentDialect,
): OutputFile[] {
  const params = textFile("params.json", paramsJson(model, "reference"));
  return [...consolidatedFiles(shards, model, dialect), params];
}

/** The `consolidated.NN.pth` files of a model's shards. */
export function consolidatedFiles(
  shards: readonly OutputShard[],
  model: ModelDescription,
  dialect: TorchDialect,
): OutputFile[] {
  const last: LastPickle = {};
  return shards.map(({ parameters, file }, rank) => {
    trimMemory();
    const base = file === undefined ? {} : { base: file };
    const state = new Map<string, Tensor>();
    const tensors = [...parameters].map(([from, tensor]) => {
      const to = referenceName(from, model);
      state.set(to, tensor);
      return plannedTensor(from, to, tensor);
    });
    return layoutState(consolidatedName(rank), state, {
      dialect,
      tensors,
      last,
      ...base,
    });
  });
}
