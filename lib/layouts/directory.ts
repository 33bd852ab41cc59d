/** What lies in an input directory. */

import { join } from "../deps.ts";
import { FileError } from "../error.ts";
import { isRemote, remoteFile, remoteNames } from "../bytes/remote.ts";
import { describeFailure } from "../bytes/source.ts";

/** The names in a directory, files and directories apart. Links count as what they point to. */
export interface Listing {
  readonly path: string;
  readonly files: ReadonlySet<string>;
  readonly directories: ReadonlySet<string>;
}

/**
 * Lists a directory.
 *
 * @throws {FileError} If it doesn't exist, is a file, or can't be read.
 */
export function listDirectory(path: string): Listing {
  if (isRemote(path)) return listRemote(path);
  const files = new Set<string>();
  const directories = new Set<string>();
  try {
    const info = Deno.statSync(path);
    if (!info.isDirectory) throw new FileError(`${path}: is a file; name the checkpoint's directory`);
    for (const entry of Deno.readDirSync(path)) {
      const target = entry.isSymlink ? statOrUndefined(join(path, entry.name)) : entry;
      if (target?.isFile) files.add(entry.name);
      if (target?.isDirectory) directories.add(entry.name);
    }
  } catch (error) {
    throw error instanceof FileError ? error : describeFailure(path, error);
  }
  return { path, files, directories };
}

function listRemote(path: string): Listing {
  const names = remoteNames(path);
  if (names !== undefined) return { path, ...names };
  throw remoteFile(path) === undefined
    ? new FileError(`${path}: no such file or directory; check the path`)
    : new FileError(`${path}: is a file; name the checkpoint's directory`);
}

function statOrUndefined(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined; // A link to nothing.
  }
}
