/** Whether a copy of a file will share its blocks instead of moving them. */

/** The size of the probe in bytes: some blocks of any file system's. */
const PROBE_BYTES = 1024 * 1024;

/**
 * Finds out whether the file system clones files: whether `Deno.copyFile` shares blocks (XFS, Btrfs, APFS …)
 * instead of moving bytes.
 *
 * It copies an empty file that has a size but no blocks. A clone of that has no blocks either; a copy that
 * moves bytes (ext4, tmpfs, NFS) writes zeros and so gets blocks. That needs no timing and no permission but
 * to write in the directory, where both files are removed again. A file system that stores zeros without
 * blocks may be taken for one that clones: the result is still right then, only not faster.
 *
 * @returns Whether a clone is cheap; `false` on any doubt.
 */
export function canClone(source: string, directory: string): boolean {
  const id = crypto.randomUUID();
  // Whoever makes the directory whole removes what ends like this: a process that was killed here leaves it.
  const probe = `${directory}/.probe-${id}.tmp`;
  const copy = `${directory}/.probe-copy-${id}.tmp`;
  try {
    const device = Deno.statSync(source).dev;
    if (device !== Deno.statSync(directory).dev) return false;
    using file = Deno.openSync(probe, { write: true, createNew: true });
    file.truncateSync(PROBE_BYTES);
    Deno.copyFileSync(probe, copy);
    const { blocks, size } = Deno.statSync(copy);
    return blocks === 0 && size === PROBE_BYTES;
  } catch {
    return false;
  } finally {
    for (const path of [probe, copy]) {
      try {
        Deno.removeSync(path);
      } catch {
        // It was never made.
      }
    }
  }
}

/**
 * Makes a file as a clone of another, writable and with the mode of a new file.
 *
 * @param path The clone; replaced if it exists.
 */
export async function cloneFile(source: string, path: string): Promise<void> {
  // Deno.copyFile gives the copy its source's mode, which may forbid writing.
  Deno.createSync(path).close();
  const { mode } = Deno.statSync(path);
  await Deno.copyFile(source, path);
  if (mode !== null && Deno.build.os !== "windows") Deno.chmodSync(path, mode & 0o7777);
}
