/**
 * What the program prints where all goes well, and where it prints it.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ckpt, commandLine, convert } from "../_ckpt.ts";
import { assertSameFile } from "../_state_facts.ts";
import { referenceNote } from "../_notes.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const CASE = "fairseq2-0.3.0/llama3_bf16_tp2";
const INPUT = join(CHECKPOINTS, CASE, "step_10");
const EXPECTED = join(CHECKPOINTS, "expected", CASE, "reference");
const FILES = ["consolidated.00.pth", "consolidated.01.pth", "params.json"];

/** fairseq2's names and the reference layout's, in the order of the state dict. */
const NAMES: readonly (readonly [from: string, to: string, shape: readonly number[]])[] = [
  ["decoder_frontend.embed.weight", "tok_embeddings.weight", [25, 32]],
  ...[0, 1].flatMap((n) =>
    ([
      ["self_attn_layer_norm", "attention_norm", [32]],
      ["self_attn.q_proj", "attention.wq", [16, 32]],
      ["self_attn.k_proj", "attention.wk", [8, 32]],
      ["self_attn.v_proj", "attention.wv", [8, 32]],
      ["self_attn.output_proj", "attention.wo", [32, 16]],
      ["ffn_layer_norm", "ffn_norm", [32]],
      ["ffn.gate_proj", "feed_forward.w1", [64, 32]],
      ["ffn.inner_proj", "feed_forward.w3", [64, 32]],
      ["ffn.output_proj", "feed_forward.w2", [32, 64]],
    ] as const).map(([from, to, shape]) =>
      [`decoder.layers.${n}.${from}.weight`, `layers.${n}.${to}.weight`, shape] as const
    )
  ),
  ["decoder.layer_norm.weight", "norm.weight", [32]],
  ["final_proj.weight", "output.weight", [25, 32]],
];

const bytesOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 2);

Deno.test("ckpt llama convert_checkpoint converts, and sums up what it did", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  const { code, stdout, stderr } = await convert(["--no-clone", INPUT, output]);
  assertEquals(code, 0);
  assertEquals(
    stdout.replace(/ in \d+\.\d s\n/, " in SECONDS\n"),
    [
      `Converted ${INPUT} to ${output}`,
      "  model   sizes of its own, 34080 parameters, bfloat16",
      "  files   consolidated.00.pth, consolidated.01.pth, params.json",
      `  bytes   82.6 kB in SECONDS`,
      `  note    ${referenceNote(5)}`,
      "",
    ].join("\n"),
  );
  // One line for each file; which one is finished first isn't said.
  assertEquals(
    stderr.trimEnd().split("\n").map((line) => line.replace(/ done .*/, "")).sort(),
    FILES,
  );
  stderr.trimEnd().split("\n").forEach((line, i) =>
    assertMatch(line, new RegExp(` done \\(${i + 1} of 3 files\\)$`))
  );
  assertEquals(temp.names("out"), FILES);
  for (const name of FILES.slice(0, 2)) assertSameFile(join(output, name), join(EXPECTED, name));
});

Deno.test("ckpt llama convert-checkpoint is the same command", async () => {
  using temp = new TempDir();
  const { code } = await ckpt(["llama", "convert-checkpoint", "--no-clone", INPUT, temp.at("out")]);
  assertEquals(code, 0);
  for (const name of FILES.slice(0, 2)) assertSameFile(temp.at("out", name), join(EXPECTED, name));
});

Deno.test("ckpt llama convert_checkpoint takes paths from the directory that it runs in", async () => {
  using temp = new TempDir();
  const { code, stdout } = await convert(["--no-clone", "step_10/", temp.at("a/../out/")], {
    cwd: join(CHECKPOINTS, CASE),
  });
  assertEquals(code, 0);
  assertMatch(stdout, /^Converted step_10\/ to /);
  assertEquals(temp.names(), ["out"]);
  for (const name of FILES.slice(0, 2)) assertSameFile(temp.at("out", name), join(EXPECTED, name));
});

Deno.test("--json gives the summary as JSON, and nothing else on stdout", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  const { code, stdout } = await convert(["--json", "--no-clone", INPUT, output]);
  assertEquals(code, 0);
  const { seconds, ...summary } = JSON.parse(stdout);
  assert(seconds > 0 && seconds < 600);
  const files = FILES.map((name) => ({ name, bytes: Deno.statSync(temp.at("out", name)).size }));
  assertEquals(summary, {
    input: INPUT,
    output,
    architecture: null,
    parameters: 34080,
    dtypes: ["bfloat16"],
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    notes: [referenceNote(5)],
    complete: true,
    reused: [],
    cloned: [],
  });
});

Deno.test("--quiet prints nothing, or with --json the JSON alone", async () => {
  using temp = new TempDir();
  assertEquals(await convert(["--quiet", INPUT, temp.at("a")]), { code: 0, stdout: "", stderr: "" });
  const { code, stdout, stderr } = await convert(["--quiet", "--json", INPUT, temp.at("b")]);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(JSON.parse(stdout).complete, true);
  assertEquals(temp.names("b"), FILES);
});

Deno.test("--dry-run shows what is in every file, those of all layers once, and writes nothing", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  const { code, stdout, stderr } = await convert(["--dry-run", INPUT, output]);
  assertEquals([code, stderr], [0, ""]);
  const size = Deno.statSync(join(EXPECTED, "consolidated.00.pth")).size;
  const kB = (bytes: number) =>
    bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(bytes < 9995 ? 2 : 1)} kB`;
  const file = (name: string) => [
    "",
    `${name}  ${kB(size)}`,
    ...NAMES.filter(([from]) => !from.includes("layers.1.")).map(([from, to, shape]) => {
      const layers = from.includes("layers.0.") ? 2 : 1;
      const of = (name: string) => name.replace("layers.0.", "layers.0–1.");
      return `  ${of(from)} → ${of(to)}  bfloat16 [${shape.join(", ")}]${layers === 2 ? " ×2" : ""}  ${
        kB(layers * bytesOf(shape))
      }`;
    }),
  ];
  assertEquals(
    stdout,
    [
      `Would convert ${INPUT} to ${output}`,
      "  model   sizes of its own, 34080 parameters, bfloat16",
      "  bytes   82.6 kB in 3 files",
      `  note    ${referenceNote(5)}`,
      ...file("consolidated.00.pth"),
      ...file("consolidated.01.pth"),
      "",
      "params.json  197 B",
      "",
    ].join("\n"),
  );
  assertEquals(temp.names(), []);
});

Deno.test("--dry-run --json gives the same as JSON", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  const { code, stdout, stderr } = await convert(["--dry-run", "--json", INPUT, output]);
  assertEquals([code, stderr], [0, ""]);
  const tensors = NAMES.map(([from, to, shape]) => ({
    from,
    to,
    dtype: "bfloat16",
    shape,
    bytes: bytesOf(shape),
  }));
  const files = FILES.map((name) => ({
    name,
    bytes: name === "params.json" ? 197 : Deno.statSync(join(EXPECTED, name)).size,
    tensors: name === "params.json" ? [] : tensors,
  }));
  assertEquals(JSON.parse(stdout), {
    dryRun: true,
    input: INPUT,
    output,
    architecture: null,
    parameters: 34080,
    dtypes: ["bfloat16"],
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    notes: [referenceNote(5)],
  });
  assertEquals(temp.names(), []);
});

Deno.test("--dry-run --quiet checks the input, and says nothing", async () => {
  using temp = new TempDir();
  const run = await convert(["--dry-run", "--quiet", INPUT, temp.at("out")]);
  assertEquals(run, { code: 0, stdout: "", stderr: "" });
  assertEquals(temp.names(), []);
});

Deno.test("--dry-run finds what a conversion would find", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  Deno.writeTextFileSync(output, "mine");
  assertEquals(await convert(["--dry-run", INPUT, output]), {
    code: 1,
    stdout: "",
    stderr: `error: ${output}: is a file already; name a new directory\n`,
  });
});

Deno.test("no escape codes are printed but on a terminal", async () => {
  using temp = new TempDir();
  // Neither by default nor where colours are asked for by the variables that some programs know.
  const environments: Record<string, string>[] = [
    { NO_COLOR: "" },
    { NO_COLOR: "", FORCE_COLOR: "1", CLICOLOR_FORCE: "1" },
  ];
  for (const [i, env] of environments.entries()) {
    const runs = [
      await convert(["--help"], { env }),
      await convert(["--dry-run", INPUT, temp.at("out")], { env }),
      await convert([INPUT, temp.at(`out${i}`)], { env }),
      await convert([INPUT, temp.at(`out${i}`)], { env }),
      await ckpt(["--bogus"], { env }),
    ];
    assertEquals(runs.map(({ code }) => code), [0, 0, 0, 1, 2]);
    for (const { stdout, stderr } of runs) {
      assert(!(stdout + stderr).includes("\x1b") && !(stdout + stderr).includes("\r"), stdout + stderr);
    }
  }
});

Deno.test("notes are part of the summary and of the dry run", async () => {
  using temp = new TempDir();
  const yaml = temp.at("model.yaml");
  Deno.writeTextFileSync(
    yaml,
    Deno.readTextFileSync(join(CHECKPOINTS, CASE, "model.yaml")).replace("size: 50", "size: 48"),
  );
  const note = `a vocabulary of 50, where ${yaml} has 48`;
  for (const options of [["--dry-run"], []]) {
    const args = [...options, "--model", yaml, INPUT, temp.at("out")];
    assertMatch((await convert(args)).stdout, new RegExp(`^  note    ${RegExp.escape(note)}$`, "m"));
  }
  const { stdout } = await convert(["--json", "--dry-run", "--model", yaml, INPUT, temp.at("out2")]);
  assertEquals(JSON.parse(stdout).notes, [note, referenceNote(5)]);
});

Deno.test("--verify, --sync and --jobs change nothing in the output", async () => {
  using temp = new TempDir();
  const run = await convert([
    "--quiet",
    "--no-clone",
    "--verify",
    "--sync",
    "--jobs",
    "3",
    INPUT,
    temp.at("out"),
  ]);
  assertEquals(run, { code: 0, stdout: "", stderr: "" });
  for (const name of FILES.slice(0, 2)) assertSameFile(temp.at("out", name), join(EXPECTED, name));
});

Deno.test("--task makes a share of the files, and the last share the output", async () => {
  using temp = new TempDir();
  const output = temp.at("out");
  const first = await convert(["--json", "--no-clone", "--task", "2/2", INPUT, output]);
  assertEquals([first.code, JSON.parse(first.stdout).complete], [0, false]);
  assertEquals(temp.names(), ["out.partial"]);
  const text = await convert(["--no-clone", "--task=2/2", INPUT, output]);
  assertMatch(
    text.stdout,
    new RegExp(`^Share done; ${RegExp.escape(output)} appears when the other tasks are done\n`),
  );
  const last = await convert(["--json", "--no-clone", "--task", "1/2", INPUT, output]);
  const { complete, reused } = JSON.parse(last.stdout);
  assertEquals([complete, reused], [true, ["consolidated.01.pth"]]);
  assertEquals(temp.names(), ["out"]);
  for (const name of FILES.slice(0, 2)) assertSameFile(temp.at("out", name), join(EXPECTED, name));
  // A task that comes late finds that there is nothing left to do.
  const late = await convert(["--json", "--no-clone", "--task", "2/2", INPUT, output]);
  assertEquals([late.code, JSON.parse(late.stdout).complete], [0, true]);
  assertEquals(JSON.parse(late.stdout).reused, FILES);
});

Deno.test({
  name: "a device that is full is an error of one line",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const program = `exec "$@" > /dev/full`;
    const { code, stderr } = await new Deno.Command("sh", {
      args: ["-c", program, "sh", ...commandLine(["--version"])],
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(
      [code, new TextDecoder().decode(stderr)],
      [1, "error: can't print to stdout: No space left on device (os error 28)\n"],
    );
  },
});
