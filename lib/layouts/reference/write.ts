/**
 * The reference layout: `consolidated.NN.pth`, one for each shard, and `params.json`.
 *
 * @module
 */

import { trimMemory } from "../../copy/memory.ts";
import type { OutputFile, PlannedTensor } from "../../copy/plan.ts";
import { numel, type Tensor } from "../../tensor/tensor.ts";
import type { LastPickle } from "../../torch/pickle_state.ts";
import { currentDialect, layoutState, type TorchDialect } from "../../torch/save_state.ts";
import type { Parameters, TensorParallelShard } from "../checkpoint.ts";
import type { ModelDescription } from "../../models/model_description.ts";
import { formatName, parseName } from "../../models/llama/parameter.ts";
import { referenceParamsJson } from "./params_json.ts";
import { textFile } from "../text_file.ts";

/** The name of a shard's file (fairseq2 0.3.0 `convert_checkpoint.py`: two digits, more where they are needed). */
export function consolidatedName(rank: number): string {
  return `consolidated.${String(rank).padStart(2, "0")}.pth`;
}

/** The reference layout's name of a parameter that goes by its canonical one. */
export function referenceName(canonical: string): string {
  return formatName("reference", parseName("fairseq2", canonical)!);
}

/** A tensor for a dry run. */
export function plannedTensor(from: string, to: string, { dtype, shape }: Tensor): PlannedTensor {
  return { from, to, dtype: dtype.name, shape, bytes: numel(shape) * dtype.itemBytes };
}

/** Parameters under the reference layout's names, in the order that they have. */
export function referenceState(parameters: Parameters): Map<string, Tensor> {
  const state = new Map<string, Tensor>();
  for (const [name, tensor] of parameters) {
    state.set(referenceName(name), tensor);
  }
  return state;
}

/** The parameters of one output file, and the torch file that all of them come from, where there is one. */
export type OutputShard = Pick<TensorParallelShard, "parameters" | "file">;

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
  return [...consolidatedFiles(shards, dialect), textFile("params.json", referenceParamsJson(model))];
}

/** The `consolidated.NN.pth` files of some shards. */
export function consolidatedFiles(shards: readonly OutputShard[], dialect: TorchDialect): OutputFile[] {
  const last: LastPickle = {};
  return shards.map(({ parameters, file }, rank) => {
    trimMemory();
    const base = file === undefined ? {} : { base: file };
    const tensors = [...parameters].map(([name, tensor]) => plannedTensor(name, referenceName(name), tensor));
    return layoutState(consolidatedName(rank), referenceState(parameters), {
      dialect,
      tensors,
      last,
      ...base,
    });
  });
}
