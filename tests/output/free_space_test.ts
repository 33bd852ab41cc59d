import { assertEquals, assertMatch } from "@std/assert";
import type { OutputFile, Overlay } from "../../lib/copy/plan.ts";
import { checkFreeSpace, freeBytes } from "../../lib/output/free_space.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { FileError } from "../../lib/error.ts";
import { CloningEverywhere } from "../copy/_cloning.ts";
import { outputFile } from "../copy/_plan.ts";
import { assertFails } from "../copy/_assert.ts";
import { canMount, LoopMount } from "../copy/_mount.ts";
import { TempDirectory } from "../copy/_temp.ts";
import { convert } from "../_ckpt.ts";
import { makeShards } from "../_shards.ts";

/** A file of 3 MB. */
function plain(name: string): OutputFile {
  return outputFile(name, [{ label: "x", view: bytes("somewhere", 0, 3e6) }]);
}

/** The same, of which a clone of `base` holds all but 1 MB that is moved and 500 bytes of literals. */
function clonable(name: string, base: string): OutputFile {
  const overlay: Overlay = {
    base,
    size: 3_000_500,
    copies: [
      { label: "x", at: 100, view: bytes(base, 100, 2e6), crc: 1 },
      { label: "y", at: 2_000_400, view: bytes(base, 0, 1e6), crc: 1 },
    ],
    literals: () => [],
  };
  return { ...plain(name), overlay: { base, make: () => overlay } };
}

Deno.test("checkFreeSpace() says how much is needed and how much there is", () => {
  using temp = new TempDirectory();
  const check = (free?: number) => checkFreeSpace("out", [plain("a"), plain("b")], temp.path, true, free);
  check(6e6);
  check(7e6);
  assertFails(
    () => check(5_999_000),
    FileError,
    "out: needs 6.00 MB, but only 6.00 MB are free there; make room for 1.00 kB more, or name a directory on another disk",
  );
  assertFails(
    () => check(0),
    FileError,
    "out: needs 6.00 MB, but only 0 B are free there; make room for 6.00 MB more, or name a directory on another disk",
  );
  checkFreeSpace("out", [], temp.path, true, 0);
});

Deno.test("checkFreeSpace() counts of a clone only what isn't in place, where files can be cloned", () => {
  using temp = new TempDirectory();
  const base = temp.write("base", "x");
  const unmade = { ...plain("b"), overlay: { base, make: () => undefined } };
  const needed = (files: OutputFile[], clone = true) => {
    try {
      checkFreeSpace("out", files, temp.path, clone, 0);
    } catch (error) {
      return /needs (.*?),/.exec((error as Error).message)![1];
    }
  };
  {
    using _cloning = new CloningEverywhere();
    assertEquals(needed([clonable("a", base)]), "1.00 MB");
    assertEquals(needed([clonable("a", base), plain("b"), unmade]), "7.00 MB");
    assertEquals(needed([clonable("a", temp.join("missing"))]), "3.00 MB");
    assertEquals(needed([clonable("a", base)], false), "3.00 MB");
  }
  assertEquals(temp.list(), ["base"]);
});

Deno.test({
  name: "freeBytes() is what df says",
  ignore: Deno.build.os !== "linux",
  fn() {
    const directory = "/dev/shm"; // Where others may write a little meanwhile.
    const { stdout } = new Deno.Command("df", { args: ["--output=avail", "-B1", directory] }).outputSync();
    const available = Number(new TextDecoder().decode(stdout).split("\n")[1]);
    const difference = Math.abs(freeBytes(directory)! - available);
    assertEquals(difference < 0.05 * available, true, `${freeBytes(directory)}, not ${available}`);
  },
});

Deno.test("freeBytes() is unknown where there is nothing", () => {
  assertEquals(freeBytes("/missing/directory"), undefined);
});

Deno.test("freeBytes() is unknown where Deno may not ask, and doesn't ask for leave", async () => {
  const module = new URL("../../lib/output/free_space.ts", import.meta.url).href;
  const program = `import { freeBytes } from ${JSON.stringify(module)}; console.log(freeBytes("/"));`;
  const run = async (...permissions: string[]) => {
    const url = `data:application/typescript,${encodeURIComponent(program)}`;
    const args = ["run", "--quiet", ...permissions, url];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    return [new TextDecoder().decode(stdout).trim(), new TextDecoder().decode(stderr)];
  };
  assertEquals(await run("--allow-read", "--allow-write"), ["undefined", ""]);
  assertEquals(await run("--allow-sys=statfs"), ["undefined", ""]);
  const [known] = await run("--allow-read", "--allow-sys=statfs");
  assertEquals(Number(known) > 0, true, known);
});

Deno.test({
  name: "ckpt clones more than there is room for, and says so where it can't clone (needs root and mkfs.xfs)",
  ignore: !canMount("xfs"),
  async fn() {
    using mount = new LoopMount("xfs"); // 320 MB are free.
    const input = makeShards(`${mount.path}/in`, { shards: 2, bytes: 200e6 });
    const output = `${mount.path}/out`;
    const refused = await convert(["--quiet", "--no-clone", input, output]);
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertMatch(
      refused.stderr,
      /^error: \S+: needs 200 MB, but only 1\d\d MB are free there; make room for /,
    );
    assertEquals([...Deno.readDirSync(mount.path)].map(({ name }) => name), ["in"]);
    const { code, stdout, stderr } = await convert(["--quiet", "--json", input, output]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(JSON.parse(stdout).cloned, ["consolidated.00.pth", "consolidated.01.pth"]);
  },
});
