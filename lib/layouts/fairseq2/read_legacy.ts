/**
 * What fairseq2 0.2 to 0.4 saves: `step_N/model.pt`, or `step_N/model.{0,1,…}.pt` for tensor-parallel shards
 * (fairseq2 0.3.0 `checkpoint/manager.py`), with `model.yaml` in the directory above.
 *
 * @module
 */

import { join } from "../../deps.ts";
import { FileSource } from "../../bytes/source.ts";
import { FileError } from "../../error.ts";
import { trimMemory } from "../../copy/memory.ts";
import type { SourceFile } from "../../bytes/source.ts";
import { dialectOf } from "../../torch/dialect.ts";
import type { TorchDialect } from "../../torch/save_state.ts";
import { torchFileOpener } from "../../torch/torch_file.ts";
import { type Checkpoint, knownCrcs, type TensorParallelShard } from "../checkpoint.ts";
import type { Listing } from "../directory.ts";
import type { Generation } from "../../models/family.ts";
import { findModelYaml } from "./model_yaml_path.ts";
import { generationsOf, readModelState } from "./state_dict.ts";

/**
 * The model files in a directory, by rank.
 *
 * @param listing What lies in the directory.
 * @returns Their names, or `undefined` if there are none.
 * @throws {FileError} If some of them are missing, or there are two models.
 */
export function findModelFiles({ path, files }: Listing): string[] | undefined {
  const ranks: number[] = [];
  for (const name of files) {
    const match = /^model\.(0|[1-9]\d*)\.pt$/.exec(name);
    if (match !== null) ranks.push(Number(match[1]));
  }
  ranks.sort((a, b) => a - b);
  const whole = files.has("model.pt");
  if (ranks.length === 0) return whole ? ["model.pt"] : undefined;
  if (whole) {
    throw new FileError(
      `${path}: holds both model.pt and model.${ranks[0]}.pt; move away the one that isn't meant`,
    );
  }
  // fairseq2's own command takes a gap for the end, and truncates the model.
  const missing = ranks.findIndex((rank, i) => rank !== i);
  if (missing >= 0) {
    throw new FileError(
      `${path}: model.${missing}.pt is missing, but model.${ranks.at(-1)}.pt is there; all shards are needed`,
    );
  }
  return ranks.map((rank) => `model.${rank}.pt`);
}

/**
 * Opens a checkpoint of fairseq2 0.2 to 0.4.
 *
 * @param listing What lies in the directory.
 * @param names The names of the model files, by rank.
 * @returns The checkpoint.
 */
export async function openFairseq2(listing: Listing, names: readonly string[]): Promise<Checkpoint> {
  const sources: SourceFile[] = [];
  const shards: TensorParallelShard[] = [];
  const openTorchFile = torchFileOpener();
  let dialect: TorchDialect | undefined;
  let generations: readonly Generation[] | undefined;
  for (const name of names) {
    using source = FileSource.open(join(listing.path, name));
    const file = await openTorchFile(source);
    dialect ??= await dialectOf(file);
    generations ??= generationsOf(file);
    sources.push(source.identity);
    const { archive, storages } = file;
    shards.push({ parameters: readModelState(file), path: source.path, file: { archive, storages } });
    trimMemory();
  }
  const modelYaml = findModelYaml(listing.path);
  return {
    path: listing.path,
    kind: "fairseq2 0.2–0.4",
    shards,
    sources,
    known: knownCrcs(shards.map(({ file }) => file!)),
    ...(dialect === undefined ? {} : { dialect }),
    ...(generations === undefined ? {} : { generations }),
    ...(modelYaml === undefined ? {} : { modelYaml }),
    notes: [],
  };
}
