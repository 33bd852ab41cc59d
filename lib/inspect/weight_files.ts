/**
 * Finding the files in a directory that may hold tensors.
 *
 * @module
 */

import { isDirectory } from "../bytes/file_system.ts";
import { describeFailure } from "../bytes/source.ts";
import { join } from "../deps.ts";
import { FileError } from "../error.ts";

/** The endings of names of files with tensors. */
const WEIGHTS = /\.(?:pt|pth|bin|ckpt|safetensors)$/;

/** The most files that are looked at. */
const MAX_FILES = 100_000;

/**
 * Finds files with tensors in a directory. Directories that are links aren't followed, and what a conversion is still
 * building is left out.
 *
 * @param directory The directory.
 * @param isDeep Whether to look into the directories in it too.
 * @returns Their paths, sorted.
 * @throws {FileError} If a directory can't be read.
 */
export function findWeightFiles(directory: string, isDeep: boolean = false): string[] {
  const found: string[] = [];
  const left = [directory];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    try {
      for (const entry of Deno.readDirSync(path)) {
        const inside = join(path, entry.name);
        if (entry.isDirectory && isDeep && !entry.name.endsWith(".partial")) left.push(inside);
        else if (WEIGHTS.test(entry.name) && isFile(inside)) found.push(inside);
        if (found.length + left.length > MAX_FILES) {
          throw new FileError(`${directory}: holds more than ${MAX_FILES} files`);
        }
      }
    } catch (error) {
      throw error instanceof FileError ? error : describeFailure(path, error);
    }
  }
  return found.sort();
}

/**
 * Finds all files in a directory and those in it, whatever their names are.
 *
 * @param directory The directory.
 * @returns Their paths, sorted, and those of links to directories, which aren't followed.
 * @throws {FileError} If a directory can't be read.
 */
export function findFiles(directory: string): { readonly files: string[]; readonly links: string[] } {
  const found = { files: [] as string[], links: [] as string[] };
  const left = [directory];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    try {
      for (const entry of Deno.readDirSync(path)) {
        const inside = join(path, entry.name);
        if (entry.isDirectory) left.push(inside);
        else if (entry.isSymlink && isDirectory(inside)) found.links.push(inside);
        else if (isFile(inside)) found.files.push(inside);
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

/** Whether a file's name is one of files with tensors. */
export function isWeightFile(path: string): boolean {
  return WEIGHTS.test(path);
}

/** Finds files with tensors in a directory, or where it has none, in those in it. */
export function findNearWeightFiles(directory: string): string[] {
  const found = findWeightFiles(directory);
  return found.length > 0 ? found : findWeightFiles(directory, true);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // A link to nothing.
  }
}
