import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { type BytesView, openCheckpoint } from "../../lib/convert/mod.ts";
import {
  CancelledError,
  CheckpointError,
  convertCheckpoint,
  type CopyProgress,
  FileError,
  FormatError,
  MismatchError,
  OptionError,
} from "../../mod.ts";
import { assertRejectsWith } from "../_assert_rejects.ts";
import { assertSameFile } from "../_state_facts.ts";
import { TempDir } from "../_temp.ts";
import { CheckpointCopy, CHECKPOINTS } from "../_torch_files.ts";

const CASE = "fairseq2-0.3.0/llama3_bf16_tp2";
const INPUT = join(CHECKPOINTS, CASE, "step_10");
const EXPECTED = join(CHECKPOINTS, "expected", CASE, "reference");
const WEIGHTS = ["consolidated.00.pth", "consolidated.01.pth"];

function assertConverted(output: string): void {
  for (const name of WEIGHTS) assertSameFile(join(output, name), join(EXPECTED, name));
}

Deno.test("convertCheckpoint() reports its progress", async () => {
  using temp = new TempDir();
  const reports: CopyProgress[] = [];
  await convertCheckpoint({
    input: INPUT,
    output: temp.at("out"),
    clone: false,
    onProgress: (progress) => void reports.push(progress),
  });
  const last = reports.at(-1)!;
  // Half of the matrices, and all of the norms, in each of the two shards.
  const weights = 2 * (34080 - 5 * 32) + 2 * 2 * 5 * 32;
  assertEquals([last.bytes, last.totalBytes, last.files, last.totalFiles], [weights, weights, 3, 3]);
  assertEquals(
    reports.map(({ finished }) => finished).filter((name) => name !== undefined).sort(),
    [...WEIGHTS, "params.json"],
  );
  for (const [i, { bytes, totalBytes, files, totalFiles }] of reports.entries()) {
    assertEquals([totalBytes, totalFiles], [weights, 3]);
    if (i > 0) assert(bytes >= reports[i - 1]!.bytes && files >= reports[i - 1]!.files);
  }
});

Deno.test("convertCheckpoint() does nothing where its signal was aborted before", async () => {
  using temp = new TempDir();
  await assertRejectsWith(
    () => convertCheckpoint({ input: INPUT, output: temp.at("a", "out"), signal: AbortSignal.abort() }),
    CancelledError,
    "Cancelled",
  );
  assertEquals(temp.names(), []);
});

Deno.test("convertCheckpoint() begins anew with restart", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  Deno.mkdirSync(`${output}.partial`);
  Deno.writeTextFileSync(join(`${output}.partial`, ".ckpt-plan.json"), "{}\n");
  Deno.writeTextFileSync(join(`${output}.partial`, "consolidated.00.pth"), "half");
  await assertRejectsWith(
    () => convertCheckpoint({ input: INPUT, output }),
    OptionError,
    `${output}.partial: holds the unfinished output of another conversion (other input, options or version); ` +
      "finish that one, or use --restart to begin anew",
  );
  await convertCheckpoint({ input: INPUT, output, clone: false, restart: true });
  assertConverted(output);
  assertEquals(temp.names(), ["out"]);
});

Deno.test("convertCheckpoint() throws nothing of someone else's away, even with restart", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  Deno.mkdirSync(`${output}.partial`);
  Deno.writeTextFileSync(join(`${output}.partial`, "thesis.tex"), "mine");
  for (const restart of [false, true]) {
    await assertRejectsWith(
      () => convertCheckpoint({ input: INPUT, output, restart }),
      OptionError,
      `${output}.partial: holds files but no record of a plan, so no conversion left it; move it elsewhere`,
    );
    assertEquals(Deno.readTextFileSync(join(`${output}.partial`, "thesis.tex")), "mine");
  }
});

Deno.test("convertCheckpoint() writes the same with any number of workers", async () => {
  for (const jobs of [1, 2, 7]) {
    using temp = new TempDir();
    await convertCheckpoint({ input: INPUT, output: temp.at("out"), clone: false, verify: true, jobs });
    assertConverted(temp.at("out"));
  }
});

Deno.test("convertCheckpoint() makes an output once, however many tasks make it", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  const run = (index: number) =>
    convertCheckpoint({ input: INPUT, output, clone: false, task: { index, count: 3 } });
  const summaries = await Promise.all([1, 2, 3].map(run));
  assertEquals(summaries.some(({ complete }) => complete), true);
  assertConverted(output);
  assertEquals(temp.names(), ["out"]);
  const late = await run(2);
  assertEquals([late.complete, late.reused], [true, [...WEIGHTS, "params.json"]]);
  // Without a task, what exists is in the way.
  await assertRejectsWith(
    () => convertCheckpoint({ input: INPUT, output }),
    FileError,
    `${output}: exists already and isn't empty; name a new directory`,
  );
});

Deno.test("convertCheckpoint() throws the class of error that says what is to blame", async () => {
  using temp = new TempDir();
  const damaged = new CheckpointCopy(CASE, temp.at("damaged"));
  Deno.writeTextFileSync(damaged.file("model.1.pt"), "no zip");
  // deno-lint-ignore no-explicit-any
  const cases: readonly (readonly [new (...args: any[]) => CheckpointError, string, string?])[] = [
    [FileError, temp.at("missing")],
    [FormatError, damaged.step],
    [MismatchError, INPUT, "7b"],
    [OptionError, INPUT, "8b"],
  ];
  for (const [errorClass, input, model] of cases) {
    const options = { input, output: temp.at("out"), ...(model === undefined ? {} : { model }) };
    const error: Error = await assertRejects(() => convertCheckpoint(options), CheckpointError);
    assertEquals([error.constructor, error.name], [errorClass, errorClass.name]);
    assert(!error.message.includes("\n"));
    assertEquals(temp.names(), ["damaged"]);
  }
});

Deno.test("convertCheckpoint() checks records that tasks share before the output appears", async () => {
  using temp = new TempDir();
  const input = temp.at("step_10");
  Deno.mkdirSync(input);
  const whole = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16");
  Deno.copyFileSync(join(whole, "step_10", "model.pt"), join(input, "model.pt"));
  Deno.copyFileSync(join(whole, "model.yaml"), temp.at("model.yaml"));
  const { shards } = await openCheckpoint(input);
  const { view } = shards[0]!.parameters.get("decoder.layers.0.ffn.gate_proj.weight")!.storage;
  using file = Deno.openSync(join(input, "model.pt"), { read: true, write: true });
  file.seekSync((view as BytesView).offset, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array([0xff, 0x42])); // Of which the first shard gets the first half of the rows.
  const output = temp.at("out");
  await convertCheckpoint({ input, output, shards: 2, task: { index: 2, count: 2 } });
  const error = await assertRejects(
    () => convertCheckpoint({ input, output, shards: 2, task: { index: 1, count: 2 } }),
    FormatError,
  );
  assertStringIncludes(error.message, "the bytes are damaged");
  assertEquals(temp.names().includes("out"), false);
});

Deno.test("convertCheckpoint() knows a late task's own output from another's of the same sizes", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  const task = { index: 1, count: 1 };
  const to = "huggingface";
  await convertCheckpoint({ input: INPUT, output, to, task });
  const { complete } = await convertCheckpoint({ input: INPUT, output, to, task });
  assertEquals(complete, true);
  const other = join(INPUT, "..", "..", "..", "fairseq2-0.4.5", "llama3_bf16", "step_10");
  await assertRejectsWith(
    () => convertCheckpoint({ input: other, output, to, task }),
    FileError,
    `${output}: exists already and isn't empty; name a new directory`,
  );
});

Deno.test("convertCheckpoint() touches no partial directory whose record it can't read", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  Deno.mkdirSync(join(`${output}.partial`, ".ckpt-plan.json"), { recursive: true });
  Deno.writeTextFileSync(join(`${output}.partial`, "mine"), "mine");
  await assertRejects(() => convertCheckpoint({ input: INPUT, output }), FileError);
  assertEquals(Deno.readTextFileSync(join(`${output}.partial`, "mine")), "mine");
});
