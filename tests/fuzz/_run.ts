/**
 * Runs targets over mutants, and counts what becomes of them.
 *
 * @module
 */

import { CheckpointError } from "../../lib/error.ts";
import { PickleError } from "../../lib/pickle/mod.ts";
import { Random } from "../copy/_random.ts";
import type { Target } from "./_targets.ts";

/** What became of a target's mutants. */
export interface Figures {
  readonly target: string;
  mutants: number;
  /** How many were read all the same. */
  read: number;
  /** How many were refused, by the class of the error. */
  readonly refused: Map<string, number>;
  /** The longest time that one took, in milliseconds, and which. */
  slowest: { milliseconds: number; index: number };
  /** The most that memory grew by over one, in bytes, and which. Garbage counts. */
  largest: { bytes: number; index: number };
  /** What may not be: anything thrown but ckpt's errors, too long a time, too much memory. */
  readonly violations: { readonly index: number; readonly what: string }[];
}

/** What a mutant may take: 1 s, and 64 MB. */
const MAX_MILLISECONDS = 1000;
const MAX_BYTES = 64 * 1024 * 1024;

/** The mutant of a number: always the same. */
export function mutantOf(target: Target, seed: number, index: number): Uint8Array {
  return target.make(new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)));
}

/** How to run. */
export interface RunOptions {
  readonly seed: number;
  readonly mutants: number;
  /** The number of the first mutant. */
  readonly first?: number;
  /** Whether time and memory are looked at; they depend on the machine. */
  readonly measure?: boolean;
}

/** Runs a target over its mutants. */
export async function runTarget(target: Target, options: RunOptions): Promise<Figures> {
  const { seed, mutants, first = 0, measure = false } = options;
  const figures: Figures = {
    target: target.name,
    mutants,
    read: 0,
    refused: new Map(),
    slowest: { milliseconds: 0, index: -1 },
    largest: { bytes: 0, index: -1 },
    violations: [],
  };
  for (let index = first; index < first + mutants; index++) {
    const mutant = mutantOf(target, seed, index);
    const before = measure ? memoryInUse() : 0;
    const start = performance.now();
    try {
      await target.run(mutant);
      figures.read++;
    } catch (error) {
      if (error instanceof CheckpointError || error instanceof PickleError) {
        figures.refused.set(error.name, (figures.refused.get(error.name) ?? 0) + 1);
      } else {
        const what = error instanceof Error ? error.stack ?? error.message : String(error);
        figures.violations.push({ index, what });
      }
    }
    if (measure) {
      await measureOne(target, mutant, index, performance.now() - start, memoryInUse() - before, figures);
    }
  }
  return figures;
}

function memoryInUse(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

async function measureOne(
  target: Target,
  mutant: Uint8Array,
  index: number,
  milliseconds: number,
  bytes: number,
  figures: Figures,
): Promise<void> {
  // Other programs, and the collection of garbage, may have got in between. Then it is faster the next time.
  for (let i = 0; i < 3 && milliseconds > MAX_MILLISECONDS / 4; i++) {
    const start = performance.now();
    try {
      await target.run(mutant);
    } catch { /* As before. */ }
    milliseconds = Math.min(milliseconds, performance.now() - start);
  }
  if (milliseconds > figures.slowest.milliseconds) figures.slowest = { milliseconds, index };
  if (bytes > figures.largest.bytes) figures.largest = { bytes, index };
  if (milliseconds > MAX_MILLISECONDS) {
    figures.violations.push({ index, what: `takes ${Math.round(milliseconds)} ms` });
  }
  if (bytes > MAX_BYTES + mutant.length) {
    figures.violations.push({ index, what: `takes ${bytes} bytes of memory` });
  }
}

/** Divides a number of mutants among targets by their shares. */
export function divide(targets: readonly Target[], mutants: number): Map<Target, number> {
  const sum = targets.reduce((total, { share }) => total + share, 0);
  return new Map(targets.map((target) => [target, Math.ceil(mutants * target.share / sum)]));
}

/** The figures as a line of a table. */
export function figuresLine(figures: Figures): string {
  const { target, mutants, read, refused, slowest, largest, violations } = figures;
  const classes = [...refused].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`).join(
    ", ",
  );
  return `| ${target} | ${mutants} | ${read} | ${classes} | ${slowest.milliseconds.toFixed(0)} ms | ${
    (largest.bytes / 1e6).toFixed(1)
  } MB | ${violations.length} |`;
}
