/** Whether files stayed what they were while they were read. */

import { describeFailure, isUnchanged, type SourceFile } from "../bytes/source.ts";
import { FileError } from "../error.ts";

/**
 * Finds out whether a file was changed while it was read: what came of it would be of no file that there was.
 *
 * @param again What to do again.
 * @throws {FileError} If one was, or isn't there any more.
 */
export function checkUnchanged(sources: readonly SourceFile[], again: string): void {
  for (const source of sources) {
    let isSame: boolean;
    try {
      isSame = isUnchanged(source);
    } catch (error) {
      throw describeFailure(source.path, error);
    }
    if (!isSame) throw new FileError(`${source.path}: changed while it was read; ${again} again`);
  }
}
