/**
 * What fuzzing starts from: the fixtures, which real programs wrote.
 *
 * @module
 */

import { join } from "../../lib/deps.ts";

const FIXTURES = join(import.meta.dirname!, "..", "..", "fixtures");

/** Larger files take their time, and have little in them that smaller ones lack. */
const LARGEST = 80_000;

/** The fixtures whose paths match, smallest first. */
export function fixtures(pattern: RegExp, largest = LARGEST): { path: string; bytes: Uint8Array }[] {
  const found = [...walk(FIXTURES)].filter((path) => pattern.test(path.slice(FIXTURES.length)));
  return found.map((path) => ({ path, bytes: Deno.readFileSync(path) }))
    .filter(({ bytes }) => bytes.length <= largest)
    .sort((a, b) => a.bytes.length - b.bytes.length || (a.path < b.path ? -1 : 1));
}

function* walk(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = join(directory, name);
    if (isDirectory) yield* walk(path);
    else yield path;
  }
}

/** The directory of fixtures. */
export { FIXTURES };
