import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { checkOutput, type WriteOptions, writeOutput } from "../../lib/output/output_directory.ts";
import { openPartial, partialPaths } from "../../lib/output/partial_directory.ts";
import type { Literal, OutputFile, Plan } from "../../lib/copy/plan.ts";
import { crc32 } from "../../lib/copy/crc32.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { CancelledError, FileError, FormatError, OptionError } from "../../lib/error.ts";
import { assertFails, assertFailsAsync } from "../copy/_assert.ts";
import { canMount, LoopMount } from "../copy/_mount.ts";
import { type OutputWork, planOfThree, runOutputProcess } from "./_output_process.ts";
import { outputFile, planOf, textFile } from "../copy/_plan.ts";
import { Random } from "../copy/_random.ts";
import { TempDirectory } from "../copy/_temp.ts";

const content = new Random(1).bytes(4000);

/** A temporary directory with a source. */
function setUp(): TempDirectory & { readonly source: string; readonly output: string } {
  const temp = new TempDirectory();
  temp.write("source", content);
  return Object.assign(temp, { source: temp.join("source"), output: temp.join("out") });
}

/** Asserts that the output of `planOfThree` is there, whole, and that nothing else is. */
function assertWhole(temp: TempDirectory): void {
  assertEquals(temp.list(), ["out/", "source"]);
  assertWholeOutput(temp);
}

function assertWholeOutput(temp: TempDirectory, otherPlan = false): void {
  const more = otherPlan ? 1 : 0;
  assertEquals(temp.list("out"), ["a.bin", "below/", "c.json"]);
  assertEquals(temp.list("out/below"), ["b.bin"]);
  assertEquals(Deno.readFileSync(temp.join("out/a.bin")), content.slice(0, 2000 + more));
  assertEquals(Deno.readFileSync(temp.join("out/below/b.bin")), content.slice(1000, 2500 + more));
  assertEquals(Deno.readTextFileSync(temp.join("out/c.json")), "{}\n");
}

const names = ["a.bin", "below/b.bin", "c.json"];

Deno.test("partialPaths() builds beside the output", () => {
  const { output, path: partial } = partialPaths("/some/where/out/");
  assertEquals({ output, partial }, {
    output: "/some/where/out",
    partial: "/some/where/out.partial",
  });
  assertEquals(partialPaths("out").path, `${Deno.cwd()}/out.partial`);
  assertEquals(partialPaths("a/../out").output, `${Deno.cwd()}/out`);
  assertFails(() => partialPaths("/"), OptionError, "/: can't be an output directory; name a new one");
});

Deno.test("writeOutput() makes the directory with all files", async () => {
  using temp = setUp();
  const result = await writeOutput(planOfThree(temp.source), temp.output);
  assertEquals({ ...result, written: result.written.toSorted() }, {
    complete: true,
    reused: [],
    written: names,
    cloned: [],
    losses: [],
    files: [{ name: "a.bin", bytes: 2000 }, { name: "below/b.bin", bytes: 1500 }, {
      name: "c.json",
      bytes: 3,
    }],
    notes: [],
  });
  assertWhole(temp);
});

Deno.test("writeOutput() with sync and verify makes the same", async () => {
  using temp = setUp();
  await writeOutput(planOfThree(temp.source), temp.output, { sync: true, verify: true });
  assertWhole(temp);
});

Deno.test("writeOutput() takes an empty directory", async () => {
  using temp = setUp();
  Deno.mkdirSync(temp.output);
  await writeOutput(planOfThree(temp.source), temp.output);
  assertWhole(temp);
});

Deno.test("writeOutput() makes parents, and removes them again when it fails", async () => {
  using temp = setUp();
  Deno.mkdirSync(temp.join("there"));
  const output = temp.join("there/not/yet/out");
  const damaged = {
    ...planOfThree(temp.source),
    known: [{ label: "x", path: temp.source, offset: 0, length: 10, crc: 1 }],
  };
  const file = outputFile("x", [{ label: "x", view: bytes(temp.source, 0, 10) }]);
  await assertRejects(() => writeOutput({ ...damaged, files: [file] }, output), FormatError);
  assertEquals(temp.list("there"), []);
  assertEquals(temp.list(), ["source", "there/"]);
  await writeOutput(planOfThree(temp.source), output);
  assertEquals(temp.list("there/not/yet/out"), ["a.bin", "below/", "c.json"]);
});

Deno.test("checkOutput() refuses what is there already", () => {
  using temp = setUp();
  const { output } = temp;
  checkOutput(output, []);
  Deno.mkdirSync(output);
  checkOutput(output, []);
  temp.write("out/x", "");
  assertFails(
    () => checkOutput(output, []),
    FileError,
    `${output}: exists already and isn't empty; name a new directory`,
  );
  assertFails(
    () => checkOutput(temp.source, []),
    FileError,
    `${temp.source}: is a file already; name a new directory`,
  );
  const link = temp.join("link");
  Deno.mkdirSync(temp.join("target"));
  Deno.symlinkSync(temp.join("target"), link);
  assertFails(
    () => checkOutput(link, []),
    FileError,
    `${link}: is a symbolic link; name the directory that it points to`,
  );
  Deno.symlinkSync(temp.join("nowhere"), temp.join("dangling"));
  assertFails(
    () => checkOutput(temp.join("dangling"), []),
    FileError,
    `${temp.join("dangling")}: is a symbolic link; name the directory that it points to`,
  );
  checkOutput(temp.join("link/below"), []);
});

Deno.test("checkOutput() refuses what is in the way of the partial directory", () => {
  using temp = setUp();
  const message = `${temp.output}.partial: is in the way, since the output is built there; move it elsewhere`;
  temp.write("out.partial", "");
  assertFails(() => checkOutput(temp.output, []), FileError, message);
  Deno.removeSync(temp.join("out.partial"));
  Deno.symlinkSync(temp.path, temp.join("out.partial"));
  assertFails(() => checkOutput(temp.output, []), FileError, message);
});

Deno.test("checkOutput() refuses an output in an input", () => {
  using temp = setUp();
  Deno.mkdirSync(temp.join("in/step_1"), { recursive: true });
  Deno.symlinkSync(temp.join("in"), temp.join("link"));
  const input = temp.join("in/step_1");
  for (
    const output of ["in/step_1", "in/step_1/out", "in/step_1/not/yet/out", "link/step_1/out"].map((name) =>
      temp.join(name)
    )
  ) {
    assertFails(
      () => checkOutput(output, ["/elsewhere", input]),
      OptionError,
      `${output}: the output can't lie in the input ${input}; name a directory outside it`,
    );
  }
  assertFails(
    () => checkOutput(`${temp.source}/out`, [temp.source]),
    OptionError,
    `${temp.source}/out: the output can't lie in the input ${temp.source}; name a directory outside it`,
  );
  checkOutput(temp.join("in/out"), [input]);
  checkOutput(temp.join("in/step_10"), [input]);
});

Deno.test("writeOutput() refuses an output that exists, and leaves it", async () => {
  using temp = setUp();
  Deno.mkdirSync(temp.output);
  temp.write("out/x", "mine");
  await assertFailsAsync(
    () => writeOutput(planOfThree(temp.source), temp.output),
    FileError,
    `${temp.output}: exists already and isn't empty; name a new directory`,
  );
  assertEquals(temp.list(), ["out/", "source"]);
  assertEquals(temp.list("out"), ["x"]);
});

/** A plan of files of 10 bytes; the file at `bad`, if any, states a wrong CRC-32. */
function planOfTen(source: string, count: number, bad = -1): Plan {
  return planOf(
    Array.from({ length: count }, (_, i) =>
      outputFile(`${i}`, [{
        label: `data/${i}`,
        view: bytes(source, 10 * i, 10),
        ...(i === bad ? { crc: 1 } : {}),
      }])),
  );
}

Deno.test("writeOutput() leaves nothing behind where the input is damaged", async () => {
  using temp = setUp();
  const error = await assertRejects(
    () => writeOutput(planOfTen(temp.source, 5, 3), temp.output),
    FormatError,
  );
  assertMatch(
    error.message,
    /^.*\/source: data\/3: the bytes are damaged \(CRC-32 [0-9a-f]{8}, expected 00000001\); /,
  );
  assertEquals(temp.list(), ["source"]);
});

/** A plan that is cancelled once its first file was finished; the others are in another batch. */
function planToCancel(source: string): Plan {
  const copies = Array.from({ length: 64 }, (_, i) => ({ label: `${i}`, view: bytes(source, i, 1) }));
  return planOf([
    outputFile("first", copies),
    outputFile("second", [{ label: "x", view: bytes(source, 0, 10) }]),
    textFile("text", "text"),
  ]);
}

/** Cancels when a file was finished. */
function cancelAfter(name: string): WriteOptions {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    onProgress({ finished }) {
      if (finished === name) controller.abort();
    },
  };
}

Deno.test("writeOutput() keeps what was finished when it is cancelled, and goes on from there", async () => {
  using temp = setUp();
  const plan = planToCancel(temp.source);
  await assertFailsAsync(
    () => writeOutput(plan, temp.output, cancelAfter("first")),
    CancelledError,
    "Cancelled",
  );
  assertEquals(temp.list(), ["out.partial/", "source"]);
  assertEquals(temp.list("out.partial"), [".ckpt-lock", ".ckpt-plan.json", "files/", "making/", "sums/"]);
  assertEquals(temp.list("out.partial/files"), ["first", "text"]);
  // What a run that was killed may have left.
  temp.write("out.partial/making/second.12345678", "half");
  const { complete, reused, written } = await writeOutput(plan, temp.output);
  assertEquals([complete, reused, written], [true, ["first", "text"], ["second"]]);
  assertEquals(temp.list(), ["out/", "source"]);
  assertEquals(temp.list("out"), ["first", "second", "text"]);
  assertEquals(Deno.readFileSync(temp.join("out/first")), content.slice(0, 64));
  assertEquals(Deno.readFileSync(temp.join("out/second")), content.slice(0, 10));
});

Deno.test("writeOutput() leaves nothing when it is cancelled before a file of tensors was finished", async () => {
  using temp = setUp();
  const plan = planToCancel(temp.source);
  await assertFailsAsync(
    () => writeOutput(plan, temp.output, cancelAfter("text")),
    CancelledError,
    "Cancelled",
  );
  assertEquals(temp.list(), ["source"]);
});

Deno.test("writeOutput() keeps what was finished where a file can't be written", async () => {
  using temp = setUp();
  const text = textFile("text", "text");
  const plan = planToCancel(temp.source);
  const failing: OutputFile = {
    ...text,
    get literals(): Literal[] {
      throw new Deno.errors.FilesystemLoop("No space left on device");
    },
  };
  const first = plan.files[0]!;
  // The record is written with the literals that are planned; only then the disk fills up.
  let isFull = false;
  const files = [first, {
    ...plan.files[1]!,
    get literals() {
      return isFull ? failing.literals : [];
    },
  }];
  await assertFailsAsync(
    () =>
      writeOutput({ ...plan, files }, temp.output, {
        onProgress({ finished }) {
          if (finished === "first") isFull = true;
        },
      }),
    FileError,
    `${temp.output}: can't write the output: No space left on device`,
  );
  assertEquals(temp.list("out.partial/files"), ["first"]);
  assertEquals(temp.list("out.partial/making"), []);
  isFull = false;
  const { reused } = await writeOutput({ ...plan, files }, temp.output);
  assertEquals(reused, ["first"]);
  assertEquals(temp.list("out"), ["first", "second"]);
});

Deno.test("writeOutput() takes no bug for a file that can't be written", async () => {
  using temp = setUp();
  const plan = planToCancel(temp.source);
  const failing = {
    ...plan.files[0]!,
    get copies(): never {
      throw new TypeError("undefined is not a function");
    },
  };
  const work = { ...plan, files: [failing, plan.files[1]!] };
  await assertRejects(() => writeOutput(work, temp.output), TypeError, "undefined is not a function");
  await assertRejects(
    () =>
      writeOutput(plan, temp.output, {
        onProgress: () => {
          throw new RangeError("mine");
        },
      }),
    RangeError,
    "mine",
  );
  assertEquals(temp.list().includes("out/"), false);
});

const otherWork = "holds the unfinished output of another conversion (other input, options or version); " +
  "finish that one, or use --restart to begin anew";

Deno.test("writeOutput() refuses to go on from another plan, and begins anew with restart", async () => {
  using temp = setUp();
  await assertRejects(() => writeOutput(planToCancel(temp.source), temp.output, cancelAfter("first")));
  const before = temp.list("out.partial/files");
  await assertFailsAsync(
    () => writeOutput(planOfThree(temp.source), temp.output),
    OptionError,
    `${temp.output}.partial: ${otherWork}`,
  );
  assertEquals(temp.list("out.partial/files"), before);
  const { reused } = await writeOutput(planOfThree(temp.source), temp.output, { restart: true });
  assertEquals(reused, []);
  assertWhole(temp);
});

Deno.test("writeOutput() refuses a partial directory that isn't its own, and never throws it away", async () => {
  using temp = setUp();
  Deno.mkdirSync(`${temp.output}.partial`);
  temp.write("out.partial/mine", "x");
  for (const restart of [false, true]) {
    await assertFailsAsync(
      () => writeOutput(planOfThree(temp.source), temp.output, { restart }),
      OptionError,
      `${temp.output}.partial: holds files but no record of a plan, so no conversion left it; move it elsewhere`,
    );
  }
  assertEquals(temp.list("out.partial"), ["mine"]);
  Deno.removeSync(temp.join("out.partial/mine"));
  await writeOutput(planOfThree(temp.source), temp.output, { restart: true });
  assertWhole(temp);
});

Deno.test("writeOutput() gives up its lock even if a child is being made at that moment", async () => {
  using temp = setUp();
  // A child has its parent's files open until it begins its own program. Made on another thread, since here it would wait.
  const makeChildren =
    `for (let i = 0; i < 300; i++) new Deno.Command("true").outputSync(); postMessage("done")`;
  const worker = new Worker("data:application/javascript," + encodeURIComponent(makeChildren), {
    type: "module",
  });
  let areDone = false;
  worker.onmessage = () => areDone = true;
  const partial = partialPaths(temp.output);
  while (!areDone) {
    for (let i = 0; i < 50; i++) {
      openPartial(partial, "{}", { isTask: false, restart: false, sync: false })[Symbol.dispose]();
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
  worker.terminate();
});

Deno.test("writeOutput() tells a run that another one is writing the same output, even to begin anew", async () => {
  using temp = setUp();
  const plan = planToCancel(temp.source);
  const message = `${temp.output}: another run is writing this output, in ${temp.output}.partial; ` +
    "wait until it is done, or stop it";
  const others: WriteOptions[] = [{}, { restart: true }, { task: { index: 1, count: 1 } }];
  let told = 0;
  await writeOutput(plan, temp.output, {
    onProgress({ finished }) {
      // Whatever is thrown here isn't caught, so it is counted.
      if (finished !== "first") return;
      for (const options of others) {
        writeOutput(plan, temp.output, options).catch((error) => {
          if (error instanceof FileError && error.message === message) told++;
        });
      }
    },
  });
  assertEquals(told, others.length);
  assertEquals(temp.list(), ["out/", "source"]);
  // A lock goes with the run that had it, whatever became of it.
  await assertRejects(() => writeOutput(plan, temp.join("other"), cancelAfter("first")), CancelledError);
  assertEquals((await writeOutput(plan, temp.join("other"))).complete, true);
});

Deno.test("writeOutput() moves nothing into the work of others that is in the place of its own", async () => {
  for (const step of ["a file", "the output"]) {
    using temp = setUp();
    temp.write("other", content.toReversed());
    const [plan, others] = [planToCancel(temp.source), planToCancel(temp.join("other"))];
    await assertRejects(() => writeOutput(others, temp.join("prepared"), cancelAfter("first")));
    const last = step === "a file" ? "first" : "second";
    const error = await assertRejects(() =>
      writeOutput(plan, temp.output, {
        onProgress({ finished }) {
          if (finished !== last) return;
          // While this one was stopped, somebody took its work away, and began another.
          Deno.renameSync(`${temp.output}.partial`, temp.join("taken"));
          Deno.renameSync(temp.join("prepared.partial"), `${temp.output}.partial`);
          for (const name of temp.list("taken/making")) {
            Deno.copyFileSync(temp.join(`taken/making/${name}`), temp.join(`out.partial/making/${name}`));
          }
        },
      }), FileError);
    assertEquals(error.message, `${temp.output}.partial: was taken away while this run was at work in it`);
    const { reused } = await writeOutput(others, temp.output);
    assertEquals(reused, ["first", "text"]);
    assertEquals(Deno.readFileSync(temp.join("out/first")), content.toReversed().slice(0, 64));
    assertEquals(Deno.readFileSync(temp.join("out/second")), content.toReversed().slice(0, 10));
  }
});

Deno.test("writeOutput() frees what a run that was killed had begun, unless other tasks may be at it", async () => {
  using temp = setUp();
  const plan = planToCancel(temp.source);
  await assertRejects(() => writeOutput(plan, temp.output, cancelAfter("first")), CancelledError);
  const begun = temp.write("out.partial/making/second.12345678", "half");
  const isThere = () => temp.list("out.partial/making").includes("second.12345678");
  await writeOutput(plan, temp.output, { task: { index: 1, count: 3 } });
  assertEquals(isThere(), true);
  let seen: boolean | undefined;
  await writeOutput(plan, temp.output, { onProgress: () => seen ??= isThere() });
  assertEquals(seen, false, begun);
});

Deno.test("writeOutput() doesn't begin anew in a task", async () => {
  using temp = setUp();
  const options = { restart: true, task: { index: 1, count: 2 } };
  await assertFailsAsync(
    () => writeOutput(planOfThree(temp.source), temp.output, options),
    OptionError,
    "Cannot begin anew in one of several tasks: the others would lose their work; " +
      `remove ${temp.output}.partial before they start`,
  );
});

/** A plan of one file whose literals tell whether it was made from these bytes. */
function planWithCrc(source: string, offset: number): Plan {
  const crc = crc32(content.subarray(offset, offset + 10));
  const file = outputFile("f", [{ label: "x", view: bytes(source, offset, 10), crc, crcPlaces: [10] }], {
    size: 14,
    literals: [{ at: 10, bytes: new Uint8Array(4) }],
  });
  return planOf([file]);
}

Deno.test("writeOutput() with tasks doesn't take another output of the same sizes for its own", async () => {
  using temp = setUp();
  const task = { index: 1, count: 2 };
  await writeOutput(planWithCrc(temp.source, 0), temp.output, { task });
  const { reused } = await writeOutput(planWithCrc(temp.source, 0), temp.output, { task });
  assertEquals(reused, ["f"]);
  await assertFailsAsync(
    () => writeOutput(planWithCrc(temp.source, 10), temp.output, { task }),
    FileError,
    `${temp.output}: exists already and isn't empty; name a new directory`,
  );
});

Deno.test("writeOutput() with tasks makes shares, and the last one moves the output", async () => {
  using temp = setUp();
  const plan = planOfTen(temp.source, 5);
  const run = async (index: number, count: number) => {
    const { complete, reused, written } = await writeOutput(plan, temp.output, { task: { index, count } });
    return [complete, reused, written.toSorted()];
  };
  assertEquals(await run(1, 3), [false, [], ["0", "3"]]);
  assertEquals(await run(3, 3), [false, [], ["2"]]);
  assertEquals(temp.list(), ["out.partial/", "source"]);
  assertEquals(await run(2, 3), [true, ["0", "2", "3"], ["1", "4"]]);
  assertEquals(temp.list("out"), ["0", "1", "2", "3", "4"]);
  for (let i = 0; i < 5; i++) {
    assertEquals(Deno.readFileSync(temp.join(`out/${i}`)), content.slice(10 * i, 10 * i + 10));
  }
  // One that comes late, or again.
  assertEquals(await run(3, 3), [true, ["0", "1", "2", "3", "4"], []]);
});

Deno.test("writeOutput() with more tasks than files gives some nothing to do", async () => {
  using temp = setUp();
  const plan = planOfThree(temp.source);
  const results = await Promise.all(
    [7, 1, 2, 5, 3, 4, 6].map((index) => writeOutput(plan, temp.output, { task: { index, count: 7 } })),
  );
  assertEquals(results.flatMap(({ written }) => written).toSorted(), names);
  assertEquals(results.some(({ complete }) => complete), true);
  assertWhole(temp);
});

Deno.test("writeOutput() with tasks forgets files that have a part of a damaged record", async () => {
  using temp = setUp();
  const plan = {
    ...planOfTen(temp.source, 4),
    known: [{ label: "data/0", path: temp.source, offset: 0, length: 30, crc: 1 }],
  };
  // Both have a part of it, and the other task has the third: nobody reads it whole.
  const half = await writeOutput(plan, temp.output, { task: { index: 1, count: 2 } });
  assertEquals(half.complete, false);
  Deno.removeSync(`${temp.output}.partial`, { recursive: true });
  // A task that reads it whole finds out when it has finished some of its files.
  const all = {
    ...plan,
    files: [plan.files[0]!, plan.files[3]!, plan.files[1]!, plan.files[3]!, plan.files[2]!],
  };
  await assertRejects(() => writeOutput(all, temp.output, { task: { index: 1, count: 2 } }), FormatError);
  assertEquals([temp.list("out.partial/files"), temp.list("out.partial/sums")], [[], []]);
});

Deno.test({
  name: "writeOutput() says where it has no permission to write",
  permissions: { read: true, write: ["/nowhere"] },
  async fn() {
    const { error } = await withoutWrite();
    assertMatch(
      error,
      /^FileError: \/no-such-place: can't make the output directory here: Requires write access to ".*", run again with the --allow-write flag$/,
    );
  },
});

async function withoutWrite(): Promise<{ error: string }> {
  const source = new URL(import.meta.url).pathname;
  const error = await assertRejects(() => writeOutput(planOfThree(source), "/no-such-place/out")) as Error;
  return { error: `${error.constructor.name}: ${error.message}` };
}

Deno.test("writeOutput() needs no more than read and write permission, for its own paths", async () => {
  using temp = setUp();
  const work: OutputWork = { source: temp.source, output: temp.output };
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--no-prompt",
      `--allow-read=${temp.path}`,
      `--allow-write=${temp.output},${temp.output}.partial`,
      new URL("_output_process.ts", import.meta.url).pathname,
      JSON.stringify(work),
    ],
  }).output();
  assertEquals([success, new TextDecoder().decode(stderr)], [true, ""]);
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)), { complete: true, reached: false });
  assertWhole(temp);
});

/**
 * Runs a process that something happens to, at each step of its work.
 *
 * @param work What it does, and what happens.
 * @param check Looks at the directory and the answer.
 */
async function atEachStep(
  work: Omit<OutputWork, "source" | "output" | "step"> & { readonly then: OutputWork["then"] },
  check: (temp: ReturnType<typeof setUp>, answer: Answer, where: string) => void | Promise<void>,
): Promise<void> {
  let next = 1;
  let steps = 0;
  let isOver = false;
  const lane = async () => {
    while (!isOver) {
      const step = next++;
      using temp = setUp();
      const paths = { source: temp.source, output: temp.output };
      const then = typeof work.then === "object" ? { ...work.then, ...paths } : work.then;
      const answer = await runOutputProcess({ ...work, ...paths, step, then });
      if (!answer.reached) isOver = true;
      else steps = Math.max(steps, step);
      await check(temp, answer, `step ${step}: ${JSON.stringify(answer)}`);
    }
  };
  await Promise.all([lane(), lane()]);
  assertEquals(steps > 10, true, `There were only ${steps} steps`);
}

type Answer = Awaited<ReturnType<typeof runOutputProcess>>;

Deno.test("writeOutput() that is killed at any step leaves no half output, and goes on", async () => {
  await atEachStep({ then: "kill" }, async (temp, { signal, reached }, where) => {
    assertEquals(signal, reached ? "SIGKILL" : null, where);
    const there = temp.list();
    if (there.includes("out/")) assertWholeOutput(temp);
    // It was killed before it had tidied up, or when it had removed all but an empty directory.
    const isTidy = there.includes("out.partial/") && temp.list("out.partial").join() === ".ckpt-lock";
    if (there.includes("out/") && isTidy) {
      Deno.removeSync(temp.join("out.partial"), { recursive: true });
    } else if (there.includes("out.partial/") || !there.includes("out/")) {
      const { complete } = await writeOutput(planOfThree(temp.source), temp.output);
      assertEquals(complete, true, where);
    }
    assertWhole(temp);
  });
});

const busy = (output: string) =>
  `FileError: ${output}: another run is writing this output, in ${output}.partial; wait until it is done, or stop it`;

const tasks = [1, 2].map((index): WriteOptions => ({ task: { index, count: 2 } }));
const races: [string, WriteOptions, WriteOptions][] = [
  ["the same command, twice at once", {}, {}],
  ["two tasks", tasks[0]!, tasks[1]!],
  ["the same task, twice at once", tasks[0]!, tasks[0]!],
  ["a task and one that makes all", tasks[0]!, {}],
  ["one that makes all and a task", {}, tasks[0]!],
];

for (const [what, mine, others] of races) {
  Deno.test(`writeOutput() may meet another run at any step: ${what}`, async () => {
    const paths = { source: "", output: "" };
    const isShared = mine.task !== undefined && others.task !== undefined;
    await atEachStep({ options: mine, then: { ...paths, options: others } }, async (temp, answer, where) => {
      const { error, complete, reached, other } = answer;
      if (!reached) return;
      // One that starts when the output is there is told so, unless it is a task; one that meets another, too.
      const late = `FileError: ${temp.output}: exists already and isn't empty; name a new directory`;
      const refusals = isShared ? [] : [late, busy(temp.output)];
      const errors = [error, other!.error].filter((text) => text !== undefined);
      assertEquals(errors.filter((text) => !refusals.includes(text)), [], where);
      assertEquals(errors.length < 2, true, where);
      if (!complete && !other!.complete) {
        const rest = await writeOutput(planOfThree(temp.source), temp.output, isShared ? tasks[1] : {});
        assertEquals(rest.complete, true, where);
      }
      assertWhole(temp);
    });
  });
}

for (const [what, mine, others] of races) {
  Deno.test(`writeOutput() makes no wrong output where there are no locks: ${what}`, async () => {
    const then = { source: "", output: "", options: others, noLocks: true };
    await atEachStep({ options: mine, then, noLocks: true }, async (temp, answer, where) => {
      const { error, complete, other } = answer;
      if (temp.list().includes("out/")) assertWholeOutput(temp);
      // Tasks may meet; of two that make it all one may fail.
      const areTasks = mine.task !== undefined && others.task !== undefined;
      if (areTasks) assertEquals([error, other?.error], [undefined, undefined], where);
      if (!complete && !other?.complete) {
        const rest = await writeOutput(planOfThree(temp.source), temp.output, areTasks ? tasks[1] : {});
        assertEquals(rest.complete, true, where);
      }
      assertWholeOutput(temp);
    });
  });
}

Deno.test("writeOutput() lets only one of two plans have the output, whenever the other starts", async () => {
  const then = { source: "", output: "", otherPlan: true };
  await atEachStep({ then }, (temp, { error, complete, reached, other }, where) => {
    if (!reached) return;
    const isMine = complete === true;
    assertEquals(isMine, other!.complete !== true, where);
    // What the late one says depends on how far it came: the partial directory is taken, or gone, or the output is.
    const refusal = isMine ? other!.error! : error!;
    const isRefused = refusal === `OptionError: ${temp.output}.partial: ${otherWork}` ||
      refusal === busy(temp.output) ||
      refusal.startsWith(`FileError: ${temp.output}: exists already and isn't empty; `) ||
      refusal.startsWith(`FileError: ${temp.output}: can't write the output: `);
    assertEquals(isRefused, true, where);
    assertWholeOutput(temp, !isMine);
  });
});

Deno.test("writeOutput() by several processes at once, as tasks, makes one whole output", async () => {
  for (let round = 0; round < 2; round++) {
    using temp = setUp();
    const work = { source: temp.source, output: temp.output };
    const answers = await Promise.all(
      [1, 2, 3, 1].map((index) => runOutputProcess({ ...work, options: { task: { index, count: 3 } } })),
    );
    assertEquals(answers.map(({ error }) => error), [undefined, undefined, undefined, undefined]);
    assertEquals(answers.some(({ complete }) => complete), true);
    assertWhole(temp);
  }
});

Deno.test({
  name: "writeOutput() knows clones, whose size is another, as finished (needs root and mkfs.xfs)",
  ignore: !canMount("xfs"),
  async fn() {
    using mount = new LoopMount("xfs");
    using temp = new TempDirectory(mount.path);
    const base = temp.write("source", content);
    const copies = [{ label: "x", at: 0, view: bytes(base, 0, 3000), crc: crc32(content.slice(0, 3000)) }];
    const overlay = { base, size: 3500, copies, literals: [] };
    const cloned = {
      ...outputFile("clone", [{ label: "x", view: bytes(base, 0, 3000) }]),
      overlay,
    };
    const plan = planOf([cloned, outputFile("second", [{ label: "x", view: bytes(base, 0, 10) }])]);
    const out = temp.join("out");
    await assertFailsAsync(() => writeOutput(plan, out, cancelAfter("clone")), CancelledError, "Cancelled");
    const { complete, reused, files } = await writeOutput(plan, out);
    assertEquals([complete, reused], [true, ["clone"]]);
    assertEquals(files, [{ name: "clone", bytes: 3500 }, { name: "second", bytes: 10 }]);
    assertEquals(Deno.readFileSync(temp.join("out/clone")), content.slice(0, 3500));
    assertEquals(temp.list(), ["out/", "source"]);
  },
});
