/** Where the step and the model.yaml of a checkpoint lie: of a step directory, a directory inside one, or a file in such a directory. */

import { isFile } from "../../bytes/file_system.ts";
import { holdText } from "../../bytes/place.ts";
import { isRemote } from "../../bytes/remote.ts";
import { basename, dirname, join, resolve } from "../../deps.ts";

/** Directories inside a step of fairseq2 0.5 to 0.8; model.yaml lies above the step. */
const INSIDE_STEP = /^(model|pp_\d{2,}|tp_\d{2,})$/;

/** The directory of the step that a path is or lies in. */
export function stepDirectory(path: string): string {
  let directory = resolve(path);
  if (/\.pt$/.test(directory)) directory = dirname(directory);
  while (INSIDE_STEP.test(basename(directory))) directory = dirname(directory);
  return directory;
}

/** What the step of a checkpoint is called, which keeps its number; that of one which is of no step is the first. */
export function stepName(path: string): string {
  const name = basename(stepDirectory(path));
  return /^step_(?:0|[1-9]\d{0,14})$/.test(name) ? name : "step_1";
}

/** Where it may lie, the nearest first: beside the model's files, or in the directory above the step. */
export function modelYamlCandidates(path: string): string[] {
  const given = resolve(path);
  const step = stepDirectory(given);
  const directories = [/\.pt$/.test(given) ? dirname(given) : given, step, dirname(step)];
  return [...new Set(directories.map((directory) => join(directory, "model.yaml")))];
}

/** The path of a checkpoint's `model.yaml`; `undefined` where there is none, or none that may be read. */
export async function findModelYaml(path: string): Promise<string | undefined> {
  const candidates = modelYamlCandidates(path);
  try {
    candidates.push(...modelYamlCandidates(Deno.realPathSync(path))); // The path may be a link to the step.
  } catch {
    // Where the path leads may not be seen.
  }
  // Where there is none, or none that may be read, a model can be named on the command line instead.
  for (const each of candidates) if (isRemote(each) ? await holdText(each) : isFile(each)) return each;
  return undefined;
}
