/**
 * What the program may do, and what it says where it may not.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { describeFailure } from "../../lib/bytes/source.ts";
import { commonDirectory } from "../../lib/cli/permissions.ts";
import { join } from "../../lib/deps.ts";
import { listed } from "../../lib/words.ts";
import { ckpt, convert } from "../_ckpt.ts";
import { makeGguf } from "../gguf/_model.ts";
import { assertSameFile } from "../_state_facts.ts";
import { TempDir } from "../_temp.ts";
import { CheckpointCopy, CHECKPOINTS } from "../_torch_files.ts";

const CASE = "fairseq2-0.3.0/llama3_bf16";
const EXPECTED = join(CHECKPOINTS, "expected", CASE, "reference", "consolidated.00.pth");

/** Nothing but what is asked for. */
const DENIED = ["--deny-net", "--deny-env", "--deny-run", "--deny-sys", "--deny-ffi", "--deny-import"];

function setUp(temp: TempDir) {
  const copy = new CheckpointCopy(CASE, temp.at("in"));
  const output = temp.at("out");
  return { copy, input: copy.step, output, both: `${output},${output}.partial` };
}

Deno.test("the program needs to read the input, and to read and write the output and its place", async () => {
  using temp = new TempDir();
  const { copy, input, output, both } = setUp(temp);
  const permissions = [...DENIED, `--allow-read=${copy.path},${both}`, `--allow-write=${both}`];
  const { code, stderr } = await convert(["--no-clone", input, output], { permissions });
  assertEquals(code, 0, stderr);
  assertSameFile(join(output, "consolidated.00.pth"), EXPECTED);
  assertEquals(temp.names(), ["in", "out"]);
});

Deno.test("relative paths may be allowed as such", async () => {
  using temp = new TempDir();
  setUp(temp);
  const permissions = [...DENIED, "--allow-read=in,out,out.partial", "--allow-write=out,out.partial"];
  const { code, stderr } = await convert(["--no-clone", "in/step_10", "out"], {
    permissions,
    cwd: temp.path,
  });
  assertEquals(code, 0, stderr);
  assertSameFile(temp.at("out", "consolidated.00.pth"), EXPECTED);
});

Deno.test("the step directory is enough to read where the model is named", async () => {
  using temp = new TempDir();
  const { copy, input, output, both } = setUp(temp);
  const yaml = temp.at("mine.yaml");
  Deno.renameSync(join(copy.path, "model.yaml"), yaml);
  const permissions = [...DENIED, `--allow-read=${input},${yaml},${both}`, `--allow-write=${both}`];
  const { code, stderr } = await convert(["--no-clone", "--model", yaml, input, output], { permissions });
  assertEquals(code, 0, stderr);
  assertSameFile(join(output, "consolidated.00.pth"), EXPECTED);
});

Deno.test("a dry run needs to read alone", async () => {
  using temp = new TempDir();
  const { copy, input, output, both } = setUp(temp);
  const permissions = [...DENIED, "--deny-write", `--allow-read=${copy.path},${both}`];
  assertEquals(
    await convert(["--dry-run", "--quiet", input, output], { permissions }),
    { code: 0, stdout: "", stderr: "" },
  );
});

Deno.test("a permission that is refused is named in one line, and nothing is left behind", async () => {
  using temp = new TempDir();
  const { copy, input, output, both } = setUp(temp);
  const yaml = temp.at("mine.yaml");
  Deno.copyFileSync(join(copy.path, "model.yaml"), yaml);
  const read = `--allow-read=${copy.path},${both}`;
  const write = `--allow-write=${both}`;
  const needs = { read: [input, output, `${output}.partial`], write: [output, `${output}.partial`] };
  const yamlAbove = join(copy.path, "model.yaml");
  /** What isn't allowed, and what would allow it. */
  type Refused = readonly [what: string, flags: string];
  const one = (what: "read" | "write", path: string): Refused => [
    `${path}: permission to ${what} it was refused`,
    `--allow-${what}=${path}`,
  ];
  const all: Refused = [
    `Permission to read ${listed(needs.read, "and")}, and to write ${listed(needs.write, "and")} was refused`,
    `--allow-read=${needs.read},${yamlAbove} --allow-write=${needs.write}`,
  ];
  const refused: readonly (readonly [why: string, permissions: string[], Refused, options?: string[]])[] = [
    ["nothing is allowed", [], all],
    ["the input is denied", ["--allow-read", `--deny-read=${input}`, write], one("read", input)],
    [
      "the output may not be read",
      [`--allow-read=${copy.path},${output}.partial`, write],
      one("read", output),
    ],
    ["the output may not be written", [read, `--allow-write=${output}.partial`], one("write", output)],
    [
      "its place may not be read",
      [`--allow-read=${copy.path},${output}`, write],
      one("read", `${output}.partial`),
    ],
    ["its place may not be written", [read, `--allow-write=${output}`], one("write", `${output}.partial`)],
    ["the model.yaml may not be read", [read, write], one("read", yaml), ["--model", yaml]],
    [
      "a dry run may not look at the output",
      [`--allow-read=${copy.path},${output}.partial`],
      one("read", output),
      ["--dry-run"],
    ],
  ];
  for (const [why, permissions, [message, flags], options = []] of refused) {
    assertEquals(
      await convert([...options, input, output], { permissions }),
      { code: 1, stdout: "", stderr: `error: ${message}; run Deno with ${flags} (or -A)\n` },
      why,
    );
    assertEquals(temp.names(), ["in", "mine.yaml"]);
  }
  // What the message says is enough.
  const permissions = all[1].split(" ");
  assertEquals(await convert(["--quiet", input, output], { permissions }), {
    code: 0,
    stdout: "",
    stderr: "",
  });
});

Deno.test("what is to be typed for paths with spaces and commas is right", async () => {
  using temp = new TempDir();
  for (
    const [name, flag] of [["it's in", /--allow-read='(.*)' \(or -A\)/], [
      "a,b",
      /--allow-read()\S* \(/,
    ]] as const
  ) {
    const input = new CheckpointCopy(CASE, temp.at(name)).step;
    const args = ["convert", "--dry-run", "--quiet", input, temp.at("out")];
    const { stderr } = await ckpt(args, { permissions: ["--deny-write"] });
    const paths = flag.exec(stderr)![1]!.replaceAll(`'\\''`, "'");
    const permissions = [`--allow-read${paths === "" ? "" : `=${paths}`}`];
    assertEquals(await ckpt(args, { permissions }), { code: 0, stdout: "", stderr: "" }, stderr);
  }
});

Deno.test({
  name: "in /dev, /proc and /sys all permissions are needed, and that is said at once",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using temp = new TempDir();
    const { input } = setUp(temp);
    const output = "/dev/shm/ckpt_test_of_permissions";
    const permissions = ["--allow-read", "--allow-write", "--allow-sys", "--allow-net"];
    for (const args of [["convert", input, output], ["inspect", "/proc/self/x"], ["verify", "/sys/x"]]) {
      assertEquals(await ckpt(args, { permissions }), {
        code: 1,
        stdout: "",
        stderr:
          `error: ${args.at(-1)}: Deno opens what lies in /dev, /proc and /sys with all permissions alone; ` +
          "run Deno with -A (an installed ckpt: deno install --global --force -A --name ckpt cli.ts)\n",
      });
    }
    assertMatch((await ckpt(["inspect", "/dev/shm/no such file"])).stderr, /no such file or directory/);
    const refusal = new Deno.errors.NotCapable(
      'Requires all access to "/dev/x", run again with the --allow-all flag',
    );
    assertMatch(describeFailure("link", refusal).message, /^link: Deno opens .*; run Deno with -A$/);
  },
});

Deno.test("commonDirectory() is the nearest directory that holds all paths", () => {
  assertEquals(commonDirectory(["/a/b/c", "/a/b/c.partial"]), "/a/b");
  assertEquals(commonDirectory(["/a/b/c/d", "/a/bc/d", "/a/b/e"]), "/a");
  assertEquals(commonDirectory(["/a/b", "/c/d"]), "/");
});

Deno.test("directories above the output that may not be made are named", async () => {
  using temp = new TempDir();
  const { copy, input } = setUp(temp);
  const output = temp.at("a", "b", "out");
  const both = `${output},${output}.partial`;
  const permissions = [`--allow-read=${copy.path},${both}`, `--allow-write=${both}`];
  assertEquals(await convert(["--quiet", input, output], { permissions }), {
    code: 1,
    stdout: "",
    stderr: `error: ${temp.at("a")}: can't look at it: Requires read access to "${temp.at("a")}", ` +
      "run again with the --allow-read flag\n",
  });
  assertEquals(temp.names(), ["in"]);
});

/** Access rights don't hold for root, nor on Windows. */
const rightsHold = Deno.build.os !== "windows" && Deno.uid() !== 0;

Deno.test({
  name: "files and directories that the user may not read or write are named",
  ignore: !rightsHold,
  async fn() {
    using temp = new TempDir();
    const { copy, input, output } = setUp(temp);
    const run = (...args: string[]) => convert(["--quiet", ...args]);
    const refuses = (message: string) => ({ code: 1, stdout: "", stderr: `error: ${message}\n` });

    Deno.chmodSync(copy.file(), 0o000);
    assertEquals(
      await run(input, output),
      refuses(`${copy.file()}: permission denied; ask its owner for leave to read it`),
    );
    Deno.chmodSync(copy.file(), 0o400);
    Deno.chmodSync(input, 0o000);
    assertEquals(
      await run(input, output),
      refuses(`${input}: permission denied; ask its owner for leave to read it`),
    );
    Deno.chmodSync(input, 0o500);
    Deno.mkdirSync(temp.at("theirs"), { mode: 0o500 });
    const denied = await run(input, temp.at("theirs", "out"));
    assertEquals(denied.code, 1);
    assertEquals(
      denied.stderr,
      `error: ${
        temp.at("theirs")
      }: permission denied; ask its owner for leave to write there, or name another place\n`,
    );
    Deno.mkdirSync(output, { mode: 0o300 });
    const unreadable = await run(input, output);
    assertEquals([unreadable.code, unreadable.stderr.split("\n").length], [1, 2]);
    Deno.removeSync(output);
    assertEquals(temp.names(), ["in", "theirs"]);
    assertEquals(await run("--no-clone", input, output), { code: 0, stdout: "", stderr: "" });
    // What is made of a read-only input can be written, and removed.
    Deno.writeTextFileSync(join(output, "params.json"), "{}");
    Deno.chmodSync(input, 0o700);
  },
});

Deno.test("a GGUF file is enough to read", async () => {
  using temp = new TempDir();
  const [input, output] = [await makeGguf(temp.at("in")), temp.at("out")];
  const both = `${output},${output}.partial`;
  const permissions = [...DENIED, `--allow-read=${input},${both}`, `--allow-write=${both}`];
  for (
    const args of [["inspect", input], ["verify", input], ["compare", input, input], [
      "convert",
      "--no-clone",
      "--to",
      "reference",
      input,
      output,
    ]]
  ) {
    const { code, stdout, stderr } = await ckpt(args, { permissions });
    assertEquals(code, 0, stdout + stderr);
  }
  assertEquals(temp.names(), ["in", "out"]);
});
