/** Finding the files in a directory that may hold tensors. */

import { isDirectory, isFile } from "../bytes/file_system.ts";
import { isRemote, remoteNames } from "../bytes/remote.ts";
import { describeFailure } from "../bytes/source.ts";
import { join } from "../deps.ts";
import { FileError } from "../error.ts";

/** The endings of names of files with tensors. */
const WEIGHTS = /\.(?:pt|pth|bin|ckpt|safetensors|gguf)$/;

/** The most files that are looked at. */
const MAX_FILES = 100_000;

/** What was found in a directory, sorted. */
interface Found {
  readonly files: string[];
  /** The links to directories, which aren't followed. */
  readonly links: string[];
}

/** Finds the files in a directory and those in it, by what is wanted and entered of their names. */
export function findFiles(
  directory: string,
  wants: (name: string) => boolean = () => true,
  enters: (name: string) => boolean = () => true,
): Found {
  const found: Found = { files: [], links: [] };
  const left = [directory];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    try {
      const names = remoteNames(path);
      for (const name of names?.directories ?? []) if (enters(name)) left.push(join(path, name));
      found.files.push(...[...names?.files ?? []].filter(wants).map((name) => join(path, name)));
      if (isRemote(path)) continue;
      for (const { name, isDirectory: isInside, isSymlink } of Deno.readDirSync(path)) {
        const inside = join(path, name);
        if (isInside) {
          if (enters(name)) left.push(inside);
        } else if (isSymlink && isDirectory(inside)) found.links.push(inside);
        else if (wants(name) && isFile(inside)) found.files.push(inside);
        if (found.files.length + left.length > MAX_FILES) {
          throw new FileError(`${directory}: holds more than ${MAX_FILES} files`);
        }
      }
    } catch (error) {
      throw error instanceof FileError ? error : describeFailure(path, error);
    }
  }
  return { files: found.files.sort(), links: found.links.sort() };
}

/**
 * Finds files with tensors in a directory, or in those in it too. What a conversion is still building is left out.
 */
export function findWeightFiles(directory: string, isDeep: boolean = false): string[] {
  return findFiles(directory, isWeightFile, (name) => isDeep && !name.endsWith(".partial")).files;
}

/** Whether a file's name is one of files with tensors. */
export function isWeightFile(path: string): boolean {
  return WEIGHTS.test(path);
}

/** Finds files with tensors in a directory, or where it has none, in those in it. */
export function findNearWeightFiles(directory: string): string[] {
  const found = findWeightFiles(directory);
  return found.length > 0 ? found : findWeightFiles(directory, true);
}
