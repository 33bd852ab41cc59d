import { assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import { checksums } from "../../lib/copy/checksums.ts";
import { CancelledError, FileError } from "../../lib/error.ts";
import { TempDir } from "../_temp.ts";
import { assertFailsAsync } from "./_assert.ts";

const MIB = 1024 * 1024;

Deno.test("checksums() gives the CRC-32 of runs, in their order", async () => {
  using temp = new TempDir();
  const bytes = Uint8Array.from({ length: 3 * MIB + 7 }, (_, i) => (i * i) >> 3);
  const [a, b] = [temp.at("a"), temp.at("b")];
  Deno.writeFileSync(a, bytes);
  Deno.writeFileSync(b, bytes.subarray(0, 1000));
  const runs = [[b, 10, 500], [a, 0, bytes.length], [a, MIB + 3, 0], [a, MIB + 3, MIB], [b, 999, 1]] as const;
  const found = await checksums(runs.map(([path, offset, length]) => ({ path, offset, length })));
  assertEquals(found, runs.map(([, offset, length]) => crc32(bytes.subarray(offset, offset + length))));
  assertEquals(await checksums([]), []);
});

Deno.test("checksums() gives the same with workers, of runs longer than what each gets", async () => {
  using temp = new TempDir();
  // More than starting workers takes, and not a multiple of what they get. Holes take no space.
  const size = 100 * MIB + 12345;
  const path = temp.at("x");
  const marks = [[0, "begin"], [32 * MIB - 2, "across"], [70 * MIB, "middle"], [size - 3, "end"]] as const;
  const bytes = new Uint8Array(size);
  {
    using file = Deno.openSync(path, { write: true, create: true });
    file.truncateSync(size);
    for (const [at, text] of marks) {
      const mark = new TextEncoder().encode(text);
      file.seekSync(at, Deno.SeekMode.Start);
      file.writeSync(mark);
      bytes.set(mark, at);
    }
  }
  const runs = [[0, size], [5, 33 * MIB], [70 * MIB, 6]] as const;
  const reports: number[] = [];
  for (const jobs of [1, 2, 3]) {
    const found = await checksums(runs.map(([offset, length]) => ({ path, offset, length })), {
      jobs,
      onProgress: (done) => reports.push(done),
    });
    assertEquals(found, runs.map(([offset, length]) => crc32(bytes.subarray(offset, offset + length))));
    assertEquals(reports.at(-1), size + 33 * MIB + 6);
  }
});

Deno.test("checksums() fails where a file ends too early, and where it is cancelled", async () => {
  using temp = new TempDir();
  const path = temp.at("x");
  Deno.writeFileSync(path, new Uint8Array(10));
  await assertFailsAsync(
    () => checksums([{ path, offset: 5, length: 6 }]),
    FileError,
    `${path}: the file ends at byte 10, but was longer when it was opened`,
  );
  const controller = new AbortController();
  controller.abort();
  await assertFailsAsync(
    () => checksums([{ path, offset: 0, length: 1 }], { signal: controller.signal }),
    CancelledError,
    "Cancelled",
  );
});
