/**
 * The program, stopped in front of one of the steps that it takes in the file system: to be killed there, or to
 * wait while another process does something. So what may happen between any two steps can be tested at each.
 *
 * ```sh
 * deno run -A tests/_stepped_main.ts <action> <step> <output> llama convert_checkpoint …
 * ```
 *
 * A step is a call on the main thread that looks at or changes something in the output directory, or in what it is
 * built in; calls of one kind for one file in a row are one. Steps are counted from 1. The action is done before the
 * step is taken: a signal that the process sends itself, or `pause`, where it prints `paused` on stderr and goes on
 * when stdin has a byte or ends. With `CKPT_STEPS` set the steps are printed on stderr.
 */

import { commands } from "../lib/cli/commands.ts";
import { main } from "../lib/cli/main.ts";
import { resolve } from "../lib/deps.ts";

const [action, at, output, ...args] = Deno.args as [string, string, string, ...string[]];
const prefix = resolve(output);
const trace = Deno.env.has("CKPT_STEPS");
let count = 0;
let last = "";

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
}

function step(name: string, path: string): void {
  const what = `${name} ${path}`;
  if (what === last) return;
  last = what;
  count++;
  if (trace) say(`step ${count} ${what}`);
  if (count !== Number(at)) return;
  if (action === "pause") {
    say("paused");
    Deno.stdin.readSync(new Uint8Array(1));
  } else {
    Deno.kill(Deno.pid, action as Deno.Signal);
    // A signal that can't be handled ends the process before the step is taken.
    while (action === "SIGKILL");
  }
}

function isAtOutput(path: unknown): path is string {
  return typeof path === "string" && resolve(path).startsWith(prefix);
}

// deno-lint-ignore no-explicit-any -- Any function of Deno's with a path.
const deno = Deno as any;
const opened = new WeakMap<Deno.FsFile, string>();

for (
  const name of [
    "chmodSync",
    "copyFileSync",
    "createSync",
    "linkSync",
    "lstatSync",
    "mkdirSync",
    "openSync",
    "readDirSync",
    "readTextFileSync",
    "removeSync",
    "renameSync",
    "statSync",
    "writeTextFileSync",
  ]
) {
  const original = deno[name];
  deno[name] = (...args: unknown[]) => {
    const path = args.findLast(isAtOutput);
    if (path !== undefined) step(name, path);
    const result = original.apply(Deno, args);
    if (path !== undefined && result instanceof Deno.FsFile) opened.set(result, path);
    return result;
  };
}

for (const name of ["writeSync", "truncateSync", "syncSync"] as const) {
  const prototype = Deno.FsFile.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const original = prototype[name]!;
  prototype[name] = function (this: Deno.FsFile, ...args: unknown[]) {
    const path = opened.get(this);
    if (path !== undefined) step(name, path);
    return original.apply(this, args);
  };
}

Deno.exit(await main(commands, args));
