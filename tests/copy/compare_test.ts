import { assert, assertEquals, assertRejects } from "@std/assert";
import { bytes, cast, concatRows, reorderRows, strided, type View } from "../../lib/bytes/view.ts";
import { compareViews } from "../../lib/copy/compare.ts";
import type { ViewPair } from "../../lib/copy/compare_rows.ts";
import { CancelledError, FileError } from "../../lib/error.ts";
import { assertFailsAsync } from "./_assert.ts";
import { TempDir } from "../_temp.ts";

const MIB = 1024 * 1024;

/** Two files of float32, which differ at some places by some distances. */
function writePair(temp: TempDir, count: number, apart: readonly (readonly [at: number, by: number])[]) {
  const numbers = Float32Array.from({ length: count }, (_, i) => i % 8191);
  const at = (name: string) => {
    Deno.writeFileSync(temp.at(name), new Uint8Array(numbers.buffer));
    return temp.at(name);
  };
  const a = at("a");
  for (const [place, by] of apart) numbers[place]! += by;
  return [a, at("b")] as const;
}

const pair = (a: View, b: View, ...numbers: string[]): ViewPair => {
  const [x, y = x] = numbers;
  return { a, b, numbers: x === undefined ? undefined : [x, y!] };
};

for (const count of [3 * MIB + 5, 20 * MIB]) {
  Deno.test(`compareViews() finds what differs in ${count} numbers, with any number of workers`, async () => {
    using temp = new TempDir();
    const [a, b] = writePair(temp, count, [[7, 0.5], [MIB, -4], [count - 1, 2]]);
    const rows = (path: string, first: number, length: number) => bytes(path, 4 * first, length, 4);
    const same = { differ: false, largest: 0 };
    const pairs = [
      pair(rows(a, 0, count), rows(b, 0, count)),
      pair(rows(a, 0, count), rows(b, 0, count), "float32"),
      pair(rows(a, 8, MIB - 8), rows(b, 8, MIB - 8), "float32"),
      pair(rows(a, count - 1, 1), rows(b, count - 1, 1)),
      pair(rows(a, MIB, 1), rows(b, MIB, 1), "int32"),
      pair(rows(a, 0, 0), rows(b, 0, 0)),
      pair(rows(a, 0, 0), rows(b, 0, 0), "float32", "int32"),
    ];
    const size = pairs.reduce((sum, { a }) => sum + a.rows * a.rowBytes, 0);
    for (const jobs of [1, 2, 3]) {
      const reports: number[] = [];
      const found = await compareViews(pairs, { jobs, onProgress: (done) => reports.push(done) });
      assertEquals(found, [
        { differ: true, largest: 0 },
        { differ: true, largest: 4 },
        same,
        { differ: true, largest: 0 },
        { differ: true, largest: found[4]!.largest },
        same,
        { differ: true, largest: 0 },
      ]);
      assertEquals([reports.at(-1), reports.every((done) => done <= size)], [size, true]);
    }
  });
}

Deno.test("compareViews() compares views of any kind, by their numbers and by their bits", async () => {
  using temp = new TempDir();
  const [a, b] = writePair(temp, 64 * 48, [[5 * 48 + 3, 0.125]]);
  const swap = Array.from({ length: 64 }, (_, i) => i ^ 1);
  const rows = (path: string) => bytes(path, 0, 64, 192);
  const halves = bytes(temp.at("h"), 0, 64, 96);
  const numbers = Float32Array.from({ length: 64 * 48 }, (_, i) => i % 8191);
  Deno.writeFileSync(
    temp.at("h"),
    new Uint8Array(Uint16Array.from(new Uint32Array(numbers.buffer), (bits) => bits >>> 16).buffer),
  );
  const lost = numbers.reduce((most, number, i) => {
    numbers[i] = number;
    const [bits] = new Uint32Array(Float32Array.of(number).buffer);
    return Math.max(most, number - new Float32Array(Uint32Array.of(bits! & 0xffff0000).buffer)[0]!);
  }, 0);
  assertEquals(
    await compareViews([
      pair(reorderRows(rows(a), swap), reorderRows(rows(b), swap), "float32"),
      pair(reorderRows(rows(a), swap), rows(a)),
      pair(strided(a, 0, 4, [48, 64], [1, 48]), strided(b, 0, 4, [48, 64], [1, 48]), "float32"),
      pair(concatRows([bytes(a, 0, 32, 192), bytes(b, 32 * 192, 32, 192)]), rows(a)),
      pair(cast(halves, "bfloat16", "float32"), rows(a), "float32"),
      pair(halves, rows(a), "bfloat16", "float32"),
      pair(cast(rows(a), "float32", "bfloat16"), cast(rows(a), "float32", "bfloat16")),
    ]),
    [
      { differ: true, largest: 0.125 },
      { differ: true, largest: 0 },
      { differ: true, largest: 0.125 },
      { differ: false, largest: 0 },
      { differ: true, largest: lost },
      { differ: true, largest: lost },
      { differ: false, largest: 0 },
    ],
  );
});

Deno.test("compareViews() says which file ends too early, and stops where it is cancelled", async () => {
  using temp = new TempDir();
  const [a] = writePair(temp, 100, []);
  const size = 400 * MIB;
  const whole = pair(bytes(a, 0, size), bytes(a, 0, size));
  const endsAt = (byte: number) => `${a}: the file ends at byte ${byte}, but was longer when it was opened`;
  await assertFailsAsync(() => compareViews([whole], { jobs: 1 }), FileError, endsAt(400));
  // Of two workers the second may be the first to find the end, where its own share begins.
  const { message } = await assertRejects(() => compareViews([whole], { jobs: 2 }), FileError);
  assert([400, 16 * MIB].some((byte) => message === endsAt(byte)), message);
  {
    using file = Deno.openSync(a, { write: true });
    file.truncateSync(size);
  }
  for (const jobs of [1, 2]) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    const work = () => compareViews([whole, whole, whole, whole], { jobs, signal: controller.signal });
    await assertFailsAsync(work, CancelledError, "Cancelled");
  }
});
