import { assertEquals, assertNotEquals } from "@std/assert";
import { describeFailure, FileSource, isUnchanged } from "../../lib/bytes/source.ts";
import { FileError } from "../../lib/error.ts";
import { assertFails, assertFailsAsync } from "../copy/_assert.ts";
import { TempDirectory } from "../copy/_temp.ts";

Deno.test("FileSource knows what a file was when it was opened", async () => {
  using temp = new TempDirectory();
  const path = temp.write("f", "12345");
  Deno.utimeSync(path, new Date(1000), new Date(2000));
  Deno.symlinkSync(path, temp.join("link"));
  using source = FileSource.open(temp.join("link"));
  const { dev, ino, ctime } = Deno.statSync(path);
  const { contents, ...facts } = source.identity;
  assertEquals(facts, {
    path: temp.join("link"),
    realPath: Deno.realPathSync(path),
    size: 5,
    mtime: 2000,
    ctime: ctime!.getTime(),
    dev,
    ino,
  });
  // What was read of it is part of it.
  await source.read(1, 3);
  const { contents: more } = source.identity;
  assertNotEquals(more, contents);
  const other = temp.write("other", "x234x");
  using same = FileSource.open(other);
  await same.read(1, 3);
  assertEquals(same.identity.contents, more);
  using elsewhere = FileSource.open(temp.write("elsewhere", "234"));
  await elsewhere.read(0, 3);
  assertNotEquals(elsewhere.identity.contents, more);
});

Deno.test("isUnchanged() notices whatever may have changed a file's bytes", () => {
  using temp = new TempDirectory();
  const path = temp.write("f", "12345");
  const opened = () => {
    using source = FileSource.open(path);
    return source.identity;
  };
  const { mtime } = Deno.statSync(path);
  const before = opened();
  assertEquals(isUnchanged(before), true);
  Deno.writeTextFileSync(path, "123456");
  Deno.utimeSync(path, mtime!, mtime!);
  assertEquals(isUnchanged(before), false);
  for (const fact of ["size", "mtime", "ctime", "dev", "ino"] as const) {
    assertEquals(isUnchanged({ ...opened(), [fact]: 7 }), false, fact);
  }
  // Another file in its place, of the same size and time.
  const original = opened();
  temp.write("other", "abcdef");
  Deno.utimeSync(temp.join("other"), mtime!, mtime!);
  Deno.renameSync(temp.join("other"), path);
  assertEquals(isUnchanged(original), false);
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
