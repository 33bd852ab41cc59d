/**
 * The program as a subprocess.
 */

import { join } from "../lib/deps.ts";

/** What a run of the program left. */
export interface Run {
  /** The exit code. */
  readonly code: number;
  /** What it printed on stdout. */
  readonly stdout: string;
  /** What it printed on stderr. */
  readonly stderr: string;
}

/** How to run the program. */
export interface RunOptions {
  /** Deno's permission flags; `-A` by default. */
  readonly permissions?: readonly string[];
  /** The directory to run in. */
  readonly cwd?: string;
  /** Variables to set; `NO_COLOR` is set unless it is here. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The program's main module. */
export const CLI = join(import.meta.dirname!, "..", "cli.ts");

/** The command that converts a checkpoint. */
export const CONVERT = ["llama", "convert_checkpoint"];

/** The command line of the program, for what runs it in another way. */
export function commandLine(args: readonly string[], permissions: readonly string[] = ["-A"]): string[] {
  return [Deno.execPath(), "run", "--quiet", "--no-prompt", ...permissions, CLI, ...args];
}

function command(args: readonly string[], options: RunOptions): Deno.Command {
  const { permissions, cwd, env = {} } = options;
  const [program, ...rest] = commandLine(args, permissions);
  return new Deno.Command(program!, {
    args: rest,
    ...(cwd === undefined ? {} : { cwd }),
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs the program to its end. Nothing answers a prompt. */
export async function ckpt(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { code, stdout, stderr } = await command(args, options).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Runs the command that converts a checkpoint. */
export function convert(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  return ckpt([...CONVERT, ...args], options);
}

/**
 * Runs the program, and sends it a signal as soon as it has printed a text on stderr.
 *
 * @param args The arguments.
 * @param signal The signal.
 * @param text The text to wait for.
 * @returns What it left.
 */
export async function interrupt(args: readonly string[], signal: Deno.Signal, text: string): Promise<Run> {
  const child = command(args, {}).spawn();
  const stdout = new Response(child.stdout).text();
  let stderr = "";
  let sent = false;
  for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) {
    stderr += part;
    if (!sent && stderr.includes(text)) {
      child.kill(signal);
      sent = true;
    }
  }
  const { code } = await child.status;
  return { code, stdout: await stdout, stderr };
}
