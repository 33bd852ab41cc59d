/**
 * The directory `<output>.partial`, in which an output is built: whose it is, and what in it is finished.
 *
 * @module
 */

import { FileError, OptionError } from "../error.ts";
import { dirname, join } from "../deps.ts";
import { claim, isEmpty, lstat, messageOf, readIfThere, removeTree } from "../bytes/file_system.ts";
import { isFinished } from "./finished_files.ts";
import { fingerprint, type Plan } from "../copy/plan.ts";

/** The name of the record of the plan in a partial directory. */
export const PLAN_RECORD = ".ckpt-plan.json";

/** The names of files under construction, and of probes; anything else in a partial directory isn't ckpt's. */
const TEMPORARY = /\.[0-9a-f]{8}\.tmp$|^\.probe-.*\.tmp$/;

/** The text of the record of a plan. */
export function recordOf(plan: Plan): string {
  return JSON.stringify({
    version: 1,
    fingerprint: fingerprint(plan),
    files: plan.files.map(({ name }) => name),
  });
}

/** Whether a directory holds just this record of a plan. */
export function holdsRecord(directory: string, text: string): boolean {
  return readIfThere(join(directory, PLAN_RECORD))?.trimEnd() === text;
}

/** Makes the partial directory; returns the topmost parent that had to be made for it, if any. */
export function makePartial(partial: string, restart: boolean): string | undefined {
  const cantMake = (error: unknown) =>
    new FileError(`${dirname(partial)}: can't make the output directory here: ${messageOf(error)}`);
  if (restart && lstat(partial) !== undefined) {
    // Only what is ckpt's own is thrown away.
    if (lstat(join(partial, PLAN_RECORD)) === undefined && !isEmpty(partial, PLAN_RECORD)) {
      throw notOurs(partial);
    }
    removeTree(partial);
  }
  try {
    Deno.mkdirSync(partial);
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    if (!(error instanceof Deno.errors.NotFound)) throw cantMake(error);
  }
  let made = dirname(partial);
  while (lstat(dirname(made)) === undefined && dirname(made) !== made) made = dirname(made);
  try {
    Deno.mkdirSync(partial, { recursive: true });
  } catch (error) {
    throw cantMake(error);
  }
  return made;
}

/** Reads or writes the record of the plan; returns the names of files that are finished. */
export function openPartial(partial: string, text: string, plan: Plan): string[] {
  const record = join(partial, PLAN_RECORD);
  let existing = readIfThere(record);
  if (existing === undefined) {
    // Another task may be about to write its record; that starts with the record's name, too.
    const isOurs = isEmpty(partial, PLAN_RECORD) && claim(record, text + "\n");
    if (isOurs) return [];
    existing = readIfThere(record); // Another task was faster, if it is there now.
    if (existing === undefined) {
      throw notOurs(partial);
    }
  }
  if (existing.trimEnd() !== text) {
    throw new OptionError(
      `${partial}: holds the unfinished output of another conversion (other input, options or version); ` +
        "finish that one, or use --restart to begin anew",
    );
  }
  return plan.files.filter((file) => isFinished(partial, file)).map(({ name }) => name);
}

function notOurs(partial: string): OptionError {
  return new OptionError(
    `${partial}: holds files but no record of a plan, so no conversion left it; move it elsewhere`,
  );
}

/** The files below a directory that runs are making, or left when they were killed. */
export function* temporaryFiles(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory) yield* temporaryFiles(path);
    else if (TEMPORARY.test(entry.name)) yield path;
  }
}
