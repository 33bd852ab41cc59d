/** Output files that are whole or absent: one is made as `<output>.partial`, and moved to its place once it is whole. */

import { isSystemError } from "../bytes/system_error.ts";
import {
  describeUnmade,
  lstat,
  messageOf,
  moveFile,
  removeFile,
  syncDirectory,
} from "../bytes/file_system.ts";
import { checkUnchanged, copyFiles, type CopyOptions, type CopyResult } from "../copy/copy_engine.ts";
import type { Plan } from "../copy/plan.ts";
import { dirname, resolve } from "../deps.ts";
import { FileError } from "../error.ts";
import { checkFreeSpace } from "./free_space.ts";
import type { WriteResult } from "./output_directory.ts";

/** How an output file is to be written. */
export interface WriteFileOptions extends CopyOptions {
  /** Whether the file may be there already; then it is replaced once the new one is whole. */
  readonly overwrite?: boolean;
}

/**
 * Checks that an output file can be made.
 *
 * @throws {FileError} If there is something at its path already, or where it is built.
 */
export function checkOutputFile(output: string, overwrite = false): void {
  const info = lstat(resolve(output));
  if (info !== undefined && !(overwrite && info.isFile)) {
    throw new FileError(
      `${output}: ${info.isFile ? "exists" : "is no file, but exists"} already; name a new file`,
    );
  }
  if (lstat(`${resolve(output)}.partial`) !== undefined) throw inTheWay(output);
}

function inTheWay(output: string): FileError {
  return new FileError(
    `${output}.partial: is in the way: another run is making the file, or one that was killed left it; ` +
      "remove it if none is at work",
  );
}

/**
 * Makes the only file of a plan. Whatever goes wrong, nothing is left.
 *
 * @param output The file.
 * @throws {FileError} If something can't be read or written, or the file exists.
 * @throws {FormatError} If a source's bytes don't have the checksum that the source itself states.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function writeFile(
  plan: Plan,
  output: string,
  options: WriteFileOptions = {},
): Promise<CopyResult & Pick<WriteResult, "files">> {
  const { overwrite = false, sync = false } = options;
  checkOutputFile(output, overwrite);
  const path = resolve(output);
  const partial = `${path}.partial`;
  try {
    Deno.openSync(partial, { write: true, createNew: true }).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw inTheWay(output);
    throw describeUnmade("the output", dirname(path), error);
  }
  let size = 0;
  try {
    const result = await copyFiles(
      plan,
      [{ file: plan.files[0]!, path: partial }],
      (_, made) => size = made.size,
      options,
      (started) => checkFreeSpace(started, partial),
    );
    for (const source of plan.sources) checkUnchanged(source);
    if (!overwrite && lstat(path) !== undefined) {
      throw new FileError(`${output}: somebody made it meanwhile; name a new file`);
    }
    moveFile(partial, path);
    if (sync) syncDirectory(dirname(path));
    return { ...result, files: [{ name: plan.files[0]!.name, bytes: size }] };
  } catch (error) {
    removeFile(partial);
    throw isSystemError(error) ? new FileError(`${output}: can't write it: ${messageOf(error)}`) : error;
  }
}
