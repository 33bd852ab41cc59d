/**
 * fairseq2's own layouts: `step_N/model.pt` or `step_N/model.R.pt` of 0.2 to 0.4, and `step_N/model/pp_00/tp_RR/sdp_00.pt`
 * of 0.5 and later, with `model.yaml` in the directory above the step.
 */

import type { CastType } from "../../bytes/view.ts";
import { OptionError } from "../../error.ts";
import { trimMemory } from "../../copy/memory.ts";
import type { OutputFile } from "../../copy/plan.ts";
import type { PickleValue } from "../../pickle/mod.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { LastPickle, Wrapper } from "../../torch/pickle_state.ts";
import { currentDialect, layoutState } from "../../torch/save_state.ts";
import { castShards } from "../cast.ts";
import type { Checkpoint, Parameters } from "../checkpoint.ts";
import type { ModelDescription, SpecialTokens } from "../../models/model_description.ts";
import { tokensWithin } from "../../models/special_tokens.ts";
import { stepName } from "./model_yaml_path.ts";
import { modelYaml } from "./model_yaml_writer.ts";
import { familyOf } from "../../models/families.ts";
import { EMBEDDING, type ModelYamlForm, type ModelYamlTarget, PROJECTION } from "../../models/family.ts";
import { expectedParameters, formatName } from "../../models/parameter.ts";
import { type PlannedOutput, plannedTensor, textFile } from "../planned_output.ts";
import { reshardedShards } from "../reshard.ts";

/** How to write a fairseq2 checkpoint. */
export interface Fairseq2Options {
  /** `"legacy"` for 0.2 to 0.4, the default where these have the family; `"native"` for 0.5 and later. */
  readonly layout?: "legacy" | "native";
  /** The number of tensor-parallel shards; the checkpoint's own by default. */
  readonly shards?: number;
  /** The dtype to convert the weights to; their own by default. */
  readonly dtype?: CastType;
  /** Whether the embedding and the output projection are the same bytes ({@link areMatricesTied}). */
  readonly tied: boolean;
  /** The special tokens, with the one that ends a sequence first; those of the model by default. */
  readonly tokens?: SpecialTokens;
  /**
   * The versions that a `"legacy"` checkpoint is for: `"0.2-0.3"` or `"0.4"`. By default both, where 0.4 computes what
   * the model needs without being told (RoPE that isn't scaled, or is as in LLaMA 3.1); else the one that does at all.
   */
  readonly versions?: "0.2-0.3" | "0.4";
}

/**
 * The files of a fairseq2 checkpoint.
 *
 * @param checkpoint The checkpoint. Its tensors are carried over as they are: strides, sharing and all.
 * @throws {OptionError} If the model can't be split into that many shards, or the versions haven't got its family.
 */
export function fairseq2Files(
  checkpoint: Checkpoint,
  model: ModelDescription,
  options: Fairseq2Options,
): PlannedOutput {
  const { modelYaml: codec, title } = familyOf(model);
  const { legacyForm } = codec;
  const isNative = isNativeLayout(model, options.layout);
  const count = options.shards ?? checkpoint.shards.length;
  const { dialect = currentDialect } = checkpoint;
  const { tied } = options;
  const embeddingShardDim = embeddingDim(model, isNative, tied, count);
  const shards = castShards(reshardedShards(checkpoint, model, count, embeddingShardDim), options.dtype);
  const form = isNative ? "0.5+" : options.versions ?? legacyForm?.(model);
  if (form === undefined) {
    throw new OptionError(
      `fairseq2 0.2 to 0.4 have no ${title}; write the layout of 0.5 and later (--layout native)`,
    );
  }
  if (!isNative && count > 1 && codec.isWholeUntil0_4) {
    throw new OptionError(
      `fairseq2 0.2 to 0.4 can't load a ${title} in ${count} shards; write one (--shards 1), or the layout of 0.5 and ` +
        "later (--layout native)",
    );
  }
  const wrap = isNative ? undefined : wrapperOf(form);
  const last: LastPickle = {};
  const step = stepName(checkpoint.path);
  const files = shards.map(({ parameters, file }, rank): OutputFile => {
    trimMemory();
    const state = stateInOrder(parameters, model, isNative && tied);
    return layoutState(`${step}/${fileName(isNative, rank, count)}`, state, {
      dialect,
      tensors: [...state].map(([name, tensor]) => plannedTensor(name, name, tensor)),
      base: file,
      last,
      wrap,
    });
  });
  const { tokens = tokensWithin(model, model.vocabSize) } = options;
  files.push(
    textFile("model.yaml", modelYaml({ ...model, embeddingShardDim }, { form, shards: count, tied, tokens })),
  );
  const target: ModelYamlTarget = { form, isChosen: options.versions !== undefined, shards: count, tokens };
  const notes = codec.notes?.(model, target) ?? [];
  if (isNative && tied && count > 1 && !codec.isNeverTied) {
    // 0.8.1 `create_final_projection` of each family.
    notes.push(
      "fairseq2 can't load a model in several shards whose embedding is tied; write one with --shards 1",
    );
  }
  return { files, notes };
}

/** Whether the layout is that of 0.5 and later, which it is by default where earlier versions haven't got the family. */
export function isNativeLayout(model: ModelDescription, layout: Fairseq2Options["layout"]): boolean {
  return layout === undefined ? familyOf(model).modelYaml.legacyForm === undefined : layout === "native";
}

/**
 * Along which dimension the embedding is split. Until 0.4, fairseq2 takes the context length for a sign (0.3.0
 * `models/llama/loader.py`, 0.4.5 `_handler.py`); later `model.yaml` says, but a tied matrix is split as the projection.
 */
function embeddingDim(model: ModelDescription, isNative: boolean, tied: boolean, count: number): 0 | 1 {
  const { maxSeqLen, embeddingShardDim } = model;
  if (!isNative) return maxSeqLen < 8192 ? 1 : 0;
  return tied && (count > 1 || familyOf(model).modelYaml.splitsTied === true) ? 0 : embeddingShardDim;
}

function fileName(isNative: boolean, rank: number, count: number): string {
  if (isNative) return `model/pp_00/tp_${String(rank).padStart(2, "0")}/sdp_00.pt`;
  return count === 1 ? "model.pt" : `model.${rank}.pt`;
}

/** What stands around the state dict. Without `fs2`, 0.4 takes a file for one of Meta's. */
function wrapperOf(form: ModelYamlForm): Wrapper {
  return (dict) => {
    const wrapper = new Map<PickleValue, PickleValue>([["model", dict], ["model_key", "model"]]);
    if (form !== "0.2-0.3") wrapper.set("fs2", true);
    return wrapper;
  };
}

/**
 * The parameters in the order of fairseq2's state dicts. Where they are tied, both names are one tensor: fairseq2's
 * native loader gives such a tensor to the model once, and a model with `tied_embeddings` wants it once. One that is
 * never tied wants two, which may well share their storage.
 */
function stateInOrder(parameters: Parameters, model: ModelDescription, tie: boolean): Map<string, Tensor> {
  const family = familyOf(model);
  const state = new Map<string, Tensor>();
  for (const each of expectedParameters(family, model)) {
    const name = formatName("fairseq2", each);
    state.set(name, parameters.get(tie && name === PROJECTION ? EMBEDDING : name)!);
  }
  if (family.modelYaml.isNeverTied && state.get(PROJECTION) === state.get(EMBEDDING)) {
    state.set(PROJECTION, { ...state.get(EMBEDDING)! });
  }
  return state;
}
