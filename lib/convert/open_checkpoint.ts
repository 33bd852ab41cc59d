/**
 * Opening a checkpoint of any kind.
 *
 * @module
 */

import { basename, dirname, join, resolve } from "../deps.ts";
import { FileError, OptionError } from "../error.ts";
import { checkOptions, type Rules, wholeNumber } from "../options.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { listDirectory, type Listing } from "../layouts/directory.ts";
import { findModelFiles, openFairseq2 } from "../layouts/fairseq2/read_legacy.ts";
import { stepDirectory } from "../layouts/fairseq2/model_yaml_path.ts";
import { isHuggingFace, openHuggingFace } from "../layouts/huggingface/read.ts";
import { countNativeFiles, openNative, openNativeFile } from "../layouts/fairseq2/read_native.ts";
import { findConsolidated, openReference } from "../layouts/reference/read.ts";
import { pickStep, unfinishedStep } from "../layouts/fairseq2/step.ts";

/** What fairseq2 0.2 to 0.4 saves beside a model (0.3.0 `checkpoint/manager.py` `save_state`). */
const TRAINER_FILE = /^(?:rank_\d+|replicated)(?:\.\d+)?\.pt$/;

/** The same from 0.5 on (0.8.1 `checkpoint/manager.py` `save_checkpoint`). */
const TRAINER_DIRECTORIES = ["trainer", "optimizer", "data_reader"];

/** The directory of an output directory of fairseq2's that its steps are in. */
const STEPS = "checkpoints";

/** What to open. */
export interface OpenOptions {
  /** The step, where the path is a directory with several; the newest complete one by default. */
  readonly step?: number;
}

/** What the options may be. */
export const openRules: Rules<OpenOptions> = { step: wholeNumber(0) };

/**
 * Opens a checkpoint: reads its tables of contents, never its tensors.
 *
 * @param path A directory in the reference layout, Meta's, or Hugging Face's; or what fairseq2 wrote: a step directory (0.2 to 0.4: with `model.pt` or `model.N.pt`; 0.5 to 0.8: with
 * `model/pp_XX/tp_YY/sdp_ZZ.pt`), its `model` directory, a directory of steps, or a model's only file.
 * @param options Which step to open.
 * @returns The checkpoint.
 * @throws {FileError} If there is none, or a part of it is missing.
 * @throws {FormatError} If a file is damaged or isn't what it must be.
 * @throws {MismatchError} If a state dict isn't a model's, or parts of it don't fit together.
 * @throws {OptionError} If the step isn't there.
 */
export async function openCheckpoint(path: string, options: OpenOptions = {}): Promise<Checkpoint> {
  checkOptions(options, openRules);
  if (/^step_\d+\.tmp$/.test(basename(stepDirectory(path)))) throw unfinishedStep(path);
  const found = isModelFile(path) ? await openModelFile(path) : await openDirectory(listDirectory(path));
  if (found !== undefined) {
    if (options.step !== undefined) {
      throw new OptionError(`${path}: is a single checkpoint, so --step has no meaning here`);
    }
    return found;
  }
  const root = listDirectory(path);
  const picked = pickStep(root, options.step);
  // What fairseq2's recipes call an output directory has the steps in one of this name.
  if (picked === undefined && root.directories.has(STEPS) && basename(resolve(path)) !== STEPS) {
    return await openCheckpoint(join(path, STEPS), options);
  }
  if (picked === undefined) throw nothingFound(root);
  const listing = listDirectory(picked.path);
  const checkpoint = await openDirectory(listing);
  if (checkpoint === undefined) throw nothingFound(listing);
  return { ...checkpoint, notes: [picked.note, ...checkpoint.notes] };
}

/** Opens what lies in a directory, if that is a model. */
async function openDirectory(listing: Listing): Promise<Checkpoint | undefined> {
  const names = findModelFiles(listing);
  if (names !== undefined) return await openFairseq2(listing, names);
  const consolidated = findConsolidated(listing);
  if (consolidated !== undefined) return await openReference(listing, consolidated);
  if (isHuggingFace(listing)) return await openHuggingFace(listing);
  if (listing.directories.has("pp_00")) return await openNative(listing.path, listing);
  if (listing.directories.has("model")) {
    const model = listDirectory(join(listing.path, "model"));
    if (model.directories.has("pp_00")) return await openNative(listing.path, model);
  }
  return undefined;
}

/** Whether a path is a file that may be a whole model. */
function isModelFile(path: string): boolean {
  try {
    return /\.pt$/.test(path) && Deno.statSync(path).isFile;
  } catch {
    return false; // What is wrong with it is said where it is opened as a directory.
  }
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
  if (/^sdp_\d+\.pt$/.test(name)) return await openNativeFile(path);
  return { ...await openFairseq2({ ...listing, files: new Set([name]) }, [name]), path };
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

function nothingFound({ path, files, directories }: Listing): FileError {
  if (files.size === 0 && directories.size === 0) {
    return new FileError(`${path}: the directory is empty; name a checkpoint's step directory`);
  }
  const other = [...files].sort().find((name) => TRAINER_FILE.test(name)) ??
    TRAINER_DIRECTORIES.find((name) => directories.has(name));
  return new FileError(
    other === undefined
      ? `${path}: holds no checkpoint (model.pt, model/pp_00, consolidated.00.pth or model.safetensors); ` +
        "name its directory"
      : `${path}: holds no model.pt, only the trainer's state (${other}); name a step that was saved with its model`,
  );
}
