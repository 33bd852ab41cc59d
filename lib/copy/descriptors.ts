/**
 * Open files: how many workers there may be, and how many files each may hold open, within what the system allows this
 * process (`ulimit -n`).
 */

import { processFacts } from "../bytes/process_facts.ts";

/** The limit where it can't be known, well below what systems have by default: enough for 7 workers. */
const ASSUMED_LIMIT = 128;

/** What is left to Deno, of which 23 were seen, and to the calling thread. */
const RESERVED = 40;

/** What a worker takes before it opens a file: 6 in Deno 2.9. */
const WORKER_DESCRIPTORS = 8;

/** The fewest and the most files that a worker is given: it reads one and writes one, and more than these are no faster. */
const FEWEST_FILES = 4;
const MOST_FILES = 64;

/** A share of the files that may be open. */
export interface DescriptorShares {
  /** How many workers there may be; one at least. */
  readonly workers: number;
  /** How many files each of them may hold open. */
  readonly filesEach: number;
}

/** Shares out the files that this process may have open. */
export function shareDescriptors(jobs: number, limit: number = openFilesLimit()): DescriptorShares {
  const free = limit - RESERVED;
  const possible = Math.floor(free / (WORKER_DESCRIPTORS + FEWEST_FILES));
  const workers = Math.max(1, Math.min(jobs, possible));
  const filesEach = Math.floor(free / workers) - WORKER_DESCRIPTORS;
  return { workers, filesEach: Math.max(FEWEST_FILES, Math.min(filesEach, MOST_FILES)) };
}

/** How many files this process may have open. Deno itself has raised the soft limit to the hard one. */
function openFilesLimit(): number {
  const soft = /^Max open files\s+(\d+|unlimited)\s/m.exec(processFacts("limits") ?? "")?.[1];
  if (soft === undefined) return ASSUMED_LIMIT;
  return soft === "unlimited" ? Infinity : Number(soft);
}
