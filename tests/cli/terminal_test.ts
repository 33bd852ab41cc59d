/**
 * The program on a terminal: progress, colours, and questions.
 */

import { assert, assertEquals, assertLessOrEqual, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ckpt, CONVERT } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { CheckpointCopy, CHECKPOINTS } from "../_torch_files.ts";
import { CLEAR_LINE, HIDE_CURSOR, ignore, onTerminal, SHOW_CURSOR, withoutColours } from "./_terminal.ts";
import { makeCheckpoint } from "../bench/make_checkpoint.ts";

const INPUT = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16/step_10");

Deno.test({
  name: "on a terminal, progress is one line that is drawn again and again, and gone at the end",
  ignore,
  async fn() {
    using temp = new TempDir();
    makeCheckpoint({ model: "llama3_2_1b", layers: 2, shards: 2, directory: temp.at("in") });
    const args = [...CONVERT, "--no-clone", temp.at("in", "step_1"), temp.at("out")];
    const { code, screen } = await onTerminal(args);
    assertEquals(code, 0);
    const start = screen.indexOf(HIDE_CURSOR);
    const end = screen.indexOf(CLEAR_LINE + SHOW_CURSOR);
    assert(start === 0 && end > 0, JSON.stringify(screen));
    const lines = screen.slice(HIDE_CURSOR.length, end).split(CLEAR_LINE).slice(1);
    assert(lines.length >= 3, JSON.stringify(lines));
    for (const line of lines) {
      assert(!line.includes("\x1b") && line.length < 100, JSON.stringify(line));
      assertMatch(
        line,
        /^[━╌]{10,30} +\d+% {2}\S+ [kMG]?B of 1\.29 GB {2}file [123] of 3( {2}\S+ [kMG]?B\/s {2}.* left)?$/,
      );
    }
    assertMatch(lines.at(-1)!, /^━+ 100% {2}1\.29 GB of 1\.29 GB {2}file 3 of 3/);
    const summary = screen.slice(end + CLEAR_LINE.length + SHOW_CURSOR.length).replaceAll("\r\n", "\n");
    assertMatch(
      summary,
      /^Converted .*\n +model +sizes of its own, .*\n +files +.*\n +bytes +1\.29 GB in .*\n +note +.*\n( {10}.*\n)*$/,
    );
  },
});

Deno.test({
  name: "on a terminal, progress tells what is compared from what is made",
  ignore,
  async fn() {
    using temp = new TempDir();
    makeCheckpoint({ model: "llama3_2_1b", layers: 2, shards: 2, directory: temp.at("in") });
    const args = ["--no-clone", temp.at("in", "step_1"), temp.at("out")];
    assertEquals((await ckpt([...CONVERT, "--quiet", "--task", "1/3", ...args])).code, 0);
    const { code, screen } = await onTerminal([...CONVERT, ...args]);
    assertEquals(code, 0);
    const lines = screen.slice(0, screen.indexOf(SHOW_CURSOR)).split(CLEAR_LINE).slice(1, -1);
    const first = lines.findIndex((line) => !line.includes("comparing"));
    assert(
      first > 0 && lines.slice(first).every((line) => !line.includes("comparing")),
      JSON.stringify(lines),
    );
    assertMatch(lines[first - 1]!, /^━+ 100% {2}64\d MB of 64\d MB {2}comparing what is there( {2}.*)?$/);
    assertMatch(lines.at(-1)!, /^━+ 100% {2}64\d MB of 64\d MB {2}file 2 of 2/);
  },
});

Deno.test({
  name: "on a terminal, Ctrl-C leaves no output and brings the cursor back",
  ignore,
  async fn() {
    using temp = new TempDir();
    makeCheckpoint({ model: "llama3_2_1b", layers: 5, directory: temp.at("in") });
    const args = [...CONVERT, "--no-clone", temp.at("in", "step_1"), temp.at("out")];
    const { code, screen } = await onTerminal(args, { type: [["%", "\x03"]] });
    assertEquals(code, 130);
    assertStringIncludes(screen, HIDE_CURSOR);
    assert(
      screen.endsWith(`${CLEAR_LINE}${SHOW_CURSOR}stopped: nothing was finished\r\n`),
      screen,
    );
    assertEquals(temp.names(), ["in"]);
  },
});

Deno.test({
  name: "on a terminal, an error brings the cursor back first",
  ignore,
  async fn() {
    using temp = new TempDir();
    makeCheckpoint({ model: "llama3_2_1b", layers: 5, directory: temp.at("in") });
    const [path] = [temp.at("in", "step_1", "model.pt")];
    // A byte in the middle of the weights, where zeros are promised.
    using file = Deno.openSync(path!, { write: true });
    file.seekSync(1_000_000_000, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array([1]));
    const { code, screen } = await onTerminal([
      ...CONVERT,
      "--no-clone",
      temp.at("in", "step_1"),
      temp.at("out"),
    ]);
    assertEquals(code, 1);
    const [progress, message] = screen.split(CLEAR_LINE + SHOW_CURSOR);
    assertStringIncludes(progress!, HIDE_CURSOR);
    assertMatch(message!, /^error: .*model\.pt: data\/\d+: the bytes are damaged \(CRC-32 .*\r\n$/);
    assertEquals(temp.names(), ["in"]);
  },
});

Deno.test({
  name: "on a terminal there are colours, unless NO_COLOR is set",
  ignore,
  async fn() {
    using temp = new TempDir();
    const args = [...CONVERT, "--dry-run", INPUT, temp.at("out")];
    const calls = [["--help"], args, ["--bogus"]];
    for (const call of calls) {
      const plain = await onTerminal(call);
      const coloured = await onTerminal(call, { env: { NO_COLOR: "" } });
      assert(!plain.screen.includes("\x1b"), JSON.stringify(plain.screen));
      assert(coloured.screen.includes("\x1b["), coloured.screen);
      assertEquals(coloured.code, plain.code);
      assertEquals(withoutColours(coloured.screen), plain.screen);
    }
  },
});

/** What to type at Deno's question for a permission. */
const answer = (what: string, path: string, keys: string): [string, string][] => [
  [`${what} access to "${path}"`, ""],
  ["[y/n/A]", ""],
  ["> ", keys],
];

/** A copy of the input, so that all lies in one directory. */
function setUp(temp: TempDir): { input: string; output: string } {
  return {
    input: new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("in")).step,
    output: temp.at("out"),
  };
}

Deno.test({
  name: "on a terminal, a permission that isn't given is an error, and no more is asked",
  ignore,
  async fn() {
    using temp = new TempDir();
    const { input, output } = setUp(temp);
    const args = [...CONVERT, "--quiet", input, output];
    const both = `${output},${output}.partial`;
    for (const [answers, refused] of [[["n\r"], "read"], [["y\r", "n\r"], "write"]] as const) {
      const type = answers.flatMap((keys, i) => answer(["read", "write"][i]!, temp.path, keys));
      const { code, screen } = await onTerminal(args, { permissions: [], type, insist: true });
      assertEquals(code, 1);
      assertMatch(
        screen,
        new RegExp(
          `error: Permission to ${refused} .* was refused; run Deno with --allow-read=.* --allow-write=${both}`,
        ),
      );
      assertEquals(screen.split("Deno requests").length - 1, answers.length);
      assertEquals(temp.names(), ["in"]);
    }
  },
});

Deno.test({
  name: "on a terminal, there are two questions for all paths, and the clock starts after them",
  ignore,
  async fn() {
    using temp = new TempDir();
    const { input, output } = setUp(temp);
    const type = [...answer("read", temp.path, "y\r"), ...answer("write", temp.path, "y\r")];
    const run = await onTerminal([...CONVERT, "--json", "--no-clone", input, output], {
      permissions: [],
      type,
      insist: true,
    });
    const { code, screen } = run;
    assertEquals(code, 0, screen);
    assertEquals(temp.names("out"), ["consolidated.00.pth", "params.json"]);
    assertEquals(screen.split("Deno requests").length - 1, 2, screen);
    const said = unfolded(screen.slice(0, screen.indexOf("Deno requests")));
    assertStringIncludes(
      said,
      `ckpt has to read ${input}, ${output} and ${output}.partial, and to write ${output} and`,
    );
    assertStringIncludes(said, `--allow-write=${output},${output}.partial`);
    const seconds = Number(/"seconds": ([\d.]+)/.exec(screen)![1]);
    assertLessOrEqual(seconds, run.secondsAfter);
  },
});

Deno.test({
  name: "on a terminal, one path is asked for as it is",
  ignore,
  async fn() {
    using temp = new TempDir();
    const { input } = setUp(temp);
    const args = ["inspect", "--globals", input];
    const options = { permissions: [], type: answer("read", input, "y\r"), insist: true };
    const { code, screen } = await onTerminal(args, options);
    assertEquals([code, screen.includes("ckpt has to")], [0, false]);
  },
});

/** A text whose lines were broken to fit the terminal. */
function unfolded(text: string): string {
  return text.replace(/\s+/g, " ");
}
