import { assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import { bytes as run, cast, reorderRows, sliceColumns } from "../../lib/bytes/view.ts";
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
  const found = await checksums(runs.map(([path, offset, length]) => run(path, offset, length)));
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
    const found = await checksums(runs.map(([offset, length]) => run(path, offset, length)), {
      jobs,
      onProgress: (done) => reports.push(done),
    });
    assertEquals(found, runs.map(([offset, length]) => crc32(bytes.subarray(offset, offset + length))));
    assertEquals(reports.at(-1), size + 33 * MIB + 6);
  }
});

Deno.test("checksums() gives the CRC-32 of what views make of files", async () => {
  using temp = new TempDir();
  const path = temp.at("x");
  Deno.writeFileSync(path, Uint8Array.from({ length: 24 }, (_, i) => i));
  const table = run(path, 0, 4, 6);
  const half = [0x3c00, 0xc000]; // 1 and -2.
  Deno.writeFileSync(temp.at("half"), new Uint8Array(Uint16Array.from(half).buffer));
  const found = await checksums([
    reorderRows(table, [1, 0]),
    sliceColumns(table, 4, 2),
    sliceColumns(table, 0, 4),
    cast(run(temp.at("half"), 0, 2, 2), "float16", "float32"),
  ]);
  const rows = (columns: number[]) =>
    [0, 1, 2, 3].flatMap((row) => columns.map((column) => row * 6 + column));
  assertEquals(
    found,
    [
      Uint8Array.from([1, 0, 3, 2].flatMap((row) => Array.from({ length: 6 }, (_, i) => row * 6 + i))),
      Uint8Array.from(rows([4, 5])),
      Uint8Array.from(rows([0, 1, 2, 3])),
      new Uint8Array(Float32Array.of(1, -2).buffer),
    ].map((bytes) => crc32(bytes)),
  );
});

Deno.test("checksums() fails where a file ends too early, and where it is cancelled", async () => {
  using temp = new TempDir();
  const path = temp.at("x");
  Deno.writeFileSync(path, new Uint8Array(10));
  await assertFailsAsync(
    () => checksums([run(path, 5, 6)]),
    FileError,
    `${path}: the file ends at byte 10, but was longer when it was opened`,
  );
  const controller = new AbortController();
  controller.abort();
  await assertFailsAsync(
    () => checksums([run(path, 0, 1)], { signal: controller.signal }),
    CancelledError,
    "Cancelled",
  );
});
