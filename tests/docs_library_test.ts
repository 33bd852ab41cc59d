/**
 * The programs in `docs/library.md` run, and print what they say that they do.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../lib/deps.ts";
import { TempDir } from "./_temp.ts";

const ROOT = join(import.meta.dirname!, "..");

/** The programs in a document, by the heading above each. */
function programs(document: string): (readonly [heading: string, program: string])[] {
  const text = Deno.readTextFileSync(join(ROOT, document));
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => {
    const heading = text.slice(0, match.index).match(/^#+ .*$/gm)?.at(-1) ?? "";
    return [heading.replace(/^#+ /, ""), match[1]!];
  });
}

const shown = programs("docs/library.md");

/** Runs Deno as where the project's own name stands for mod.ts. */
async function deno(command: string, args: readonly string[], temp: TempDir): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [command, "--quiet", "--config", join(ROOT, "deno.json"), ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", TMPDIR: temp.path },
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  return new TextDecoder().decode(stdout);
}

Deno.test("the programs in docs/library.md and the README have the right types", async () => {
  using temp = new TempDir();
  const inReadme = programs("README.md").filter(([, program]) => program.includes("https://…/mod.ts"));
  assertEquals(inReadme.length, 1);
  const paths = [...shown, ...inReadme].map(([, program], i) => {
    Deno.writeTextFileSync(temp.at(`${i}.ts`), program.replace("https://…/mod.ts", "@ckpt/ckpt"));
    return temp.at(`${i}.ts`);
  });
  await deno("check", paths, temp);
});

for (const [heading, program] of shown) {
  Deno.test(`docs/library.md: ${heading}`, async () => {
    using temp = new TempDir();
    Deno.writeTextFileSync(temp.at("program.ts"), program);
    const printed = await deno("run", ["--no-prompt", "-A", temp.at("program.ts")], temp);
    // What a comment behind console.log says is printed, or told.
    for (const [, said] of program.matchAll(/(?:console\.log\(.*\);|onNote.*) \/\/ (.*)$/gm)) {
      assert(printed.split("\n").includes(said!), `${said} isn't among what is printed:\n${printed}`);
    }
  });
}

Deno.test("docs/library.md names each function and class that mod.ts has", async () => {
  const text = Deno.readTextFileSync(join(ROOT, "docs", "library.md"));
  const names = Object.keys(await import("../mod.ts")).filter((name) =>
    /^[a-z]/.test(name) || name.endsWith("Error")
  );
  const unnamed = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(text));
  assertEquals(unnamed, ["ConfigError", "targets", ...UNNAMED].sort());
  assert(shown.length >= 7);
});

/** What has a page of its own. */
const UNNAMED = ["compareStatistics", "inspectGlobals", "planConversion", "runConversion", "statistics"];
