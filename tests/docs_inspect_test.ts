/**
 * What `docs/inspect.md` shows is what the program prints.
 */

import { assertEquals } from "@std/assert";
import { join } from "../lib/deps.ts";
import { ckpt } from "./_ckpt.ts";

const ROOT = join(import.meta.dirname!, "..");

/** The commands in the document, and what it shows of their output; one that ends in a line of `…` goes on. */
const shown = [
  ...Deno.readTextFileSync(join(ROOT, "docs", "inspect.md"))
    .matchAll(/^```console\n\$ ckpt (.*)\n([\s\S]*?)^```$/gm),
]
  .map(([, command, output]) => [command!, output!] as const);

for (const [command, output] of shown) {
  Deno.test(`docs/inspect.md shows what ckpt ${command} prints`, async () => {
    const { stdout, stderr } = await ckpt(command.split(" "), { cwd: ROOT });
    const cut = output.endsWith("\n…\n") ? output.length - 2 : undefined;
    assertEquals([cut === undefined ? stdout : stdout.slice(0, cut), stderr], [output.slice(0, cut), ""]);
  });
}

Deno.test("docs/inspect.md shows each command", () => {
  const commands = new Set(shown.map(([command]) => command.split(" ")[0]));
  assertEquals([...commands].sort(), ["compare", "inspect", "verify"]);
});
