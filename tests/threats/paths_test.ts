/**
 * Output directories where others have put links, before or in the middle of it.
 */

import { assertEquals } from "@std/assert";
import { FileError, OptionError } from "../../lib/error.ts";
import { writeOutput } from "../../lib/output/output_directory.ts";
import { bytes } from "../../lib/bytes/view.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { outputFile, planOf, textFile } from "../copy/_plan.ts";
import { TempDirectory } from "../copy/_temp.ts";

function setUp(temp: TempDirectory) {
  const source = temp.write("source", new Uint8Array(100).fill(7));
  Deno.mkdirSync(temp.join("victim"));
  temp.write("victim/precious", "mine");
  const plan = planOf([
    outputFile("first", [{ label: "x", view: bytes(source, 0, 100) }]),
    textFile("text", "text"),
  ]);
  return { plan, output: temp.join("out"), victim: temp.join("victim") };
}

function assertUntouched(temp: TempDirectory): void {
  assertEquals(temp.list("victim"), ["precious"]);
  assertEquals(Deno.readTextFileSync(temp.join("victim/precious")), "mine");
}

Deno.test("writeOutput() doesn't follow a link that is in the place of the output, or where it is built", async () => {
  for (
    const [at, refusal] of [
      ["out", (path: string) => `${path}: is a symbolic link; name the directory that it points to`],
      [
        "out.partial",
        (path: string) => `${path}: is in the way, since the output is built there; move it elsewhere`,
      ],
    ] as const
  ) {
    for (const restart of [false, true]) {
      using temp = new TempDirectory();
      const { plan, output, victim } = setUp(temp);
      Deno.symlinkSync(victim, temp.join(at));
      await assertFailsAsync(() => writeOutput(plan, output, { restart }), FileError, refusal(temp.join(at)));
      assertUntouched(temp);
    }
  }
});

Deno.test("writeOutput() with restart removes links in what it begins anew, not what they lead to", async () => {
  using temp = new TempDirectory();
  const { plan, output, victim } = setUp(temp);
  Deno.mkdirSync(`${output}.partial`);
  Deno.symlinkSync(victim, temp.join("out.partial/link"));
  Deno.symlinkSync(temp.join("victim/precious"), temp.join("out.partial/first"));
  // What another conversion left.
  temp.write(
    "out.partial/.ckpt-plan.json",
    JSON.stringify({ version: 1, fingerprint: "0", files: ["first"] }) + "\n",
  );
  await assertFailsAsync(
    () => writeOutput(plan, output),
    OptionError,
    `${output}.partial: holds the unfinished output of another conversion (other input, options or version); ` +
      "finish that one, or use --restart to begin anew",
  );
  await writeOutput(plan, output, { restart: true });
  assertUntouched(temp);
  assertEquals(temp.list("out"), ["first", "text"]);
});

Deno.test("writeOutput() writes nothing through links in the place of the directories that it works in", async () => {
  for (const name of ["files", "making", "sums", "files/below"]) {
    using temp = new TempDirectory();
    const { plan, output, victim } = setUp(temp);
    const deep = { ...plan.files[0]!, name: "below/first" };
    const work = { ...plan, files: [deep, plan.files[1]!] };
    // What a run left that was stopped.
    const task = { index: 2, count: 2 };
    await writeOutput(work, output, { task });
    try {
      Deno.removeSync(temp.join(`out.partial/${name}`), { recursive: true });
    } catch { /* It isn't there yet. */ }
    Deno.symlinkSync(victim, temp.join(`out.partial/${name}`));
    const refusal = `${temp.join(`out.partial/${name}`)}: is in the way; move it elsewhere`;
    // What begins by making room for files removes a link, not what it leads to.
    if (name === "making") await writeOutput(work, output);
    else await assertFailsAsync(() => writeOutput(work, output), FileError, refusal);
    assertUntouched(temp);
    assertEquals(temp.list().includes("out/"), name === "making");
  }
});

Deno.test("writeOutput() locks nothing through a link in the place of the lock", async () => {
  for (const leadsTo of ["victim/precious", "victim/new"]) {
    using temp = new TempDirectory();
    const { plan, output } = setUp(temp);
    await writeOutput(plan, output, { task: { index: 2, count: 2 } });
    const lock = temp.join("out.partial/.ckpt-lock");
    Deno.removeSync(lock);
    Deno.symlinkSync(temp.join(leadsTo), lock);
    await assertFailsAsync(
      () => writeOutput(plan, output),
      FileError,
      `${lock}: is in the way; move it elsewhere`,
    );
    assertUntouched(temp);
  }
});

Deno.test("writeOutput() replaces a link that has a file's name, and doesn't write through it", async () => {
  using temp = new TempDirectory();
  const { plan, output } = setUp(temp);
  let isLinked = false;
  const text = plan.files[1]!;
  // Somebody puts a link where the file gets its name, in the middle of the work.
  const files = [plan.files[0]!, {
    ...text,
    get literals() {
      const partial = `${output}.partial`;
      try {
        if (!isLinked && Deno.statSync(`${partial}/files`).isDirectory) {
          Deno.symlinkSync(temp.join("victim/precious"), `${partial}/files/text`);
          isLinked = true;
        }
      } catch { /* It isn't there yet. */ }
      return text.literals;
    },
  }];
  await writeOutput({ ...plan, files }, output);
  assertEquals(isLinked, true);
  assertUntouched(temp);
  assertEquals(Deno.lstatSync(temp.join("out/text")).isFile, true);
  assertEquals(Deno.readTextFileSync(temp.join("out/text")), "text");
});

Deno.test("writeOutput() says which directory is in the place of a file of its own", async () => {
  for (const name of [".ckpt-plan.json", "sums/first.json", "files/first"]) {
    using temp = new TempDirectory();
    const { plan, output } = setUp(temp);
    await writeOutput(plan, output, { task: { index: 1, count: 2 } });
    const path = temp.join(`out.partial/${name}`);
    Deno.renameSync(path, temp.join("kept"));
    Deno.mkdirSync(path);
    await assertFailsAsync(
      () => writeOutput(plan, output),
      FileError,
      `${path}: is in the way; move it elsewhere`,
    );
    Deno.removeSync(path);
    Deno.renameSync(temp.join("kept"), path);
    await writeOutput(plan, output);
    assertEquals(temp.list("out"), ["first", "text"]);
  }
});
