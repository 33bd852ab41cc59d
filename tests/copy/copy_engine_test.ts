import { assertEquals } from "@std/assert";
import { copyFiles, type CopyOptions, type CopyProgress } from "../../lib/copy/copy_engine.ts";
import { crc32 } from "../../lib/copy/crc32.ts";
import type { Copy, OutputFile, Overlay, Plan } from "../../lib/copy/plan.ts";
import { bytes, cast, concatRows, reorderRows, sliceColumns, strided } from "../../lib/bytes/view.ts";
import { CancelledError, FileError, FormatError } from "../../lib/error.ts";
import { assertFailsAsync } from "./_assert.ts";
import { canMount, LoopMount } from "./_mount.ts";
import { tameBytes, ViewGenerator } from "./_naive.ts";
import type { Destination } from "../../lib/copy/start_files.ts";
import { outputFile, planOf, textFile } from "./_plan.ts";
import { Random } from "./_random.ts";
import { TempDirectory } from "./_temp.ts";

/** Makes all files of a plan in a directory; gives the result and the names in the order of finishing. */
async function copyAll(plan: Plan, temp: TempDirectory, options: CopyOptions = {}) {
  const finished: string[] = [];
  const result = await copyFiles(
    plan,
    destinations(plan, temp),
    ({ file }) => finished.push(file.name),
    options,
  );
  return { ...result, finished };
}

function destinations({ files }: Plan, temp: TempDirectory): Destination[] {
  return files.map((file) => ({ file, path: temp.join(file.name) }));
}

/** A literal of the CRC-32s of all copies, after them. */
function withChecksums(file: OutputFile): OutputFile {
  const bytes = new Uint8Array(4 * file.copies.length);
  return {
    ...file,
    size: file.size + bytes.length,
    copies: file.copies.map((copy, i) => ({ ...copy, crcPlaces: [file.size + 4 * i] })),
    literals: [{ at: file.size, bytes }],
  };
}

Deno.test("copyFiles() makes files of random views, with literals that depend on their checksums", async () => {
  using temp = new TempDirectory();
  const random = new Random(7);
  const sources = [1, 2, 3].map((n) => {
    const content = tameBytes(random, 16 * 1024);
    return { path: temp.write(`source${n}`, content), bytes: content };
  });
  const generator = new ViewGenerator(random, sources);
  const expected: Uint8Array[] = [];
  const files = Array.from({ length: 30 }, (_, n) => {
    const parts = Array.from({ length: random.integer(0, 8) }, () => generator.any(random.integer(0, 4)));
    const data = parts.map(({ rows }) => Uint8Array.from(rows.flat()));
    const crcs = Uint32Array.from(data.map((part) => crc32(part)));
    expected.push(Uint8Array.from([...data.flatMap((part) => [...part]), ...new Uint8Array(crcs.buffer)]));
    const copies = parts.map(({ view }, i) => ({
      label: `${i}`,
      view,
      ...(i % 2 === 0 ? { crc: crcs[i]! } : {}),
    }));
    return withChecksums(outputFile(`${n}.out`, copies));
  });
  const result = await copyAll(planOf(files), temp, { verify: true, sync: true });
  assertEquals(result.cloned, []);
  assertEquals(result.finished.toSorted(), files.map(({ name }) => name).toSorted());
  files.forEach(({ name }, n) => assertEquals(Deno.readFileSync(temp.join(name)), expected[n], name));
});

/** 120 MB, mostly zeros that take no space, but with something in them everywhere. */
function makeLarge(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  file.truncateSync(120e6);
  const random = new Random(8);
  for (let at = 0; at < 120e6; at += 999_983) {
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(random.bytes(50));
  }
}

Deno.test("copyFiles() makes the same files with any number of workers", async () => {
  using temp = new TempDirectory();
  const path = temp.join("source");
  makeLarge(path);
  const source = Deno.readFileSync(path);
  const crc = crc32(source);
  const large = withChecksums(
    outputFile("large", [{ label: "all", view: bytes(path, 0, source.length), crc }]),
  );
  const small = withChecksums(
    outputFile(
      "small",
      Array.from({ length: 3000 }, (_, i) => ({ label: `${i}`, view: bytes(path, i * 37, i % 5) })),
    ),
  );
  const shuffled = withChecksums(outputFile("shuffled", [
    { label: "swapped", view: reorderRows(bytes(path, 0, 40000, 1000), [1, 0]) },
    { label: "halves", view: concatRows([bytes(path, 60e6, 7, 1e6), bytes(path, 0, 3, 1e6)]) },
  ]));
  const empty = outputFile("empty", []);
  const plan = planOf([small, empty, large, textFile("text", "text"), shuffled], [
    { label: "data/0", path, offset: 0, length: source.length, crc },
  ]);
  const digests = new Set<string>();
  for (const jobs of [1, 2, 3]) {
    const progress: CopyProgress[] = [];
    const { finished } = await copyAll(plan, temp, { jobs, onProgress: (report) => progress.push(report) });
    assertEquals(finished.toSorted(), ["empty", "large", "shuffled", "small", "text"]);
    digests.add(finished.toSorted().map((name) => crc32(Deno.readFileSync(temp.join(name)))).join());
    const total = 120e6 + 40e6 + 10e6 + 6000;
    const last = progress.at(-1)!;
    assertEquals([last.totalBytes, last.bytes, last.files, last.totalFiles], [total, total, 5, 5]);
    assertEquals(progress.map((report) => report.finished).filter((name) => name !== undefined), finished);
    for (const [i, { bytes }] of progress.entries()) {
      assertEquals(bytes >= (progress[i - 1]?.bytes ?? 0), true);
    }
  }
  assertEquals(digests.size, 1);
  assertEquals(Deno.readTextFileSync(temp.join("text")), "text");
  assertEquals(Deno.readFileSync(temp.join("large")).subarray(0, source.length), source);
  const swapped = Deno.readFileSync(temp.join("shuffled"));
  for (const row of [0, 1, 39998, 39999]) {
    const from = (row ^ 1) * 1000;
    assertEquals(swapped.subarray(row * 1000, row * 1000 + 1000), source.subarray(from, from + 1000));
  }
  assertEquals(swapped.subarray(47e6, 50e6), source.subarray(0, 3e6));
  const smallBytes = Deno.readFileSync(temp.join("small"));
  const checksums = new Uint32Array(smallBytes.slice(6000).buffer);
  for (const i of [0, 1, 2, 2999]) assertEquals(checksums[i], crc32(source.subarray(i * 37, i * 37 + i % 5)));
});

Deno.test("copyFiles() splits a table's columns between files, and checks it", async () => {
  using temp = new TempDirectory();
  const content = new Random(9).bytes(30 * 90);
  const path = temp.write("source", content);
  const table = bytes(path, 0, 30, 90);
  const split = (crc: number) =>
    planOf(
      [0, 1, 2].map((n) =>
        withChecksums(outputFile(`${n}.out`, [{ label: "w", view: sliceColumns(table, 30 * n, 30) }]))
      ),
      [{ label: "data/0", path, offset: 0, length: content.length, crc }],
    );
  const { finished } = await copyAll(split(crc32(content)), temp, { verify: true });
  assertEquals(finished.toSorted(), ["0.out", "1.out", "2.out"]);
  for (const n of [0, 1, 2]) {
    const expected = content.filter((_, i) => Math.floor(i % 90 / 30) === n);
    const crc = new Uint8Array(Uint32Array.of(crc32(expected)).buffer);
    assertEquals(Deno.readFileSync(temp.join(`${n}.out`)), Uint8Array.of(...expected, ...crc));
  }
  await assertFailsAsync(
    () => copyAll(split(1), temp),
    FormatError,
    `${path}: data/0: the bytes are damaged (CRC-32 ${crc32(content).toString(16).padStart(8, "0")}, ` +
      "expected 00000001); get the file again from where it was written",
  );
});

Deno.test("copyFiles() truncates what was at a destination before", async () => {
  using temp = new TempDirectory();
  temp.write("out", "something longer");
  await copyAll(planOf([textFile("out", "short")]), temp);
  assertEquals(Deno.readTextFileSync(temp.join("out")), "short");
});

Deno.test("copyFiles() counts the infinities that casts make and the NaNs that they meet, by tensor", async () => {
  using temp = new TempDirectory();
  const path = temp.write("f32", new Uint8Array(Float32Array.of(1e9, -1e9, 1, Infinity, NaN, 5).buffer));
  const view = (first: number, count: number) => cast(bytes(path, 4 * first, count, 4), "float32", "float16");
  const plan = planOf([
    outputFile("a", [{ label: "x", view: view(0, 6) }, { label: "y", view: view(2, 2) }]),
    outputFile("b", [{ label: "z", view: view(4, 2) }, { label: "x", view: view(0, 1) }]),
  ]);
  assertEquals((await copyAll(plan, temp)).losses, [
    { tensor: "x", infinities: 3, nans: 1 },
    { tensor: "z", infinities: 0, nans: 1 },
  ]);
});

Deno.test("copyFiles() names the record whose bytes are damaged", async () => {
  using temp = new TempDirectory();
  const path = temp.write("source", "0123456789");
  const hex = (text: string) => crc32(new TextEncoder().encode(text)).toString(16).padStart(8, "0");
  const good = outputFile("good", [{ label: "data/0", view: bytes(path, 0, 4) }]);
  const bad = outputFile("bad", [
    { label: "data/1", view: bytes(path, 2, 2), crc: crc32(new TextEncoder().encode("23")) },
    { label: "data/2", view: bytes(path, 4, 4), crc: 0xabc },
  ]);
  const finished: string[] = [];
  const plan = planOf([good, bad]);
  await assertFailsAsync(
    () => copyFiles(plan, destinations(plan, temp), ({ file }) => finished.push(file.name)),
    FormatError,
    `${path}: data/2: the bytes are damaged (CRC-32 ${hex("4567")}, expected 00000abc); ` +
      "get the file again from where it was written",
  );
  assertEquals(finished, ["good"]);
});

Deno.test("copyFiles() checks records that are split between files and joined in others", async () => {
  using temp = new TempDirectory();
  const path = temp.write("source", "0123456789");
  const plan = planOf([
    outputFile("a", [{ label: "upper", view: bytes(path, 2, 3) }]),
    outputFile("b", [{ label: "lower", view: concatRows([bytes(path, 5, 3), bytes(path, 0, 2)]) }]),
  ], [{ label: "data/7", path, offset: 2, length: 6, crc: 1 }]);
  await assertFailsAsync(
    () => copyAll(plan, temp),
    FormatError,
    `${path}: data/7: the bytes are damaged (CRC-32 ${
      crc32(new TextEncoder().encode("234567")).toString(16)
    }, expected 00000001); get the file again from where it was written`,
  );
});

Deno.test("copyFiles() checks the record under a transposed matrix before anything is finished", async () => {
  using temp = new TempDirectory();
  const content = new Random(3).bytes(200);
  const path = temp.write("source", content);
  const matrix = outputFile("matrix", [{ label: "x", view: strided(path, 100, 2, [5, 10], [1, 5]) }]);
  const record = { label: "data/7", path, offset: 100, length: 100, crc: crc32(content.subarray(100)) };
  const files = [textFile("config.json", "{}"), matrix];
  const reports: CopyProgress[] = [];
  await copyAll(planOf(files, [record]), temp, { onProgress: (report) => reports.push(report) });
  const items = new Uint16Array(content.slice(100).buffer);
  const transposed = Array.from({ length: 50 }, (_, i) => items[Math.floor(i / 10) + i % 10 * 5]!);
  assertEquals(Deno.readFileSync(temp.join("matrix")), new Uint8Array(Uint16Array.from(transposed).buffer));
  assertEquals(reports.map(({ bytes, totalBytes }) => [bytes, totalBytes]), [[100, 200], [200, 200]]);

  const plan = planOf(files, [{ ...record, crc: 1 }]);
  const finished: string[] = [];
  await assertFailsAsync(
    () => copyFiles(plan, destinations(plan, temp), ({ file }) => finished.push(file.name)),
    FormatError,
    `${path}: data/7: the bytes are damaged (CRC-32 ${record.crc.toString(16).padStart(8, "0")}, ` +
      "expected 00000001); get the file again from where it was written",
  );
  assertEquals(finished, []);
});

const changed = "the file changed while it was read; wait until its writer is done, then run this again";

Deno.test("copyFiles() refuses a source that isn't what it was when it was opened", async () => {
  using temp = new TempDirectory();
  const path = temp.write("source", "0123456789");
  const plan = planOf([outputFile("out", [{ label: "x", view: bytes(path, 0, 4) }])]);
  const { mtime } = Deno.statSync(path);
  Deno.writeTextFileSync(path, "0123456789X");
  Deno.utimeSync(path, mtime!, mtime!);
  await assertFailsAsync(() => copyAll(plan, temp), FileError, `${path}: ${changed}`);
  Deno.writeTextFileSync(path, "0123456789");
  Deno.utimeSync(path, mtime!, new Date(mtime!.getTime() + 1000));
  await assertFailsAsync(() => copyAll(plan, temp), FileError, `${path}: ${changed}`);
  Deno.removeSync(path);
  await assertFailsAsync(
    () => copyAll(plan, temp),
    FileError,
    `${path}: the file went away while it was read: No such file or directory (os error 2): open '${path}'`,
  );
  assertEquals(temp.list(), []);
});

/** A plan of which the second file is made after the first was finished, since 64 copies are a batch. */
function planInTwoBatches(path: string): Plan {
  const first = Array.from(
    { length: 64 },
    (_, i): Omit<Copy, "at"> => ({ label: `${i}`, view: bytes(path, i, 1) }),
  );
  return planOf([
    outputFile("first", first),
    outputFile("second", [{ label: "x", view: bytes(path, 90, 10) }]),
  ]);
}

Deno.test("copyFiles() refuses a source that changes meanwhile", async () => {
  using temp = new TempDirectory();
  const path = temp.write("source", new Uint8Array(100));
  const plan = planInTwoBatches(path);
  const finished: string[] = [];
  const finish = ({ file }: Destination) => {
    finished.push(file.name);
    Deno.writeFileSync(path, new Uint8Array(101));
  };
  await assertFailsAsync(
    () => copyFiles(plan, destinations(plan, temp), finish),
    FileError,
    `${path}: ${changed}`,
  );
  assertEquals(finished, ["first"]);
});

Deno.test("copyFiles() says where a source that is truncated meanwhile ends", async () => {
  using temp = new TempDirectory();
  const path = temp.write("source", new Uint8Array(100));
  const plan = planInTwoBatches(path);
  await assertFailsAsync(
    () => copyFiles(plan, destinations(plan, temp), () => Deno.truncateSync(path, 95)),
    FileError,
    `${path}: the file ends at byte 95, but was longer when it was opened`,
  );
});

Deno.test("copyFiles() says which file it can't make", async () => {
  using temp = new TempDirectory();
  const plan = planOf([textFile("missing/out", "text")]);
  const path = temp.join("missing/out");
  await assertFailsAsync(
    () => copyAll(plan, temp),
    FileError,
    `${path}: cannot make the file: No such file or directory (os error 2): open '${path}'`,
  );
});

Deno.test("copyFiles() makes nothing when it is cancelled from the start", async () => {
  using temp = new TempDirectory();
  const plan = planOf([textFile("out", "text")]);
  await assertFailsAsync(
    () => copyAll(plan, temp, { signal: AbortSignal.abort() }),
    CancelledError,
    "Cancelled",
  );
  assertEquals(temp.list(), []);
});

Deno.test("copyFiles() stops between files when it is cancelled", async () => {
  using temp = new TempDirectory();
  const path = temp.write("source", new Uint8Array(100));
  const plan = planInTwoBatches(path);
  const controller = new AbortController();
  const finished: string[] = [];
  await assertFailsAsync(
    () =>
      copyFiles(plan, destinations(plan, temp), ({ file }) => {
        finished.push(file.name);
        controller.abort();
      }, { signal: controller.signal }),
    CancelledError,
    "Cancelled",
  );
  assertEquals(finished, ["first"]);
});

/** A sparse file, which takes no space but much longer to read than a report of progress is away. */
function makeSparse(path: string): number {
  using file = Deno.openSync(path, { write: true, create: true });
  const size = 3e9;
  file.truncateSync(size);
  return size;
}

/** Asserts that the work stops with the first report of progress. */
async function assertStops(plan: Plan, temp: TempDirectory, options: CopyOptions): Promise<void> {
  const controller = new AbortController();
  const finished: string[] = [];
  const reports: number[] = [];
  await assertFailsAsync(
    () =>
      copyFiles(plan, destinations(plan, temp), ({ file }) => finished.push(file.name), {
        ...options,
        signal: controller.signal,
        onProgress({ bytes }) {
          reports.push(bytes);
          controller.abort();
        },
      }),
    CancelledError,
    "Cancelled",
  );
  assertEquals(finished, []);
  assertEquals(reports.length >= 1, true);
}

for (const jobs of [1, 2]) {
  Deno.test(`copyFiles() stops in the middle of a file when it is cancelled, with ${jobs} jobs`, async () => {
    using temp = new TempDirectory();
    const path = temp.join("source");
    const size = makeSparse(path);
    const plan = planOf([outputFile("out", [{ label: "x", view: bytes(path, 0, size) }])]);
    await assertStops(plan, temp, { jobs });
    // Whoever called knows the destination, and removes it.
    assertEquals(temp.list(), ["out", "source"]);
  });
}

Deno.test("copyFiles() finishes what is all but done when another file fails", async () => {
  using temp = new TempDirectory();
  const [first, second] = [temp.join("1"), temp.join("2")];
  for (const path of [first, second]) makeSparse(path);
  const size = 128 * 1024 * 1024;
  const done = outputFile("done", [{ label: "x", view: bytes(first, 0, size) }]);
  Object.defineProperty(done, "literals", {
    get() { // All of it is copied, and now it is read back.
      Deno.truncateSync(second, 0);
      return [];
    },
  });
  const plan = planOf([done, outputFile("failing", [{ label: "x", view: bytes(second, 0, 2e9) }])]);
  const finished: string[] = [];
  const copying = copyFiles(plan, destinations(plan, temp), ({ file }) => finished.push(file.name), {
    jobs: 2,
    verify: true,
  });
  const error = await copying.catch((error) => error);
  assertEquals([error.constructor, finished], [FileError, ["done"]], String(error));
});

Deno.test("copyFiles() with verify compares copies with what was read back", async () => {
  using temp = new TempDirectory();
  const path = temp.write("source", "0123456789");
  const file = outputFile("out", [
    { label: "data/0", view: bytes(path, 0, 4) },
    { label: "data/1", view: bytes(path, 4, 4) },
  ]);
  const out = temp.join("out");
  const damaging: OutputFile = {
    ...file,
    size: 9,
    get literals() { // The last thing before the literals are written and all is read back.
      using open = Deno.openSync(out, { write: true });
      open.seekSync(5, Deno.SeekMode.Start);
      open.writeSync(Uint8Array.of(0));
      return [{ at: 8, bytes: Uint8Array.of(1) }];
    },
  };
  await copyAll(planOf([damaging]), temp);
  await copyAll(planOf([file]), temp, { verify: true });
  await assertFailsAsync(
    () => copyAll(planOf([damaging]), temp, { verify: true }),
    FileError,
    `${out}: data/1: reading it back gives other bytes; the device may be failing`,
  );
});

Deno.test("copyFiles() with verify compares literals with what was read back", async () => {
  using temp = new TempDirectory();
  const file: OutputFile = {
    ...textFile("out", "0123456789"),
    literals: [{ at: 3, bytes: Uint8Array.of(1, 2, 3) }, { at: 5, bytes: Uint8Array.of(4) }],
  };
  await copyAll(planOf([file]), temp);
  await assertFailsAsync(
    () => copyAll(planOf([file]), temp, { verify: true }),
    FileError,
    `${temp.join("out")}: byte 3: reading it back gives other bytes; the device may be failing`,
  );
});

Deno.test("copyFiles() with verify counts what it reads back as work", async () => {
  using temp = new TempDirectory();
  const path = temp.write("source", new Uint8Array(1000));
  const plan = planOf([
    outputFile("a", [{ label: "x", view: bytes(path, 0, 600) }]),
    outputFile("b", [{ label: "x", view: bytes(path, 600, 400) }]),
  ]);
  const reports: CopyProgress[] = [];
  await copyAll(plan, temp, { verify: true, onProgress: (report) => reports.push(report) });
  assertEquals(
    reports.map(({ bytes, totalBytes, files, finished }) => [bytes, totalBytes, files, finished]),
    [
      [1600, 2000, 1, "a"],
      [2000, 2000, 2, "b"],
    ],
  );
});

/** A base of 100 bytes, and a file laid over it: bytes 20 to 50 in place, 10 bytes moved, two literals, 95 bytes. */
function laidOver(base: string, crc?: number, size = 95): OutputFile {
  const content = Deno.readFileSync(base);
  const inPlace: Copy = {
    label: "data/0",
    at: 20,
    view: bytes(base, 20, 30),
    crc: crc ?? crc32(content.subarray(20, 50)),
  };
  const moved: Copy = {
    label: "data/1",
    at: 60,
    view: bytes(base, 50, 10),
    crc: crc32(content.subarray(50, 60)),
  };
  const overlay: Overlay = {
    base,
    size,
    copies: [{ ...inPlace, crcPlaces: [0] }, { ...moved, crcPlaces: [4] }],
    literals: [
      { at: 0, bytes: new Uint8Array(8) },
      { at: size - 1, bytes: Uint8Array.of(1) },
    ],
  };
  const plain = [
    { ...inPlace, view: bytes(base, 20, 30) },
    moved,
  ];
  return outputFile("out", plain, { overlay });
}

const xfs = canMount("xfs");

Deno.test({
  name: "copyFiles() clones the base of an overlay and changes what differs (needs root and mkfs.xfs)",
  ignore: !xfs,
  async fn() {
    using mount = new LoopMount("xfs");
    using temp = new TempDirectory(mount.path);
    const content = new Random(9).bytes(100);
    const base = temp.write("base", content);
    Deno.chmodSync(base, 0o444);
    for (const size of [95, 100, 120]) {
      const expected = new Uint8Array(size);
      expected.set(content.subarray(0, size));
      expected.set(content.subarray(50, 60), 60);
      const crcs = Uint32Array.of(crc32(content.subarray(20, 50)), crc32(content.subarray(50, 60)));
      expected.set(new Uint8Array(crcs.buffer), 0);
      expected[size - 1] = 1;
      const progress: CopyProgress[] = [];
      const plan = planOf([laidOver(base, undefined, size)]);
      const { cloned, finished } = await copyAll(plan, temp, {
        onProgress: (report) => progress.push(report),
      });
      assertEquals([cloned, finished], [["out"], ["out"]]);
      assertEquals(Deno.readFileSync(temp.join("out")), expected);
      assertEquals([progress.at(-1)!.bytes, progress.at(-1)!.totalBytes], [10, 10]);
      await copyAll(plan, temp, { verify: true });
      assertEquals(Deno.readFileSync(temp.join("out")), expected);
    }
    assertEquals(Deno.readFileSync(base), content);
  },
});

Deno.test({
  name: "copyFiles() writes anew without clone (needs root and mkfs.xfs)",
  ignore: !xfs,
  async fn() {
    using mount = new LoopMount("xfs");
    using temp = new TempDirectory(mount.path);
    const content = new Random(9).bytes(100);
    const file = laidOver(temp.write("base", content));
    const { cloned } = await copyAll(planOf([file]), temp, { clone: false });
    assertEquals(cloned, []);
    assertEquals(Deno.readFileSync(temp.join("out")), content.subarray(20, 60));
  },
});

Deno.test({
  name: "copyFiles() with verify reads a clone, which nothing else does (needs root and mkfs.xfs)",
  ignore: !xfs,
  async fn() {
    using mount = new LoopMount("xfs");
    using temp = new TempDirectory(mount.path);
    const content = new Random(9).bytes(100);
    const base = temp.write("base", content);
    const plan = planOf([laidOver(base, 0xabc)]);
    await copyAll(plan, temp);
    const found = crc32(content.subarray(20, 50)).toString(16).padStart(8, "0");
    await assertFailsAsync(
      () => copyAll(plan, temp, { verify: true }),
      FormatError,
      `${base}: data/0: the bytes are damaged (CRC-32 ${found}, expected 00000abc); ` +
        "get the file again from where it was written",
    );
  },
});

Deno.test({
  name: "copyFiles() stops while it verifies a clone when it is cancelled (needs root and mkfs.xfs)",
  ignore: !xfs,
  async fn() {
    using mount = new LoopMount("xfs");
    using temp = new TempDirectory(mount.path);
    const base = temp.join("base");
    const size = makeSparse(base);
    const copies = [{ label: "x", at: 0, view: bytes(base, 0, size), crc: 1 }];
    const overlay: Overlay = { base, size, copies, literals: [] };
    const plan = planOf([{ ...outputFile("out", copies), overlay }]);
    for (const jobs of [1, 2]) await assertStops(plan, temp, { jobs, verify: true });
  },
});

Deno.test("copyFiles() doesn't clone on a file system that can't", async () => {
  using temp = new TempDirectory(Deno.build.os === "linux" ? "/dev/shm" : undefined);
  const content = new Random(9).bytes(100);
  const base = temp.write("base", content);
  const { cloned } = await copyAll(planOf([laidOver(base)]), temp);
  assertEquals(cloned, []);
  assertEquals(Deno.readFileSync(temp.join("out")), content.subarray(20, 60));
});
