/** The steps in a directory of checkpoints. */

import { join } from "../../deps.ts";
import { FileError, OptionError } from "../../error.ts";
import { findModelFiles } from "./read_legacy.ts";
import { someOf } from "../../words.ts";
import { listDirectory, type Listing } from "../directory.ts";

/** A step that was picked out of several. */
export interface PickedStep {
  readonly path: string;
  /** What a user should be told. */
  readonly note: string;
}

/**
 * Picks a step out of a directory of checkpoints: the newest that holds a model, or the one that was asked for.
 * Steps that fairseq2 didn't finish writing have `.tmp` at the end of their names.
 *
 * @returns The step, or `undefined` if the directory holds none at all.
 * @throws {OptionError} If the step that was asked for isn't there.
 * @throws {FileError} If none of the steps holds a model.
 */
export function pickStep(root: Listing, wanted?: number): PickedStep | undefined {
  const steps: number[] = [];
  const unfinished: number[] = [];
  for (const name of root.directories) {
    const match = /^step_(0|[1-9]\d{0,14})(\.tmp)?$/.exec(name);
    if (match !== null) (match[2] === undefined ? steps : unfinished).push(Number(match[1]));
  }
  if (steps.length + unfinished.length === 0) return undefined;
  steps.sort((a, b) => b - a);
  const directory = (step: number) => join(root.path, `step_${step}`);
  if (wanted !== undefined) {
    if (steps.includes(wanted)) return { path: directory(wanted), note: `step ${wanted}` };
    if (unfinished.includes(wanted)) throw unfinishedStep(`${directory(wanted)}.tmp`);
    throw new OptionError(
      `${root.path}: has no step ${wanted}; it has ${
        steps.length === 0 ? "none that is complete" : someOf(steps, 8)
      }`,
    );
  }
  const newest = steps.find((step) => holdsModel(directory(step)));
  if (newest === undefined) {
    throw new FileError(
      `${root.path}: none of its steps holds a complete model; wait until one was saved, or look at ` +
        (steps.length > 0 ? directory(steps[0]!) : `${directory(unfinished[0]!)}.tmp`),
    );
  }
  const others = steps.length - 1;
  return {
    path: directory(newest),
    note: `step ${newest}${others === 0 ? "" : `, the newest with a model of ${others + 1} steps`}`,
  };
}

/** The error for a step that fairseq2 didn't finish writing. */
export function unfinishedStep(path: string): FileError {
  return new FileError(`${path}: fairseq2 didn't finish writing this step (.tmp); name a complete one`);
}

function holdsModel(step: string): boolean {
  const listing = listDirectory(step);
  if (listing.directories.has("model")) return listDirectory(join(step, "model")).directories.has("pp_00");
  return findModelFiles(listing).length > 0;
}
