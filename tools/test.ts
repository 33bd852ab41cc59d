/**
 * Runs the tests and prints what failed, a count and the time, instead of a line for each of thousands. Arguments are
 * `deno test`'s: files to run instead of all, `--filter`.
 *
 * ```sh
 * deno task test [FILES]
 * ```
 *
 * @module
 */

import { stripVTControlCharacters } from "node:util";
import { join } from "../lib/deps.ts";

const ROOT = join(import.meta.dirname!, "..");

/** What the dot reporter prints of a test that is done: passed, ignored, failed; on a line of its own in a pipe. */
const DONE = /^[.,!]$/;

const named = Deno.args.some((argument) => !argument.startsWith("-"));
const child = new Deno.Command(Deno.execPath(), {
  args: [
    "test",
    "-A",
    "--parallel",
    "--quiet",
    "--reporter=dot",
    ...Deno.args,
    ...named ? [] : [join(ROOT, "tests/")],
  ],
  stdin: "null",
  stdout: "piped",
}).spawn();
Deno.addSignalListener("SIGINT", () => {}); // The child has it, too, from the terminal, and says what it was at.

let count = 0;
let rest = "";
for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    if (!DONE.test(stripVTControlCharacters(line))) console.log(line);
    else if (Deno.stderr.isTerminal() && ++count % 10 === 0) {
      Deno.stderr.writeSync(new TextEncoder().encode(`\r${count} tests done `));
    }
  }
}
console.log(rest);
Deno.exit((await child.status).code);
