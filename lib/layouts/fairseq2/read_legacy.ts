/**
 * What fairseq2 0.2 to 0.4 saves: `step_N/model.pt`, or `step_N/model.{0,1,…}.pt` for tensor-parallel shards
 * (fairseq2 0.3.0 `checkpoint/manager.py`), with `model.yaml` in the directory above.
 */

import { join } from "../../deps.ts";
import { FileError } from "../../error.ts";
import type { Generation } from "../../models/family.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { Listing } from "../directory.ts";
import { namesOfRanks, openTorchShards } from "../torch_shards.ts";
import { findModelYaml } from "./model_yaml_path.ts";
import { generationsOf, readModelState } from "./state_dict.ts";

/**
 * The model files in a directory, by rank.
 *
 * @returns Their names; none if there are none.
 * @throws {FileError} If some of them are missing, or there are two models.
 */
export function findModelFiles({ path, files }: Listing): string[] {
  const whole = files.has("model.pt");
  if (!whole) return namesOfRanks(path, files, (rank) => `model.${rank}.pt`);
  const shard = [...files].filter((name) => /^model\.(0|[1-9]\d*)\.pt$/.test(name)).sort()[0];
  if (shard === undefined) return ["model.pt"];
  throw new FileError(`${path}: holds both model.pt and ${shard}; move away the one that isn't meant`);
}

/**
 * Opens a checkpoint of fairseq2 0.2 to 0.4.
 *
 * @param names The names of the model files, by rank.
 */
export async function openFairseq2({ path }: Listing, names: readonly string[]): Promise<Checkpoint> {
  let generations: readonly Generation[] | undefined;
  const opened = await openTorchShards(names.map((name) => [join(path, name)]), (file) => {
    generations ??= generationsOf(file);
    return readModelState(file);
  });
  const modelYaml = await findModelYaml(path);
  return { path, kind: "fairseq2 0.2–0.4", ...opened, generations, modelYaml, notes: [] };
}
