import { assertEquals } from "@std/assert";
import { describeFailure, FileSource } from "../../lib/bytes/source.ts";
import { FileError } from "../../lib/error.ts";
import { assertFails, assertFailsAsync } from "../copy/_assert.ts";
import { TempDirectory } from "../copy/_temp.ts";

Deno.test("FileSource.open() knows a file's size and time", () => {
  using temp = new TempDirectory();
  const path = temp.write("f", "12345");
  Deno.utimeSync(path, new Date(1000), new Date(2000));
  using source = FileSource.open(path);
  assertEquals(source.identity, { path, size: 5, mtime: 2000 });
});

Deno.test("FileSource.open() says what is wrong with a path", () => {
  using temp = new TempDirectory();
  assertFails(
    () => FileSource.open(temp.join("missing")),
    FileError,
    `${temp.join("missing")}: no such file or directory; check the path`,
  );
  assertFails(
    () => FileSource.open(temp.path),
    FileError,
    `${temp.path}: is not a file; name the file, or the directory that holds it`,
  );
  const file = temp.write("f", "");
  assertFails(
    () => FileSource.open(`${file}/below`),
    FileError,
    `${file}/below: no such file or directory; check the path`,
  );
});

Deno.test({
  name: "FileSource.open() doesn't wait for somebody to write into a pipe",
  ignore: Deno.build.os === "windows",
  fn() {
    using temp = new TempDirectory();
    const pipe = temp.join("pipe");
    new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
    assertFails(
      () => FileSource.open(pipe),
      FileError,
      `${pipe}: is not a file; name the file, or the directory that holds it`,
    );
  },
});

Deno.test({
  name: "FileSource.open() names the permission that Deno wants",
  permissions: { read: false },
  fn() {
    assertFails(
      () => FileSource.open("/some/file"),
      FileError,
      "/some/file: Deno was not allowed to read it; grant --allow-read for this path",
    );
  },
});

Deno.test("FileSource.read() gives exactly the bytes asked for", async () => {
  using temp = new TempDirectory();
  using source = FileSource.open(temp.write("f", Uint8Array.of(1, 2, 3, 4, 5)));
  assertEquals(await source.read(1, 3), Uint8Array.of(2, 3, 4));
  assertEquals(await source.read(0, 5), Uint8Array.of(1, 2, 3, 4, 5));
  assertEquals(await source.read(5, 0), new Uint8Array(0));
});

Deno.test("FileSource.read() refuses what lies outside the file", async () => {
  using temp = new TempDirectory();
  using source = FileSource.open(temp.write("f", Uint8Array.of(1, 2, 3)));
  for (const [offset, length] of [[-1, 2], [2, 2], [0, -1], [4, 0]] as const) {
    await assertFailsAsync(
      () => source.read(offset, length),
      FileError,
      `${source.path}: can't read ${length} bytes at ${offset}: the file has 3`,
    );
  }
});

Deno.test("FileSource.read() says where a file that became shorter ends", async () => {
  using temp = new TempDirectory();
  using source = FileSource.open(temp.write("f", Uint8Array.of(1, 2, 3)));
  Deno.truncateSync(source.path, 2);
  await assertFailsAsync(
    () => source.read(0, 3),
    FileError,
    `${source.path}: can't read the file: the file ends at byte 2`,
  );
});

Deno.test("describeFailure() tells causes apart", () => {
  const cases: [unknown, string][] = [
    [new Deno.errors.NotFound(), "f: no such file or directory; check the path"],
    [new Deno.errors.NotADirectory(), "f: no such file or directory; check the path"],
    [new Deno.errors.NotCapable(), "f: Deno was not allowed to read it; grant --allow-read for this path"],
    [new Deno.errors.PermissionDenied(), "f: permission denied; ask its owner for leave to read it"],
    [new Deno.errors.IsADirectory(), "f: is a directory, not a file; name the file in it"],
    [new Error("Too many links"), "f: can't open it: Too many links"],
    ["text", "f: can't open it: text"],
  ];
  for (const [error, message] of cases) {
    const failure = describeFailure("f", error);
    assertEquals([failure.constructor, failure.message], [FileError, message]);
  }
});
