/**
 * Several processes that make one output together, or the same one at once: whatever the order of their steps, the
 * output is whole and right, there is one directory in the end, and nobody fails who needn't.
 *
 * `CKPT_LONG=1` tries every step and repeats what is random.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { commandLine, convert, type Run } from "./_ckpt.ts";
import { inTwoLanes, LONG, PLAN_RECORD, Scene, someOf, wait } from "./_outcome.ts";
import { argumentsOf, pauseAt, signalAt, stepsOf } from "./_stepped.ts";

const SIZE = { shards: 2, bytes: 20_000 };

/** The options of a task; those of a plain run for `undefined`. */
function optionsOf(task: string | undefined): string[] {
  return ["--json", "--quiet", ...(task === undefined ? [] : ["--task", task])];
}

/** Runs the command, or its share of it. */
function run(scene: Scene, output: string, task?: string): Promise<Run> {
  return convert([...optionsOf(task), scene.input, output]);
}

/** Asserts that a run succeeded, and returns whether it saw the output whole. */
function assertSucceeded({ code, stdout, stderr }: Run, what: string): boolean {
  assertEquals([code, stderr], [0, ""], what);
  return JSON.parse(stdout).complete as boolean;
}

/** What a plain run says that finds the output there. */
function existsAlready(output: string): Run {
  const stderr = `error: ${output}: exists already and isn't empty; name a new directory\n`;
  return { code: 1, stdout: "", stderr };
}

/** What a run says that meets another, where one of both is to make it all. */
function isBusy(output: string): Run {
  const stderr = `error: ${output}: another run is writing this output, in ${output}.partial; ` +
    "wait until it is done, or stop it\n";
  return { code: 1, stdout: "", stderr };
}

/** Asserts that a run succeeded, or was told that it wasn't alone where not both are tasks; returns whether it did. */
function assertDoneOrTold(run: Run, output: string, areTasks: boolean, what: string): boolean {
  if (run.code === 0 || areTasks) {
    assertSucceeded(run, what);
    return true;
  }
  assertEquals(
    run,
    run.stderr === existsAlready(output).stderr ? existsAlready(output) : isBusy(output),
    what,
  );
  return false;
}

Deno.test("ckpt --task makes an output together, however many tasks there are", async () => {
  using scene = await Scene.make({ shards: 4, bytes: 400_000 });
  const counts = LONG ? Array.from({ length: 90 }, (_, i) => 1 + i % 9) : [1, 2, 3, 5, 7];
  for (const count of counts) {
    const output = scene.newOutput();
    const tasks = Array.from({ length: count }, (_, i) => `${i + 1}/${count}`);
    const runs = await Promise.all(tasks.map((task) => run(scene, output, task)));
    const complete = runs.map((run, i) => assertSucceeded(run, `task ${tasks[i]}`));
    assert(complete.includes(true));
    scene.assertDone(output, `${count} tasks`);
  }
});

Deno.test("ckpt --task says whether other tasks have work left", async () => {
  using scene = await Scene.make(SIZE);
  const output = scene.newOutput();
  assertEquals(assertSucceeded(await run(scene, output, "2/3"), "first"), false);
  assertEquals(scene.beside(output), ["llama.partial"]);
  assertEquals(scene.finished(output), ["consolidated.01.pth"]);
  const { code, stdout } = await convert(["--task", "3/3", scene.input, output]);
  assertEquals([code, stdout.split("\n")[0]], [
    0,
    `Share done; ${output} appears when the other tasks are done`,
  ]);
  assertMatch(stdout, /\n {2}share {3}3 of 3: 1 of 3 files, 145 B of 245 kB\n/);
  // A task whose share is done already, and one that has none.
  assertEquals(assertSucceeded(await run(scene, output, "2/3"), "again"), false);
  assertEquals(assertSucceeded(await run(scene, output, "9/9"), "without a share"), false);
  assertEquals(assertSucceeded(await run(scene, output, "1/3"), "last"), true);
  scene.assertDone(output, "in the end");
});

/** What happens while a process waits in front of a step. */
interface Interlude {
  readonly name: string;
  /** The task of the process that waits; a plain run for `undefined`. */
  readonly waiting: string | undefined;
  /** The tasks that run meanwhile, one after the other. */
  readonly meanwhile: readonly (string | undefined)[];
  /** The tasks that run afterwards. */
  readonly afterwards?: readonly string[];
}

const interludes: readonly Interlude[] = [
  { name: "two plain runs at once", waiting: undefined, meanwhile: [undefined] },
  { name: "two tasks", waiting: "1/2", meanwhile: ["2/2"] },
  { name: "the same task twice at once", waiting: "1/2", meanwhile: ["1/2"], afterwards: ["2/2"] },
  { name: "a task that others have overtaken", waiting: "1/2", meanwhile: ["2/2", "1/2"] },
  { name: "a task without a share", waiting: "4/4", meanwhile: ["1/4", "2/4", "3/4"] },
  { name: "the only task twice at once", waiting: "1/1", meanwhile: ["1/1"] },
  { name: "a task and a plain run", waiting: "1/2", meanwhile: [undefined], afterwards: ["1/2", "2/2"] },
  { name: "a plain run and a task", waiting: undefined, meanwhile: ["1/2"], afterwards: ["1/2", "2/2"] },
];

for (const { name, waiting, meanwhile, afterwards = [] } of interludes) {
  Deno.test(`ckpt lets processes race at any step: ${name}`, async () => {
    using scene = await Scene.make(SIZE);
    const conversion = { input: scene.input, options: optionsOf(waiting) };
    const steps = await stepsOf({ ...conversion, output: scene.newOutput() });
    await inTwoLanes(someOf(steps.length, 4), async (step) => {
      const output = scene.newOutput();
      const what = `before step ${step} (${steps[step - 1]!.split(" ")[0]})`;
      const paused = pauseAt({ ...conversion, output }, step);
      assert(await paused.paused, what);
      let didOne = false;
      for (const task of meanwhile) {
        const areTasks = waiting !== undefined && task !== undefined;
        const others = await run(scene, output, task);
        if (assertDoneOrTold(others, output, areTasks, `${what}: ${task}`)) didOne = true;
      }
      const areTasks = waiting !== undefined && !meanwhile.includes(undefined);
      if (assertDoneOrTold(await paused.goOn(), output, areTasks, what)) didOne = true;
      assert(didOne, what);
      for (const task of afterwards) assertSucceeded(await run(scene, output, task), `${what}: then ${task}`);
      scene.assertDone(output, what);
    });
  });
}

Deno.test("ckpt lets processes race at any two steps", async () => {
  using scene = await Scene.make(SIZE);
  const pairs: readonly (readonly [string | undefined, string | undefined])[] = [
    ["1/2", "2/2"],
    ["1/1", "1/1"],
    [undefined, undefined],
  ];
  for (const [first, second] of pairs) {
    const counts = await Promise.all(
      [first, second].map(async (task) =>
        (await stepsOf({ input: scene.input, options: optionsOf(task), output: scene.newOutput() })).length
      ),
    );
    const rounds = Array.from({ length: LONG ? 200 : 3 }, () => counts.map(randomStep));
    await inTwoLanes(rounds, async ([stepOfFirst, stepOfSecond]) => {
      const output = scene.newOutput();
      const what = `${first} before step ${stepOfFirst}, ${second} before ${stepOfSecond}`;
      const pause = (task: string | undefined, step: number) =>
        pauseAt({ input: scene.input, options: optionsOf(task), output }, step);
      const a = pause(first, stepOfFirst!);
      const b = pause(second, stepOfSecond!);
      await a.paused;
      await b.paused;
      const both = [[first, a], [second, b]] as const;
      for (const [task, paused] of Math.random() < 0.5 ? both : both.toReversed()) {
        assertDoneOrTold(await paused.goOn(), output, task !== undefined, `${what}: ${task}`);
      }
      scene.assertDone(output, what);
    });
  }
});

/** A step, more often one of the last: there the processes meet. */
function randomStep(last: number): number {
  return last - Math.floor(Math.random() ** 2 * last);
}

Deno.test("ckpt lets tasks race that are stopped and continued at random moments", async () => {
  using scene = await Scene.make({ shards: 4, bytes: 8_000_000 });
  for (let round = 0; round < (LONG ? 100 : 3); round++) {
    const output = scene.newOutput();
    const tasks = ["1/3", "2/3", "3/3", "2/3", "1/1"]; // One of them twice, and one that makes it all.
    const children = tasks.map((task) => {
      const args = argumentsOf({ options: optionsOf(task), input: scene.input, output });
      const [program, ...rest] = commandLine(args);
      return new Deno.Command(program!, {
        args: rest,
        env: { NO_COLOR: "1" },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    });
    const running = new Set(children);
    const outputs = children.map(async (child) => {
      const result = await child.output();
      running.delete(child);
      return result;
    });
    const send = (child: Deno.ChildProcess, signal: Deno.Signal) => {
      try {
        if (running.has(child)) child.kill(signal);
      } catch {
        // It has just ended.
      }
    };
    const disturb = (async () => {
      while (running.size > 0) {
        const child = [...running][Math.floor(Math.random() * running.size)]!;
        send(child, "SIGSTOP");
        await wait(Math.random() * 60);
        send(child, "SIGCONT");
        await wait(Math.random() * 5);
      }
    })();
    for (const [i, result] of (await Promise.all(outputs)).entries()) {
      const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      const { code, stdout, stderr } = result;
      assertSucceeded({ code, stdout: decode(stdout), stderr: decode(stderr) }, `task ${tasks[i]}`);
    }
    await disturb;
    scene.assertDone(output, "stopped and continued");
    Deno.removeSync(output, { recursive: true });
  }
});

Deno.test("ckpt --task can be run again where it died", async () => {
  using scene = await Scene.make(SIZE);
  const conversion = { input: scene.input, options: optionsOf("1/2") };
  // Together with the other task's share it is the last one, which has all steps.
  const prepared = async () => {
    const output = scene.newOutput();
    assertEquals(assertSucceeded(await run(scene, output, "2/2"), "the other task"), false);
    return output;
  };
  const steps = await stepsOf({ ...conversion, output: await prepared() });
  await inTwoLanes(someOf(steps.length, 5), async (step) => {
    const output = await prepared();
    const what = `killed before step ${step} (${steps[step - 1]!.split(" ")[0]})`;
    const { code } = await signalAt({ ...conversion, output }, "SIGKILL", step);
    assertEquals(code, 137, what);
    scene.assertWholeOrAbsent(output, what);
    assertEquals(assertSucceeded(await run(scene, output, "1/2"), what), true);
    scene.assertDone(output, what);
  });
});

Deno.test("ckpt --task finds what is done already, and only what it would have made", async () => {
  using scene = await Scene.make(SIZE);
  using other = await Scene.make(SIZE);
  const output = scene.newOutput();
  for (const task of ["1/2", "2/2"]) await run(scene, output, task);
  const before = Deno.statSync(`${output}/consolidated.00.pth`).mtime;
  for (const task of ["1/2", "2/2", "7/7", "1/1"]) {
    assertEquals(assertSucceeded(await run(scene, output, task), task), true);
    // Another checkpoint makes files of the same names and sizes.
    assertEquals(await run(other, output, task), existsAlready(output), task);
  }
  assertEquals(await run(scene, output), existsAlready(output));
  assertEquals(Deno.statSync(`${output}/consolidated.00.pth`).mtime, before);
  scene.assertDone(output, "untouched");
});

Deno.test("ckpt never mixes two conversions", async () => {
  using scene = await Scene.make(SIZE);
  using other = await Scene.make(SIZE);
  const conversion = { input: scene.input, options: optionsOf("1/2") };
  const steps = await stepsOf({ ...conversion, output: scene.newOutput() });
  // Once it has made a file, it is clear whose directory it is.
  const first = steps.findIndex((step) => /^openSync .*\.pth/.test(step));
  const recording = steps.flatMap((step, i) => step.includes(PLAN_RECORD) ? [i + 1] : []);
  assert(first > 0 && recording.length >= 3);
  await inTwoLanes(
    [...new Set([...recording.filter((i) => i <= first), ...someOf(first, 3)])],
    async (step) => {
      const output = scene.newOutput();
      const what = `before step ${step} (${steps[step - 1]!.split(" ")[0]})`;
      const paused = pauseAt({ ...conversion, output }, step);
      assert(await paused.paused, what);
      const theirs = await run(other, output, "2/2");
      const ours = await paused.goOn();
      const refusal = `error: ${output}.partial: holds the unfinished output of another conversion ` +
        `(other input, options or version); finish that one, or remove ${output}.partial to begin anew\n`;
      const [winner, loser, owner] = ours.code === 0 ? [ours, theirs, scene] : [theirs, ours, other];
      assertSucceeded(winner, what);
      assertEquals([loser.code, loser.stderr], [1, refusal], what);
      await run(owner, output, "1/2");
      await run(owner, output, "2/2");
      owner.assertSame(output, what);
    },
  );
});

Deno.test("ckpt --task can't begin anew, which would throw away what other tasks have made", async () => {
  using scene = await Scene.make(SIZE);
  const output = scene.newOutput();
  assertEquals(assertSucceeded(await run(scene, output, "1/2"), "1/2"), false);
  assertEquals(await convert(["--task", "2/2", "--restart", scene.input, output]), {
    code: 2,
    stdout: "",
    stderr: "error: Cannot begin anew in one of several tasks: the others would lose their work; " +
      `remove ${output}.partial before they start; see ckpt llama convert_checkpoint --help\n`,
  });
  assertEquals(scene.finished(output), ["consolidated.00.pth", "params.json"]);
  assertEquals(assertSucceeded(await run(scene, output, "2/2"), "2/2"), true);
  scene.assertDone(output, "in the end");
});
