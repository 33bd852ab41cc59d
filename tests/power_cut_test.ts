/**
 * Conversions in which the power goes, at every call: what was not flushed is lost then. With `--sync` the output is
 * absent or whole all the same; without, whatever the next run takes over is.
 */

import { assert, assertEquals } from "@std/assert";
import { dirname } from "../lib/deps.ts";
import { convertCheckpoint, type ConvertOptions } from "../lib/convert/convert_checkpoint.ts";
import { Disk } from "./_disk.ts";
import { assertSameTree, LOCK, readTree, someOf } from "./_outcome.ts";
import { TempDir } from "./_temp.ts";
import { CheckpointCopy } from "./_torch_files.ts";

/** Some conversions: of several files, also in directories. */
const conversions: Readonly<Record<string, Partial<ConvertOptions>>> = {
  "reference": {},
  "huggingface": { to: "huggingface", maxShardSize: 40_000 },
  "fairseq2, native": { to: "fairseq2", layout: "native" },
};

function prepare(temp: TempDir, options: Partial<ConvertOptions>): ConvertOptions {
  const { step } = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
  Deno.mkdirSync(temp.at("beside"));
  return { ...options, input: step, output: temp.at("beside", "out"), jobs: 1, clone: false };
}

for (const [what, options] of Object.entries(conversions)) {
  for (const sync of [true, false]) {
    Deno.test(`a conversion ${sync ? "with" : "without"} --sync survives a power cut at any call: ${what}`, async () => {
      using temp = new TempDir();
      const work = { ...prepare(temp, options), sync };
      let steps: number;
      {
        using disk = new Disk();
        await convertCheckpoint(work);
        steps = disk.steps;
      }
      const expected = readTree(work.output)!;
      Deno.removeSync(work.output, { recursive: true });
      let lost = 0;
      let remade = 0;
      for (const step of someOf(steps, 60)) {
        const where = `step ${step} of ${steps}`;
        {
          using disk = new Disk(step);
          await convertCheckpoint(work).catch(() => {});
          assert(disk.isCut, where);
          disk[Symbol.dispose]();
          disk.loseUnflushed(temp.at("beside"));
        }
        const made = readTree(work.output);
        if (made !== undefined) {
          const isWhole = [...expected].every(([name, bytes]) => String(made.get(name)) === String(bytes));
          assert(isWhole || !sync, `${where}: the output isn't whole`);
          if (!isWhole) lost++;
        }
        // The same again; what was published and lost has to be removed first.
        const left = temp.names("beside").includes("out.partial") ? temp.names("beside", "out.partial") : [];
        const isTidy = left.length === 0 || left.join() === LOCK;
        if (made === undefined || !isTidy) {
          const again = () => convertCheckpoint(work);
          const { notes } = await again().catch((error) => {
            assert(
              !sync &&
                /, as a crash may leave it; remove .*, and run this again$|: exists already and isn't empty; /
                  .test(error.message),
              error,
            );
            Deno.removeSync(work.output, { recursive: true });
            return again();
          });
          remade += notes.filter((note) => note.includes("made anew")).length;
          assertSameTree(readTree(work.output), expected, where);
          assertEquals(temp.names("beside"), ["out"], where);
        }
        for (const name of temp.names("beside")) {
          Deno.removeSync(temp.at("beside", name), { recursive: true });
        }
      }
      // The zeros were there to be found.
      assertEquals([lost > 0, remade > 0], sync ? [false, false] : [true, true]);
    });
  }

  Deno.test(`a conversion with --sync flushes all there is before the output gets its name, and that: ${what}`, async () => {
    using temp = new TempDir();
    // Two directories have to be made for the output.
    const work = { ...prepare(temp, options), output: temp.at("beside", "not", "yet", "out"), sync: true };
    let renamed = 0;
    const files = `${work.output}.partial/files/`;
    using disk = new Disk(0, (to) => {
      if (to.startsWith(files)) {
        const record = `${work.output}.partial/sums/${encodeURIComponent(to.slice(files.length))}.json`;
        assertEquals(disk.isUnflushed(record), false, record);
      }
      if (to !== work.output) return;
      renamed++;
      assertFlushed(disk, `${work.output}.partial/files`);
    });
    await convertCheckpoint(work);
    assertEquals(renamed, 1);
    assertFlushed(disk, work.output);
    for (let at = dirname(work.output); at !== temp.path; at = dirname(at)) {
      assertEquals(disk.isUnflushed(at), false, at);
    }
  });

  Deno.test(`a task with --sync flushes what others have finished without: ${what}`, async () => {
    using temp = new TempDir();
    const work = prepare(temp, options);
    using disk = new Disk(0, (to) => {
      if (to === work.output) assertFlushed(disk, `${work.output}.partial/files`);
    });
    await convertCheckpoint({ ...work, task: { index: 1, count: 2 } });
    assertEquals(readTree(work.output), undefined);
    const { complete } = await convertCheckpoint({ ...work, task: { index: 2, count: 2 }, sync: true });
    assertEquals(complete, true);
    assertFlushed(disk, work.output);
  });
}

function assertFlushed(disk: Disk, directory: string): void {
  assertEquals(disk.isUnflushed(directory), false, directory);
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) assertFlushed(disk, path);
    else assertEquals(disk.isUnflushed(path), false, path);
  }
}
