/** Whether there is room for an output, looked at before its first byte is written. */

import type { StartedFile } from "../copy/chunks.ts";
import { isInPlace } from "../copy/plan.ts";
import { dirname } from "../deps.ts";
import { FileError } from "../error.ts";
import { formatBytes } from "../bytes/format_bytes.ts";
import { viewBytes } from "../bytes/view.ts";

/** Below this many bytes, writing them takes no longer than asking whether there is room. */
const ASKING_PAYS_BYTES = 16 * 1024 * 1024;

/**
 * Checks that files have room where they are made. What others write there meanwhile, and quotas, can't be known.
 *
 * @param started The files: without their contents yet, or clones.
 * @param freeIn How many bytes are free in a directory; `undefined` where that can't be known.
 * @throws {FileError} If they haven't.
 */
export async function checkFreeSpace(
  started: readonly StartedFile[],
  directory: string,
  freeIn: (directory: string) => Promise<number | undefined> = freeBytes,
): Promise<void> {
  const needed = started.reduce((sum, file) => sum + bytesToAdd(file), 0);
  if (needed < ASKING_PAYS_BYTES) return;
  const free = await freeIn(directory);
  if (free === undefined || needed <= free) return;
  throw new FileError(
    `${dirname(directory)}: the output needs ${formatBytes(needed)}, but only ${
      formatBytes(free)
    } are free there; ` +
      `make room for ${formatBytes(needed - free)} more, or name a directory on another disk`,
  );
}

/** How many bytes a file will take beside those that it takes now. */
function bytesToAdd({ file, path, overlay }: StartedFile): number {
  if (overlay !== undefined) {
    // Of a clone, what isn't in place; the rest it shares with its source.
    return overlay.copies.reduce(
      (sum, copy) => sum + (isInPlace(copy, overlay) ? 0 : viewBytes(copy.view)),
      0,
    );
  }
  // Not all file systems have files with holes: on others it takes its room from the start.
  return file.size - (Deno.statSync(path).blocks ?? 0) * 512;
}

/**
 * How many bytes are free for this user where a directory is.
 *
 * @returns The bytes; `undefined` where the file system doesn't say, or Deno has no permission to ask
 * (`--allow-sys=statfs`), which isn't requested: all works without.
 */
export async function freeBytes(directory: string): Promise<number | undefined> {
  try {
    if (Deno.permissions.querySync({ name: "sys", kind: "statfs" }).state !== "granted") return undefined;
    const { statfsSync } = await import("node:fs"); // It takes 5 to 10 ms to load.
    const { blocks, bavail, bsize } = statfsSync(directory);
    return blocks === 0 ? undefined : bavail * bsize;
  } catch {
    return undefined;
  }
}
