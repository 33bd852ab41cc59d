/**
 * Writes a test's output directory in a process of its own, which can be told to stop at a step of its work.
 *
 * @module
 */

import { type WriteOptions, writeOutput } from "../../lib/output/output_directory.ts";
import type { Plan } from "../../lib/copy/plan.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { outputFile, planOf, textFile } from "../copy/_plan.ts";

/** What the process is to do. */
export interface OutputWork {
  /** The file to read: at least 4000 bytes. */
  readonly source: string;
  /** The output directory. */
  readonly output: string;
  /** How to write it. */
  readonly options?: WriteOptions;
  /** Whether to make another plan of the same files. */
  readonly otherPlan?: boolean;
  /** Whether the file system is to have no locks. */
  readonly noLocks?: boolean;
  /** The number of the change to the file system, counted from 1, before which something happens. */
  readonly step?: number;
  /** What happens: the process is killed, or it waits until another has done this work. */
  readonly then?: "kill" | OutputWork;
}

/** What the process prints. */
export interface OutputAnswer {
  /** Whether the output is complete, where it didn't fail. */
  readonly complete?: boolean;
  /** The error's class and message, where it failed. */
  readonly error?: string;
  /** Whether it came as far as the step at which something was to happen. */
  readonly reached: boolean;
  /** The answer of the other process, if there was one. */
  readonly other?: OutputAnswer;
}

/** Two files of a source's bytes, one of them in a directory, and a text. */
export function planOfThree(source: string, otherPlan = false): Plan {
  const more = otherPlan ? 1 : 0;
  return planOf([
    outputFile("a.bin", [{ label: "a", view: bytes(source, 0, 2000 + more) }]),
    outputFile("below/b.bin", [{ label: "b", view: bytes(source, 1000, 1500 + more) }]),
    textFile("c.json", "{}\n"),
  ]);
}

/** Runs a process. */
export async function runOutputProcess(
  work: OutputWork,
): Promise<OutputAnswer & { readonly signal: string | null }> {
  const { stdout, stderr, signal } = await command(work).output();
  return { ...parse(stdout, stderr, signal), signal };
}

function command(work: OutputWork): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", import.meta.filename!, JSON.stringify(work)],
  });
}

function parse(stdout: Uint8Array, stderr: Uint8Array, signal: string | null): OutputAnswer {
  if (signal !== null) return { reached: true };
  try {
    return JSON.parse(new TextDecoder().decode(stdout)) as OutputAnswer;
  } catch {
    throw new Error(`The process failed: ${new TextDecoder().decode(stderr)}`);
  }
}

async function main(work: OutputWork): Promise<void> {
  let reached = false;
  let other: OutputAnswer | undefined;
  let step = 0;
  const before = () => {
    if (++step !== work.step) return;
    reached = true;
    if (work.then === "kill") {
      Deno.kill(Deno.pid, "SIGKILL");
      while (true); // The signal may take a moment.
    }
    const { stdout, stderr, signal } = command(work.then!).outputSync();
    other = parse(stdout, stderr, signal);
  };
  const names = [
    "mkdirSync",
    "openSync",
    "writeTextFileSync",
    "linkSync",
    "renameSync",
    "removeSync",
  ] as const;
  const calls = Deno as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const name of names) {
    const call = calls[name]!;
    calls[name] = (...args) => (before(), call(...args));
  }
  if (work.noLocks) {
    Deno.FsFile.prototype.tryLockSync = () => {
      throw new Deno.errors.NotSupported("Function not implemented");
    };
  }
  let answer: OutputAnswer;
  try {
    const plan = planOfThree(work.source, work.otherPlan);
    const { complete } = await writeOutput(plan, work.output, work.options);
    answer = { complete, reached };
  } catch (error) {
    answer = {
      error: error instanceof Error ? `${error.constructor.name}: ${error.message}` : String(error),
      reached,
    };
  }
  console.log(JSON.stringify({ ...answer, other }));
}

if (import.meta.main) await main(JSON.parse(Deno.args[0]!) as OutputWork);
