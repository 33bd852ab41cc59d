/** `--html FILE`: where the page goes, and what stays as it is. */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ckpt } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const INPUT = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16", "step_10", "model.pt");

Deno.test("inspect --html makes a page beside what it prints, the same each time", async () => {
  using temp = new TempDir();
  const plain = await ckpt(["inspect", INPUT]);
  const first = await ckpt(["inspect", "--html", "a.html", INPUT], { cwd: temp.path });
  assertEquals([first.code, first.stdout], [0, plain.stdout]);
  const { size } = Deno.statSync(temp.at("a.html"));
  assertEquals(first.stderr, `a.html: a page of ${(size / 1000).toPrecision(3)} kB, to open in a browser\n`);
  const page = Deno.readTextFileSync(temp.at("a.html"));
  assertEquals((await ckpt(["inspect", "--html", temp.at("a.html"), INPUT])).code, 0);
  assertEquals(Deno.readTextFileSync(temp.at("a.html")), page);
  assertEquals(temp.names(), ["a.html"]);
});

Deno.test("a page replaces a page, and nothing else", async () => {
  using temp = new TempDir();
  Deno.writeTextFileSync(temp.at("mine.html"), "<!doctype html><p>mine");
  Deno.mkdirSync(temp.at("directory"));
  Deno.symlinkSync(temp.at("mine.html"), temp.at("link"));
  for (const name of ["mine.html", "directory", "link"]) {
    const { code, stdout, stderr } = await ckpt(["inspect", "--html", name, INPUT], { cwd: temp.path });
    assertEquals([code, stdout, stderr], [
      1,
      "",
      `error: ${name}: is there already, and is no page that ckpt made; give another name for the page\n`,
    ]);
  }
  assertEquals(Deno.readTextFileSync(temp.at("mine.html")), "<!doctype html><p>mine");
  const { code, stderr } = await ckpt(["inspect", "--html", "no/a.html", INPUT], { cwd: temp.path });
  assertEquals([code, stderr], [
    1,
    "error: no/a.html: there is no directory to put the page in; make it first\n",
  ]);
  assertEquals(temp.names(), ["directory", "link", "mine.html"]);
});

Deno.test("a page needs no more than to read the input, and to read and write its file", async () => {
  using temp = new TempDir();
  const [file, partial] = [temp.at("a.html"), temp.at("a.html.partial")];
  const denied = ["--deny-net", "--deny-env", "--deny-run", "--deny-sys", "--deny-ffi", "--deny-import"];
  const permissions = [
    ...denied,
    `--allow-read=${INPUT},${file},${partial}`,
    `--allow-write=${file},${partial}`,
  ];
  const { code, stderr } = await ckpt(["inspect", "--html", file, INPUT], { permissions });
  assertEquals(code, 0, stderr);
  assertEquals(temp.names(), ["a.html"]);
  const refused = await ckpt(["inspect", "--html", file, INPUT], {
    permissions: [...denied, `--allow-read=${temp.path},${INPUT}`],
  });
  assertEquals([refused.code, refused.stdout], [1, ""]);
  assert(/permission to write .*a\.html/i.test(refused.stderr), refused.stderr);
});

Deno.test("--html and --globals don't go together", async () => {
  const { code, stderr } = await ckpt(["inspect", "--globals", "--html", "a.html", INPUT]);
  assertEquals([code, stderr], [
    2,
    "error: Options --globals and --html don't go together; see ckpt inspect --help\n",
  ]);
});

Deno.test("compare --html needs --stats", async () => {
  const { code, stderr } = await ckpt(["compare", "--html", "a.html", INPUT, INPUT]);
  assertEquals([code, stderr], [2, "error: Option --html needs --stats; see ckpt compare --help\n"]);
});

Deno.test("stats and compare make pages beside what they print, and keep their exit codes", async () => {
  using temp = new TempDir();
  for (const [command, ...args] of [["stats", INPUT], ["compare", "--stats", INPUT, INPUT]]) {
    const plain = await ckpt([command!, ...args]);
    const { code, stdout } = await ckpt([command!, "--html", temp.at("a.html"), ...args]);
    assertEquals([code, stdout], [plain.code, plain.stdout]);
    assert(Deno.readTextFileSync(temp.at("a.html")).startsWith("<!doctype html>"));
    assertEquals(temp.names(), ["a.html"]);
  }
});
