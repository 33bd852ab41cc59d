/**
 * Conversions to every layout that take over what an earlier run or another task has finished: what a crash may have
 * damaged there, and an input that was replaced by another model's in between, never get into an output.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { dirname, join } from "../lib/deps.ts";
import { convertCheckpoint, type ConvertOptions } from "../lib/convert/convert_checkpoint.ts";
import { CancelledError, OptionError } from "../lib/error.ts";
import { convert } from "./_ckpt.ts";
import { assertSameTree, readTree, Scene, type Tree } from "./_outcome.ts";
import { signalAt, stepsOf } from "./_stepped.ts";
import { copyTree, TempDir } from "./_temp.ts";
import { CheckpointCopy, CHECKPOINTS } from "./_torch_files.ts";

const targets: Readonly<Record<string, Partial<ConvertOptions>>> = {
  "reference": {},
  "reference, resharded": { shards: 2, input: "fairseq2-0.3.0/llama2_fp32_tp4" },
  "meta": { to: "meta" },
  "huggingface": { to: "huggingface", maxShardSize: 40_000 },
  "huggingface, cast": { to: "huggingface", maxShardSize: 40_000, dtype: "float32" },
  "fairseq2": { to: "fairseq2" },
  "fairseq2, native": { to: "fairseq2", layout: "native" },
};

const isWeights = (name: string) => /\.(pth|pt|safetensors)$/.test(name);

/** What a conversion makes when nothing disturbs it. */
async function undisturbed(options: ConvertOptions): Promise<Tree> {
  await convertCheckpoint(options);
  const tree = readTree(options.output)!;
  Deno.removeSync(options.output, { recursive: true });
  return tree;
}

/** Stops a conversion when it has finished weights; returns the names of the files with weights that are finished. */
async function stop(options: ConvertOptions): Promise<string[]> {
  const controller = new AbortController();
  const onProgress = ({ finished = "" }) => isWeights(finished) && controller.abort();
  const { signal } = controller;
  await assertRejects(() => convertCheckpoint({ ...options, signal, onProgress }), CancelledError);
  return [...readTree(join(`${options.output}.partial`, "files"))!.keys()].filter(isWeights).sort();
}

/** What may become of a finished file, given its path and its record's; and what is said of it then. */
const faults: Readonly<
  Record<string, readonly [act: (file: string, record: string) => void, said?: RegExp]>
> = {
  "turned to zeros": [
    (file) => Deno.writeFileSync(file, new Uint8Array(Deno.statSync(file).size)),
    /has other bytes/,
  ],
  "was cut off": [
    (file) => Deno.truncateSync(file, Deno.statSync(file).size - 4096),
    /has \d+ bytes, not \d+/,
  ],
  "has one other bit": [(file) => {
    const bytes = Deno.readFileSync(file);
    bytes[bytes.length >> 1]! ^= 0x10;
    Deno.writeFileSync(file, bytes);
  }, /has other bytes/],
  "is older than its record": [(file) => {
    const bytes = Deno.readFileSync(file);
    Deno.writeFileSync(file, bytes.reverse());
    Deno.utimeSync(file, 1, 1);
  }, /has other bytes/],
  "is gone": [(file) => Deno.removeSync(file)],
  "has no record, and other bytes": [(file, record) => {
    Deno.removeSync(record);
    Deno.writeFileSync(file, Deno.readFileSync(file).reverse());
  }, /isn't what the input gives now/],
};

for (const [target, options] of Object.entries(targets)) {
  Deno.test(`convertCheckpoint() makes a finished file anew that was damaged: ${target}`, async () => {
    using temp = new TempDir();
    const { step } = new CheckpointCopy(options.input ?? "fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
    const work = { ...options, input: step, output: temp.at("out"), jobs: 1 };
    const expected = await undisturbed(work);
    const names = [...expected.keys()].filter(isWeights).sort();
    assert(names.length > 1);
    const partial = `${work.output}.partial`;
    const damage = (name: string, fault: string) =>
      faults[fault]![0](
        join(partial, "files", name),
        join(partial, "sums", `${encodeURIComponent(name)}.json`),
      );

    for (const [fault, [, said]] of Object.entries(faults)) {
      // One run after another.
      const [name] = await stop(work);
      damage(name!, fault);
      const { reused, notes } = await convertCheckpoint({ ...work, verify: true });
      const told = (list: readonly string[]) => list.filter((note) => note.includes("made anew"));
      const check = (list: readonly string[]) => {
        assertEquals(told(list).length, said === undefined ? 0 : 1, `${fault}: ${list}`);
        if (said !== undefined) {
          assertMatch(told(list)[0]!, said, fault);
          assert(told(list)[0]!.startsWith(`${name}: `));
        }
      };
      check(notes);
      assertEquals(reused.includes(name!), false);
      assertSameTree(readTree(work.output), expected, fault);
      assertEquals(temp.names(), ["in", "out"], fault);
      Deno.removeSync(work.output, { recursive: true });

      // Tasks: each but the last makes its share, and the first one's is damaged.
      const count = expected.size;
      const tasks = Array.from({ length: count }, (_, i) => ({ index: i + 1, count }));
      for (const task of tasks.slice(0, -1)) await convertCheckpoint({ ...work, task });
      damage(name!, fault);
      const last = await convertCheckpoint({ ...work, task: tasks.at(-1)! });
      if (last.complete) check(last.notes);
      else {
        const again = [];
        for (const task of tasks) again.push(...(await convertCheckpoint({ ...work, task })).notes);
        check(again);
      }
      assertSameTree(readTree(work.output), expected, `${fault}, tasks`);
      assertEquals(temp.names(), ["in", "out"], fault);
      Deno.removeSync(work.output, { recursive: true });
    }
  });
}

/** A checkpoint whose checksums nobody knows, of which there is another model's with the same table and size. */
interface Uncertain {
  readonly options: ConvertOptions;
  /** Replaces the checkpoint by the other, or by itself again, with sizes and times as they were. */
  swap(isOther: boolean): void;
}

function safetensorsInput(temp: TempDir): Uncertain {
  const model = join(CHECKPOINTS, "expected", "fairseq2-0.3.0", "llama3_bf16", "hf");
  const options = { input: temp.at("in"), output: temp.at("out"), shards: 2, jobs: 1 };
  return uncertain(temp, model, "model.safetensors", options);
}

function legacyInput(temp: TempDir): Uncertain {
  const model = join(CHECKPOINTS, "..", "torch_legacy", "fairseq2", "step_10");
  const yaml = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16", "model.yaml");
  const options = { input: temp.at("in"), output: temp.at("out"), shards: 2, jobs: 1, model: yaml };
  return uncertain(temp, model, "model.pt", options);
}

function uncertain(temp: TempDir, from: string, name: string, options: ConvertOptions): Uncertain {
  copyTree(from, temp.at("in"));
  const path = temp.at("in", name);
  const bytes = Deno.readFileSync(path);
  // The last bit of many weights, behind all tables.
  const other = bytes.map((byte, i) => i > bytes.length / 2 && i % 100 === 0 ? byte ^ 1 : byte);
  const { atime, mtime } = Deno.statSync(path);
  return {
    options,
    swap(isOther) {
      // In place: neither the inode nor, within a second, the time of the change tells.
      Deno.writeFileSync(path, isOther ? other : bytes);
      Deno.utimeSync(path, atime!, mtime!);
    },
  };
}

for (
  const [what, make] of [["safetensors", safetensorsInput], ["torch's legacy format", legacyInput]] as const
) {
  Deno.test(`convertCheckpoint() never mixes two models of ${what}, whose tables, sizes and times agree`, async () => {
    using temp = new TempDir();
    const { options, swap } = make(temp);
    swap(true);
    const ofOther = await undisturbed(options);
    swap(false);
    const ofThis = await undisturbed(options);
    const names = [...ofThis.keys()].filter((name) =>
      Buffer.from(ofThis.get(name)!).compare(ofOther.get(name)!) !== 0
    );
    assertEquals(names.length, 2, "both files differ");

    // A run that goes on.
    const stopped = await stop(options);
    swap(true);
    const { reused, notes } = await convertCheckpoint({ ...options, verify: true });
    assertEquals(reused.filter(isWeights), []);
    assertEquals(
      notes.filter((note) => note.includes("isn't what the input gives now")).length,
      stopped.length,
    );
    assertSameTree(readTree(options.output), ofOther, "resumed");
    Deno.removeSync(options.output, { recursive: true });

    // A later task, whichever the model is that it finds.
    for (const [first, second, expected] of [[true, false, ofThis], [false, true, ofOther]] as const) {
      for (const order of [[1, 2], [2, 1]]) {
        swap(first);
        await convertCheckpoint({ ...options, task: { index: order[0]!, count: 2 } });
        swap(second);
        const { complete } = await convertCheckpoint({ ...options, task: { index: order[1]!, count: 2 } });
        assertEquals(complete, true);
        assertSameTree(readTree(options.output), expected, `task ${order[1]} last`);
        // One that comes late finds it is the other's.
        swap(first);
        await assertRejects(
          () => convertCheckpoint({ ...options, task: { index: 1, count: 2 } }),
          Error,
          "exists already and isn't empty",
        );
        Deno.removeSync(options.output, { recursive: true });
      }
    }

    // The same again, for all that its bytes say.
    swap(true);
    const kept = await stop(options);
    swap(true);
    const same = await convertCheckpoint(options);
    assertEquals(same.reused.filter(isWeights), kept);
    assertSameTree(readTree(options.output), ofOther, "copied");
  });
}

Deno.test("convertCheckpoint() knows another model in torch's zip by its checksums, and refuses to go on with it", async () => {
  using scene = await Scene.make({ shards: 2, bytes: 20_000 });
  using other = await Scene.make({ shards: 2, bytes: 20_000 });
  const input = join(dirname(scene.at("x")), "mine");
  copyTree(dirname(scene.input), input);
  const options = { input: join(input, "step_1"), output: scene.newOutput(), jobs: 1 };
  const task = (index: number) => convertCheckpoint({ ...options, task: { index, count: 2 } });
  await task(1);
  for (const name of ["model.0.pt", "model.1.pt"]) {
    const { size, mtime } = Deno.statSync(join(input, "step_1", name));
    Deno.copyFileSync(join(other.input, name), join(input, "step_1", name));
    Deno.utimeSync(join(input, "step_1", name), mtime!, mtime!);
    assertEquals(Deno.statSync(join(input, "step_1", name)).size, size);
  }
  for (const run of [() => task(2), () => convertCheckpoint(options)]) {
    await assertRejects(run, OptionError, "holds the unfinished output of another conversion");
  }
});

Deno.test("ckpt goes on from another directory, with another path to the same input", async () => {
  using scene = await Scene.make({ shards: 4, bytes: 400_000 });
  const output = scene.newOutput();
  const steps = await stepsOf({ input: scene.input, output: scene.newOutput(), options: ["--quiet"] });
  const finishing = steps.flatMap((step, i) => /^renameSync .*\.pth$/.test(step) ? [i + 1] : []);
  await signalAt({ input: scene.input, output, options: ["--quiet"] }, "SIGKILL", finishing[2]!);
  Deno.symlinkSync(dirname(scene.input), scene.at("link"));
  const runs = [
    [dirname(scene.input), "step_1"],
    [scene.input, "."],
    [scene.at(), "link/step_1"],
    ["/", scene.input],
  ] as const;
  for (const [cwd, input] of runs) {
    const { code, stdout, stderr } = await convert(["--json", "--quiet", "--task", "9/9", input, output], {
      cwd,
    });
    assertEquals([code, stderr, JSON.parse(stdout).complete], [0, "", false], input);
  }
  const { code, stdout } = await convert(["--json", "--quiet", "link/step_1", output], { cwd: scene.at() });
  assertEquals([code, JSON.parse(stdout).reused.length], [0, 3]);
  scene.assertDone(output, "from elsewhere");
});
