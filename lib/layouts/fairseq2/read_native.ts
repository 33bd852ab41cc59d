/**
 * What fairseq2 0.5 to 0.8 saves: `step_N/model/pp_XX/tp_YY/sdp_ZZ.pt` (0.8.1 `checkpoint/manager.py`).
 *
 * Each file is a flat state dict. A parameter is first split over the tensor-parallel ranks and then, along
 * dimension 0, over the `sdp` (sharded data-parallel) ranks: unevenly, so that a file may hold an empty piece of
 * it, or lack it (0.8.1 `model_checkpoint/native.py`). Pipeline stages have layers of their own.
 */

import { dirname, join } from "../../deps.ts";
import { FileError, MismatchError } from "../../error.ts";
import { TensorJoiner } from "../../tensor/join.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Checkpoint, TensorParallelShard } from "../checkpoint.ts";
import { listDirectory, type Listing } from "../directory.ts";
import { haveSameBytes } from "../same_values.ts";
import { namesOfRanks, openTorchShards } from "../torch_shards.ts";
import { findModelYaml } from "./model_yaml_path.ts";
import { readModelState } from "./state_dict.ts";

/** The paths of a checkpoint's files: by pipeline stage, tensor-parallel rank and `sdp` rank. */
type Grid = readonly (readonly (readonly string[])[])[];

/**
 * Opens a checkpoint of fairseq2 0.5 to 0.8.
 *
 * @param model What lies in its `model` directory.
 * @throws {FileError} If a rank is missing.
 * @throws {MismatchError} If pieces don't fit together.
 */
export async function openNative(path: string, model: Listing): Promise<Checkpoint> {
  return await openGrid(path, findGrid(model), model.path);
}

/** Opens a checkpoint of fairseq2 0.5 to 0.8 that is in one file. */
export async function openNativeFile(path: string): Promise<Checkpoint> {
  return await openGrid(path, [[[path]]], path);
}

/** The number of files of a checkpoint: its directory holds `pp_00`. */
export function countNativeFiles(model: Listing): number {
  return findGrid(model).flat(2).length;
}

async function openGrid(path: string, grid: Grid, directory: string): Promise<Checkpoint> {
  const [ranks, isSplit] = [grid[0]!.length, grid[0]![0]!.length > 1];
  const joiner = new TensorJoiner();
  const opened = await openTorchShards(
    grid.flat(),
    (file) => readModelState(file, isSplit),
    (pieces) => joinFsdpShards(pieces, joiner),
  );
  const stages = grid.map((_, stage) => opened.shards.slice(stage * ranks, (stage + 1) * ranks));
  const shards: TensorParallelShard[] = [];
  for (const rank of stages[0]!.keys()) {
    const pieces = stages.map((stage) => stage[rank]!);
    shards.push(await mergeStages(pieces, join(directory, "pp_*", `tp_${pad(rank)}`)));
  }
  shards.forEach(checkFsdpShards);
  return {
    ...opened,
    path,
    kind: "fairseq2 0.5–0.8",
    shards,
    // fairseq2 0.4's converter wrote to streams, as its checkpoints were, but later versions have none whose habits
    // could be followed: archives are named after their files.
    dialect: opened.dialect && { ...opened.dialect, stem: undefined },
    generations: ["0.5+"],
    modelYaml: await findModelYaml(directory),
    notes: describeGrid(grid),
  };
}

function describeGrid(grid: Grid): string[] {
  const counts = [[grid.length, "pipeline stages"], [grid[0]!.length, "tensor-parallel shards"], [
    grid[0]![0]!.length,
    "data-parallel pieces of each",
  ]] as const;
  const joined = counts.filter(([count]) => count > 1).map(([count, what]) => `${count} ${what}`);
  return joined.length === 0 ? [] : [`joined from ${joined.join(", ")}`];
}

/** Finds all files, and checks that no rank is missing. fairseq2's loader takes a gap for the end. */
function findGrid(model: Listing): Grid {
  const { path } = model;
  const grid = ranksOf(model, "directories", "pp").map((stage) => {
    const ranks = listDirectory(join(path, stage));
    return ranksOf(ranks, "directories", "tp").map((rank) => {
      const pieces = listDirectory(join(ranks.path, rank));
      return ranksOf(pieces, "files", "sdp", ".pt").map((name) => join(pieces.path, name));
    });
  });
  const [tp, sdp] = [grid[0]!.length, grid[0]![0]!.length];
  grid.forEach((stage, index) => {
    if (stage.length !== tp) {
      throw new FileError(
        `${path}: pp_${
          pad(index)
        } has ${stage.length} tp directories, but pp_00 has ${tp}; all ranks are needed`,
      );
    }
    stage.forEach((files, rank) => {
      if (files.length === sdp) return;
      throw new FileError(
        `${path}: pp_${pad(index)}/tp_${
          pad(rank)
        } has ${files.length} sdp files, but pp_00/tp_00 has ${sdp}; ` +
          "all ranks are needed",
      );
    });
  });
  return grid;
}

/** The names of a directory's entries of one kind, by rank; there is at least one. */
function ranksOf(listing: Listing, of: "files" | "directories", kind: string, ending = ""): string[] {
  const { path } = listing;
  const names = namesOfRanks(path, listing[of], (rank) => `${kind}_${pad(rank)}${ending}`, "ranks");
  if (names.length > 0) return names;
  throw new FileError(`${path}: holds no ${kind}_00${ending}; name a checkpoint's step directory`);
}

function pad(rank: number): string {
  return String(rank).padStart(2, "0");
}

/** Joins the pieces of one tensor-parallel shard along dimension 0. */
function joinFsdpShards(pieces: readonly TensorParallelShard[], joiner: TensorJoiner): TensorParallelShard {
  const [first, ...others] = pieces;
  if (others.length === 0) return first!;
  const parameters = new Map<string, Tensor>();
  for (const name of new Set(pieces.flatMap(({ parameters }) => [...parameters.keys()]))) {
    const found = pieces.flatMap(({ path, parameters }) => {
      const tensor = parameters.get(name);
      return tensor === undefined ? [] : [{ tensor, path }];
    });
    const something = found.filter(({ tensor }) => !isNothing(tensor));
    const parts = something.length === 0 ? found : something;
    const { tensor: { dtype, shape }, path: firstPath } = parts[0]!;
    for (const { tensor, path } of parts) {
      const isContinued = tensor.shape.length > 0 && String(tensor.shape.slice(1)) === String(shape.slice(1));
      if (tensor.dtype === dtype && isContinued) continue;
      throw new MismatchError(
        (tensor.dtype === dtype
          ? `${path}: ${name} is [${tensor.shape.join(", ")}], which doesn't continue [${
            shape.join(", ")
          }] in ` +
            `${firstPath}`
          : `${path}: ${name} is ${tensor.dtype.name}, but ${dtype.name} in ${firstPath}`) +
          "; the pieces are of different models",
      );
    }
    parameters.set(name, joiner.join(parts.map(({ tensor }) => tensor), 0));
  }
  return { path: dirname(first!.path), parameters };
}

/**
 * Whether a piece is what FSDP1 saves where a rank has nothing of a parameter: `torch.Tensor([])`, of torch's default
 * dtype, whatever the parameter is (0.8.1 `nn/fsdp/fsdp1.py`; 0.5 to 0.7 leave the name out). FSDP2's has the
 * parameter's dtype and width, which are checked.
 */
function isNothing({ shape }: Tensor): boolean {
  return shape.length === 1 && shape[0] === 0;
}

/** Finds out whether pieces are missing at the end, where no gap in the names of the files shows it. */
function checkFsdpShards({ path, parameters }: TensorParallelShard): void {
  const norm = parameters.get("decoder.layer_norm.weight")?.shape;
  const matrix = parameters.get("decoder.layers.0.self_attn.k_proj.weight")?.shape;
  // Neither pieces nor tensor parallelism split k along its width, and every norm is as long as that.
  if (norm?.length !== 1 || matrix?.length !== 2 || norm[0]! >= matrix[1]!) return;
  throw new MismatchError(
    `${path}: holds ${norm[0]} of the ${matrix[1]} items of decoder.layer_norm.weight; ` +
      "all sdp files are needed",
  );
}

/** Puts the layers of pipeline stages together. */
async function mergeStages(
  stages: readonly TensorParallelShard[],
  path: string,
): Promise<TensorParallelShard> {
  const [first, ...others] = stages;
  if (others.length === 0) return first!;
  const parameters = new Map(first!.parameters);
  const foundIn = new Map([...parameters.keys()].map((name) => [name, first!.path]));
  for (const { path, parameters: more } of others) {
    for (const [name, tensor] of more) {
      const before = parameters.get(name);
      if (before === undefined) {
        parameters.set(name, tensor);
        foundIn.set(name, path);
      } else if (!await haveSameBytes(before, tensor)) {
        throw new MismatchError(
          `${path}: ${name} has other values than in ${foundIn.get(name)}; the stages are of different runs`,
        );
      }
    }
  }
  return { path, parameters };
}
