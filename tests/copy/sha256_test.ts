import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { CancelledError, FileError } from "../../lib/error.ts";
import { bytes as view, concatRows, strided } from "../../lib/bytes/view.ts";
import { sha256 } from "../../lib/copy/sha256.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { TempDir } from "../_temp.ts";

function assertInstanceOf(found: unknown, type: typeof FileError, message: string): void {
  if (!(found instanceof type)) throw new Error(`No error: ${found}`);
  assertEquals(found.message.includes(message), true, found.message);
}

const MIB = 1024 * 1024;

const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

Deno.test("sha256() gives the hashes of runs, in their order", async () => {
  using temp = new TempDir();
  const bytes = Uint8Array.from({ length: 3 * MIB + 7 }, (_, i) => (i * i) >> 3);
  Deno.writeFileSync(temp.at("a"), bytes);
  const runs = [[10, 500], [0, bytes.length], [MIB + 3, 0], [MIB + 3, MIB], [bytes.length - 1, 1]] as const;
  const found = await sha256(runs.map(([offset, length]) => [view(temp.at("a"), offset, length)]));
  assertEquals(found, runs.map(([offset, length]) => hashOf(bytes.subarray(offset, offset + length))));
  assertEquals(found[2], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assertEquals(await sha256([]), []);
});

Deno.test("sha256() gives the same with workers", async () => {
  using temp = new TempDir();
  const size = 50 * MIB + 123;
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i += 4099) bytes[i] = i;
  Deno.writeFileSync(temp.at("x"), bytes);
  const runs = [[0, size], [7, 40 * MIB], [30 * MIB, 20 * MIB], [5, 0]] as const;
  const reports: number[] = [];
  for (const jobs of [1, 2, 3]) {
    const found = await sha256(runs.map(([offset, length]) => [view(temp.at("x"), offset, length)]), {
      jobs,
      onProgress: (done) => reports.push(done),
    });
    assertEquals(found, runs.map(([offset, length]) => hashOf(bytes.subarray(offset, offset + length))));
    assertEquals(reports.at(-1), size + 60 * MIB);
  }
});

Deno.test("sha256() hashes what lies apart in a file, and several views as one", async () => {
  using temp = new TempDir();
  const path = temp.at("x");
  const numbers = Uint16Array.from({ length: 1000 * 600 }, (_, i) => (i * 40503) >> 5);
  Deno.writeFileSync(path, new Uint8Array(numbers.buffer));
  const turned = Uint16Array.from(numbers, (_, i) => numbers[(i % 1000) * 600 + Math.floor(i / 1000)]!);
  const last = view(path, 600 * 2 * 999, 1, 1200);
  const hashed = [
    [strided(path, 0, 2, [600, 1000], [1, 600])],
    [strided(path, 0, 2, [200, 1000], [1, 600]), strided(path, 400, 2, [400, 1000], [1, 600])],
    [concatRows([last, view(path, 0, 2, 1200)])],
    [last, view(path, 0, 2, 1200), strided(path, 0, 2, [0, 3], [1, 2])],
  ];
  const whole = hashOf(new Uint8Array(turned.buffer));
  const bytes = new Uint8Array(numbers.buffer);
  const joined = hashOf(new Uint8Array([...bytes.subarray(-1200), ...bytes.subarray(0, 2400)]));
  const many = Array.from({ length: 80 }, () => hashed[0]!); // So much that there are workers.
  for (const jobs of [1, 2]) {
    assertEquals(await sha256(hashed, { jobs }), [whole, whole, joined, joined]);
    assertEquals(await sha256([...many, ...hashed], { jobs }), [
      ...many.map(() => whole),
      whole,
      whole,
      joined,
      joined,
    ]);
  }
});

Deno.test("sha256() says which file ends too early or isn't there, and stops where it is cancelled", async () => {
  using temp = new TempDir();
  const path = temp.at("x");
  Deno.writeFileSync(path, new Uint8Array(10));
  const good = [view(path, 2, 3)];
  const long = [view(path, 0, 60 * MIB)];
  const none = [view(temp.at("none"), 0, 60 * MIB)];
  for (const jobs of [1, 2]) {
    const [first, missing, last] = await sha256([long, none, good], { jobs });
    assertInstanceOf(
      first,
      FileError,
      `${path}: the file ends at byte 10, but was longer when it was opened`,
    );
    assertInstanceOf(missing, FileError, "No such file");
    assertEquals(last, hashOf(new Uint8Array(3)));
  }
  const controller = new AbortController();
  controller.abort();
  await assertFailsAsync(
    () => sha256([long], { signal: controller.signal }),
    CancelledError,
    "Cancelled",
  );
  {
    using file = Deno.openSync(path, { write: true });
    file.truncateSync(300 * MIB);
  }
  const later = new AbortController();
  const whole = [view(path, 0, 300 * MIB)];
  setTimeout(() => later.abort(), 5);
  await assertFailsAsync(
    () => sha256([whole, whole, whole], { signal: later.signal, jobs: 2 }),
    CancelledError,
    "Cancelled",
  );
});
