/** Which sum of a list of sums is that of which file. */

import { describeFailure } from "../bytes/source.ts";
import { dirname, join, resolve } from "../deps.ts";
import { FileError } from "../error.ts";
import { relativePath } from "./relative_path.ts";
import { parseSums, type Sums, tensorSumName } from "./sums.ts";
import type { ExpectedSum } from "./verify_file.ts";

/** The longest list of sums that is read, in bytes. One of 405B's tensors has some 150 kB. */
const MAX_SUMS_BYTES = 64 * 1024 * 1024;

export function readSums(path: string): Sums {
  let text: string;
  try {
    const { isFile, size } = Deno.statSync(path);
    // Of a pipe or a device the size says nothing.
    if (!isFile) {
      throw new FileError(`${path}: is not a file; name the one that sha256sum or ckpt verify --sums wrote`);
    }
    if (size > MAX_SUMS_BYTES) {
      throw new FileError(`${path}: has more than ${MAX_SUMS_BYTES} bytes, too many for a list of sums`);
    }
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw error instanceof FileError ? error : describeFailure(path, error);
  }
  return parseSums(text, path);
}

interface ExpectedSums {
  /** Files that are listed and below the path, but none of those that were found there: of other kinds, or missing. */
  readonly others: readonly string[];
  of(path: string): ExpectedSum;
}

/**
 * The sums of the files found at a path. Names are those below it, or, if no file is found so, those below the working
 * directory. `list` is where the sums stand, for messages.
 */
export function expectedSums(
  sums: Sums,
  list: string,
  path: string,
  files: readonly string[],
): ExpectedSums {
  const isFile = files.length === 1 && files[0] === path;
  const root = isFile ? dirname(resolve(path)) : resolve(path);
  const found = new Set(files.map((file) => resolve(file)));
  const namesBelow = (base: string) =>
    new Map([...sums.files.keys()].map((name) => [resolve(base, name), name]));
  const [below, here] = [namesBelow(root), namesBelow(".")];
  const hasAny = (names: Map<string, string>) => [...found].some((file) => names.has(file));
  const names = !hasAny(below) && hasAny(here) ? here : below;
  const others = [...names.keys()].filter((file) => !found.has(file) && relativePath(root, file) !== file);
  return {
    others: isFile ? [] : others.sort().map((file) => join(path, relativePath(root, file))),
    of(file) {
      const name = names.get(resolve(file));
      return {
        path: list,
        sha256: name === undefined ? undefined : sums.files.get(name),
        tensor: (tensor) => name === undefined ? undefined : sums.tensors.get(tensorSumName(name, tensor)),
      };
    },
  };
}
