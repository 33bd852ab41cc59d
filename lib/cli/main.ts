/** The program: finds the command, runs it, and turns what it throws into one line and an exit code. */

import { processFacts } from "../bytes/process_facts.ts";
import { collectWith } from "../copy/memory.ts";
import { VERSION } from "../version.ts";
import { type Command, parseArguments, UsageError } from "./command.ts";
import { didYouMean } from "./nearest.ts";
import { commandHelp, groupHelp, MOST_COLUMNS, PAGER_COLUMNS, PROGRAM } from "./help.ts";
import { oneLine, plainLines } from "./plain_text.ts";
import { print, say } from "./print.ts";
import { styleFor, widthOf } from "./terminal.ts";
import { isSystemError } from "../bytes/system_error.ts";

/** Exit codes beside 0. */
const FAILED = 1;
const BAD_USAGE = 2;

/** Signals that stop the program, and the exit codes that shells expect of them (128 + number). */
const signals = [["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const;

/** Runs the program. */
export async function main(commands: readonly Command[], args: readonly string[]): Promise<number> {
  const style = styleFor(Deno.stderr);
  const controller = new AbortController();
  let stoppedBy: number | undefined;
  let failed = FAILED;
  // Windows knows SIGINT alone.
  const known = signals.filter(([name]) => Deno.build.os !== "windows" || name === "SIGINT");
  const isHangupIgnored = ignoresHangup();
  const handlers = known.map(([name, code]) => {
    const handler = () => {
      if (name === "SIGHUP" && isHangupIgnored) return;
      stoppedBy = code;
      controller.abort();
    };
    Deno.addSignalListener(name, handler);
    return { name, handler };
  });
  try {
    return await dispatch(commands, args, controller.signal, (command) => {
      failed = command.failureCode ?? FAILED;
    });
  } catch (error) {
    const { CancelledError, CheckpointError } = await import("../error.ts");
    if (error instanceof UsageError) {
      const help = [PROGRAM, ...error.words, "--help"].join(" ");
      say(`${style.red("error:")} ${oneLine(error.message)}; see ${help}`);
      return BAD_USAGE;
    }
    if (error instanceof CancelledError && stoppedBy !== undefined) {
      const rest = error.isResumable ? "run the same command again to go on" : "nothing was finished";
      say(`${style.yellow("stopped:")} ${rest}`);
      return stoppedBy;
    }
    if (error instanceof CheckpointError || isSystemError(error)) {
      say(`${style.red("error:")} ${oneLine(error.message)}`);
      return failed;
    }
    say(`${style.red("error:")} ckpt failed in a way that it should not; please report this:`);
    say(plainLines(Deno.inspect(error)));
    return failed;
  } finally {
    for (const { name, handler } of handlers) Deno.removeSignalListener(name, handler);
  }
}

async function dispatch(
  commands: readonly Command[],
  given: readonly string[],
  signal: AbortSignal,
  onRun: (command: Command) => void,
): Promise<number> {
  const [first] = given;
  const args = first === "help" || isHelp(first)
    ? [...given.slice(1).filter((word) => !isHelp(word)), "--help"]
    : given;
  const style = styleFor(Deno.stdout);
  const width = Deno.stdout.isTerminal() ? Math.min(widthOf(Deno.stdout), MOST_COLUMNS) : PAGER_COLUMNS;
  const words: string[] = [];
  for (const word of args) {
    const matches = commandsAt(commands, [...words, word]);
    if (matches.length === 0) break;
    words.push(word);
  }
  const command = commandsAt(commands, words).find((each) => each.words.length === words.length);
  const rest = args.slice(words.length);
  if (command !== undefined) {
    const parsed = parseArguments(command, rest);
    if (parsed !== "help") {
      onRun(command);
      collectWith((await import("./collect_garbage.ts")).collectGarbage);
      return await command.run(parsed, { signal });
    }
    print(commandHelp(command, style, width));
    return 0;
  }
  const [next] = rest;
  if (next === undefined && words.length === 0 || isHelp(next)) {
    print(groupHelp(commands, words, style, width));
    return 0;
  }
  if (words.length === 0 && ["--version", "-V", "version"].includes(next!)) {
    print(`${PROGRAM} ${VERSION}`);
    return 0;
  }
  if (next === undefined) throw new UsageError(`${words.join(" ")} needs a command`, words);
  throw new UsageError(
    next.startsWith("-")
      ? `Unknown option ${next}${words.length === 0 ? didYouMean(next, ["--help", "--version"]) : ""}`
      : `Unknown command ${JSON.stringify([...words, next].join(" "))}${
        didYouMean([...words, next].join(" "), commands.map((command) => command.words.join(" ")))
      }`,
    words,
  );
}

function isHelp(word: string | undefined): boolean {
  return word === "--help" || word === "-h";
}

/**
 * Whether SIGHUP is ignored, as nohup has it. Deno takes that back when it begins to handle signals, so that whoever
 * wants to go on ignoring it must listen and do nothing.
 */
function ignoresHangup(): boolean {
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(processFacts("status") ?? "")?.[1];
  return ignored !== undefined && (BigInt(`0x${ignored}`) & 1n) !== 0n; // The lowest bit is that of signal 1.
}

/** The commands that some words begin, or name. */
function commandsAt(commands: readonly Command[], words: readonly string[]): Command[] {
  return commands.filter((command) =>
    words.length <= command.words.length && words.every((word, i) =>
      command.words[i] === word ||
      (i === command.words.length - 1 && command.aliases?.includes(word))
    )
  );
}
