import { assertEquals } from "@std/assert";
import { startFiles } from "../../lib/copy/start_files.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { CancelledError, FileError } from "../../lib/error.ts";
import { assertFailsAsync } from "./_assert.ts";
import { canMount, LoopMount } from "./_mount.ts";
import { outputFile } from "./_plan.ts";
import { TempDirectory } from "./_temp.ts";

/** A file that can be laid over `base`. */
function overlaid(name: string, base: string) {
  const file = outputFile(name, [{ label: "x", view: bytes(base, 0, 4) }]);
  return { ...file, overlay: { base, size: 9, copies: [], literals: [] } };
}

Deno.test("startFiles() makes files of the size that they will have", async () => {
  using temp = new TempDirectory();
  const base = temp.write("base", "content");
  const file = overlaid("a", base);
  const started = await startFiles([{ file, path: temp.join("a.tmp") }], false);
  assertEquals(started, [{ file, path: temp.join("a.tmp"), overlay: undefined }]);
  assertEquals(Deno.readFileSync(temp.join("a.tmp")), new Uint8Array(4));
});

Deno.test("startFiles() names the file that it can't make, and stops", async () => {
  using temp = new TempDirectory();
  const base = temp.write("base", "content");
  const paths = [temp.join("a"), temp.join("missing/b"), temp.join("c")];
  const destinations = paths.map((path) => ({ file: overlaid("a", base), path }));
  const error = await startFiles(destinations, false).catch((error) => error);
  assertEquals(error instanceof FileError, true);
  assertEquals(
    error.message.startsWith(`${paths[1]}: cannot make the file: No such file`),
    true,
    error.message,
  );
});

Deno.test("startFiles() stops between two files", async () => {
  using temp = new TempDirectory();
  const base = temp.write("base", "content");
  const stop = new AbortController();
  const offer = overlaid("a", base);
  const stopping = {
    ...offer,
    get size() {
      stop.abort();
      return 4;
    },
  };
  const destinations = [stopping, offer].map((file, i) => ({ file, path: temp.join(`${i}`) }));
  await assertFailsAsync(() => startFiles(destinations, false, stop.signal), CancelledError, "Cancelled");
  assertEquals(temp.list(), ["0", "base"]);
});

Deno.test({
  name:
    "startFiles() clones as many files as there are, and has none under way when one fails (needs root and mkfs.xfs)",
  ignore: !canMount("xfs"),
  async fn() {
    using mount = new LoopMount("xfs");
    using temp = new TempDirectory(mount.path);
    const names = ["a", "b", "c", "d", "e"];
    const destinations = names.map((name) => {
      const base = temp.write(`${name}.base`, `content of ${name}`);
      return { file: overlaid(name, base), path: temp.join(name) };
    });
    const started = await startFiles(destinations, true);
    assertEquals(started.map(({ overlay }) => overlay?.base), names.map((name) => temp.join(`${name}.base`)));
    for (const name of names) assertEquals(Deno.readTextFileSync(temp.join(name)), "content o");
    for (const name of names) Deno.removeSync(temp.join(name));
    Deno.mkdirSync(temp.join("c"));
    const error = await startFiles(destinations, true).catch((error) => error);
    assertEquals(error instanceof FileError, true);
    for (const name of ["a", "b"]) assertEquals(Deno.readTextFileSync(temp.join(name)), "content o");
  },
});
