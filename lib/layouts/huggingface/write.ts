/** The Hugging Face layout: safetensors files, and the configurations that transformers, vLLM and others read. */

import type { CastType } from "../../bytes/view.ts";
import type { OutputFile } from "../../copy/plan.ts";
import { layoutSafetensors, TORCH_METADATA } from "../../safetensors/layout.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { familyOf } from "../../models/families.ts";
import { EMBEDDING, PROJECTION } from "../../models/family.ts";
import { castTensor } from "../cast.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { configJson } from "./config_json.ts";
import { GENERATION_CONFIG, generationConfigJson } from "./generation_config.ts";
import type { ModelDescription, SpecialTokens } from "../../models/model_description.ts";
import { tokensWithin } from "../../models/special_tokens.ts";
import { expectedParameters, formatName, type Parameter } from "../../models/parameter.ts";
import { reshard } from "../reshard.ts";
import { reorderHeads, rowsForHuggingFace } from "../../models/rotary_order.ts";
import { dtypesOf, type PlannedOutput, plannedTensor, textFile } from "../planned_output.ts";
import { DEFAULT_MAX_SHARD_SIZE, splitWeights, weightIndexJson } from "./weight_shards.ts";

/** How to write a Hugging Face directory. */
export interface HuggingFaceOptions {
  /**
   * Whether the embedding and the output projection are the same bytes ({@link areMatricesTied}). Then the projection
   * isn't written, and `config.json` says so.
   */
  readonly tied: boolean;
  /** The dtype to convert the weights to; their own by default. */
  readonly dtype?: CastType;
  /** The bytes of a file's tensors at most; {@linkcode DEFAULT_MAX_SHARD_SIZE} by default. */
  readonly maxShardSize?: number;
  /** The special tokens; those of the model by default. */
  readonly tokens?: SpecialTokens;
  /** The text of `generation_config.json`; by default one that says the special tokens alone. */
  readonly generation?: string;
}

/** The parts of a layer in their order in transformers; what they hold is in the same order as in fairseq2. */
const LAYER_ORDER = [/\.self_attn\.\w+_proj\./, /\.self_attn\./, /\.mlp\./, /./];

/**
 * The parameters of a model in the order of transformers' state dicts (4.46 and 5.x), which decides how they are split
 * over files.
 */
export function parametersInOrder(model: ModelDescription, tied: boolean): Parameter[] {
  const place = ({ spec: { names: { fairseq2, huggingface } }, layer }: Parameter) => {
    if (layer === undefined) return fairseq2 === EMBEDDING ? -1 : model.layers * LAYER_ORDER.length;
    return layer * LAYER_ORDER.length + LAYER_ORDER.findIndex((part) => part.test(huggingface));
  };
  return expectedParameters(familyOf(model), model)
    .filter(({ spec }) => !tied || spec.names.fairseq2 !== PROJECTION)
    .map((parameter) => ({ parameter, place: place(parameter) }))
    .sort((a, b) => a.place - b.place)
    .map(({ parameter }) => parameter);
}

/**
 * The files of the Hugging Face layout: `model.safetensors`, or several files and `model.safetensors.index.json`;
 * `config.json`; `generation_config.json`.
 *
 * Shards are joined; the rows of q and k are reordered in each head; everything else is carried over as it is, unless
 * a dtype is given.
 *
 * @throws {OptionError} If the weights can't be converted to the dtype.
 */
export function huggingFaceFiles(
  checkpoint: Checkpoint,
  model: ModelDescription,
  options: HuggingFaceOptions,
): PlannedOutput {
  const { tied, dtype, maxShardSize = DEFAULT_MAX_SHARD_SIZE } = options;
  const [parameters] = reshard(checkpoint.shards, model, 1);
  const tensors = new Map<string, Tensor>();
  const sources = new Map<string, string>();
  for (const each of parametersInOrder(model, tied)) {
    const from = formatName("fairseq2", each);
    const to = formatName("huggingface", each);
    const tensor = parameters!.get(from)!;
    const ordered = each.spec.isPaired ? reorderHeads(tensor, rowsForHuggingFace(model.headDim)) : tensor;
    tensors.set(to, dtype === undefined ? ordered : castTensor(ordered, dtype, from));
    sources.set(to, from);
  }
  const shards = splitWeights(tensors, maxShardSize);
  const files = shards.map(({ name, tensors }): OutputFile => ({
    ...layoutSafetensors(name, tensors, TORCH_METADATA),
    tensors: [...tensors].map(([name, tensor]) => plannedTensor(sources.get(name)!, name, tensor)),
  }));
  const dtypes = dtypesOf(files);
  if (shards.length > 1) files.push(textFile("model.safetensors.index.json", weightIndexJson(shards)));

  const { tokens = tokensWithin(model, model.vocabSize) } = options;
  files.push(
    textFile("config.json", configJson(model, { dtype: dtypes[0]!, tied, tokens })),
    textFile(GENERATION_CONFIG, options.generation ?? generationConfigJson(model, tokens)),
  );
  const unknown =
    ([["begins", "bos_token_id", tokens.bosId], ["ends", "eos_token_id", tokens.eosIds]] as const)
      .filter(([, , token]) => token === undefined);
  const notes = familyOf(model).configJson.notes?.(model) ?? [];
  if (unknown.length > 0) {
    notes.push(
      `the token that ${
        unknown.map(([role]) => role).join(" or ")
      } a sequence isn't known, so config.json has null ` +
        `for ${
          unknown.map(([, field]) => field).join(" and ")
        }; put the token's id there, and into generation_config.json`,
    );
  }
  return { files, notes };
}
