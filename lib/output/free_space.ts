/**
 * Whether there is room for an output, looked at before its first byte is written.
 *
 * @module
 */

import { statfsSync } from "node:fs";
import { canClone } from "../copy/clone.ts";
import { isInPlace, type OutputFile } from "../copy/plan.ts";
import { FileError } from "../error.ts";
import { formatBytes } from "../bytes/format_bytes.ts";
import { viewBytes } from "../bytes/view.ts";

/**
 * Checks that files have room in a directory. What others write there meanwhile, and quotas, can't be known.
 *
 * @param output The output directory, for messages.
 * @param files The files that are still to be made.
 * @param directory Where they are made; it must exist.
 * @param clone Whether files are cloned where that is possible: clones need no room.
 * @param free How many bytes are free there, or `undefined` where that can't be known: then nothing is checked.
 * @throws {FileError} If they haven't.
 */
export function checkFreeSpace(
  output: string,
  files: readonly OutputFile[],
  directory: string,
  clone: boolean,
  free: number | undefined = freeBytes(directory),
): void {
  if (free === undefined || sum(files, ({ size }) => size) <= free) return;
  const needed = sum(files, (file) => clone ? bytesOfClone(file, directory) ?? file.size : file.size);
  if (needed <= free) return;
  throw new FileError(
    `${output}: needs ${formatBytes(needed)}, but only ${formatBytes(free)} are free there; ` +
      `make room for ${formatBytes(needed - free)} more, or name a directory on another disk`,
  );
}

/** How many bytes a file takes beside its source's as a clone, or `undefined` if it can't be one. */
function bytesOfClone({ overlay: offer }: OutputFile, directory: string): number | undefined {
  const overlay = offer !== undefined && canClone(offer.base, directory) ? offer.make() : undefined;
  if (overlay === undefined) return undefined;
  return overlay.size - sum(overlay.copies, (copy) => isInPlace(copy, overlay) ? viewBytes(copy.view) : 0);
}

/**
 * How many bytes are free for this user where a directory is.
 *
 * @param directory The directory.
 * @returns The bytes; `undefined` where the file system doesn't say, or Deno has no permission to ask
 * (`--allow-sys=statfs`), which isn't requested: all works without.
 */
export function freeBytes(directory: string): number | undefined {
  try {
    if (Deno.permissions.querySync({ name: "sys", kind: "statfs" }).state !== "granted") return undefined;
    const { blocks, bavail, bsize } = statfsSync(directory);
    return blocks === 0 ? undefined : bavail * bsize;
  } catch {
    return undefined;
  }
}

function sum<T>(items: readonly T[], bytesOf: (item: T) => number): number {
  return items.reduce((total, item) => total + bytesOf(item), 0);
}
