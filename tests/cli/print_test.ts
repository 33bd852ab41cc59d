/**
 * Streams that take nothing more, as on a full disk: what was done stays done.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { commandLine, CONVERT } from "../_ckpt.ts";
import { assertSameFile } from "../_state_facts.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const CASE = "fairseq2-0.3.0/llama3_bf16_tp2";
const INPUT = join(CHECKPOINTS, CASE, "step_10");
const EXPECTED = join(CHECKPOINTS, "expected", CASE, "reference");

const ignore = Deno.build.os !== "linux"; // /dev/full is Linux's.

/** Runs the program through a shell, with redirections after its arguments. */
async function redirected(args: readonly string[], redirections: string) {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", `"$@" ${redirections}`, "sh", ...commandLine(args)],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

function assertWhole(output: string): void {
  for (const name of ["consolidated.00.pth", "consolidated.01.pth"]) {
    assertSameFile(join(output, name), join(EXPECTED, name));
  }
}

for (const options of [[], ["--json"]]) {
  Deno.test({
    name: `ckpt says that it is the summary that can't be printed, and that the output is whole ${options}`,
    ignore,
    async fn() {
      using temp = new TempDir();
      const output = temp.at("out");
      const run = await redirected([...CONVERT, "--no-clone", ...options, INPUT, output], ">/dev/full");
      assertEquals(run.code, 1);
      assertEquals(
        run.stderr.split("\n").filter((line) => !line.includes(" done (")).join("\n"),
        `error: ${output} is whole, but this can't be printed to stdout: No space left on device (os error 28)\n`,
      );
      assertWhole(output);
      assertEquals(temp.names(), ["out"]);
    },
  });
}

Deno.test({
  name: "ckpt converts where its progress can't be shown",
  ignore,
  async fn() {
    using temp = new TempDir();
    const run = await redirected([...CONVERT, "--no-clone", INPUT, temp.at("out")], "2>/dev/full");
    assertEquals(run.code, 0);
    assertMatch(run.stdout, /^Converted /);
    assertWhole(temp.at("out"));
  },
});

Deno.test({
  name: "ckpt keeps its exit codes where it can print nothing at all",
  ignore,
  async fn() {
    using temp = new TempDir();
    const nowhere = ">/dev/full 2>/dev/full";
    assertEquals((await redirected([...CONVERT, INPUT, temp.at("out")], nowhere)).code, 1);
    assertWhole(temp.at("out"));
    assertEquals((await redirected([...CONVERT, "--quiet", INPUT, temp.at("quiet")], nowhere)).code, 0);
    assertEquals((await redirected([...CONVERT, "--oops"], nowhere)).code, 2);
    assertEquals((await redirected(["compare", INPUT, temp.at("missing")], nowhere)).code, 2);
  },
});

Deno.test({
  name: "ckpt says that it can't print what it found",
  ignore,
  async fn() {
    for (const args of [["inspect", INPUT], ["verify", INPUT], ["compare", INPUT, INPUT], ["--help"]]) {
      const { code, stderr } = await redirected(args, ">/dev/full");
      assertEquals(code, args[0] === "compare" ? 2 : 1, args.join(" "));
      assertEquals(stderr, "error: can't print to stdout: No space left on device (os error 28)\n");
    }
  },
});
