/** Saving named tensors: planned, and copied by the one engine. */

import { checkOutput, writeOutput } from "../output/output_directory.ts";
import { checkOutputFile, writeFile, type WriteFileOptions } from "../output/output_file.ts";
import { isContiguous, type View } from "../bytes/view.ts";
import { lossNotes } from "../convert/convert_checkpoint.ts";
import type { KnownCrc, OutputFile, Plan } from "../copy/plan.ts";
import type { SourceFile } from "../bytes/source.ts";
import { basename } from "../deps.ts";
import { FormatError, OptionError } from "../error.ts";
import { isTooExpanded, MAX_EXPANDED_BYTES } from "../inspect/file_tensors.ts";
import { splitWeights, weightIndexJson } from "../layouts/huggingface/weight_shards.ts";
import { plannedTensor, textFile } from "../layouts/planned_output.ts";
import { callback, checkOptions, flag, jobs, required, type Rules, signal, wholeNumber } from "../options.ts";
import { safetensorsDType } from "../safetensors/dtype.ts";
import { layoutSafetensors } from "../safetensors/layout.ts";
import { dtypes } from "../tensor/dtype.ts";
import { spannedItems, type Storage, type Tensor } from "../tensor/tensor.ts";
import { currentDialect, layoutState } from "../torch/save_state.ts";
import { someOf } from "../words.ts";
import type { LazyTensor } from "./lazy_tensor.ts";
import type { NamedTensors } from "./steps.ts";

/** How tensors are saved. */
export type SaveOptions = WriteFileOptions;

/** How tensors are saved to safetensors. */
export interface SaveSafetensorsOptions extends SaveOptions {
  /** Texts about the file; by default `{ format: "pt" }`, without which transformers refuses it. None if it is empty. */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * The most bytes of tensors in a file. Then what is made is a directory, with `model.safetensors`, or several files and an
   * index, as transformers has them; by default it is a single file.
   */
  readonly maxShardSize?: number;
}

/** What was saved. */
export interface SavedTensors {
  /** The path that was given. */
  readonly path: string;
  /** The number of tensors. */
  readonly tensors: number;
  /** The files that were made, and their sizes in bytes; of a directory by their names in it. */
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** The size of all of them in bytes. */
  readonly bytes: number;
  /** What a user should be told: tensors that became contiguous, or no longer share a storage; numbers that were lost. */
  readonly notes: readonly string[];
}

/** What is to be saved, and what a user should know of it. */
export interface SavePlan {
  readonly plan: Plan;
  /** Whether it is a directory. */
  readonly isDirectory: boolean;
  readonly notes: readonly string[];
}

const saveRules: Rules<SaveOptions> = {
  overwrite: flag,
  jobs,
  clone: flag,
  verify: flag,
  sync: flag,
  onProgress: callback,
  signal,
};

const safetensorsRules: Rules<SaveSafetensorsOptions> = {
  ...saveRules,
  maxShardSize: wholeNumber(1),
  metadata: {
    what: "an object of texts",
    allows: (value) =>
      typeof value === "object" && value !== null &&
      Object.values(value).every((text) => typeof text === "string"),
  },
};

/** How many tensors a note names. */
const NAMED = 3;

/**
 * Saves tensors to a torch file: byte for byte what `torch.save` of torch 2.13 writes of the same dict, but for the first 20
 * digits of `.data/serialization_id`, which nothing reads. Tensors that share a storage still do, and strides stay. The file appears when it is whole, or not at all. Memory stays constant.
 *
 * @example Usage
 * ```ts
 * import { openTensors, saveTorch, tensorOf } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/model.pt`;
 * await saveTorch(path, new Map([["w", tensorOf(new Float32Array([1, 2]), [1, 2])]]));
 * const tensors = await openTensors(path);
 * assertEquals(await tensors.get("w")!.read(), new Float32Array([1, 2]));
 * ```
 *
 * @param path The file to make.
 * @param tensors The tensors by name, opened or new.
 * @param options Whether it may be there already, and how it is made.
 * @returns What was saved.
 * @throws {OptionError} If torch has no dtype for a tensor, or there are none.
 * @throws {FileError} If the file exists, or something can't be read or written.
 * @throws {FormatError} If a tensor's bytes don't have the checksum that its file states.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function saveTorch(
  path: string,
  tensors: NamedTensors,
  options: SaveOptions = {},
): Promise<SavedTensors> {
  checkOptions({ path }, { path: required });
  checkOptions(options, saveRules);
  return await runSave(planTorch(path, tensors), path, tensors, options);
}

/**
 * Saves tensors to a safetensors file: byte for byte what `safetensors.torch.save_file` writes. The file appears when it is
 * whole, or not at all. Memory stays constant.
 *
 * The format knows neither strides nor shared storages: each tensor is written on its own in row-major order, and a note
 * says which ones were otherwise before.
 *
 * @example Usage
 * ```ts
 * import { openTensors, saveSafetensors, tensorOf } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/model.safetensors`;
 * const { bytes } = await saveSafetensors(path, new Map([["w", tensorOf(new Int32Array([1, 2, 3]))]]));
 * assertEquals(bytes, (await Deno.stat(path)).size);
 * assertEquals(await (await openTensors(path)).get("w")!.read(), new Int32Array([1, 2, 3]));
 * ```
 *
 * @param path The file to make; with `maxShardSize` the directory.
 * @param tensors The tensors by name, opened or new.
 * @param options Texts about the file, how large files may be, and how they are made.
 * @returns What was saved.
 * @throws {OptionError} If the format has no dtype for a tensor or can't have its name, or there are none.
 * @throws {FileError} If the file exists, or something can't be read or written.
 * @throws {FormatError} If a tensor's bytes don't have the checksum that its file states, or it repeats the items of its
 * storage to more than 64 MiB.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function saveSafetensors(
  path: string,
  tensors: NamedTensors,
  options: SaveSafetensorsOptions = {},
): Promise<SavedTensors> {
  checkOptions({ path }, { path: required });
  checkOptions(options, safetensorsRules);
  return await runSave(planSafetensors(path, tensors, options), path, tensors, options);
}

/** Plans a torch file; see {@linkcode saveTorch}. */
export function planTorch(path: string, tensors: NamedTensors): SavePlan {
  checkSome(tensors);
  for (const [name, { dtype }] of tensors) if (!dtypes.has(dtype)) throw noDType("torch", name, dtype);
  const [file, ...others] = new Set([...tensors.values()].map(({ origin }) => origin.file));
  const layout = layoutState(basename(path), descriptions(tensors), {
    dialect: currentDialect,
    ...(file !== undefined && others.length === 0 ? { base: file } : {}),
    tensors: plannedTensors(tensors),
  });
  return { plan: planOf([layout], tensors), isDirectory: false, notes: [] };
}

/** Plans one safetensors file, or a directory of them; see {@linkcode saveSafetensors}. */
export function planSafetensors(
  path: string,
  tensors: NamedTensors,
  { metadata = { format: "pt" }, maxShardSize }: SaveSafetensorsOptions = {},
): SavePlan {
  checkSome(tensors);
  for (const [name, { dtype, description }] of tensors) {
    if (safetensorsDType(description.dtype) === undefined) throw noDType("safetensors", name, dtype);
    if (isTooExpanded(description)) {
      throw new FormatError(
        `${name}: repeats the items of its storage (torch's expand) to more than ${MAX_EXPANDED_BYTES} bytes; ` +
          "save it with tensor.clone()",
      );
    }
  }
  const texts = new Map(Object.entries(metadata));
  const shards = maxShardSize === undefined
    ? [{ name: basename(path), tensors: descriptions(tensors) }]
    : splitWeights(descriptions(tensors), maxShardSize);
  const files = shards.map(({ name, tensors: shard }): OutputFile => {
    const planned = [...shard].map(([name, tensor]) => plannedTensor(name, name, tensor));
    try {
      return { ...layoutSafetensors(name, shard, texts.size > 0 ? texts : undefined), tensors: planned };
    } catch (error) {
      throw error instanceof RangeError ? new OptionError(error.message) : error;
    }
  });
  if (shards.length > 1) files.push(textFile("model.safetensors.index.json", weightIndexJson(shards)));
  return {
    plan: planOf(files, tensors),
    isDirectory: maxShardSize !== undefined,
    notes: [...sharingNotes(tensors), ...strideNotes(tensors)],
  };
}

/** Checks that what is planned can be made there. */
export function checkSave({ isDirectory }: SavePlan, path: string, { overwrite }: SaveOptions = {}): void {
  if (isDirectory) checkOutput(path, []);
  else checkOutputFile(path, overwrite);
}

/** Makes what is planned. */
export async function runSave(
  { plan, isDirectory, notes }: SavePlan,
  path: string,
  tensors: NamedTensors,
  options: SaveOptions,
): Promise<SavedTensors> {
  const result = isDirectory ? await writeOutput(plan, path, options) : await writeFile(plan, path, options);
  const casts = [...tensors.values()].map(({ description }) => castOf(description.storage.view));
  const targets = [...new Set(casts.flatMap((to) => to ?? []))].join(" or ");
  const saved = describeSave(
    { plan, notes: [...notes, ...lossNotes(result.losses, targets)] },
    path,
    tensors,
  );
  // A clone may be of another size than planned.
  return { ...saved, files: result.files, bytes: result.files.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** What is made by a plan. */
export function describeSave(
  { plan, notes }: Omit<SavePlan, "isDirectory">,
  path: string,
  tensors: NamedTensors,
): SavedTensors {
  const files = plan.files.map(({ name, size }) => ({ name, bytes: size }));
  return {
    path,
    tensors: tensors.size,
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    notes,
  };
}

function castOf(view: View): string | undefined {
  return view.op === "cast" ? view.to : undefined;
}

function checkSome({ size }: NamedTensors): void {
  if (size === 0) throw new OptionError("There are no tensors to save");
}

function noDType(format: string, name: string, dtype: string): OptionError {
  const advice = dtypes.has(dtype) ? "leave it out, or save it to torch's format" : "cast the tensors first";
  return new OptionError(`${name}: is ${dtype}, for which ${format} has no dtype; ${advice}`);
}

function descriptions(tensors: NamedTensors): Map<string, Tensor> {
  return new Map(Array.from(tensors, ([name, { description }]) => [name, description]));
}

function plannedTensors(tensors: NamedTensors): OutputFile["tensors"] {
  return [...descriptions(tensors)].map(([name, tensor]) => plannedTensor(name, name, tensor));
}

/** The plan of files: what they are copied from is known by the tensors. */
function planOf(files: readonly OutputFile[], tensors: NamedTensors): Plan {
  const sources = new Map<string, SourceFile>();
  const known = new Map<string, KnownCrc>();
  for (const origin of new Set([...tensors.values()].map(({ origin }) => origin))) {
    // Opened twice and changed between, a file is in it as both, and found out.
    for (const source of origin.sources) sources.set(JSON.stringify(source), source);
    for (const each of origin.known) known.set(`${each.offset} ${each.path}`, each);
  }
  return { files, sources: [...sources.values()], known: [...known.values()] };
}

/** Which tensors have the same items as others; each will have a copy of its own. */
function sharingNotes(tensors: NamedTensors): string[] {
  const byStorage = new Map<Storage, [name: string, LazyTensor][]>();
  for (const entry of tensors) {
    const { storage } = entry[1].description;
    byStorage.set(storage, [...byStorage.get(storage) ?? [], entry]);
  }
  const groups: string[] = [];
  for (const entries of byStorage.values()) {
    const spans = entries.map(([name, { description }]) => ({
      name,
      start: description.storageOffset * description.dtype.itemBytes,
      end: spannedItems(description) * description.dtype.itemBytes,
    })).filter(({ start, end }) => start < end).sort((a, b) => a.start - b.start);
    let names: string[] = [];
    let reached = -1;
    for (const { name, start, end } of [...spans, { name: "", start: Infinity, end: Infinity }]) {
      if (start >= reached) {
        if (names.length > 1) groups.push(someOf(names, NAMED, " and "));
        names = [];
      }
      names.push(name);
      reached = Math.max(reached, end);
    }
  }
  if (groups.length === 0) return [];
  return [`shared items are written for each tensor, as safetensors wants them: ${someOf(groups, NAMED)}`];
}

/** Which tensors aren't contiguous. */
function strideNotes(tensors: NamedTensors): string[] {
  const strided = [...tensors]
    .filter(([, { description: { shape, stride } }]) => !isContiguous(shape, stride))
    .map(([name]) => name);
  if (strided.length === 0) return [];
  return [`made contiguous, as safetensors wants them: ${someOf(strided, NAMED)}`];
}
