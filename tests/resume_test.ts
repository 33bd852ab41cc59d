/**
 * Conversions that are stopped at any point, by a signal, by `kill -9` or by a full disk: what they leave is right,
 * and the same command goes on from it.
 *
 * `CKPT_LONG=1` stops them at every step, and hundreds of times at random moments.
 */

import { existsSync } from "node:fs";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { statfsSync } from "node:fs";
import { join } from "../lib/deps.ts";
import { commandLine, convert, type Run } from "./_ckpt.ts";
import {
  assertSameTree,
  inTwoLanes,
  LOCK,
  LONG,
  PLAN_RECORD,
  readTree,
  Scene,
  someOf,
  wait,
} from "./_outcome.ts";
import { argumentsOf, signalAt, stepsOf } from "./_stepped.ts";
import { withLoopMount } from "./bench/loop_mount.ts";

interface Summary {
  readonly complete: boolean;
  readonly reused: readonly string[];
}

/** Runs the same command again, to the end, and asserts that it goes on from what was there. */
async function goOn(
  scene: Scene,
  output: string,
  what: string,
  options: readonly string[] = [],
): Promise<void> {
  const made = readTree(output);
  const finished = scene.finished(output);
  const isTidy = !existsSync(join(`${output}.partial`, PLAN_RECORD));
  const run = await convert(["--json", "--quiet", ...options, scene.input, output]);
  if (made !== undefined && isTidy) {
    // It was killed when nothing was left to do but to remove an empty directory, and to exit.
    const message = `error: ${output}: exists already and isn't empty; name a new directory\n`;
    assertEquals([run.code, run.stderr], [1, message], what);
    assertEquals([...readTree(`${output}.partial`)?.keys() ?? [LOCK]], [LOCK], what);
    if (existsSync(`${output}.partial`)) Deno.removeSync(`${output}.partial`, { recursive: true });
  } else {
    assertEquals([run.code, run.stderr], [0, ""], what);
    const { complete, reused } = JSON.parse(run.stdout) as Summary;
    assertEquals(complete, true, what);
    const expected = made === undefined ? finished : [...scene.reference.keys()].sort();
    assertEquals([...reused].sort(), expected, `${what}: reused`);
  }
  scene.assertDone(output, what);
}

/** Kills conversions at some of their steps, and lets them go on. */
async function killAtSteps(scene: Scene, count: number): Promise<void> {
  const conversion = { input: scene.input, options: ["--quiet"] };
  const steps = await stepsOf({ ...conversion, output: scene.newOutput() });
  // When the output is whole, and something is left beside it.
  const last = steps.flatMap((step, i) => /^removeSync .*\.partial/.test(step) ? [i + 1] : []);
  await inTwoLanes([...last, ...someOf(steps.length, count)], async (step) => {
    const output = scene.newOutput();
    const what = `killed before ${steps[step - 1]!.split(" ")[0]}, step ${step}`;
    const { code, stderr } = await signalAt({ ...conversion, output }, "SIGKILL", step);
    assertEquals([code, stderr], [137, ""], what);
    scene.assertWholeOrAbsent(output, what);
    await goOn(scene, output, what);
  });
}

Deno.test("ckpt goes on after kill -9 at any step", async () => {
  using scene = await Scene.make({ shards: 4, bytes: 400_000 });
  await killAtSteps(scene, 14);
});

Deno.test("ckpt goes on after SIGTERM, SIGINT and SIGHUP at any step", async () => {
  using scene = await Scene.make({ shards: 4, bytes: 400_000 });
  const conversion = { input: scene.input, options: ["--quiet"] };
  const steps = await stepsOf({ ...conversion, output: scene.newOutput() });
  await inTwoLanes(someOf(steps.length, 6), async (step) => {
    const output = scene.newOutput();
    const [signal, code] = ([["SIGTERM", 143], ["SIGINT", 130], ["SIGHUP", 129]] as const)[step % 3]!;
    const what = `${signal} before ${steps[step - 1]!.split(" ")[0]}, step ${step}`;
    const run = await signalAt({ ...conversion, output }, signal, step);
    if (run.code === 0) { // It was too late to stop.
      scene.assertDone(output, what);
      return;
    }
    assertEquals([run.code, run.stderr], [code, stoppedMessage(output)], what);
    scene.assertWholeOrAbsent(output, what);
    assertEquals(temporaries(output), [], what);
    await goOn(scene, output, what);
  });
});

/** The names of unfinished files in what an output is built in. */
function temporaries(output: string): string[] {
  try {
    return [...Deno.readDirSync(join(`${output}.partial`, "making"))].map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Big enough for workers, since what is verified counts, too. */
const BIG = { shards: 8, bytes: 54_000_000 };
const BIG_OPTIONS = ["--verify", "--jobs", "2", "--no-clone"];

/** Starts a conversion, kills it at some moment, and returns how it ended. */
async function killWhen(
  scene: Scene,
  output: string,
  signal: Deno.Signal,
  moment: () => Promise<unknown>,
): Promise<Run> {
  const [program, ...args] = commandLine(
    argumentsOf({ options: ["--quiet", ...BIG_OPTIONS], input: scene.input, output }),
  );
  const child = new Deno.Command(program!, {
    args,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let ended = false;
  const result = child.output().then(({ code, stdout, stderr }) => {
    ended = true;
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  });
  await Promise.race([moment(), result]);
  try {
    if (!ended) child.kill(signal);
  } catch (error) {
    // It ended just now.
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
  return await result;
}

/** What a run says that was stopped: whether there is something from which the same command goes on. */
function stoppedMessage(output: string): string {
  const isKept = existsSync(`${output}.partial`);
  return `stopped: ${isKept ? "run the same command again to go on" : "nothing was finished"}\n`;
}

/** Asserts that a run that was sent a signal ended as it should have, if it did not end before. */
function assertStopped({ code, stderr }: Run, signal: Deno.Signal, output: string, what: string): void {
  if (code === 0) return assertEquals(stderr, "", what);
  const codes: Partial<Record<Deno.Signal, number>> = { SIGKILL: 137, SIGTERM: 143, SIGINT: 130 };
  assertEquals(code, codes[signal], what);
  // Nothing is printed where the signal came before the program could handle it.
  const stopped = stoppedMessage(output);
  assert(stderr === "" || (signal !== "SIGKILL" && stderr === stopped), `${what}: ${stderr}`);
}

Deno.test("ckpt goes on after a signal at any moment, with workers", async () => {
  using scene = await Scene.make(BIG, BIG_OPTIONS);
  const begin = performance.now();
  const whole = scene.newOutput();
  await killWhen(scene, whole, "SIGKILL", () => new Promise(() => {}));
  const duration = performance.now() - begin;
  scene.assertDone(whole, "undisturbed");
  Deno.removeSync(whole, { recursive: true });

  const signals = ["SIGKILL", "SIGTERM", "SIGKILL", "SIGINT"] as const;
  const moments = LONG ? 400 : 8;
  for (let i = 0; i < moments; i++) {
    const signal = signals[i % signals.length]!;
    const output = scene.newOutput();
    // Most of the time before half of the duration is start-up, which is the same everywhere.
    const milliseconds = duration * (0.4 + 0.6 * (i + Math.random()) / moments);
    const what = `${signal} after ${Math.round(milliseconds)} of ${Math.round(duration)} ms`;
    assertStopped(await killWhen(scene, output, signal, () => wait(milliseconds)), signal, output, what);
    scene.assertWholeOrAbsent(output, what);
    await goOn(scene, output, what, BIG_OPTIONS);
    Deno.removeSync(output, { recursive: true });
  }
});

Deno.test("ckpt goes on after a signal when some files are finished, again and again", async () => {
  using scene = await Scene.make(BIG, BIG_OPTIONS);
  const sawFiles = async (output: string, count: number) => {
    while (scene.finished(output).length < count && !scene.beside(output).includes("llama")) await wait(1);
  };
  for (let round = 0; round < (LONG ? 20 : 1); round++) {
    const output = scene.newOutput();
    let kept = 0;
    let ended = false;
    // The same command is stopped whenever it has finished two more files than were there.
    for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL", "SIGINT"] as const) {
      const what = `${signal} after ${kept} files`;
      const run = await killWhen(scene, output, signal, () => sawFiles(output, kept + 2));
      ended = run.code === 0;
      if (ended) break;
      assertStopped(run, signal, output, what);
      scene.assertWholeOrAbsent(output, what);
      if (scene.beside(output).includes("llama")) break;
      const now = scene.finished(output).length;
      assert(now >= kept, `${what}: ${now} are left`);
      kept = now;
    }
    if (!ended) await goOn(scene, output, "in the end", BIG_OPTIONS);
    scene.assertDone(output, "in the end");
    Deno.removeSync(output, { recursive: true });
  }
});

/** A run that was killed when some of its files were finished. */
async function killedHalfway(scene: Scene): Promise<string> {
  const output = scene.newOutput();
  const conversion = { input: scene.input, output, options: ["--quiet"] };
  const steps = await stepsOf({ ...conversion, output: scene.newOutput() });
  const finishing = steps.flatMap((step, i) => /^renameSync .*\.pth$/.test(step) ? [i + 1] : []);
  await signalAt(conversion, "SIGKILL", finishing[2]!);
  assertEquals(scene.finished(output), ["consolidated.00.pth", "consolidated.01.pth", "params.json"]);
  assert(temporaries(output).length > 0);
  return output;
}

Deno.test("ckpt refuses another plan on what is unfinished, and --restart begins anew", async () => {
  using scene = await Scene.make({ shards: 4, bytes: 400_000 });
  using other = await Scene.make({ shards: 4, bytes: 400_000 });
  const output = await killedHalfway(scene);
  const partial = `${output}.partial`;
  const before = [...readTree(partial)!.keys()].sort();
  const refusal = (way: string) =>
    `error: ${partial}: holds the unfinished output of another conversion ` +
    `(other input, options or version); finish that one, or ${way} to begin anew\n`;
  for (const [options, way] of [[[], "use --restart"], [["--task", "1/2"], `remove ${partial}`]] as const) {
    const stderr = refusal(way);
    assertEquals(await convert([...options, other.input, output]), { code: 1, stdout: "", stderr });
    assertEquals([...readTree(partial)!.keys()].sort(), before);
  }
  // The first conversion goes on all the same.
  await goOn(scene, output, "after a refusal");

  const again = await killedHalfway(scene);
  const run = await convert(["--json", "--quiet", "--restart", other.input, again]);
  assertEquals([run.code, run.stderr], [0, ""]);
  assertEquals((JSON.parse(run.stdout) as Summary).reused, []);
  other.assertDone(again, "--restart");
});

Deno.test("ckpt says which files were finished before", async () => {
  using scene = await Scene.make({ shards: 4, bytes: 400_000 });
  const output = await killedHalfway(scene);
  const { code, stdout, stderr } = await convert([scene.input, output]);
  assertEquals(code, 0);
  assertMatch(
    stderr,
    /^comparing what is there already \(317 kB\)\nconsolidated\.02\.pth done \(1 of 2 files\)\nconsolidated\.03\.pth done \(2 of 2 files\)\n$/,
  );
  assertMatch(stdout, /consolidated\.03\.pth, params\.json \(3 finished before\)$/m);
  scene.assertDone(output, "resumed");
});

/** Runs a program, and returns whether it succeeded. */
async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output();
    return success;
  } catch {
    return false;
  }
}

/** Whether file systems can be mounted. */
const canMount = Deno.build.os === "linux" && Deno.uid() === 0 && await (async () => {
  const directory = Deno.makeTempDirSync({ prefix: "ckpt_test_" });
  const mounted = await succeeds("mount", "-t", "tmpfs", "-o", "size=64k", "none", directory);
  if (mounted) await succeeds("umount", directory);
  Deno.removeSync(directory);
  return mounted;
})();

/** Writes a file of zeros until only so many bytes of its file system are free. */
function fillDisk(path: string, free: number): void {
  using file = Deno.openSync(path, { write: true, createNew: true });
  // What is free but not available ext4 keeps for itself.
  const { bavail, bsize } = statfsSync(path);
  const zeros = new Uint8Array(1 << 20);
  for (let left = bavail * bsize - free; left > 0;) {
    left -= file.writeSync(zeros.subarray(0, Math.min(left, 1 << 20)));
  }
  file.syncSync();
}

/**
 * Converts to a disk that gets full when some files are finished, and again when there is space for the rest. That it is
 * nearly full is seen beforehand where ckpt may look; that others fill it meanwhile, or a quota ends, is not.
 */
async function convertOnFullDisk(scene: Scene, disk: string): Promise<void> {
  const ballast = `${disk}/ballast`;
  const output = `${disk}/llama`;
  const options = ["--quiet", "--no-clone"];
  fillDisk(ballast, 30_000_000);
  const unseen = { permissions: ["--allow-read", "--allow-write"] };
  const isRefused = async (needed: RegExp) => {
    const before = scene.finished(output);
    const { code, stdout, stderr } = await convert([...options, scene.input, output]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^error: [^\n]*: the output needs [^\n]*, but only [^\n]* are free there; make room for [^\n]*\n$/,
    );
    assertMatch(stderr, needed);
    assertEquals(scene.finished(output), before);
    assertEquals(temporaries(output), []);
  };
  await isRefused(/ needs 54\.\d MB, but only 30\.0 MB are free there; make room for 2\d\.\d MB more/);
  assertEquals(scene.beside(output).filter((name) => name !== "lost+found"), ["ballast"]);
  const isFull = ({ code, stdout, stderr }: Run) => {
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^error: [^\n]*\.partial\/[^\n]*: cannot write the file: No space left on device[^\n]*\n$/,
    );
    scene.assertWholeOrAbsent(output, "full");
    assertEquals(temporaries(output), []);
  };
  isFull(await convert([...options, scene.input, output], unseen));
  const finished = scene.finished(output);
  assert(finished.length > 1 && finished.length < scene.reference.size - 1, `finished: ${finished}`);
  // While there is no space, nothing gets lost.
  isFull(await convert([...options, scene.input, output], unseen));
  // What is finished needs no room any more.
  await isRefused(/ needs [1-4]\d\.\d MB, but only \d(\.\d*)? [kM]?B are free there/);
  for (const name of finished) assert(scene.finished(output).includes(name), `${name} got lost`);

  Deno.removeSync(ballast);
  const kept = scene.finished(output);
  const run = await convert(["--json", ...options, scene.input, output]);
  assertEquals([run.code, run.stderr], [0, ""]);
  assertEquals([...(JSON.parse(run.stdout) as Summary).reused].sort(), kept);
  assertSameTree(readTree(output), scene.reference, "after there was space");
  assertEquals(scene.beside(output).filter((name) => name !== "lost+found"), ["llama"]);
}

Deno.test({
  name: "ckpt goes on after the disk was full",
  ignore: !canMount,
  fn: async () => {
    using scene = await Scene.make(BIG, BIG_OPTIONS);
    const disk = scene.at("disk");
    Deno.mkdirSync(disk);
    assert(await succeeds("mount", "-t", "tmpfs", "-o", "size=128m", "none", disk));
    try {
      await convertOnFullDisk(scene, disk);
    } finally {
      await succeeds("umount", disk);
    }
  },
});

Deno.test({
  name: "ckpt goes on after kill -9 at any step, where files are cloned",
  ignore: !canMount || !await succeeds("mkfs.xfs", "-V"),
  fn: async () => {
    await withLoopMount("xfs", 1, async (disk) => {
      using scene = await Scene.make({ shards: 4, bytes: 400_000 }, [], disk);
      await killAtSteps(scene, 6);
      const { stdout } = await convert(["--json", "--quiet", scene.input, scene.newOutput()]);
      assertEquals(JSON.parse(stdout).cloned.length, 4);
    });
  },
});

Deno.test({
  name: "ckpt goes on after the disk was full, on ext4",
  ignore: !canMount || !LONG,
  fn: async () => {
    using scene = await Scene.make(BIG, BIG_OPTIONS);
    await withLoopMount("ext4", 1, (disk) => convertOnFullDisk(scene, disk), ["-m", "0"]);
  },
});
