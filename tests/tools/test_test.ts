/** What `deno task test` prints. */

import { assertEquals, assertMatch } from "@std/assert";
import { stripVTControlCharacters } from "node:util";
import { join } from "../../lib/deps.ts";
import { TempDir } from "../_temp.ts";

async function runTests(
  args: readonly string[],
  env: Record<string, string> = { NO_COLOR: "1" },
): Promise<{ code: number; stdout: string }> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", join(import.meta.dirname!, "../../tools/test.ts"), ...args],
    env,
    stderr: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout) };
}

Deno.test("deno task test prints a count and the time", async () => {
  using temp = new TempDir();
  Deno.writeTextFileSync(
    temp.at("many_test.ts"),
    `for (let i = 0; i < 500; i++) Deno.test(\`\${i}\`, () => {});
Deno.test({ name: "ignored", ignore: true, fn() {} });
`,
  );
  const { code, stdout } = await runTests([temp.at("many_test.ts")]);
  assertEquals(code, 0);
  assertMatch(stdout, /^\s*ok \| 500 passed \| 0 failed \| 1 ignored \(\S+\)\s*$/);

  // Deno colours its dots, into a pipe, too.
  const coloured = await runTests([temp.at("many_test.ts")], { NO_COLOR: "", FORCE_COLOR: "1" });
  assertEquals(stripVTControlCharacters(coloured.stdout).replace(/\(.*\)/, ""), stdout.replace(/\(.*\)/, ""));
});

Deno.test("deno task test prints what failed, and why", async () => {
  using temp = new TempDir();
  Deno.writeTextFileSync(
    temp.at("some_test.ts"),
    `for (let i = 0; i < 9; i++) Deno.test(\`the \${i}th\`, () => { if (i === 7) throw new Error("seven"); });`,
  );
  const { code, stdout } = await runTests([temp.at("some_test.ts")]);
  assertEquals(code, 1);
  assertMatch(stdout, /the 7th => .*some_test\.ts:1:\d+\nerror: Error: seven\n/);
  assertMatch(stdout, /FAILED \| 8 passed \| 1 failed/);
  assertEquals(stdout.match(/the \dth/g), ["the 7th", "the 7th"]);
});
