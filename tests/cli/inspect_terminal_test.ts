/**
 * `ckpt inspect` on a terminal.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { ignore, onTerminal, withoutColours } from "./_terminal.ts";

const INPUT = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16", "step_10");

/** What a terminal of some columns shows. */
async function show(columns: number, env: Record<string, string>): Promise<string[]> {
  const { screen } = await onTerminal(["inspect", INPUT], { columns, env });
  return screen.trimEnd().split("\r\n");
}

Deno.test({
  name: "ckpt inspect fits its table to the terminal",
  ignore,
  async fn() {
    for (const columns of [40, 60, 100]) {
      const screen = await show(columns, { NO_COLOR: "1" });
      const lines = screen.slice(screen.indexOf("") + 1);
      assertEquals(lines.length, 16);
      const width = Math.max(...lines.map((line) => [...line].length));
      assertEquals([width < columns, width > columns - 25], [true, true], `${columns}: ${width}`);
    }
  },
});

Deno.test({
  name: "ckpt inspect has colours on a terminal, and none with NO_COLOR",
  ignore,
  async fn() {
    const [plain, coloured] = [await show(100, { NO_COLOR: "1" }), await show(100, { NO_COLOR: "" })];
    assertEquals([plain.join("").includes("\x1b"), coloured[0]], [false, `\x1b[1m${INPUT}\x1b[22m`]);
    assertEquals(coloured.map(withoutColours), plain);
  },
});
