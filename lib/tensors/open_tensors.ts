/** Opening the tensors of any file or checkpoint, by name. */

import { isDirectory } from "../bytes/file_system.ts";
import { FileSource } from "../bytes/source.ts";
import { trimMemory } from "../copy/memory.ts";
import { openRules } from "../convert/open_checkpoint.ts";
import type { Target } from "../convert/target.ts";
import { join } from "../deps.ts";
import { CheckpointError, FileError, FormatError, OptionError } from "../error.ts";
import { isBrokenModel } from "../inspect/comparable.ts";
import { openTable } from "../inspect/file_format.ts";
import { rebuiltTensors } from "../inspect/pickled_tensors.ts";
import { findNearWeightFiles } from "../inspect/weight_files.ts";
import { openModel, wholeModel } from "../inspect/whole_model.ts";
import { type Checkpoint, knownCrcs } from "../layouts/checkpoint.ts";
import { listDirectory } from "../layouts/directory.ts";
import { findGguf, ggufNames } from "../layouts/gguf/files.ts";
import { findHuggingFace, readWeights } from "../layouts/huggingface/read.ts";
import { formatName, parseName } from "../models/parameter.ts";
import { callback, checkOptions, required, type Rules } from "../options.ts";
import { openAnyTorchFile } from "../torch/torch_file.ts";
import { LazyTensor, type TensorOrigin } from "./lazy_tensor.ts";
import { leftOutNotes, pickDict } from "./pick_dict.ts";

/** What to open, and whom to tell. */
export interface OpenTensorsOptions {
  /**
   * Which dict of a torch file is meant, by its keys with dots between, such as `"state_dict"`; `""` for all that there is,
   * with the keys in the names. By default the dict that all tensors are in; where several hold some, the one called
   * `model`, `_model`, `state_dict`, `model_state_dict` or `module`; and all where none is called so.
   */
  readonly key?: string;
  /** The layout, where a directory holds checkpoints of several. `"reference"` and `"meta"` are read alike. */
  readonly from?: Target;
  /** The step, where a directory holds several; the newest complete one by default. */
  readonly step?: number;
  /** Told what a user should know, such as what of a file is left out. */
  readonly onNote?: (note: string) => void;
}

const rules: Rules<OpenTensorsOptions> = {
  ...openRules,
  key: { what: "a text", allows: (value) => typeof value === "string" },
  onNote: callback,
};

/** What was opened. */
export interface OpenedTensors {
  readonly tensors: Map<string, LazyTensor>;
  /** The texts that a safetensors file says of itself. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly notes: readonly string[];
}

/**
 * Opens the tensors of a file, or of a checkpoint, whatever the model: a torch file (of today's format or that before
 * 1.6), one of safetensors or GGUF, or a directory of them in any layout. Only tables of contents are read, and nothing in
 * them is run.
 *
 * Names are those in the files; those of a torch file are the keys in its state dict, which may lie in another dict
 * (`key`). Where a model is in tensor-parallel shards or FSDP pieces, these are joined: then the names are those that the
 * layout has without wrappers, such as `module.`.
 *
 * @example Usage
 * ```ts
 * import { openTensors } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const tensors = await openTensors("fixtures/checkpoints/fairseq2-0.3.0/llama2_fp32_tp4/step_10");
 * const norm = tensors.get("decoder.layer_norm.weight")!;
 * assertEquals([norm.dtype, norm.shape], ["float32", [32]]);
 * console.log(await norm.read());
 * ```
 *
 * @param path The file, or the directory.
 * @param options Which dict, layout or step; and whom to tell what.
 * @returns The tensors by name, in the order of the file.
 * @throws {FileError} If there is none, or a part of a checkpoint is missing.
 * @throws {FormatError} If a file is damaged, or has a tensor of a kind that ckpt doesn't know.
 * @throws {MismatchError} If shards don't fit together.
 * @throws {OptionError} If the dict, the layout or the step isn't there, or nothing says which of several is meant.
 */
export async function openTensors(
  path: string,
  options: OpenTensorsOptions = {},
): Promise<Map<string, LazyTensor>> {
  checkOptions({ path }, { path: required });
  checkOptions(options, rules);
  const { tensors, notes } = await openAllTensors(path, options);
  for (const note of notes) options.onNote?.(note);
  return tensors;
}

/** Opens tensors, and says what else there is; see {@linkcode openTensors}. */
export async function openAllTensors(
  path: string,
  options: Omit<OpenTensorsOptions, "onNote"> = {},
): Promise<OpenedTensors> {
  return isDirectory(path) ? await openDirectory(path, options) : await openFile(path, options.key);
}

async function openFile(path: string, key?: string): Promise<OpenedTensors> {
  using source = FileSource.open(path);
  const table = await openTable(source);
  const tensors = new Map<string, LazyTensor>();
  if (table !== undefined) {
    if (key !== undefined && key !== "") {
      throw new OptionError(
        `${path}: is a ${table.format} file, which has no ${JSON.stringify(key)} to look in`,
      );
    }
    const origin: TensorOrigin = { sources: [source.identity], known: [] };
    for (const [name, { tensor, dtype }] of table.tensors) {
      if (tensor === undefined) {
        throw new FormatError(`${path}: ${name}: is of ${dtype}, which ckpt doesn't know`);
      }
      tensors.set(name, new LazyTensor(tensor, origin));
    }
    const { metadata = new Map(), gguf } = table;
    const notes = gguf === undefined
      ? []
      : [`left out: the metadata of ${path} (${gguf.metadata.length} keys)`];
    return { tensors, metadata, notes };
  }
  const file = await openAnyTorchFile(source);
  const { archive, storages } = file;
  const rebuilt = [...rebuiltTensors(file, path)];
  const { prefix, leftOut } = pickDict(file.root, rebuilt.map(({ name }) => name), path, key);
  const stored = { archive, storages };
  const origin: TensorOrigin = { sources: [source.identity], known: knownCrcs([stored]), file: stored };
  for (const { name: whole, tensor, kind } of rebuilt) {
    if (!whole.startsWith(prefix)) continue;
    const name = whole.slice(prefix.length);
    if (tensor === undefined) {
      throw new FormatError(`${path}: ${whole}: is no plain tensor (${kind}); save it as one with torch`);
    }
    if (tensors.has(name)) throw new FormatError(`${path}: ${whole}: is there twice`);
    tensors.set(name, new LazyTensor(tensor, origin));
  }
  return { tensors, metadata: new Map(), notes: leftOutNotes(leftOut) };
}

async function openDirectory(
  path: string,
  { from, step, key }: Omit<OpenTensorsOptions, "onNote">,
): Promise<OpenedTensors> {
  let checkpoint: Checkpoint;
  try {
    checkpoint = await openModel(path, { from, step });
  } catch (error) {
    if (!(error instanceof CheckpointError) || error instanceof OptionError) throw error;
    return await openUnknown(path, error, from, key);
  }
  const { naming, shards, sources, notes } = checkpoint;
  // These have whole tensors, in as many files as there are.
  const isByFile = naming === "huggingface" || naming === "gguf" || sources.length === 1;
  if (isByFile) {
    const opened = await openFiles(path, sources.map((source) => source.path), key);
    const picked = notes.filter((note) => note.startsWith("step"));
    return { ...opened, notes: [...picked, ...opened.notes] };
  }
  const { parameters, families, differingReplicas } = await wholeModel(checkpoint);
  const origin: TensorOrigin = { sources, known: checkpoint.known };
  const tensors = new Map(Array.from(parameters, ([canonical, tensor]) => {
    const parameter = families.map((family) => parseName(family, "fairseq2", canonical)).find(Boolean);
    const name = parameter === undefined ? canonical : formatName(naming ?? "fairseq2", parameter);
    return [name, new LazyTensor(tensor, origin)];
  }));
  return {
    tensors,
    metadata: new Map(),
    notes: [
      ...notes,
      // Of fairseq2's newer layout that is said.
      ...(notes.some((note) => note.startsWith("joined from"))
        ? []
        : [`joined from ${shards.length} tensor-parallel shards`]),
      ...differingReplicas.map((name) =>
        `${name} differs between the shards, though each should have the same copy; the first one counts`
      ),
    ],
  };
}

/** Opens a directory that is no checkpoint of a known model. */
async function openUnknown(
  path: string,
  problem: CheckpointError,
  from: Target | undefined,
  key: string | undefined,
): Promise<OpenedTensors> {
  const listing = listDirectory(path);
  const isNamed = listing.files.has("model.safetensors") ||
    listing.files.has("model.safetensors.index.json");
  if ((from ?? "huggingface") === "huggingface" && isNamed && findHuggingFace(listing) !== undefined) {
    const { sources } = await readWeights(listing); // They are those that the index names, and all there.
    return await openFiles(path, sources.map((source) => source.path), key);
  }
  if (from !== undefined) throw problem;
  const isGguf = ggufNames(listing).length > 0;
  const files = isGguf ? findGguf(listing).map((name) => join(path, name)) : findNearWeightFiles(path);
  if (files.length === 0) throw problem;
  const [first] = files;
  if (!isGguf && first !== undefined) {
    const { tensors } = await openFile(first, key);
    const descriptions = new Map(Array.from(tensors, ([name, { description }]) => [name, description]));
    if (isBrokenModel(descriptions, problem)) throw problem;
  }
  return await openFiles(path, files, key);
}

/** Opens the files that one set of tensors is spread over. */
async function openFiles(
  path: string,
  files: readonly string[],
  key: string | undefined,
): Promise<OpenedTensors> {
  if (files.length === 1) return await openFile(files[0]!, key);
  const tensors = new Map<string, LazyTensor>();
  const places = new Map<string, string>();
  const metadata = new Map<string, string>();
  const notes = new Set<string>();
  for (const file of files) {
    const opened = await openFile(file, key);
    for (const [name, tensor] of opened.tensors) {
      const other = places.get(name);
      if (other !== undefined) {
        throw new FileError(`${path}: ${name} is in ${other} and in ${file}; name the file that is meant`);
      }
      places.set(name, file);
      tensors.set(name, tensor);
    }
    for (const [name, text] of opened.metadata) metadata.set(name, text);
    for (const note of opened.notes) notes.add(note);
    trimMemory();
  }
  return { tensors, metadata, notes: [...notes] };
}
