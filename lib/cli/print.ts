/**
 * Printing. A stream that takes nothing more (a full disk, a reader that went away) undoes nothing of what was done.
 */

import { messageOf } from "../bytes/file_system.ts";
import { CheckpointError } from "../error.ts";

/** What was to be printed on stdout and couldn't be. */
class PrintError extends CheckpointError {}

/** Prints on stdout. `done` is what was done all the same if that fails, where something was. */
export function print(text: string, done?: string): void {
  try {
    console.log(text);
  } catch (error) {
    const what = done === undefined
      ? "can't print to stdout"
      : `${done}, but this can't be printed to stdout`;
    throw new PrintError(`${what}: ${messageOf(error)}`);
  }
}

/** Says something on stderr. Where nobody can see it, that is no reason to stop. */
export function say(text: string): void {
  try {
    console.error(text);
  } catch {
    // There is no other place to say it.
  }
}
