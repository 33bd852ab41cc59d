/**
 * `ckpt inspect` on a terminal. util-linux's `script` gives it one; where there is none, these tests are skipped.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { commandLine } from "../_ckpt.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const INPUT = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16", "step_10");

async function hasScript(): Promise<boolean> {
  try {
    const { stdout } = await new Deno.Command("script", { args: ["--version"] }).output();
    return new TextDecoder().decode(stdout).includes("util-linux");
  } catch {
    return false;
  }
}

/** What a terminal of some columns shows. */
async function show(columns: number, env: Record<string, string>): Promise<string[]> {
  const command = commandLine(["inspect", INPUT]).map((word) => `'${word}'`).join(" ");
  const { stdout } = await new Deno.Command("script", {
    args: [
      "--quiet",
      "--return",
      "--flush",
      "--command",
      `stty cols ${columns}; exec ${command}`,
      "/dev/null",
    ],
    env: { TERM: "xterm", ...env },
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout).trimEnd().split("\r\n");
}

Deno.test({
  name: "ckpt inspect fits its table to the terminal",
  ignore: !await hasScript(),
  async fn() {
    for (const columns of [40, 60, 100]) {
      const lines = (await show(columns, { NO_COLOR: "1" })).slice(7);
      assertEquals(lines.length, 16);
      const width = Math.max(...lines.map((line) => [...line].length));
      assertEquals([width < columns, width > columns - 25], [true, true], `${columns}: ${width}`);
    }
  },
});

Deno.test({
  name: "ckpt inspect has colours on a terminal, and none with NO_COLOR",
  ignore: !await hasScript(),
  async fn() {
    const [plain, coloured] = [await show(100, { NO_COLOR: "1" }), await show(100, { NO_COLOR: "" })];
    assertEquals([plain.join("").includes("\x1b"), coloured[0]], [false, `\x1b[1m${INPUT}\x1b[22m`]);
    // deno-lint-ignore no-control-regex -- Colours.
    assertEquals(coloured.map((line) => line.replaceAll(/\x1b\[\d+m/g, "")), plain);
  },
});
