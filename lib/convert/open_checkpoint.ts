/** Opening a checkpoint of any kind. */

import { isFile } from "../bytes/file_system.ts";
import { openPlace } from "../bytes/place.ts";
import { basename, dirname, join, resolve } from "../deps.ts";
import { FileError, FormatError, OptionError } from "../error.ts";
import { someOf } from "../words.ts";
import { checkOptions, oneOf, required, type Rules, wholeNumber } from "../options.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { listDirectory, type Listing } from "../layouts/directory.ts";
import { findGguf, ggufNames, isPartName, partsOf } from "../layouts/gguf/files.ts";
import { isGguf } from "../gguf/read.ts";
import { openGguf } from "../layouts/gguf/read.ts";
import { findModelFiles, openFairseq2 } from "../layouts/fairseq2/read_legacy.ts";
import { stepDirectory } from "../layouts/fairseq2/model_yaml_path.ts";
import {
  noModel,
  TRAINING_DIRECTORIES,
  trainingPlace,
  whyNoModel,
} from "../layouts/fairseq2/training_state.ts";
import { findHuggingFace, openHuggingFace } from "../layouts/huggingface/read.ts";
import { countNativeFiles, openNative, openNativeFile } from "../layouts/fairseq2/read_native.ts";
import { findConsolidated, openReference } from "../layouts/reference/read.ts";
import { type PickedStep, pickStep, unfinishedStep } from "../layouts/fairseq2/step.ts";
import { type Target, targets } from "./target.ts";

/** What fairseq2 0.2 to 0.4 saves beside a model (0.3.0 `checkpoint/manager.py` `save_state`). */
const TRAINER_FILE = /^(?:rank_\d+|replicated)(?:\.\d+)?\.pt$/;

/** The directory of an output directory of fairseq2's that its steps are in. */
const STEPS = "checkpoints";

/** What to open. */
export interface OpenOptions {
  /** The step, where the path is a directory with several; the newest complete one by default. */
  readonly step?: number;
  /** The layout, where a directory holds checkpoints of several. `"reference"` and `"meta"` are read alike. */
  readonly from?: Target;
}

type Opener = () => Promise<Checkpoint>;

/** A checkpoint in a directory. */
interface Found {
  readonly layout: Target;
  /** What lies in the directory of it, by which it is told from others. */
  readonly sign: string;
  readonly open: Opener;
}

export const openRules: Rules<OpenOptions> = { step: wholeNumber(0), from: oneOf(targets) };

/**
 * Opens a checkpoint: reads its tables of contents, never its tensors.
 *
 * @example Usage
 * ```ts
 * import { openCheckpoint } from "@ckpt/ckpt/plan";
 * import { assertEquals } from "@std/assert";
 *
 * const { kind, shards } = await openCheckpoint("fixtures/checkpoints/fairseq2-0.3.0/llama2_fp32_tp4/step_10");
 * assertEquals([kind, shards.length], ["fairseq2 0.2–0.4", 4]);
 * ```
 *
 * @param path A directory in the reference layout, Meta's, or Hugging Face's; or what fairseq2 wrote: a step directory
 * (0.2 to 0.4: with `model.pt` or `model.N.pt`; 0.5 to 0.8: with `model/pp_XX/tp_YY/sdp_ZZ.pt`), its `model` directory, a
 * directory of steps, or a model's only file.
 * @param options Which step or layout to open.
 * @returns The checkpoint.
 * @throws {FileError} If there is none, or a part of it is missing.
 * @throws {FormatError} If a file is damaged or isn't what it must be.
 * @throws {MismatchError} If a state dict isn't a model's, or parts of it don't fit together.
 * @throws {OptionError} If the step or the layout isn't there, or nothing says which of several checkpoints is meant.
 */
export async function openCheckpoint(path: string, options: OpenOptions = {}): Promise<Checkpoint> {
  checkOptions({ path }, { path: required });
  checkOptions(options, openRules);
  return await findCheckpoint(await openPlace(path), options)();
}

/**
 * Finds the checkpoint that {@linkcode openCheckpoint} opens, by the names of files, and what a single file begins with.
 *
 * @param path A directory, or a model's only file.
 * @throws {FileError} If there is none, or a part of it is missing.
 * @throws {FormatError} If the file is one that a training saves beside its model.
 * @throws {OptionError} If the step or the layout isn't there, or nothing says which of several checkpoints is meant.
 */
export function findCheckpoint(path: string, { step, from }: OpenOptions = {}): Opener {
  if (/^step_\d+\.tmp$/.test(basename(stepDirectory(path)))) throw unfinishedStep(path);
  const single = isFile(path) ? singleFileOf(path) : undefined;
  if (single !== undefined) {
    const [, layout, owner, open] = single;
    if (step !== undefined) throw singleCheckpoint(path);
    if (from !== undefined && (from === "meta" ? "reference" : from) !== layout) {
      throw new OptionError(
        `${path}: is a file, as ${owner} has them, not a directory in the ${from} layout`,
      );
    }
    const state = trainingPlace(path);
    if (state !== undefined) throw new FormatError(noModel(path, state));
    return () => open(path);
  }
  const root = listDirectory(path);
  const found = checkpointsIn(root, from);
  // A step may hold any layout; beside other checkpoints it is one of fairseq2's.
  const asksForSteps = from === undefined || from === "fairseq2" || found.length === 0;
  const picked = asksForSteps ? findStep(root, step, found.length > 0) : undefined;
  if (picked !== undefined && (found.length === 0 || step !== undefined)) {
    const listing = listDirectory(picked.path);
    const open = onlyOne(listing, checkpointsIn(listing, from), from);
    return async () => {
      const checkpoint = await open();
      return { ...checkpoint, notes: [picked.note, ...checkpoint.notes] };
    };
  }
  if (picked !== undefined) {
    throw severalCheckpoints(path, [...found, { layout: "fairseq2", sign: basename(picked.path) }]);
  }
  // What fairseq2's recipes call an output directory has the steps in one of this name.
  if (found.length === 0 && root.directories.has(STEPS) && basename(resolve(path)) !== STEPS) {
    return findCheckpoint(join(path, STEPS), { step, from });
  }
  const open = onlyOne(root, found, from);
  if (step !== undefined) throw singleCheckpoint(path);
  return open;
}

/** The step that is meant in a directory with steps. Beside another checkpoint, steps count where one holds a model. */
function findStep(root: Listing, wanted: number | undefined, isBeside: boolean): PickedStep | undefined {
  try {
    return pickStep(root, wanted);
  } catch (error) {
    if (isBeside && wanted === undefined && error instanceof FileError) return undefined;
    throw error;
  }
}

/**
 * How the checkpoints of each layout show in a directory: by a sign, or not at all. What else lies there of a layout,
 * without weights, is none.
 */
const finders: readonly (readonly [Target, (listing: Listing) => readonly [sign?: string, open?: Opener]])[] =
  [
    ["fairseq2", (listing) => {
      const names = findModelFiles(listing);
      return [names[0], () => openFairseq2(listing, names)];
    }],
    ["fairseq2", (listing) => {
      const { path, directories } = listing;
      // An optimizer's files are named as a model's are.
      if (trainingPlace(path) !== undefined) return [];
      if (directories.has("pp_00")) return ["pp_00", () => openNative(path, listing)];
      const model = directories.has("model") ? listDirectory(join(path, "model")) : undefined;
      return model?.directories.has("pp_00") ? ["model/pp_00", () => openNative(path, model)] : [];
    }],
    ["reference", (listing) => {
      const names = findConsolidated(listing);
      return [names[0], () => openReference(listing, names)];
    }],
    ["huggingface", (listing) => [findHuggingFace(listing), () => openHuggingFace(listing)]],
    ["gguf", (listing) => [ggufNames(listing)[0], () => openGguf(listing, findGguf(listing))]],
  ];

/** What a file is that may be a whole model: what it begins with counts, then its name; a torch file may have any. */
function singleFileOf(path: string): typeof singleFiles[number] | undefined {
  const start = firstBytes(path, 4);
  const [torch, gguf] = singleFiles;
  if (isGguf(start)) return gguf;
  return singleFiles.find(([ending]) => path.endsWith(ending)) ?? (isTorch(start) ? torch : undefined);
}

/** Whether a file begins as torch's archives do, or as its files before 1.6, which are pickles. */
function isTorch([first, second]: Uint8Array): boolean {
  return (first === 0x50 && second === 0x4b) || (first === 0x80 && second === 2);
}

/** The first bytes of a file; none where they can't be read, which is said where it is opened. */
function firstBytes(path: string, count: number): Uint8Array {
  try {
    using file = Deno.openSync(path);
    const start = new Uint8Array(count);
    return start.subarray(0, file.readSync(start) ?? 0);
  } catch {
    return new Uint8Array();
  }
}

/** The files that may be a whole model each, by their endings; and whose they are. */
const singleFiles: readonly (readonly [string, Target, string, (path: string) => Promise<Checkpoint>])[] = [
  [".pt", "fairseq2", "fairseq2", openModelFile],
  [".gguf", "gguf", "llama.cpp", openGgufFile],
  [".pth", "reference", "Meta", (path) => openOnlyFile(path, "reference")],
  [".safetensors", "huggingface", "Hugging Face", (path) => openOnlyFile(path, "huggingface")],
];

/** The checkpoints that lie in a directory: all, or those of a layout. */
function checkpointsIn(listing: Listing, from?: Target): Found[] {
  const wanted = from === "meta" ? "reference" : from;
  return finders.flatMap(([layout, find]) => {
    if (wanted !== undefined && layout !== wanted) return [];
    const [sign, open] = find(listing);
    return sign === undefined || open === undefined ? [] : [{ layout, sign, open }];
  });
}

function onlyOne(listing: Listing, found: readonly Found[], from: Target | undefined): Opener {
  const [first, ...others] = found;
  if (others.length > 0) throw severalCheckpoints(listing.path, found);
  if (first !== undefined) {
    if (first.layout === "gguf") findGguf(listing); // Each file may be another model.
    return first.open;
  }
  const rest = from === undefined ? [] : checkpointsIn(listing);
  if (rest.length === 0) throw nothingFound(listing);
  throw new OptionError(`${listing.path}: holds no checkpoint in the ${from} layout, but ${listed(rest)}`);
}

function severalCheckpoints(path: string, found: readonly Omit<Found, "open">[]): OptionError {
  const layouts = [...new Set(found.map(({ layout }) => layout))];
  return new OptionError(
    `${path}: holds several checkpoints: ${listed(found)}; ` +
      (layouts.length > 1
        ? `say which with ${layouts.map((layout) => `--from ${layout}`).join(" or ")}`
        : "name the one that is meant, or move the others away"),
  );
}

function listed(found: readonly Omit<Found, "open">[]): string {
  return found.map(({ sign, layout }) => `${sign} (${layout})`).join(" and ");
}

function singleCheckpoint(path: string): OptionError {
  return new OptionError(`${path}: is a single checkpoint, so --step has no meaning here`);
}

/** Opens a file that is a whole model: one of several parts is none. */
async function openModelFile(path: string): Promise<Checkpoint> {
  const listing = listDirectory(dirname(path));
  const name = basename(path);
  const parts = countParts(resolve(path), listing);
  if (parts > 1) {
    throw new FileError(
      `${path}: is one of ${parts} parts of a model; name the directory that holds them all`,
    );
  }
  try {
    if (/^sdp_\d+\.pt$/.test(name)) return await openNativeFile(path);
    return { ...await openFairseq2({ ...listing, files: new Set([name]) }, [name]), path };
  } catch (error) {
    throw await whyNoModel(path, error);
  }
}

/** Opens a checkpoint in a directory by its only file of weights. */
async function openOnlyFile(path: string, layout: Target): Promise<Checkpoint> {
  const directory = dirname(path);
  const checkpoint = await findCheckpoint(directory, { from: layout })();
  const paths = checkpoint.sources.map((source) => resolve(source.path));
  if (!paths.includes(resolve(path))) {
    throw new OptionError(`${path}: is no file of the checkpoint in ${directory}; name that directory`);
  }
  if (paths.length === 1) return checkpoint;
  throw new FileError(
    `${path}: is one of ${paths.length} parts of a model; name the directory that holds them all`,
  );
}

/** Opens a model in GGUF by one of its files. */
async function openGgufFile(path: string): Promise<Checkpoint> {
  const [directory, name] = [dirname(path), basename(path)];
  // Nobody needs to see what else is there, unless it may be parts.
  const listing = isPartName(name)
    ? listDirectory(directory)
    : { path: directory, files: new Set([name]), directories: new Set<string>() };
  return { ...await openGguf(listing, partsOf(listing, name)), path };
}

/** The number of files of the model that a file is part of. */
function countParts(path: string, { files }: Listing): number {
  const prefix = /^(model\.|sdp_)\d+\.pt$/.exec(basename(path))?.[1];
  if (prefix === undefined) return 1;
  const [tp, pp, model] = [dirname(path), dirname(dirname(path)), dirname(dirname(dirname(path)))];
  if (prefix === "sdp_" && /^tp_\d+$/.test(basename(tp)) && /^pp_\d+$/.test(basename(pp))) {
    return countNativeFiles(listDirectory(model));
  }
  return [...files].filter((name) => name.startsWith(prefix) && /\d\.pt$/.test(name)).length;
}

/** How many directories are looked into for what may have been meant. */
const MOST_LOOKED_INTO = 50;

/** The directories in one that checkpoints could be opened from. */
function checkpointsBelow({ path, directories }: Listing): string[] {
  return [...directories].sort().slice(0, MOST_LOOKED_INTO).map((name) => join(path, name)).filter(
    (below) => {
      try {
        const listing = listDirectory(below);
        return checkpointsIn(listing).length > 0 || findStep(listing, undefined, false) !== undefined ||
          listing.directories.has(STEPS);
      } catch {
        return false;
      }
    },
  );
}

function nothingFound(listing: Listing): FileError {
  const { path, files, directories } = listing;
  const below = checkpointsBelow(listing);
  if (below.length > 0) {
    return new FileError(
      `${path}: holds no checkpoint, but ${someOf(below, 3)} ${below.length > 1 ? "do" : "does"}; name one`,
    );
  }
  if (files.size === 0 && directories.size === 0) {
    return new FileError(`${path}: the directory is empty; name a checkpoint's step directory`);
  }
  const state = trainingPlace(path);
  // A name alone says little: others call their directories so.
  if (state !== undefined && [...files, ...directories].some((name) => trainingPlace(join(path, name)))) {
    return new FileError(noModel(path, state));
  }
  const other = [...files].sort().find((name) => TRAINER_FILE.test(name)) ??
    TRAINING_DIRECTORIES.find((name) => directories.has(name));
  return new FileError(
    other === undefined
      ? `${path}: holds no checkpoint (model.pt, model/pp_00, consolidated.00.pth, model.safetensors or model.gguf); ` +
        "name its directory"
      : `${path}: holds no model.pt, only the trainer's state (${other}); name a step that was saved with its model`,
  );
}
