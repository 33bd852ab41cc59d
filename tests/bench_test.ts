/** What the benchmarks say of themselves, and what they leave. */

import { assert, assertEquals } from "@std/assert";
import { join } from "../lib/deps.ts";
import { TempDir } from "./_temp.ts";

function bench(name: string, ...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", join(import.meta.dirname!, "bench", name), ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
}

for (const name of ["bench.ts", "sizes.ts"]) {
  Deno.test(`${name} --help lists its options, and one that it hasn't ends it`, async () => {
    const { code, stdout } = await bench(name, "--help").output();
    const help = new TextDecoder().decode(stdout);
    assertEquals(code, 0);
    assert(help.includes("\n  --model NAME "), help);
    assertEquals((await bench(name, "--modle", "7b").output()).code, 2);
  });
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test({
    name: `a benchmark that ${signal} stops leaves nothing, and its table has heads`,
    ignore: Deno.build.os === "windows",
    async fn() {
      using temp = new TempDir();
      const child = bench("bench.ts", "--dir", temp.path, "--layers", "1", "--runs", "1000", "--only", "copy")
        .spawn();
      const printed = new Response(child.stdout).text();
      // Until a conversion has begun.
      while (!temp.names().some((name) => temp.names(name).some((made) => made.startsWith("out")))) {
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      child.kill(signal);
      assertEquals((await child.status).code, code);
      assertEquals(temp.names(), []);
      assertEquals((await printed).split("\n")[0]!.split(/ {2,}/).slice(0, 4), [
        "work",
        "command",
        "fastest",
        "median",
      ]);
    },
  });
}
