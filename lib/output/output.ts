/** Where an output is to be: a directory on this machine, or a prefix in an object store. */

import { OptionError } from "../error.ts";
import type { Plan } from "../copy/plan.ts";
import { checkOutput, type WriteOptions, writeOutput, type WriteResult } from "./output_directory.ts";

/** Whether an output is to be in an object store. */
export function isStore(output: string): boolean {
  return /^s3:\/\//i.test(output);
}

/**
 * Checks that an output can be made where it is to be.
 *
 * @param inputs Paths that are being read; the output may not be one of them or lie in one of them.
 * @param mayBeDone Whether the output may be there, since tasks may have finished it.
 * @throws {FileError} If there is something already, or the store can't be asked.
 * @throws {OptionError} If the output would lie in an input, or in a place that can't be written.
 */
export async function checkPlace(
  plan: Plan,
  output: string,
  inputs: readonly string[],
  mayBeDone: boolean,
): Promise<void> {
  checkScheme(output);
  // What S3 needs is loaded where it is needed.
  if (isStore(output)) await (await import("./output_objects.ts")).checkObjects(plan, output, inputs);
  else checkOutput(output, inputs, mayBeDone);
}

/**
 * Checks that an output is in a place that can be written.
 *
 * @throws {OptionError} If it isn't.
 */
export function checkScheme(output: string): void {
  if (isStore(output) || !/^[a-z][a-z\d+.-]*:\/\//i.test(output)) return;
  throw new OptionError(`${output}: can't be written; name a directory, or s3://bucket/prefix`);
}

/** Makes the files of a plan where the output is to be. Throws what that place does. */
export async function writePlan(plan: Plan, output: string, options: WriteOptions): Promise<WriteResult> {
  return isStore(output)
    ? await (await import("./output_objects.ts")).writeObjects(plan, output, options)
    : await writeOutput(plan, output, options);
}
