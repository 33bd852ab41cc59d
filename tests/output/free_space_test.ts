import { assertEquals, assertMatch } from "@std/assert";
import type { StartedFile } from "../../lib/copy/chunks.ts";
import type { Overlay } from "../../lib/copy/plan.ts";
import { checkFreeSpace, freeBytes } from "../../lib/output/free_space.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { FileError } from "../../lib/error.ts";
import { outputFile } from "../copy/_plan.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { canMount, LoopMount } from "../copy/_mount.ts";
import { TempDirectory } from "../copy/_temp.ts";
import { convert } from "../_ckpt.ts";
import { makeShards } from "../_shards.ts";

/** A file of 300 MB, of which there is nothing yet. */
function started(temp: TempDirectory, name: string, overlay?: Overlay): StartedFile {
  const path = temp.write(name, "");
  Deno.truncateSync(path, 300e6);
  return { file: outputFile(name, [{ label: "x", view: bytes("somewhere", 0, 300e6) }]), path, overlay };
}

Deno.test("checkFreeSpace() says how much is needed and how much there is", async () => {
  using temp = new TempDirectory();
  const files = [started(temp, "a"), started(temp, "b")];
  const check = (free: number | undefined) =>
    checkFreeSpace(files, temp.join("out.partial"), () => Promise.resolve(free));
  await check(600e6);
  await check(700e6);
  await check(undefined);
  await assertFailsAsync(
    () => check(599_999_000),
    FileError,
    `${temp.path}: the output needs 600 MB, but only 600 MB are free there; make room for 1.00 kB more, ` +
      "or name a directory on another disk",
  );
  await assertFailsAsync(
    () => check(0),
    FileError,
    `${temp.path}: the output needs 600 MB, but only 0 B are free there; make room for 600 MB more, ` +
      "or name a directory on another disk",
  );
});

Deno.test("checkFreeSpace() counts what is to be added alone", async () => {
  using temp = new TempDirectory();
  const needed = async (...files: StartedFile[]) => {
    try {
      await checkFreeSpace(files, temp.path, () => Promise.resolve(0));
    } catch (error) {
      return /needs (.*?),/.exec((error as Error).message)![1];
    }
  };
  // A clone that holds all but 100 MB, which are moved.
  const base = "base";
  const moved: Overlay = {
    base,
    size: 300e6,
    copies: [
      { label: "x", at: 100, view: bytes(base, 100, 190e6), crc: 1 },
      { label: "y", at: 200e6, view: bytes(base, 0, 100e6), crc: 1 },
    ],
    literals: [],
  };
  const inPlace: Overlay = { ...moved, copies: moved.copies.slice(0, 1) };
  assertEquals(await needed(started(temp, "a", moved), started(temp, "b", inPlace)), "100 MB");
  assertEquals(await needed(started(temp, "a", inPlace)), undefined);
  // As on a file system that has no files with holes.
  const full = started(temp, "c");
  using file = Deno.openSync(full.path, { write: true });
  file.writeSync(new Uint8Array(100e6));
  file.syncSync();
  assertEquals(await needed(full), "200 MB");
});

Deno.test("checkFreeSpace() doesn't ask where little is to be written", async () => {
  using temp = new TempDirectory();
  const file = outputFile("a", [{ label: "x", view: bytes("somewhere", 0, 10e6) }]);
  const path = temp.write("a", "");
  await checkFreeSpace([{ file, path, overlay: undefined }], temp.path, () => {
    throw new Error("it takes longer than writing");
  });
});

Deno.test({
  name: "freeBytes() is what df says",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const directory = "/dev/shm"; // Where others may write a little meanwhile.
    const { stdout } = new Deno.Command("df", { args: ["--output=avail", "-B1", directory] }).outputSync();
    const available = Number(new TextDecoder().decode(stdout).split("\n")[1]);
    const free = (await freeBytes(directory))!;
    assertEquals(Math.abs(free - available) < 0.05 * available, true, `${free}, not ${available}`);
  },
});

Deno.test("freeBytes() is unknown where there is nothing", async () => {
  assertEquals(await freeBytes("/missing/directory"), undefined);
});

Deno.test("freeBytes() is unknown where Deno may not ask, and doesn't ask for leave", async () => {
  const module = new URL("../../lib/output/free_space.ts", import.meta.url).href;
  const program = `import { freeBytes } from ${JSON.stringify(module)}; console.log(await freeBytes("/"));`;
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
      /^error: \S+: the output needs 200 MB, but only 1\d\d MB are free there; make room for /,
    );
    assertEquals([...Deno.readDirSync(mount.path)].map(({ name }) => name), ["in"]);
    const { code, stdout, stderr } = await convert(["--quiet", "--json", input, output]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(JSON.parse(stdout).cloned, ["consolidated.00.pth", "consolidated.01.pth"]);
  },
});
