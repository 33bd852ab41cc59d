/**
 * Timing whole processes, in turn.
 *
 * @module
 */

import { finish } from "./cleaning.ts";

/** One run of a process. */
export interface Run {
  /** Wall clock time in seconds. */
  readonly seconds: number;
  /** Peak resident memory in bytes, as Linux tells it; 0 elsewhere. */
  readonly peakBytes: number;
}

/** Something to measure. */
export interface Subject {
  /** What it is called in the table. */
  readonly name: string;
  /** The command line. */
  readonly command: readonly string[];
  /** Done before each run, outside the measured time. */
  readonly prepare?: () => Promise<void> | void;
}

/** All runs of a subject. */
export interface Measured {
  /** The subject's name. */
  readonly name: string;
  /** Its runs. */
  readonly runs: readonly Run[];
}

/** Runs a process once. */
export async function runOnce({ command, name }: Subject): Promise<Run> {
  const [program, ...args] = command;
  const start = performance.now();
  let peakBytes = 0;
  let ended = false;
  let watched: Promise<void> | undefined;
  const output = await finish(
    new Deno.Command(program!, { args, stdout: "null", stderr: "piped" }),
    (pid) =>
      watched = (async () => {
        while (!ended) {
          peakBytes = Math.max(peakBytes, highWaterMark(pid));
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      })(),
  );
  const seconds = (performance.now() - start) / 1000;
  ended = true;
  await watched;
  if (!output.success) {
    throw new Error(`${name} failed: ${new TextDecoder().decode(output.stderr).trim().split("\n").at(-1)}`);
  }
  return { seconds, peakBytes };
}

/** The kernel's own record of a process's peak; polling it misses at most what comes in the last moment. */
function highWaterMark(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/**
 * Measures subjects in turn (A B A B …), after one run of each that doesn't count.
 *
 * @param subjects What to measure.
 * @param count How many runs of each count.
 */
export async function measureInTurn(subjects: readonly Subject[], count: number): Promise<Measured[]> {
  const runs = subjects.map((): Run[] => []);
  for (let round = 0; round <= count; round++) {
    for (const [i, subject] of subjects.entries()) {
      await subject.prepare?.();
      const run = await runOnce(subject);
      if (round > 0) runs[i]!.push(run);
    }
  }
  return subjects.map(({ name }, i) => ({ name, runs: runs[i]! }));
}

/** The fastest run's time in seconds. */
export function fastest({ runs }: Measured): number {
  return Math.min(...runs.map(({ seconds }) => seconds));
}

/** The median of the runs' times in seconds. */
export function median({ runs }: Measured): number {
  const sorted = runs.map(({ seconds }) => seconds).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The highest peak of the runs in bytes. */
export function peak({ runs }: Measured): number {
  return Math.max(...runs.map(({ peakBytes }) => peakBytes));
}
