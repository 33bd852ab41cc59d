/**
 * The program in a subprocess that stops in front of a step: see `_stepped_main.ts`.
 */

import { join } from "../lib/deps.ts";
import { CONVERT, type Run } from "./_ckpt.ts";

const MAIN = join(import.meta.dirname!, "_stepped_main.ts");

/** Options of the command, its input and its output. */
export interface Conversion {
  /** Options. */
  readonly options?: readonly string[];
  /** The checkpoint. */
  readonly input: string;
  /** The directory to make. */
  readonly output: string;
}

/** A run of the program that waits in front of a step. */
export interface PausedRun {
  /** Whether it waits there; `false` if it ended before. */
  readonly paused: Promise<boolean>;
  /** Lets it go on, and waits for its end. */
  goOn(): Promise<Run>;
}

/** The arguments that convert. */
export function argumentsOf({ options = [], input, output }: Conversion): string[] {
  return [...CONVERT, ...options, input, output];
}

function command(
  conversion: Conversion,
  action: string,
  step: number,
  stdin: "piped" | "null",
  env: Record<string, string> = {},
) {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "-A",
      MAIN,
      action,
      String(step),
      conversion.output,
      ...argumentsOf(conversion),
    ],
    env: { NO_COLOR: "1", ...env },
    stdin,
    stdout: "piped",
    stderr: "piped",
  });
}

/** The steps that a conversion takes, which it does. */
export async function stepsOf(conversion: Conversion): Promise<string[]> {
  const { success, stderr } = await command(conversion, "pause", 0, "null", { CKPT_STEPS: "1" }).output();
  const text = new TextDecoder().decode(stderr);
  if (!success) throw new Error(text);
  return [...text.matchAll(/^step \d+ (.*)$/gm)].map((match) => match[1]!);
}

/** Runs a conversion that sends itself a signal in front of a step. */
export async function signalAt(conversion: Conversion, signal: Deno.Signal, step: number): Promise<Run> {
  const { code, stdout, stderr } = await command(conversion, signal, step, "null").output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Starts a conversion that waits in front of a step. */
export function pauseAt(conversion: Conversion, step: number): PausedRun {
  const child = command(conversion, "pause", step, "piped").spawn();
  const stdout = new Response(child.stdout).text();
  let stderr = "";
  const { promise: paused, resolve } = Promise.withResolvers<boolean>();
  const end = (async () => {
    for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) {
      stderr += part;
      if (/^paused$/m.test(stderr)) resolve(true);
    }
    resolve(false);
  })();
  return {
    paused,
    async goOn() {
      await child.stdin.close();
      await end;
      const { code } = await child.status;
      return { code, stdout: await stdout, stderr: stderr.replace(/^paused\n/m, "") };
    },
  };
}
