/** Looking inside a checkpoint: what it is and what it holds, from its tables of contents alone. */

import { isDirectory } from "../bytes/file_system.ts";
import { type HttpOptions, httpRules, openHttpSource } from "../bytes/http_source.ts";
import { trimMemory } from "../copy/memory.ts";
import { openSource } from "../bytes/open_source.ts";
import { openPlace } from "../bytes/place.ts";
import { basename } from "../deps.ts";
import { CheckpointError, OptionError } from "../error.ts";
import { checkOptions, oneOf, place, type Rules } from "../options.ts";
import { type Target, targets } from "../convert/target.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import type { Naming } from "../models/family.ts";
import { familyOf, findParameter } from "../models/families.ts";
import { formatName, stripWrappers } from "../models/parameter.ts";
import { numel, type Tensor } from "../tensor/tensor.ts";
import type { InspectedGguf } from "./gguf_metadata.ts";
import { type FileFormat, type FileListing, type ListedTensor, listFile, listTensor } from "./listing.ts";
import { relativePath } from "./relative_path.ts";
import { fairseq2Layout, identify, type Identity, recognize, type Recognized } from "./recognize.ts";
import { toPath, toUrl } from "./to_url.ts";
import { findNearWeightFiles } from "./weight_files.ts";
import { type TrainingState, trainingState } from "../layouts/fairseq2/training_state.ts";
import { familiesOf } from "../layouts/observe.ts";
import { openModel, type WholeModel, wholeModel } from "./whole_model.ts";

/** A tensor of a checkpoint. */
export interface InspectedTensor {
  /** Its name: that in the files, without the keys above a model's state dict. */
  readonly name: string;
  /** Its dtype, by torch's name; in a GGUF file its type, by ggml's. */
  readonly dtype: string;
  /** Its shape. One that is split over several files is whole here. */
  readonly shape: readonly number[];
  /** The size of its items in bytes; where their type isn't known, the room that there is for them. */
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
  /** The format of its files: `"torch"`, `"torch-legacy"` (before 1.6), `"safetensors"` or `"gguf"`. */
  readonly format: FileFormat;
  /** fairseq2's name for the family of a model, such as `"llama"` or `"qwen"`; `null` for anything else. */
  readonly family: string | null;
  /**
   * How a model is laid out in it: `"fairseq2 0.2-0.3"`, `"fairseq2 0.4"`, `"fairseq2 0.5-0.8"`, `"reference"`,
   * `"huggingface"` or `"gguf"`; `null` for anything else.
   */
  readonly layout: string | null;
  /** What it is instead of a model, if a training saved it beside one. */
  readonly state?: TrainingState;
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
  /** What a GGUF file says besides: of several, the first one. */
  readonly gguf?: InspectedGguf;
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
 * Looks inside a checkpoint, or any file of tensors that torch or the safetensors library wrote, or of GGUF. Only
 * tables of contents are read, and nothing in them is run. Of a file on a web server some kilobytes are read.
 *
 * Needs read permission for the path, or net permission for the host.
 *
 * @example Usage
 * ```ts
 * import { inspect } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const { layout, family, tensors } = await inspect("fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10");
 * assertEquals([layout, family, tensors.length], ["fairseq2 0.2-0.3", "llama", 21]);
 * ```
 *
 * @param path A file, a checkpoint's directory, or an `http:` or `https:` URL of a file, which may be a string.
 * @param options How to read from web servers, and which of several checkpoints is meant.
 * @returns What it is.
 * @throws {FileError} If it can't be read, or there is nothing of the kind.
 * @throws {FormatError} If a file is damaged, or is neither torch's nor one of safetensors or GGUF.
 * @throws {OptionError} If a directory holds several checkpoints, or none of the layout; or a layout is given for a file.
 */
export async function inspect(path: string | URL, options: InspectOptions = {}): Promise<Inspection> {
  checkOptions({ path }, { path: place });
  checkOptions(options, rules);
  const { from } = options;
  const url = toUrl(path);
  const local = url === undefined ? await openPlace(toPath(path), options) : "";
  if (url === undefined && isDirectory(local)) return await inspectDirectory(local, from);
  if (from !== undefined) throw new OptionError(`${path}: is no directory, so --from has no meaning here`);
  if (url === undefined) return await inspectFile(local);
  const listing = await listFile(await openHttpSource(url, options));
  return await describeFile(listing, basename(url.pathname), undefined);
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
  return await describeFile(listing, basename(path), checkpoint);
}

/** A file by itself. */
async function describeFile(
  listing: FileListing,
  name: string,
  checkpoint: Checkpoint | undefined,
): Promise<Inspection> {
  const recognized = recognize(listing);
  const state = recognized === undefined ? trainingState(listing.root, listing.path) : undefined;
  const identity = checkpoint !== undefined
    ? identityOf(checkpoint, await joined(checkpoint))
    : recognized && identify(recognized.parameters, recognized.families);
  return described([listing], [name], {
    layout: recognized === undefined ? null : layoutOf(recognized.names, listing),
    identity,
    tensors: withoutPrefix(listing, recognized),
    notes: [...(state === undefined ? [] : [`no model; for that name ${state.instead}`]), ...listing.notes],
  });
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
  const { naming = "fairseq2", sources } = checkpoint;
  // The files of these layouts have whole tensors.
  const isJoined = sources.length > 1 && naming !== "huggingface" && naming !== "gguf";
  const files: FileListing[] = [];
  const tensors: ListedTensor[] = [];
  const namesInFiles = new Map<string, string>();
  for (const source of sources) {
    const { root, ...listing } = await listPath(source.path);
    const recognized = recognize({ ...listing, root });
    if (isJoined) {
      for (const [canonical, { name }] of recognized?.parameters ?? []) {
        if (!namesInFiles.has(canonical)) namesInFiles.set(canonical, name.slice(recognized!.prefix.length));
      }
    } else {
      tensors.push(...withoutPrefix(listing, recognized));
    }
    // Of the shards of a large model all tables together would be much more than is shown of them.
    files.push({ ...listing, tensors: [], ...(files.length === 0 ? { root } : {}) });
    trimMemory();
  }
  const whole = await joined(checkpoint);
  const notes = [...checkpoint.notes];
  if (isJoined) {
    // What can't be joined is shown in its pieces.
    if (whole instanceof CheckpointError) notes.push(whole.message);
    tensors.push(...listParameters(
      whole instanceof CheckpointError
        ? checkpoint.shards.flatMap((shard) => [...shard.parameters])
        : whole.parameters,
      (name) => namesInFiles.get(name) ?? formatName(naming, findParameter("fairseq2", name)!),
    ));
  }
  return described(files, files.map((file) => relativePath(path, file.path)), {
    layout: layoutOf(naming, files[0]!),
    identity: identityOf(checkpoint, whole),
    tensors,
    notes: [...notes, ...new Set(files.flatMap((file) => file.notes))],
  });
}

/** A directory that is no checkpoint of a known model: all files in it that hold tensors. */
async function describeOthers(path: string, problem: CheckpointError): Promise<Inspection> {
  const paths = findNearWeightFiles(path);
  if (paths.length === 0) throw problem;
  const listings: FileListing[] = [];
  for (const each of paths) listings.push(await listPath(each));
  const names = listings.map((listing) => relativePath(path, listing.path));
  const all = listings.flatMap(({ tensors }) => tensors.map(({ name }) => name));
  // Parts of one model have different names; where they don't, the file is part of the name.
  const unique = new Set(all).size === all.length;
  const tensors = listings.flatMap((listing, i) =>
    listing.tensors.map((tensor): ListedTensor => ({
      ...tensor,
      name: unique ? tensor.name : `${names[i]}/${tensor.name}`,
      identity: `${names[i]}/${tensor.identity}`,
    }))
  );
  return described(listings, names, {
    layout: null,
    identity: undefined,
    tensors,
    notes: [
      `no checkpoint that can be converted: ${problem.message}`,
      ...listings.flatMap(({ notes }) => notes),
    ],
  });
}

/** What is said of some files, of which each has a name. */
function described(
  files: readonly FileListing[],
  names: readonly string[],
  { layout, identity, tensors, notes }: Pick<Inspection, "layout" | "notes"> & {
    readonly identity: Identity | undefined;
    readonly tensors: readonly ListedTensor[];
  },
): Inspection {
  const { format, writer, gguf } = files[0]!;
  const [state, ...others] = layout === null ? files.map(({ root, path }) => trainingState(root, path)) : [];
  const isState = state !== undefined && others.every((other) => other?.what === state.what);
  const { family = null, architecture = null } = identity ?? {};
  return {
    format,
    family,
    layout,
    ...(isState ? { state } : {}),
    architecture,
    ...totals(tensors),
    files: files.map(({ size }, i) => ({ name: names[i]!, bytes: size })),
    tensors: tensors.map(({ name, dtype, shape, bytes }) => ({ name, dtype, shape, bytes })),
    ...(gguf === undefined ? {} : { gguf }),
    writer,
    notes,
  };
}

function layoutOf(naming: Naming, { root }: FileListing): string {
  return naming === "fairseq2" ? fairseq2Layout(root) : naming;
}

/** The whole model, or why its shards can't be joined. */
async function joined(checkpoint: Checkpoint): Promise<WholeModel | CheckpointError> {
  try {
    return await wholeModel(checkpoint);
  } catch (error) {
    if (error instanceof CheckpointError) return error;
    throw error;
  }
}

function identityOf(checkpoint: Checkpoint, whole: WholeModel | CheckpointError): Identity {
  if (whole instanceof CheckpointError) {
    return { family: familiesOf(checkpoint.shards)[0]!.name, architecture: null };
  }
  const { parameters, families, resolved } = whole;
  if (resolved === undefined) return identify(parameters, families);
  const found = identify(parameters, [familyOf(resolved.model)]);
  return { ...found, architecture: resolved.architecture ?? found.architecture };
}

/** The tensors of a file, whose names don't say again that they are in a model's state dict. */
function withoutPrefix(
  { tensors }: Pick<FileListing, "tensors">,
  recognized: Recognized | undefined,
): ListedTensor[] {
  const length = recognized?.prefix.length ?? 0;
  return tensors.map((tensor) => ({ ...tensor, name: tensor.name.slice(length) }));
}

/** The parameters of a model in several files, by the names that they have there. */
function listParameters(
  parameters: Iterable<readonly [string, Tensor]>,
  nameOf: (canonical: string) => string,
): ListedTensor[] {
  const storages = new Map<object, number>();
  return Array.from(parameters, ([canonical, tensor]) => {
    const { storage } = tensor;
    if (!storages.has(storage)) storages.set(storage, storages.size);
    return listTensor(nameOf(stripWrappers(canonical)), tensor, String(storages.get(storage)));
  });
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

async function listPath(path: string): Promise<FileListing> {
  using source = openSource(path);
  const listing = await listFile(source);
  trimMemory();
  return listing;
}
