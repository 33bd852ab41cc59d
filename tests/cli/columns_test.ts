/**
 * What fits a terminal: at 80 columns nothing is broken by the terminal itself, and at 120 the room is used.
 */

import { assert, assertEquals, assertGreater, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { commands } from "../../lib/cli/commands.ts";
import { fold, hanging } from "../../lib/cli/fold.ts";
import { COLOURS } from "../../lib/cli/terminal.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { CLEAR_LINE, HIDE_CURSOR, ignore, linesLeft, onTerminal, SHOW_CURSOR } from "./_terminal.ts";

const LLAMA = "fairseq2-0.3.0/llama3_bf16/step_10";
const SHARDS = "fairseq2-0.3.0/llama3_bf16_tp2";
const NATIVE = "fairseq2-0.8.1/qwen3_bf16_tied/checkpoints/step_10";
const HUGGING_FACE = "expected/fairseq2-0.3.0/llama3_bf16/hf";
const REFERENCE = "expected/fairseq2-0.3.0/llama3_bf16/reference";

/** What is printed, and the exit code. */
const calls: readonly (readonly [args: readonly string[], code?: number])[] = [
  [["inspect", LLAMA]],
  [["inspect", "--tensors", SHARDS]],
  [["inspect", "--globals", `${LLAMA}/model.pt`]],
  [["inspect", NATIVE]],
  [["inspect", HUGGING_FACE]],
  [["models"]],
  [["compare", LLAMA, HUGGING_FACE]],
  [["compare", LLAMA, NATIVE], 1],
  [["compare", "--tolerance", "1e-3", LLAMA, SHARDS], 1],
  [["verify", LLAMA]],
  [["verify", REFERENCE]],
  [["verify", NATIVE]],
  [["convert", "--dry-run", LLAMA, "out"]],
  [["convert", "--dry-run", "--to", "gguf", "--no-tokenizer", NATIVE, "out"]],
];

/** The lines that a terminal shows of a run. */
async function shown(args: readonly string[], columns: number, code = 0, env = {}): Promise<string[]> {
  const run = await onTerminal(args, { columns, cwd: CHECKPOINTS, env });
  assertEquals(run.code, code, run.screen);
  return linesLeft(run);
}

/** The columns that the widest line takes. */
function widthOf(lines: readonly string[]): number {
  return Math.max(...lines.map((line) => [...line].length));
}

for (const [args, code] of calls) {
  Deno.test({
    name: `ckpt ${args.join(" ")} fits 80 columns, and says the same at 120`,
    ignore,
    async fn() {
      const narrow = await shown(args, 80, code);
      assertLessOrEqual(widthOf(narrow), 80, narrow.join("\n"));
      const wide = await shown(args, 120, code, { NO_COLOR: "" });
      assertLessOrEqual(widthOf(wide), 120, wide.join("\n"));
      assertLessOrEqual(wide.length, narrow.length);
      // Bars are as long as there is room.
      const words = (lines: readonly string[]) => lines.join(" ").match(/[^\s█▏▎▍▌▋▊▉]+/g);
      assertEquals(words(wide), words(narrow));
    },
  });
}

Deno.test({
  name: "the room of 120 columns is used",
  ignore,
  async fn() {
    for (const args of [["models"], ["convert", "--dry-run", LLAMA, "out"]]) {
      assertGreater(widthOf(await shown(args, 120)), 80, args.join(" "));
    }
  },
});

Deno.test({
  name: "every help fits 80 columns and a screen",
  ignore,
  async fn() {
    for (const words of [[], ...commands.map(({ words }) => words)]) {
      const lines = await shown([...words, "--help"], 80);
      assertLessOrEqual(widthOf(lines), 80, lines.join("\n"));
      const most = words.length === 0 ? 24 : words.at(-1)!.startsWith("convert") ? 50 : 40;
      assertLessOrEqual(lines.length, most, lines.join("\n"));
    }
  },
});

Deno.test({
  name: "the summary fits the terminal, and nothing is left of the progress before it",
  ignore,
  async fn() {
    using temp = new TempDir();
    for (const columns of [80, 120]) {
      const { code, screen } = await onTerminal(["convert", "--no-clone", LLAMA, temp.at(`${columns}`)], {
        columns,
        cwd: CHECKPOINTS,
      });
      assertEquals(code, 0);
      const drawn = screen.slice(0, screen.indexOf(SHOW_CURSOR)).replace(HIDE_CURSOR, "").split(CLEAR_LINE);
      assert(drawn.length > 2 && widthOf(drawn) < columns, JSON.stringify(drawn));
      const lines = linesLeft({ screen });
      assert(lines[0]!.startsWith("Converted "), screen);
      assert(!lines.join("").includes("\x1b"), JSON.stringify(screen));
      assertLessOrEqual(widthOf(lines.slice(1)), columns);
    }
  },
});

Deno.test("colours can be read on white and on black", () => {
  // The 240 colours: a cube of 6 × 6 × 6, and 24 greys. The contrast is WCAG's; 4 is more than large text needs.
  const levels = [0, 95, 135, 175, 215, 255];
  const rgb = (colour: number) =>
    colour >= 232
      ? Array(3).fill(8 + 10 * (colour - 232))
      : [36, 6, 1].map((unit) => levels[Math.floor((colour - 16) / unit) % 6]!);
  const luminance = (colour: number) => {
    const [red, green, blue] = rgb(colour).map((level) =>
      level <= 10 ? level / 255 / 12.92 : ((level / 255 + 0.055) / 1.055) ** 2.4
    );
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  for (const [name, colour] of Object.entries(COLOURS)) {
    assertGreaterOrEqual(colour, 16, `${name} is another on every terminal`);
    const light = luminance(colour);
    assertGreaterOrEqual(1.05 / (light + 0.05), 4, `${name} on white`);
    assertGreaterOrEqual((light + 0.05) / 0.05, 4, `${name} on black`);
  }
});

Deno.test("fold() breaks a text between words alone", () => {
  assertEquals(fold("a bc def ghij", 6), ["a bc", "def", "ghij"]);
  assertEquals(fold("abcdefgh i", 3), ["abcdefgh", "i"]);
  assertEquals(fold("модель моя", 10), ["модель моя"]);
  assertEquals(fold("a b", Infinity), ["a b"]);
});

Deno.test("hanging() begins all lines where the text begins", () => {
  assertEquals(hanging("note: ", 6, "one two three", 13), ["note: one two", "      three"]);
  assertEquals(hanging("n ", 2, "one two", 5, (line) => `<${line}>`), ["n <one>", "  <two>"]);
});
