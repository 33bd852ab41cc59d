/**
 * The program on a terminal. util-linux's `script` gives it one.
 */

import { assertEquals } from "@std/assert";
import { commandLine } from "../_ckpt.ts";

export const HIDE_CURSOR = "\x1b[?25l";
export const SHOW_CURSOR = "\x1b[?25h";
export const CLEAR_LINE = "\r\x1b[K";

/** How long a run may take, in milliseconds. It takes a few seconds. */
const TIMEOUT_MS = 60_000;

async function hasScript(): Promise<boolean> {
  try {
    const { stdout } = await new Deno.Command("script", { args: ["--version"] }).output();
    return new TextDecoder().decode(stdout).includes("util-linux");
  } catch {
    return false;
  }
}

/** Whether there is none, so that tests which need one are skipped. */
export const ignore: boolean = !await hasScript();

if (ignore) console.error("no `script` of util-linux, so nothing is tested on a terminal");

/** A run on a terminal: its exit code, and all that it sent to the terminal. */
export interface TerminalRun {
  readonly code: number;
  readonly screen: string;
  /** How long it went on after the last text was seen that something was typed at. */
  readonly secondsAfter: number;
}

/** How to run it. */
export interface TerminalOptions {
  /** How many columns the terminal has; 100 by default. */
  readonly columns?: number;
  readonly cwd?: string;
  readonly permissions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Texts to wait for, one after the other, and what is typed once they are on the screen. */
  readonly type?: readonly (readonly [seen: string, keys: string])[];
  /** Whether keys are typed again until the next text is seen: Deno's prompts throw away what comes too soon. */
  readonly insist?: boolean;
}

/** Runs the program on a terminal. */
export function onTerminal(args: readonly string[], options: TerminalOptions = {}): Promise<TerminalRun> {
  const words = commandLine(args, options.permissions ?? ["-A"]).filter((word) => word !== "--no-prompt");
  return runOnTerminal(words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" "), options);
}

/** Runs a command of the shell's on a terminal. */
export async function runOnTerminal(command: string, options: TerminalOptions = {}): Promise<TerminalRun> {
  const { env = {}, type = [], insist = false, columns = 100, cwd } = options;
  const child = new Deno.Command("script", {
    args: [
      "--quiet",
      "--return",
      "--flush",
      "--command",
      `stty cols ${columns}; exec ${command}`,
      "/dev/null",
    ],
    ...(cwd === undefined ? {} : { cwd }),
    env: { NO_COLOR: "1", TERM: "xterm", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const keyboard = child.stdin.getWriter();
  // So that a prompt that nobody answers is a failure, not a test without end.
  const timer = setTimeout(() => child.kill(), TIMEOUT_MS);
  let keys = "";
  const press = () => void keyboard.write(new TextEncoder().encode(keys)).catch(() => {});
  const insistence = setInterval(() => {
    if (insist) press();
  }, 250);
  let screen = "";
  let next = 0;
  let seen = performance.now();
  let from = 0;
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    screen += part;
    for (let step = type[next]; step !== undefined; step = type[next]) {
      const at = screen.indexOf(step[0], from);
      if (at < 0) break;
      from = at + step[0].length;
      keys = step[1];
      seen = performance.now();
      press();
      next++;
    }
  }
  clearTimeout(timer);
  clearInterval(insistence);
  await keyboard.close().catch(() => {});
  const { code } = await child.status;
  assertEquals(next, type.length, `not all of ${JSON.stringify(type)} was on the screen: ${screen}`);
  return { code, screen, secondsAfter: (performance.now() - seen) / 1000 };
}

/** What is left of what was sent to a terminal without its colours. */
export function withoutColours(text: string): string {
  return text.split("\x1b").map((part, i) => i === 0 ? part : part.replace(/^\[[\d;]+m/, "")).join("");
}

/**
 * The lines that are on the screen in the end. A line that was drawn again and again, as progress is, is as it was left.
 */
export function linesLeft({ screen }: Pick<TerminalRun, "screen">): string[] {
  const drawn = screen.replaceAll(HIDE_CURSOR, "").replaceAll(SHOW_CURSOR, "");
  return drawn.trimEnd().split("\r\n").map((line) => withoutColours(line.split(CLEAR_LINE).at(-1)!));
}
