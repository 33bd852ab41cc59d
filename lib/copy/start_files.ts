/**
 * Makes the files that are to be filled: as clones of their sources where the file system can, else empty.
 */

import { CancelledError, FileError } from "../error.ts";
import type { StartedFile } from "./chunks.ts";
import { canClone, cloneFile } from "./clone.ts";
import { messageOf } from "../bytes/file_system.ts";
import type { OutputFile, Overlay } from "./plan.ts";

/** A file of the plan, and where to build it. */
export interface Destination {
  /** The file. */
  readonly file: OutputFile;
  /** Where it is built. The directory must exist. */
  readonly path: string;
}

/** How many clones are under way at once: the kernel makes them while this thread lays out the next file. */
const CLONES_AT_ONCE = 2;

/**
 * Makes files with their final sizes.
 *
 * @param signal Stops between two files.
 * @returns The files in the same order, each with its overlay if it is a clone.
 * @throws {FileError} If a file can't be made. No file is under way any more then.
 * @throws {CancelledError} If `signal` was aborted.
 */
export async function startFiles(
  destinations: readonly Destination[],
  clone: boolean,
  signal?: AbortSignal,
): Promise<StartedFile[]> {
  const made: Promise<StartedFile>[] = [];
  try {
    for (const { file, path } of destinations) {
      await made.at(-CLONES_AT_ONCE);
      if (signal?.aborted) throw new CancelledError("Cancelled");
      const isClone = clone && file.overlay !== undefined && canClone(file.overlay.base, directoryOf(path));
      const overlay = isClone ? file.overlay : undefined;
      const making = makeFile(path, (overlay ?? file).size, overlay).then(() => ({ file, path, overlay }));
      making.catch(() => {}); // Its failure is met below, once its turn comes.
      made.push(making);
    }
    return await Promise.all(made);
  } catch (error) {
    await Promise.allSettled(made);
    throw error;
  }
}

async function makeFile(path: string, size: number, overlay: Overlay | undefined): Promise<void> {
  try {
    if (overlay !== undefined) await cloneFile(overlay.base, path);
    using created = Deno.openSync(path, { write: true, create: true, truncate: overlay === undefined });
    created.truncateSync(size);
  } catch (error) {
    throw new FileError(`${path}: cannot make the file: ${messageOf(error)}`);
  }
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"))) || ".";
}
