/**
 * Looking inside a checkpoint: what it is and what it holds, from its tables of contents alone.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { isDirectory } from "../bytes/file_system.ts";
import { type HttpOptions, httpRules, openHttpSource } from "../bytes/http_source.ts";
import { trimMemory } from "../copy/memory.ts";
import { FileSource } from "../bytes/source.ts";
import { CheckpointError, OptionError } from "../error.ts";
import { checkOptions, oneOf, type Rules } from "../options.ts";
import { type Target, targets } from "../convert/target.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import type { Naming } from "../models/family.ts";
import { familyOf, findParameter } from "../models/families.ts";
import { formatName, stripWrappers } from "../models/parameter.ts";
import { numel, type Tensor } from "../tensor/tensor.ts";
import { type FileFormat, type FileListing, type ListedTensor, listFile } from "./listing.ts";
import { relativePath } from "./relative_path.ts";
import { fairseq2Layout, identify, type Identity, recognize, type Recognized } from "./recognize.ts";
import { toUrl } from "./to_url.ts";
import { findNearWeightFiles } from "./weight_files.ts";
import { familiesOf } from "../layouts/observe.ts";
import { openModel, wholeModel } from "./whole_model.ts";

/** A tensor of a checkpoint. */
export interface InspectedTensor {
  /** Its name: that in the files, without the keys above a model's state dict. */
  readonly name: string;
  /** Its dtype, by torch's name. */
  readonly dtype: string;
  /** Its shape. One that is split over several files is whole here. */
  readonly shape: readonly number[];
  /** The size of its items in bytes. */
  readonly bytes: number;
}

/** A file of a checkpoint. */
export interface InspectedFile {
  /** Its path below the one that was inspected, or its name. */
  readonly name: string;
  /** Its size in bytes. */
  readonly bytes: number;
}

/** What a checkpoint is, and what it holds. */
export interface Inspection {
  /** The format of its files: `"torch"`, `"torch-legacy"` (before 1.6), or `"safetensors"`. */
  readonly format: FileFormat;
  /** fairseq2's name for the family of a model, such as `"llama"` or `"qwen"`; `null` for anything else. */
  readonly family: string | null;
  /**
   * How a model is laid out in it: `"fairseq2 0.2-0.3"`, `"fairseq2 0.4"`, `"fairseq2 0.5-0.8"`, `"reference"` or
   * `"huggingface"`; `null` for anything else.
   */
  readonly layout: string | null;
  /**
   * The architecture of a model: the one that its configuration says or the shapes fit; with `" or "` between
   * them where the shapes fit several; `null` where it is none that was published.
   */
  readonly architecture: string | null;
  /** The number of all tensors' items. What is there under two names counts once. */
  readonly parameters: number;
  /** The size of all tensors in bytes, counted in the same way. */
  readonly bytes: number;
  /** The files. */
  readonly files: readonly InspectedFile[];
  /** The tensors. */
  readonly tensors: readonly InspectedTensor[];
  /** Who wrote the files, for people. */
  readonly writer: string;
  /** What a user should be told. */
  readonly notes: readonly string[];
}

/** How to look inside. */
export interface InspectOptions extends HttpOptions {
  /** The layout, where a directory holds checkpoints of several. `"reference"` and `"meta"` are read alike. */
  readonly from?: Target;
}

const rules: Rules<InspectOptions> = { ...httpRules, from: oneOf(targets) };

/**
 * Looks inside a checkpoint, or any file of tensors that torch or the safetensors library wrote. Only tables of
 * contents are read, and nothing in them is run. Of a file on a web server some kilobytes are read.
 *
 * Needs read permission for the path, or net permission for the host.
 *
 * @example Usage
 * ```ts ignore
 * import { inspect } from "./mod.ts";
 *
 * const { layout, architecture, tensors } = await inspect("run/checkpoints/step_1000");
 * console.log(layout, architecture, tensors.length);
 * ```
 *
 * @param path A file, a checkpoint's directory, or an `http:` or `https:` URL of a file, which may be a string.
 * @param options How to read from web servers, and which of several checkpoints is meant.
 * @returns What it is.
 * @throws {FileError} If it can't be read, or there is nothing of the kind.
 * @throws {FormatError} If a file is damaged, or is neither torch's nor a safetensors file.
 * @throws {OptionError} If a directory holds several checkpoints, or none of the layout; or a layout is given for a file.
 */
export async function inspect(path: string | URL, options: InspectOptions = {}): Promise<Inspection> {
  checkOptions(options, rules);
  const { from } = options;
  const url = toUrl(path);
  const local = path instanceof URL && url === undefined ? fileURLToPath(path) : String(path);
  if (url === undefined && isDirectory(local)) return await inspectDirectory(local, from);
  if (from !== undefined) throw new OptionError(`${path}: is no directory, so --from has no meaning here`);
  if (url === undefined) return await inspectFile(local);
  const listing = await listFile(await openHttpSource(url, options));
  return describeFile(listing, fileName(url.pathname), undefined);
}

async function inspectFile(path: string): Promise<Inspection> {
  const listing = await listPath(path);
  let checkpoint: Checkpoint | undefined;
  try {
    checkpoint = await openModel(path);
  } catch (error) {
    // A file of several, or of another model: what it holds has been seen all the same.
    if (!(error instanceof CheckpointError)) throw error;
  }
  return describeFile(listing, fileName(path), checkpoint);
}

async function inspectDirectory(path: string, from: Target | undefined): Promise<Inspection> {
  let checkpoint: Checkpoint;
  try {
    checkpoint = await openModel(path, { from });
  } catch (error) {
    // Which of several checkpoints is meant is for the caller to say.
    if (!(error instanceof CheckpointError) || error instanceof OptionError) throw error;
    return await describeOthers(path, error);
  }
  const listings: FileListing[] = [];
  for (const source of checkpoint.sources) listings.push(await listPath(source.path));
  const [first] = listings;
  const single = listings.length === 1;
  const recognized = listings.map(recognize);
  const files = listings.map(({ path: file, size }) => ({ name: relativePath(path, file), bytes: size }));
  const { naming: names = "fairseq2" } = checkpoint;
  const { tensors, notes } = single || names === "huggingface"
    ? { tensors: listings.flatMap((listing, i) => withoutPrefix(listing, recognized[i])), notes: [] }
    : joinedTensors(checkpoint, recognized, names);
  const layout = names === "fairseq2" ? fairseq2Layout(first!.root) : names;
  return {
    format: first!.format,
    layout,
    ...identityOf(checkpoint),
    ...totals(tensors),
    files,
    tensors: tensors.map(shown),
    writer: first!.writer,
    notes: [...checkpoint.notes, ...notes, ...new Set(listings.flatMap((listing) => listing.notes))],
  };
}

/** A directory that is no checkpoint of a known model: all files in it that hold tensors. */
async function describeOthers(path: string, problem: CheckpointError): Promise<Inspection> {
  const paths = findNearWeightFiles(path);
  if (paths.length === 0) throw problem;
  const listings: FileListing[] = [];
  for (const each of paths) listings.push(await listPath(each));
  const all = listings.flatMap(({ tensors }) => tensors.map(({ name }) => name));
  // Parts of one model have different names; where they don't, the file is part of the name.
  const unique = new Set(all).size === all.length;
  const tensors = listings.flatMap((listing) => {
    const file = relativePath(path, listing.path);
    return listing.tensors.map((tensor): ListedTensor => ({
      ...tensor,
      name: unique ? tensor.name : `${file}/${tensor.name}`,
      identity: `${file}/${tensor.identity}`,
    }));
  });
  return {
    format: listings[0]!.format,
    family: null,
    layout: null,
    architecture: null,
    ...totals(tensors),
    files: listings.map(({ path: file, size }) => ({ name: relativePath(path, file), bytes: size })),
    tensors: tensors.map(shown),
    writer: listings[0]!.writer,
    notes: [
      `no checkpoint that can be converted: ${problem.message}`,
      ...listings.flatMap(({ notes }) => notes),
    ],
  };
}

/** A file by itself. */
function describeFile(listing: FileListing, name: string, checkpoint: Checkpoint | undefined): Inspection {
  const recognized = recognize(listing);
  const tensors = withoutPrefix(listing, recognized);
  const layout = recognized === undefined
    ? null
    : recognized.names === "fairseq2"
    ? fairseq2Layout(listing.root)
    : recognized.names;
  const identity = checkpoint !== undefined
    ? identityOf(checkpoint)
    : recognized !== undefined
    ? identify(recognized.parameters, recognized.families)
    : { family: null, architecture: null };
  return {
    format: listing.format,
    layout,
    ...identity,
    ...totals(tensors),
    files: [{ name, bytes: listing.size }],
    tensors: tensors.map(shown),
    writer: listing.writer,
    notes: listing.notes,
  };
}

function identityOf(checkpoint: Checkpoint): Identity {
  try {
    const { parameters, families, resolved } = wholeModel(checkpoint);
    if (resolved === undefined) return identify(parameters, families);
    const found = identify(parameters, [familyOf(resolved.model)]);
    return { ...found, architecture: resolved.architecture ?? found.architecture };
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return { family: familiesOf(checkpoint.shards)[0]!.name, architecture: null };
  }
}

/** The tensors of a file, whose names don't say again that they are in a model's state dict. */
function withoutPrefix({ tensors }: FileListing, recognized: Recognized | undefined): ListedTensor[] {
  const length = recognized?.prefix.length ?? 0;
  return tensors.map((tensor) => ({ ...tensor, name: tensor.name.slice(length) }));
}

/** The tensors of a model in several files, joined, by the names that they have there. */
function joinedTensors(
  checkpoint: Checkpoint,
  recognized: readonly (Recognized | undefined)[],
  names: Naming,
): { readonly tensors: ListedTensor[]; readonly notes: string[] } {
  const inFiles = new Map<string, string>();
  for (const each of recognized) {
    for (const [canonical, { name }] of each?.parameters ?? []) {
      if (!inFiles.has(canonical)) inFiles.set(canonical, name.slice(each!.prefix.length));
    }
  }
  const nameOf = (canonical: string) =>
    inFiles.get(canonical) ?? formatName(names, findParameter("fairseq2", canonical)!);
  let parameters: Iterable<[string, Tensor]>;
  const notes: string[] = [];
  try {
    parameters = wholeModel(checkpoint).parameters;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    // What can't be joined is shown in its pieces.
    notes.push(error.message);
    parameters = checkpoint.shards.flatMap((shard) => [...shard.parameters]);
  }
  const storages = new Map<object, number>();
  const tensors = [...parameters].map(([canonical, tensor]): ListedTensor => {
    const { dtype, shape, stride, storageOffset, storage } = tensor;
    if (!storages.has(storage)) storages.set(storage, storages.size);
    return {
      name: nameOf(stripWrappers(canonical)),
      dtype: dtype.name,
      shape,
      bytes: numel(shape) * dtype.itemBytes,
      identity: `${storages.get(storage)}+${storageOffset}:[${shape}]/[${stride}]`,
    };
  });
  return { tensors, notes };
}

function totals(tensors: readonly ListedTensor[]): { readonly parameters: number; readonly bytes: number } {
  const seen = new Set<string>();
  let [parameters, size] = [0, 0];
  for (const { shape, bytes, identity } of tensors) {
    if (seen.has(identity)) continue;
    seen.add(identity);
    parameters += numel(shape);
    size += bytes;
  }
  return { parameters, bytes: size };
}

function shown({ name, dtype, shape, bytes }: ListedTensor): InspectedTensor {
  return { name, dtype, shape, bytes };
}

async function listPath(path: string): Promise<FileListing> {
  using source = FileSource.open(path);
  const listing = await listFile(source);
  trimMemory();
  return listing;
}

function fileName(path: string): string {
  const parts = path.split(/[/\\]/).filter((part) => part !== "");
  return parts.at(-1) ?? path;
}
