/**
 * The program on a terminal: progress, colours, and questions.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ckpt, CONVERT } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
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

/** The permissions that are asked for, in order. */
function asked(output: string): readonly (readonly [what: string, path: string])[] {
  return [
    ["read", INPUT],
    ["read", join(INPUT, "..", "model.yaml")],
    ["read", output],
    ["write", output],
    ["read", `${output}.partial`],
    ["write", `${output}.partial`],
  ];
}

/** What to type at the prompt for a permission. */
const answer = (keys: string) => ([what, path]: readonly [string, string]): [string, string][] => [
  [`${what} access to "${path}"`, ""],
  ["[y/n/A]", ""],
  ["> ", keys],
];

Deno.test({
  name: "on a terminal, a permission that isn't given is an error",
  ignore,
  async fn() {
    using temp = new TempDir();
    const output = temp.at("out");
    const paths = asked(output);
    const type = [...paths.slice(0, 3).flatMap(answer("y\r")), ...answer("n\r")(paths[3]!)];
    const args = [...CONVERT, "--quiet", INPUT, output];
    const { code, screen } = await onTerminal(args, { permissions: [], type, insist: true });
    assertEquals(code, 1);
    assertStringIncludes(
      screen,
      `error: ${output}: permission to write it was refused; run Deno with --allow-write=${output} (or -A)`,
    );
    assertEquals(temp.names(), []);
  },
});

Deno.test({
  name: "on a terminal, permissions are asked for path by path, and no others",
  ignore,
  async fn() {
    using temp = new TempDir();
    const output = temp.at("out");
    const paths = asked(output);
    const options = { permissions: [], type: paths.flatMap(answer("y\r")), insist: true };
    const { code, screen } = await onTerminal([...CONVERT, "--quiet", "--no-clone", INPUT, output], options);
    assertEquals(code, 0, screen);
    assertEquals(temp.names("out"), ["consolidated.00.pth", "params.json"]);
    assertEquals(screen.split("Deno requests").length - 1, paths.length, screen);
  },
});
