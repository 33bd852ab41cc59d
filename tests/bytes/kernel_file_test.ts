import { assertEquals, assertThrows } from "@std/assert";
import { openKernelFile } from "../../lib/bytes/kernel_file.ts";
import { assertFails } from "../copy/_assert.ts";
import { Random } from "../copy/_random.ts";
import { TempDirectory } from "../copy/_temp.ts";

Deno.test("openKernelFile() reads at any position", () => {
  using temp = new TempDirectory();
  const file = openKernelFile(temp.write("f", Uint8Array.from({ length: 10 }, (_, i) => i)), false);
  const read = (length: number, position: number) => {
    const buffer = new Uint8Array(length);
    return [file.read(buffer, position), ...buffer];
  };
  assertEquals(read(3, 0), [3, 0, 1, 2]);
  assertEquals(read(3, 3), [3, 3, 4, 5]);
  assertEquals(read(2, 1), [2, 1, 2]);
  assertEquals(read(4, 8), [2, 8, 9, 0, 0]);
  assertEquals(read(2, 8), [2, 8, 9]);
  assertEquals(read(1, 50), [0, 0]);
  assertEquals(read(0, 2), [0]);
  file.close();
});

Deno.test("openKernelFile() writes at any position and leaves the rest", () => {
  using temp = new TempDirectory();
  const path = temp.write("f", new Uint8Array(8).fill(9));
  const file = openKernelFile(path, true);
  file.write(Uint8Array.of(1, 2), 0);
  file.write(Uint8Array.of(3), 2);
  file.write(Uint8Array.of(5), 7);
  file.write(Uint8Array.of(4), 4);
  file.close();
  assertEquals([...Deno.readFileSync(path)], [1, 2, 3, 9, 4, 9, 9, 5]);
});

Deno.test("openKernelFile() names the file in errors", () => {
  using temp = new TempDirectory();
  const missing = temp.join("missing");
  const noSuch = "No such file or directory (os error 2)";
  assertFails(
    () => openKernelFile(missing, false),
    Error,
    `${missing}: cannot open the file: ${noSuch}: open '${missing}'`,
  );
  // By the code the kernel knows what it can do something about.
  assertEquals((assertThrows(() => openKernelFile(missing, false)) as { code?: string }).code, "ENOENT");
  // Writing doesn't create files.
  assertFails(
    () => openKernelFile(missing, true),
    Error,
    `${missing}: cannot open the file: ${noSuch}: open '${missing}'`,
  );
  const path = temp.write("f", "x");
  const reading = openKernelFile(path, false);
  assertFails(
    () => reading.write(Uint8Array.of(1), 0),
    Error,
    `${path}: cannot write the file: Bad file descriptor (os error 9)`,
  );
  reading.close();
  const writing = openKernelFile(path, true);
  assertFails(
    () => writing.read(new Uint8Array(1), 0),
    Error,
    `${path}: cannot read the file: Bad file descriptor (os error 9)`,
  );
  writing.close();
});

Deno.test("openKernelFile() writes what is longer than it writes at a time", () => {
  using temp = new TempDirectory();
  const path = temp.write("f", "");
  const content = new Random(5).bytes(1_000_003);
  const file = openKernelFile(path, true);
  file.write(content, 0);
  file.write(content.subarray(0, 5), content.length);
  file.close();
  assertEquals(Deno.readFileSync(path).subarray(0, content.length), content);
  assertEquals(Deno.readFileSync(path).subarray(content.length), content.subarray(0, 5));
});
