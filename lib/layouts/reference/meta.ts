/**
 * Meta's own layout: the files of the reference layout, with a flat `params.json`.
 *
 * @module
 */

import type { CastType } from "../../bytes/view.ts";
import { currentDialect } from "../../torch/save_state.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { ModelDescription } from "../../models/model_description.ts";
import { paramsJson, paramsNotes } from "./params_json.ts";
import type { PlannedOutput } from "../planned_output.ts";
import { castShards } from "../cast.ts";
import { consolidatedFiles } from "./write.ts";
import { reshardedShards } from "../resharded.ts";
import { textFile } from "../text_file.ts";

/** How to write Meta's files. */
export interface MetaOptions {
  /** The number of shards; the checkpoint's own by default. */
  readonly shards?: number;
  /** The dtype to convert the weights to; their own by default. */
  readonly dtype?: CastType;
}

/**
 * The files of Meta's layout, which Meta's own loader reads (llama-models 0.3.0 `llama3/generation.py`).
 *
 * `params.json` has one word for scaled RoPE, which stands for the numbers of LLaMA 3.1; where the model has others,
 * a note says so.
 *
 * @param checkpoint The checkpoint.
 * @param model The model, as the weights are.
 * @param options How to write them.
 * @returns The files.
 * @throws {MismatchError} If `params.json` can't say the feed-forward width.
 * @throws {OptionError} If the model can't be split into that many shards.
 */
export function metaFiles(
  checkpoint: Checkpoint,
  model: ModelDescription,
  options: MetaOptions = {},
): PlannedOutput {
  const { dialect = currentDialect } = checkpoint;
  const parts = reshardedShards(checkpoint, model, options.shards ?? checkpoint.shards.length);
  const shards = castShards(parts, options.dtype);
  const params = textFile("params.json", paramsJson(model, "meta"));
  const files = [...consolidatedFiles(shards, model, dialect), params];
  return { files, notes: paramsNotes(model, "meta") };
}
