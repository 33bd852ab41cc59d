import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { isDirectory, isFile } from "../../lib/bytes/file_system.ts";
import { openSource } from "../../lib/bytes/open_source.ts";
import { addPlace, isRemote, type RemoteFile } from "../../lib/bytes/remote.ts";
import { PassingFailure, retrying } from "../../lib/bytes/retry.ts";
import { CancelledError, FileError } from "../../lib/error.ts";
import { listDirectory } from "../../lib/layouts/directory.ts";

function file(path: string, content: Uint8Array<ArrayBuffer>, reads: string[] = []): RemoteFile {
  return {
    path,
    size: content.length,
    version: "v",
    read(offset, length) {
      reads.push(`${offset}+${length}`);
      return Promise.resolve(content.slice(offset, offset + length));
    },
  };
}

Deno.test("addPlace() makes a place's files and directories known by their paths", () => {
  const empty = new Uint8Array();
  const paths = ["config.json", "original/params.json", "original/deep/x", "z"];
  addPlace("s3://team/run", paths.map((path) => file(`s3://team/run/${path}`, empty)));
  assertEquals(listDirectory("s3://team/run"), {
    path: "s3://team/run",
    files: new Set(["config.json", "z"]),
    directories: new Set(["original"]),
  });
  assertEquals(listDirectory("s3://team/run/original").directories, new Set(["deep"]));
  assertEquals(isFile("s3://team/run/original/params.json"), true);
  assertEquals(isFile("s3://team/run/original"), false);
  assertEquals(isDirectory("s3://team/run/original/deep"), true);
  assertThrows(
    () => listDirectory("s3://team/run/z"),
    FileError,
    "s3://team/run/z: is a file; name the checkpoint's directory",
  );
  assertThrows(
    () => openSource("s3://team/run/none"),
    FileError,
    "s3://team/run/none: no such file or directory; check the path",
  );
  assertThrows(() => openSource("s3://team/run/original"), FileError, "is not a file");
  // A file that is a place by itself.
  addPlace("hf://o/n/m.pt", [file("hf://o/n/m.pt", empty)]);
  addPlace("hf://o/n/m2.pt", [file("hf://o/n/m2.pt", empty)]);
  assertEquals(listDirectory("hf://o/n").files, new Set(["m.pt", "m2.pt"]));
  assertEquals(["s3://x", "hf://x/y", "https://x", "/s3://x", "C:\\x"].map(isRemote), [
    true,
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("openSource() reads a file elsewhere in blocks, and keeps them for whoever opens it next", async () => {
  const content = crypto.getRandomValues(new Uint8Array(60_000));
  const reads: string[] = [];
  addPlace("s3://team/blocks", [file("s3://team/blocks/f", content, reads)]);
  for (let i = 0; i < 2; i++) {
    using source = openSource("s3://team/blocks/f");
    assertEquals(await source.read(10, 5), content.slice(10, 15));
    assertEquals(await source.read(59_000, 1000), content.slice(59_000));
    assertEquals(source.identity.version, "v");
    await assertRejects(
      () => source.read(59_000, 1001),
      FileError,
      "can't read 1001 bytes at 59000: the file has 60000",
    );
  }
  assertEquals(reads, ["0+60000"]);
});

Deno.test("retrying() tries again what may pass, and nothing else", async () => {
  let tries = 0;
  const found = await retrying(() => {
    if (++tries < 3) throw new PassingFailure(new FileError("busy"));
    return Promise.resolve("done");
  });
  assertEquals([found, tries], ["done", 3]);
  tries = 0;
  const never = () => {
    tries++;
    throw new FileError("no");
  };
  await assertRejects(() => retrying(never), FileError, "no");
  assertEquals(tries, 1);
  const stop = new AbortController();
  const waiting = retrying(() => {
    queueMicrotask(() => stop.abort());
    throw new PassingFailure(new FileError("busy"), 30_000);
  }, stop.signal);
  await assertRejects(() => waiting, CancelledError);
});
