/**
 * Checkpoints that lie in files which torch saved: finding them, opening one after the other, and reading the state
 * dict in each.
 */

import { openSource } from "../bytes/open_source.ts";
import type { SourceFile } from "../bytes/source.ts";
import { trimMemory } from "../copy/memory.ts";
import { FileError, FormatError, MismatchError } from "../error.ts";
import { Global, type PickleValue, Reduction } from "../pickle/mod.ts";
import { isExpanded, type Tensor } from "../tensor/tensor.ts";
import { dialectOf } from "../torch/dialect.ts";
import type { PickledDict } from "../torch/pickled_dict.ts";
import type { TorchDialect } from "../torch/save_state.ts";
import { type StoredTensors, type TorchFile, torchFileOpener } from "../torch/torch_file.ts";
import { type Checkpoint, knownCrcs, type Parameters, type TensorParallelShard } from "./checkpoint.ts";

/**
 * The names among some that are those of ranks, by rank. Loaders that look for one rank after the other take a gap for
 * the end.
 *
 * @param nameOf The name of a rank, whose first number is the rank's.
 * @param what What the names are of, for messages: shards, or ranks.
 * @throws {FileError} If one of them is missing.
 */
export function namesOfRanks(
  path: string,
  names: Iterable<string>,
  nameOf: (rank: number) => string,
  what: "shards" | "ranks" = "shards",
): string[] {
  const ranks: number[] = [];
  for (const name of names) {
    const rank = Number(/\d+/.exec(name)?.[0] ?? -1);
    if (nameOf(rank) === name) ranks.push(rank);
  }
  ranks.sort((a, b) => a - b);
  const missing = ranks.findIndex((rank, i) => rank !== i);
  if (missing >= 0) {
    throw new FileError(
      `${path}: ${nameOf(missing)} is missing, but ${nameOf(ranks.at(-1)!)} is there; all ${what} are needed`,
    );
  }
  return ranks.map(nameOf);
}

/** What was read of a checkpoint's files. */
type TorchShards = Pick<Checkpoint, "shards" | "sources" | "known" | "dialect">;

/**
 * Opens the files of a checkpoint.
 *
 * @param paths The files, by shard.
 * @param read Reads the parameters in a file.
 * @param join Makes one shard of what its files hold; by default each has one file.
 */
export async function openTorchShards(
  paths: readonly (readonly string[])[],
  read: (file: TorchFile) => Parameters,
  join: (pieces: readonly TensorParallelShard[]) => TensorParallelShard = ([only]) => only!,
): Promise<TorchShards> {
  const sources: SourceFile[] = [];
  const files: StoredTensors[] = [];
  const shards: TensorParallelShard[] = [];
  const openTorchFile = torchFileOpener();
  let dialect: TorchDialect | undefined;
  for (const ofShard of paths) {
    const pieces: TensorParallelShard[] = [];
    for (const path of ofShard) {
      using source = openSource(path);
      const opened = await openTorchFile(source);
      dialect ??= await dialectOf(opened);
      const { archive, storages } = opened;
      const file = { archive, storages };
      pieces.push({ parameters: read(opened), path, file });
      files.push(file);
      sources.push(source.identity);
      trimMemory();
    }
    shards.push(join(pieces));
  }
  return { shards, sources, known: knownCrcs(files), dialect };
}

/**
 * Reads a model's state dict.
 *
 * @param nameOf The canonical name of a key, or `undefined` for what is no parameter and left out.
 * @returns The parameters by canonical name, in the file's order.
 * @throws {FormatError} If it is no dict of tensors.
 * @throws {MismatchError} If a tensor can't be a parameter, or two keys are the same one.
 */
export function readState(
  file: TorchFile,
  state: PickledDict,
  nameOf: (key: string) => string | undefined,
): Parameters {
  const { path } = file.archive.source;
  const parameters = new Map<string, Tensor>();
  const keys = new Map<string, string>();
  for (const [key, value] of state) {
    if (typeof key !== "string") {
      throw new FormatError(`${path}: the state dict has a key that isn't a string; it is no model's`);
    }
    const name = nameOf(key);
    if (name === undefined) continue;
    const tensor = file.tensor(value, key);
    if (tensor === undefined) {
      throw new FormatError(`${path}: ${key}: is ${describeValue(value)}, not a tensor`);
    }
    if (isExpanded(tensor)) {
      throw new MismatchError(
        `${path}: ${key}: has more items than its storage, as no model's weights have; save it contiguous`,
      );
    }
    if (!tensor.dtype.isFloat) {
      throw new MismatchError(
        `${path}: ${key}: has dtype ${tensor.dtype.name}, but a model's weights are floating point`,
      );
    }
    const before = keys.get(name);
    if (before !== undefined) {
      throw new MismatchError(`${path}: ${key} and ${before} are both ${name}; the state dict is mixed up`);
    }
    keys.set(name, key);
    parameters.set(name, tensor);
  }
  if (parameters.size === 0) throw new FormatError(`${path}: the model's state dict is empty`);
  return parameters;
}

/** What a value is, for a message. */
export function describeValue(value: PickleValue): string {
  if (value === null) return "None";
  if (typeof value === "string") return "a string";
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
    return String(value);
  }
  if (Array.isArray(value)) return "a list";
  if (value instanceof Map) return "a dict";
  if (value instanceof Reduction && value.callable instanceof Global) {
    return /^_rebuild_.*(tensor|parameter)/.test(value.callable.name) ? "a tensor" : `a ${value.callable}`;
  }
  return `a ${value.constructor.name}`;
}
