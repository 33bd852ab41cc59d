/**
 * What a run takes over from another: compared by its bytes, whatever its name, size and times say.
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { bytes, reorderRows } from "../../lib/bytes/view.ts";
import { crc32 } from "../../lib/copy/crc32.ts";
import type { CopyProgress } from "../../lib/copy/copy_engine.ts";
import type { Plan } from "../../lib/copy/plan.ts";
import { CancelledError, FileError, FormatError } from "../../lib/error.ts";
import { type WriteOptions, writeOutput } from "../../lib/output/output_directory.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { canMount, LoopMount } from "../copy/_mount.ts";
import { outputFile, planOf, textFile } from "../copy/_plan.ts";
import { Random } from "../copy/_random.ts";
import { TempDirectory } from "../copy/_temp.ts";

// Records are trusted where the source has been as it is for some seconds: here it is, without waiting.
const { now } = Date;
Date.now = () => now() + 10_000;

const content = new Random(5).bytes(200_000);

/** A directory with a source, whose checksums nobody knows. */
function setUp(): TempDirectory & { readonly source: string; readonly output: string } {
  const temp = new TempDirectory();
  return Object.assign(temp, { source: temp.write("source", content), output: temp.join("out") });
}

/** Three files; the second is in another batch than the others, since 64 copies are one. */
function planOfSource(source: string): Plan {
  const copies = Array.from(
    { length: 64 },
    (_, i) => ({ label: `${i}`, view: bytes(source, i * 1000, 1000) }),
  );
  const second = { label: "b", view: reorderRows(bytes(source, 100_000, 4, 1000), [1, 0]) };
  return planOf([
    outputFile("first", copies),
    textFile("text", "text"),
    outputFile("below/second", [second]),
  ]);
}

const expected = new Map([
  [
    "below/second",
    new Uint8Array([
      ...content.slice(101_000, 102_000),
      ...content.slice(100_000, 101_000),
      ...content.slice(103_000, 104_000),
      ...content.slice(102_000, 103_000),
    ]),
  ],
  ["first", content.slice(0, 64_000)],
  ["text", new TextEncoder().encode("text")],
]);

function assertWhole(temp: TempDirectory, what = ""): void {
  assertEquals(temp.list().filter((name) => name !== "source"), ["out/"], what);
  assertEquals([temp.list("out"), temp.list("out/below")], [["below/", "first", "text"], ["second"]], what);
  for (const [name, data] of expected) {
    assertEquals(crc32(Deno.readFileSync(temp.join(`out/${name}`))), crc32(data), `${what}: ${name}`);
  }
}

/** Cancels when a file was finished. */
function cancelAfter(name: string): WriteOptions {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    onProgress: ({ finished }) => finished === name && controller.abort(),
  };
}

/** A run that is stopped when `first` and `text` are finished. */
async function stopHalfway(temp: ReturnType<typeof setUp>, plan = planOfSource(temp.source)): Promise<void> {
  await assertRejects(() => writeOutput(plan, temp.output, cancelAfter("first")), CancelledError);
  assertEquals(temp.list("out.partial/files"), ["below/", "first", "text"]);
  assertEquals(temp.list("out.partial/sums"), ["first.json", "text.json"]);
}

const hex = (crc: number) => crc.toString(16).padStart(8, "0");
const crcOfFirst = crc32(expected.get("first")!);

/** Replaces a file, and gives it the times that it had. */
function replace(path: string, data: Uint8Array): void {
  const { atime, mtime } = Deno.statSync(path);
  Deno.writeFileSync(path, data);
  Deno.utimeSync(path, atime!, mtime!);
}

function flipped(data: Uint8Array, at: number): Uint8Array {
  const copy = data.slice();
  copy[at]! ^= 1;
  return copy;
}

const first = expected.get("first")!;
const FILE = "files/first";
const RECORD = "sums/first.json";
const otherBytes = (data: Uint8Array) =>
  `has other bytes (CRC-32 ${hex(crc32(data))}, not ${hex(crcOfFirst)})`;

interface Fault {
  readonly what: string;
  /** Does it, in the directory given. */
  readonly act: (directory: string) => void;
  /** What is said of it; nothing where the file just isn't there. */
  readonly said?: string;
}

const faults: readonly Fault[] = [
  {
    what: "turned to zeros",
    act: (dir) => replace(`${dir}/${FILE}`, new Uint8Array(first.length)),
    said: otherBytes(new Uint8Array(first.length)),
  },
  {
    what: "cut off",
    act: (dir) => replace(`${dir}/${FILE}`, first.slice(0, 30_000)),
    said: "has 30000 bytes, not 64000",
  },
  {
    what: "emptied",
    act: (dir) => replace(`${dir}/${FILE}`, new Uint8Array(0)),
    said: "has 0 bytes, not 64000",
  },
  {
    what: "of which the first bit flipped",
    act: (dir) => replace(`${dir}/${FILE}`, flipped(first, 0)),
    said: otherBytes(flipped(first, 0)),
  },
  {
    what: "of which a bit in the last byte flipped",
    act: (dir) => replace(`${dir}/${FILE}`, flipped(first, first.length - 1)),
    said: otherBytes(flipped(first, first.length - 1)),
  },
  {
    what: "older than its record",
    act(dir) {
      Deno.writeFileSync(`${dir}/${FILE}`, content.slice(1, 64_001));
      Deno.utimeSync(`${dir}/${FILE}`, 1, 1);
    },
    said: otherBytes(content.slice(1, 64_001)),
  },
  { what: "that is gone, but for its record", act: (dir) => Deno.removeSync(`${dir}/${FILE}`) },
  {
    what: "that is a link to another",
    act(dir) {
      Deno.writeFileSync(`${dir}/../elsewhere`, first);
      Deno.removeSync(`${dir}/${FILE}`);
      Deno.symlinkSync(`${dir}/../elsewhere`, `${dir}/${FILE}`);
    },
    said: "isn't a file",
  },
];

const note = (said: string) => `first: what an earlier run left ${said}, so it was made anew`;

for (const { what, act, said } of faults) {
  Deno.test(`writeOutput() makes a file anew ${what}`, async () => {
    using temp = setUp();
    await stopHalfway(temp);
    act(temp.join("out.partial"));
    const { reused, written, notes } = await writeOutput(planOfSource(temp.source), temp.output);
    assertEquals([reused, written.toSorted()], [["text"], ["below/second", "first"]]);
    assertEquals(notes, said === undefined ? [] : [note(said)]);
    try {
      // What a link leads to is left alone.
      assertEquals(Deno.readFileSync(temp.join("elsewhere")), first);
      Deno.removeSync(temp.join("elsewhere"));
    } catch { /* There is none. */ }
    assertWhole(temp, what);
    assertEquals(Deno.lstatSync(temp.join("out/first")).isFile, true);
  });

  Deno.test(`writeOutput() makes a file of another task's anew ${what}`, async () => {
    using temp = setUp();
    const run = (index: number) =>
      writeOutput(planOfSource(temp.source), temp.output, { task: { index, count: 3 } });
    await run(1);
    await run(2);
    act(temp.join("out.partial"));
    const { complete, reused, written, notes } = await run(3);
    if (!complete) {
      // Without the file, or its record, the first task isn't done.
      assertEquals([reused, written, notes], [[], ["below/second"], []]);
      const again = await run(1);
      assertEquals([again.complete, again.written], [true, ["first"]]);
      assertEquals(again.notes, said === undefined ? [] : [note(said)]);
    } else {
      assertEquals([reused, written.toSorted()], [["text"], ["below/second", "first"]]);
      assertEquals(notes, [note(said!)]);
    }
    try {
      Deno.removeSync(temp.join("elsewhere"));
    } catch { /* There is none. */ }
    assertWhole(temp, what);
  });
}

Deno.test("writeOutput() reads back what it makes where something that it found was damaged", async () => {
  for (const isDamaged of [false, true]) {
    using temp = setUp();
    // Literals that overlap: what is read back isn't what was planned.
    const odd = {
      ...textFile("odd", "0123456789"),
      literals: [{ at: 0, bytes: new Uint8Array(10) }, { at: 5, bytes: Uint8Array.of(4) }],
    };
    const plan = planOf([outputFile("first", [{ label: "x", view: bytes(temp.source, 0, 64_000) }]), odd]);
    await writeOutput(plan, temp.output, { task: { index: 1, count: 2 } });
    assertEquals(temp.list("out.partial/files"), ["first"]);
    if (isDamaged) replace(temp.join(`out.partial/${FILE}`), flipped(first, 7));
    const again = () => writeOutput(plan, temp.output);
    if (isDamaged) {
      const { message } = await assertRejects(again, FileError);
      assertMatch(message, /odd.*: byte 0: reading it back gives other bytes; the device may be failing$/);
    } else assertEquals((await again()).complete, true);
  }
});

const records: Readonly<Record<string, (record: string) => void>> = {
  "is gone": (record) => Deno.removeSync(record),
  "is there by half": (record) => Deno.truncateSync(record, 20),
  "turned to zeros": (record) => replace(record, new Uint8Array(Deno.statSync(record).size)),
  "is another plan's": (record) => {
    const text = Deno.readTextFileSync(record);
    Deno.writeTextFileSync(record, JSON.stringify({ ...JSON.parse(text), plan: "0".repeat(64) }));
  },
};

for (const [what, act] of Object.entries(records)) {
  Deno.test(`writeOutput() compares a file with the input where its record ${what}`, async () => {
    for (const isDamaged of [false, true]) {
      using temp = setUp();
      await stopHalfway(temp);
      act(temp.join(`out.partial/${RECORD}`));
      if (isDamaged) replace(temp.join(`out.partial/${FILE}`), flipped(first, 5500));
      const { reused, notes } = await writeOutput(planOfSource(temp.source), temp.output);
      assertEquals(reused, isDamaged ? ["text"] : ["first", "text"]);
      assertEquals(notes, isDamaged ? [note("isn't what the input gives now (5)")] : []);
      assertWhole(temp, what);
    }
  });
}

Deno.test("writeOutput() compares a file with the input where that changed within the last seconds", async () => {
  using temp = setUp();
  const early = Date.now;
  try {
    // The moment of that change, however long this machine takes from there to here.
    Date.now = () => Deno.statSync(temp.source).ctime!.getTime();
    await stopHalfway(temp);
  } finally {
    Date.now = early;
  }
  replace(temp.join(`out.partial/${FILE}`), flipped(first, 5500));
  const { reused, notes } = await writeOutput(planOfSource(temp.source), temp.output);
  assertEquals([reused, notes], [["text"], [note("isn't what the input gives now (5)")]]);
  assertWhole(temp);
});

Deno.test("writeOutput() takes over what is right, reading it once, with progress", async () => {
  using temp = setUp();
  await stopHalfway(temp);
  const inode = Deno.statSync(temp.join("out.partial/files/first")).ino;
  const reports: CopyProgress[] = [];
  const { reused, written, notes } = await writeOutput(planOfSource(temp.source), temp.output, {
    onProgress: (progress) => reports.push(progress),
  });
  assertEquals([reused, written, notes], [["first", "text"], ["below/second"], []]);
  assertEquals(Deno.statSync(temp.join("out/first")).ino, inode);
  const compared = reports.filter(({ isComparing }) => isComparing);
  assertEquals(compared.at(-1), {
    bytes: 64_004,
    totalBytes: 64_004,
    files: 0,
    totalFiles: 2,
    isComparing: true,
  });
  assertEquals(reports.slice(compared.length).some(({ isComparing }) => isComparing), false);
  assertWhole(temp);
});

Deno.test("writeOutput() can be cancelled while it reads what is there, and loses nothing", async () => {
  using temp = setUp();
  await stopHalfway(temp);
  const controller = new AbortController();
  controller.abort();
  await assertFailsAsync(
    () => writeOutput(planOfSource(temp.source), temp.output, { signal: controller.signal }),
    CancelledError,
    "Cancelled",
  );
  assertEquals((await writeOutput(planOfSource(temp.source), temp.output)).reused, ["first", "text"]);
});

/** Files that were swapped for others. */
const kept = Deno.makeTempDirSync();
addEventListener("unload", () => Deno.removeSync(kept, { recursive: true }));

/** Gives a source other bytes behind the back of whoever looks at sizes and times. */
function swap(source: string, data: Uint8Array): void {
  const { atime, mtime } = Deno.statSync(source);
  // As long as it is there, no other file gets its number: within a second nothing else would tell the two apart.
  Deno.linkSync(source, `${kept}/${crypto.randomUUID()}`);
  Deno.writeFileSync(`${source}.new`, data);
  Deno.renameSync(`${source}.new`, source);
  Deno.utimeSync(source, atime!, mtime!);
}

Deno.test("writeOutput() takes over what the input still gives, though its file was touched or copied", async () => {
  for (const act of [(path: string) => Deno.utimeSync(path, 1, 1), (path: string) => swap(path, content)]) {
    using temp = setUp();
    await stopHalfway(temp);
    act(temp.source);
    const { reused, notes } = await writeOutput(planOfSource(temp.source), temp.output);
    assertEquals([reused, notes], [["first", "text"], []]);
    assertWhole(temp);
  }
});

Deno.test("writeOutput() makes anew what another input gives, though size and times are the same", async () => {
  using temp = setUp();
  // The bytes that the second file is of are the same.
  swap(temp.source, flipped(content, 150));
  const old = planOfSource(temp.source);
  await stopHalfway(temp, old);
  swap(temp.source, content);
  const { reused, written, notes } = await writeOutput(planOfSource(temp.source), temp.output);
  assertEquals([reused, written.toSorted()], [["text"], ["below/second", "first"]]);
  assertEquals(notes, [note("isn't what the input gives now (0)")]);
  assertWhole(temp);
});

Deno.test("writeOutput() by tasks of which one saw another input makes anew what that gave, whoever is last", async () => {
  for (const order of [[1, 2, 3], [2, 3, 1]]) {
    using temp = setUp();
    const notes: string[] = [];
    let complete = false;
    for (const index of order) {
      swap(temp.source, index === 1 ? flipped(content, 63_999) : content);
      const task = { index, count: 3 };
      const plan = planOfSource(temp.source);
      // The last one to begin plans with what is there then.
      const result = await writeOutput(plan, temp.output, { task });
      notes.push(...result.notes);
      complete = result.complete;
    }
    assertEquals(complete, true);
    if (order[0] === 1) {
      assertEquals(notes, [note("isn't what the input gives now (63)")]);
      assertWhole(temp);
    } else {
      // The first task is the last: its input is what the output is of, all of it.
      assertEquals(notes, []);
      assertEquals(Deno.readFileSync(temp.join("out/first")), flipped(content, 63_999).slice(0, 64_000));
      assertEquals(Deno.readFileSync(temp.join("out/below/second")), expected.get("below/second"));
    }
  }
});

Deno.test("writeOutput() ends where the input was swapped before it publishes", async () => {
  using temp = setUp();
  const plan = planOfSource(temp.source);
  await writeOutput(plan, temp.output, { task: { index: 1, count: 3 } });
  await writeOutput(plan, temp.output, { task: { index: 2, count: 3 } });
  // When all files are there, and have been compared.
  const onProgress = ({ isComparing, bytes, totalBytes }: CopyProgress) => {
    if (isComparing && bytes === totalBytes) swap(temp.source, content);
  };
  await assertFailsAsync(
    () => writeOutput(plan, temp.output, { task: { index: 3, count: 3 }, onProgress }),
    FileError,
    `${temp.source}: the file changed while it was read; wait until its writer is done, then run this again`,
  );
  assertEquals(temp.list(), ["out.partial/", "source"]);
});

Deno.test("writeOutput() checks a record of the input that two runs read in part", async () => {
  using temp = setUp();
  const copies = (from: number) =>
    Array.from({ length: 64 }, (_, i) => ({ label: `${i}`, view: bytes(temp.source, from + i, 1) }));
  const known = [{ label: "data/0", path: temp.source, offset: 0, length: 128, crc: 1 }];
  const plan = planOf([outputFile("first", copies(0)), outputFile("second", copies(64))], known);
  await assertRejects(() => writeOutput(plan, temp.output, cancelAfter("first")), CancelledError);
  assertEquals(temp.list("out.partial/files"), ["first"]);
  const { message } = await assertRejects(() => writeOutput(plan, temp.output), FormatError);
  assertMatch(message, /: data\/0: the bytes are damaged \(CRC-32 [0-9a-f]{8}, expected 00000001\)/);
  assertEquals(temp.list(), ["source"]);
});

Deno.test("writeOutput() that was killed before it had tidied up compares what it had published", async () => {
  for (const isDamaged of [false, true]) {
    using temp = setUp();
    const plan = planOfSource(temp.source);
    await writeOutput(plan, temp.output);
    // As a run leaves it that was killed there; of one file the record is gone already.
    Deno.renameSync(temp.output, temp.join("whole"));
    await stopHalfway(temp);
    Deno.removeSync(temp.join("out.partial/files"), { recursive: true });
    Deno.renameSync(temp.join("whole"), temp.output);
    if (isDamaged) {
      replace(temp.join("out/first"), new Uint8Array(64_000));
      await assertFailsAsync(
        () => writeOutput(plan, temp.output),
        FileError,
        `${temp.output}: first ${otherBytes(new Uint8Array(64_000))}, as a crash may leave it; ` +
          `remove ${temp.output}, and run this again`,
      );
      Deno.removeSync(temp.output, { recursive: true });
    }
    const { complete, reused } = await writeOutput(plan, temp.output);
    assertEquals([complete, reused], [true, isDamaged ? [] : ["first", "text", "below/second"]]);
    assertWhole(temp);
  }
});

Deno.test("writeOutput() by a late task looks at the bytes of its share", async () => {
  using temp = setUp();
  const plan = planOfSource(temp.source);
  await writeOutput(plan, temp.output);
  const run = (index: number, count = 3) => writeOutput(plan, temp.output, { task: { index, count } });
  const existsAlready = `${temp.output}: exists already and isn't empty; name a new directory`;
  for (const index of [1, 2, 3]) {
    const { complete, written } = await run(index);
    assertEquals([complete, written], [true, []]);
  }
  // Another model's, for all that names and sizes say.
  replace(temp.join("out/first"), flipped(first, 40_000));
  await assertFailsAsync(() => run(1), FileError, existsAlready);
  await assertFailsAsync(() => run(1, 1), FileError, existsAlready);
  assertEquals((await run(3)).complete, true);
  // A text is known beforehand, whoever has it in its share.
  replace(temp.join("out/text"), new TextEncoder().encode("tent"));
  await assertFailsAsync(() => run(3), FileError, existsAlready);
  assertEquals(temp.list(), ["out/", "source"]);
});

Deno.test({
  name: "writeOutput() reads clones that it takes over (needs root and mkfs.xfs)",
  ignore: !canMount("xfs"),
  async fn() {
    using mount = new LoopMount("xfs");
    for (const damage of ["none", "clone", "source"] as const) {
      using temp = new TempDirectory(mount.path);
      const base = temp.write("source", content);
      // Two copies with a gap of the source's own between them, and a literal at the end.
      const runs = [[0, 64_000], [70_000, 1000]] as const;
      const copies = runs.map(([at, length]) => ({
        label: `data/${at}`,
        at,
        view: bytes(base, at, length),
        crc: crc32(content.subarray(at, at + length)),
      }));
      const end = { at: 71_000, bytes: Uint8Array.of(1, 2, 3) };
      const overlay = { base, size: 71_003, copies, literals: [end] };
      const cloned = {
        ...outputFile("first", copies.map(({ at: _, ...copy }) => copy)),
        overlay,
      };
      const known = runs.map(([offset, length], i) => ({
        label: copies[i]!.label,
        path: base,
        offset,
        length,
        crc: copies[i]!.crc,
      }));
      if (damage === "source") Deno.writeFileSync(base, flipped(content, 5));
      const plan = planOf([cloned, outputFile("second", [{ label: "x", view: bytes(base, 0, 10) }])], known);
      const out = temp.join("out");
      await assertRejects(() => writeOutput(plan, out, cancelAfter("first")), CancelledError);
      const record = JSON.parse(Deno.readTextFileSync(temp.join("out.partial/sums/first.json")));
      const whole = new Uint8Array([...content.slice(0, 71_000), 1, 2, 3]);
      assertEquals([record.size, record.crc], [71_003, crc32(whole)], damage);
      if (damage === "clone") replace(temp.join("out.partial/files/first"), flipped(whole, 65_000));
      if (damage === "source") {
        // What the source says of itself isn't true: the clone is read, so that is found out.
        const { message } = await assertRejects(() => writeOutput(plan, out), FormatError);
        assertMatch(message, /source: data\/0: the bytes are damaged/);
        continue;
      }
      const { reused, cloned: again, notes } = await writeOutput(plan, out);
      assertEquals(
        [reused, again, notes.length],
        damage === "none" ? [["first"], [], 0] : [[], ["first"], 1],
      );
      assertEquals(Deno.readFileSync(temp.join("out/first")), whole);
    }
  },
});
