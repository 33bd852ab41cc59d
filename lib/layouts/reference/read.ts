/**
 * The reference layout: `consolidated.NN.pth`, one for each shard, and `params.json`, which fairseq2's converter
 * nests under `model` and Meta has flat.
 *
 * @module
 */

import { FileSource } from "../../bytes/source.ts";
import { trimMemory } from "../../copy/memory.ts";
import type { SourceFile } from "../../bytes/source.ts";
import { join } from "../../deps.ts";
import { FileError, FormatError, MismatchError } from "../../error.ts";
import { isExpanded, type Tensor } from "../../tensor/tensor.ts";
import { dialectOf } from "../../torch/dialect.ts";
import type { TorchDialect } from "../../torch/save_state.ts";
import { dictOf } from "../../torch/pickled_dict.ts";
import { type TorchFile, torchFileOpener } from "../../torch/torch_file.ts";
import { type Checkpoint, knownCrcs, type Parameters, type TensorParallelShard } from "../checkpoint.ts";
import { describeReference } from "./params_json.ts";
import { observeShape } from "../observe.ts";
import { families, findParameter } from "../../models/families.ts";
import { formatName, isRotaryBuffer } from "../../models/parameter.ts";
import { readConfigText } from "../config_text.ts";
import type { Listing } from "../directory.ts";

const PARAMS = "params.json";

/** The largest params.json that is read, in bytes; the parser has its own, stricter limit. */
const MAX_PARAMS_BYTES = 1024 * 1024;

/** The name of a shard's file. */
function nameOf(rank: number): string {
  return `consolidated.${String(rank).padStart(2, "0")}.pth`;
}

/**
 * The shards' files in a directory, by rank.
 *
 * @param listing What lies in the directory.
 * @returns Their names, or `undefined` if there are none.
 * @throws {FileError} If one of them is missing.
 */
export function findConsolidated({ path, files }: Listing): string[] | undefined {
  const ranks: number[] = [];
  for (const name of files) {
    const rank = Number(/^consolidated\.(\d{2,6})\.pth$/.exec(name)?.[1] ?? NaN);
    if (nameOf(rank) === name) ranks.push(rank);
  }
  if (ranks.length === 0) return undefined;
  ranks.sort((a, b) => a - b);
  const missing = ranks.findIndex((rank, i) => rank !== i);
  if (missing >= 0) {
    throw new FileError(
      `${path}: ${nameOf(missing)} is missing, but ${nameOf(ranks.at(-1)!)} is there; all shards are needed`,
    );
  }
  return ranks.map(nameOf);
}

/**
 * Opens a directory in the reference layout.
 *
 * Without a `params.json`, or with one that fits several published models which compute differently, the checkpoint
 * says no model: it has to be named.
 *
 * @param listing What lies in the directory.
 * @param names The names of the shards' files, by rank.
 * @returns The checkpoint.
 * @throws {FileError} If a file can't be read.
 * @throws {FormatError} If a file isn't what it must be.
 * @throws {MismatchError} If the weights aren't those of a LLaMA model, or not those that `params.json` speaks of.
 */
export async function openReference(listing: Listing, names: readonly string[]): Promise<Checkpoint> {
  const { path, files } = listing;
  const sources: SourceFile[] = [];
  const shards: TensorParallelShard[] = [];
  const openTorchFile = torchFileOpener();
  let dialect: TorchDialect | undefined;
  for (const name of names) {
    using source = FileSource.open(join(path, name));
    const file = await openTorchFile(source);
    dialect ??= await dialectOf(file);
    sources.push(source.identity);
    const { archive, storages } = file;
    shards.push({ parameters: readReferenceState(file), path: source.path, file: { archive, storages } });
    trimMemory();
  }
  const params = join(path, PARAMS);
  const described = files.has(PARAMS)
    ? describeReference(
      readConfigText(params, MAX_PARAMS_BYTES),
      params,
      shards.length,
      (family) => observeShape(shards, family),
    )
    : { notes: [] };
  return {
    path,
    kind: "reference",
    naming: "reference",
    shards,
    sources,
    known: knownCrcs(shards.map(({ file }) => file!)),
    ...(dialect === undefined ? {} : { dialect }),
    ...(described.model === undefined ? {} : { model: described.model }),
    notes: described.notes,
  };
}

/** The parameters in a file by canonical name, in the file's order. */
function readReferenceState(file: TorchFile): Parameters {
  const { path } = file.archive.source;
  const state = dictOf(file.root);
  if (state === undefined) {
    throw new FormatError(`${path}: holds no dict of tensors; it is no file of the reference layout`);
  }
  const parameters = new Map<string, Tensor>();
  for (const [name, value] of state) {
    if (typeof name !== "string") {
      throw new FormatError(`${path}: the state dict has a key that isn't a string; it is no model's`);
    }
    if (isRotaryBuffer("reference", name)) continue;
    const tensor = file.tensor(value, name);
    if (tensor === undefined) throw new FormatError(`${path}: ${name}: is no tensor`);
    const parameter = findParameter("reference", name);
    if (parameter === undefined) {
      const having = families.filter(({ paramsJson }) => paramsJson !== undefined);
      const titles = having.map(({ title }) => title).join(" or ");
      throw new MismatchError(
        `${path}: ${name}: is no parameter of a ${titles} model in the reference layout`,
      );
    }
    if (isExpanded(tensor)) {
      throw new MismatchError(
        `${path}: ${name}: has more items than its storage, as no model's weights have; save it contiguous`,
      );
    }
    if (!tensor.dtype.isFloat) {
      throw new MismatchError(
        `${path}: ${name}: has dtype ${tensor.dtype.name}, but a model's weights are floating point`,
      );
    }
    parameters.set(formatName("fairseq2", parameter), tensor);
  }
  if (parameters.size === 0) throw new FormatError(`${path}: the model's state dict is empty`);
  return parameters;
}
