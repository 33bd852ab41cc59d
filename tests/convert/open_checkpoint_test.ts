/**
 * Directories with several checkpoints, of which one is meant.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import {
  compareCheckpoints,
  convertCheckpoint,
  FileError,
  inspect,
  OptionError,
  type Target,
  verifyCheckpoint,
} from "../../mod.ts";
import { openCheckpoint, type OpenOptions } from "../../lib/convert/mod.ts";
import { assertRejectsWith } from "../_assert_rejects.ts";
import { copyTree, TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const EXPECTED = join(CHECKPOINTS, "expected/fairseq2-0.3.0/llama3_bf16");

/** Where each kind of checkpoint is copied from, and how it shows in a directory. */
const parts = {
  reference: {
    from: join(EXPECTED, "reference"),
    sign: "consolidated.00.pth (reference)",
    kind: "reference",
  },
  huggingface: { from: join(EXPECTED, "hf"), sign: "model.safetensors (huggingface)", kind: "Hugging Face" },
  legacy: {
    from: join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16/step_10"),
    sign: "model.pt (fairseq2)",
    kind: "fairseq2 0.2–0.4",
  },
  native: {
    from: join(CHECKPOINTS, "fairseq2-0.8.1/llama3_bf16/checkpoints/step_10"),
    sign: "model/pp_00 (fairseq2)",
    kind: "fairseq2 0.5–0.8",
  },
  steps: {
    from: join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16"),
    sign: "step_10 (fairseq2)",
    kind: "fairseq2 0.2–0.4",
  },
} as const;

type Part = keyof typeof parts;

/** A file that is a whole checkpoint. */
const MODEL = join(parts.legacy.from, "model.pt");

/** A directory with several checkpoints. */
function mixed(temp: TempDir, ...names: Part[]): string {
  for (const name of names) copyTree(parts[name].from, temp.at("in"));
  return temp.at("in");
}

async function kindOf(path: string, options: OpenOptions = {}): Promise<string> {
  return (await openCheckpoint(path, options)).kind;
}

const choices: readonly (readonly [names: readonly Part[], options: string])[] = [
  [["reference", "huggingface"], "--from reference or --from huggingface"],
  [["legacy", "reference"], "--from fairseq2 or --from reference"],
  [["native", "huggingface"], "--from fairseq2 or --from huggingface"],
  [["legacy", "reference", "huggingface"], "--from fairseq2 or --from reference or --from huggingface"],
];

for (const [names, options] of choices) {
  Deno.test(`openCheckpoint() takes ${names.join(" or ")} of one directory when it is told which`, async () => {
    using temp = new TempDir();
    const path = mixed(temp, ...names);
    await assertRejectsWith(
      () => openCheckpoint(path),
      OptionError,
      `${path}: holds several checkpoints: ${
        names.map((name) => parts[name].sign).join(" and ")
      }; say which with ${options}`,
    );
    for (const name of names) {
      const froms: Target[] = name === "reference"
        ? ["reference", "meta"]
        : name === "huggingface"
        ? ["huggingface"]
        : ["fairseq2"];
      for (const from of froms) assertEquals(await kindOf(path, { from }), parts[name].kind);
    }
  });
}

for (const name of ["reference", "huggingface"] as const) {
  Deno.test(`openCheckpoint() takes steps, or ${name} beside them, when it is told which`, async () => {
    using temp = new TempDir();
    const path = mixed(temp, "steps", name);
    await assertRejectsWith(
      () => openCheckpoint(path),
      OptionError,
      `${path}: holds several checkpoints: ${parts[name].sign} and step_10 (fairseq2); say which with ` +
        `--from ${name} or --from fairseq2`,
    );
    assertEquals(await kindOf(path, { from: name }), parts[name].kind);
    for (const options of [{ from: "fairseq2" }, { step: 10 }, { from: "fairseq2", step: 10 }] as const) {
      const { path: step, notes } = await openCheckpoint(path, options);
      assertEquals([step, notes], [join(path, "step_10"), ["step 10"]]);
    }
    await assertRejectsWith(
      () => openCheckpoint(path, { from: name, step: 10 }),
      OptionError,
      `${path}: is a single checkpoint, so --step has no meaning here`,
    );
  });
}

Deno.test("openCheckpoint() can't be told which of several in one layout is meant but by its path", async () => {
  const cases: [names: Part[], signs: string][] = [
    [["legacy", "native"], "model.pt (fairseq2) and model/pp_00 (fairseq2)"],
    [["legacy", "steps"], "model.pt (fairseq2) and step_10 (fairseq2)"],
  ];
  for (const [names, signs] of cases) {
    using temp = new TempDir();
    const path = mixed(temp, ...names);
    for (const options of [{}, { from: "fairseq2" }] as const) {
      await assertRejectsWith(
        () => openCheckpoint(path, options),
        OptionError,
        `${path}: holds several checkpoints: ${signs}; name the one that is meant, or move the others away`,
      );
    }
    assertEquals(await kindOf(join(path, "model.pt")), "fairseq2 0.2–0.4");
    if (names.includes("native")) assertEquals(await kindOf(join(path, "model")), "fairseq2 0.5–0.8");
    else assertEquals(await kindOf(join(path, "step_10")), "fairseq2 0.2–0.4");
  }
});

Deno.test("openCheckpoint() finds several checkpoints in a step, too", async () => {
  using temp = new TempDir();
  const path = mixed(temp, "steps");
  const step = join(path, "step_10");
  copyTree(parts.huggingface.from, step);
  for (const given of [path, step]) {
    await assertRejectsWith(
      () => openCheckpoint(given),
      OptionError,
      `${step}: holds several checkpoints: model.pt (fairseq2) and model.safetensors (huggingface); say which with ` +
        "--from fairseq2 or --from huggingface",
    );
    assertEquals(await kindOf(given, { from: "fairseq2" }), "fairseq2 0.2–0.4");
    assertEquals(await kindOf(given, { from: "huggingface" }), "Hugging Face");
  }
});

Deno.test("openCheckpoint() takes what is left over of another layout for no checkpoint", async () => {
  using temp = new TempDir();
  // As the published repositories have it: Meta's files in a directory of their own.
  const hub = temp.at("hub");
  copyTree(parts.huggingface.from, hub);
  copyTree(parts.reference.from, join(hub, "original"));
  assertEquals(await kindOf(hub), "Hugging Face");
  assertEquals(await kindOf(join(hub, "original")), "reference");

  Deno.copyFileSync(join(parts.reference.from, "params.json"), join(hub, "params.json"));
  Deno.copyFileSync(join(parts.steps.from, "model.yaml"), join(hub, "model.yaml"));
  for (const name of ["step_20", "step_30.tmp", "model", "checkpoints"]) Deno.mkdirSync(join(hub, name));
  Deno.writeTextFileSync(join(hub, "step_20", "rank_0.pt"), "");
  assertEquals(await kindOf(hub), "Hugging Face");

  const reference = temp.at("reference");
  copyTree(parts.reference.from, reference);
  Deno.copyFileSync(join(parts.huggingface.from, "config.json"), join(reference, "config.json"));
  Deno.writeTextFileSync(join(reference, "tokenizer.model"), "");
  assertEquals(await kindOf(reference), "reference");
});

Deno.test("openCheckpoint() says what there is instead of the layout that is asked for", async () => {
  using temp = new TempDir();
  const path = mixed(temp, "steps");
  await assertRejectsWith(
    () => openCheckpoint(path, { from: "huggingface" }),
    OptionError,
    `${join(path, "step_10")}: holds no checkpoint in the huggingface layout, but model.pt (fairseq2)`,
  );
  await assertRejectsWith(
    () => openCheckpoint(parts.huggingface.from, { from: "meta" }),
    OptionError,
    `${parts.huggingface.from}: holds no checkpoint in the meta layout, but model.safetensors (huggingface)`,
  );
  Deno.mkdirSync(temp.at("run", "checkpoints"), { recursive: true });
  copyTree(parts.steps.from, temp.at("run", "checkpoints"));
  assertEquals(await kindOf(temp.at("run"), { from: "fairseq2", step: 10 }), "fairseq2 0.2–0.4");
  await assertRejectsWith(
    () => openCheckpoint(temp.at("run"), { from: "reference" }),
    OptionError,
    `${
      temp.at("run", "checkpoints", "step_10")
    }: holds no checkpoint in the reference layout, but model.pt (fairseq2)`,
  );
  const empty = temp.at("empty");
  Deno.mkdirSync(empty);
  await assertRejectsWith(
    () => openCheckpoint(empty, { from: "reference" }),
    FileError,
    `${empty}: the directory is empty; name a checkpoint's step directory`,
  );
  await assertRejectsWith(
    () => openCheckpoint(path, { from: "ggml" as Target }),
    OptionError,
    'Option from is "ggml"; it must be one of "reference", "meta", "huggingface", "fairseq2", "gguf"',
  );
});

Deno.test("openCheckpoint() takes a file for fairseq2's, whatever it is told", async () => {
  assertEquals(await kindOf(MODEL, { from: "fairseq2" }), "fairseq2 0.2–0.4");
  await assertRejectsWith(
    () => openCheckpoint(MODEL, { from: "reference" }),
    OptionError,
    `${MODEL}: is a file, as fairseq2 has them, not a directory in the reference layout`,
  );
});

Deno.test("openCheckpoint() doesn't look at other layouts than the one that is asked for", async () => {
  using temp = new TempDir();
  const path = mixed(temp, "huggingface", "reference");
  Deno.renameSync(join(path, "consolidated.00.pth"), join(path, "consolidated.01.pth"));
  assertEquals(await kindOf(path, { from: "huggingface" }), "Hugging Face");
  for (const options of [{}, { from: "reference" }] as const) {
    await assertRejectsWith(
      () => openCheckpoint(path, options),
      FileError,
      `${path}: consolidated.00.pth is missing, but consolidated.01.pth is there; all shards are needed`,
    );
  }
});

Deno.test("convertCheckpoint(), inspect(), verifyCheckpoint() and compareCheckpoints() want to be told which", async () => {
  using temp = new TempDir();
  const path = mixed(temp, "reference", "huggingface");
  const message =
    `${path}: holds several checkpoints: consolidated.00.pth (reference) and model.safetensors (huggingface); ` +
    "say which with --from reference or --from huggingface";
  let read = 0;
  const calls = [
    () => convertCheckpoint({ input: path, output: temp.at("out") }),
    () => inspect(path),
    () => verifyCheckpoint(path, { onProgress: () => read++ }),
  ];
  for (const call of calls) await assertRejectsWith(call, OptionError, message);
  const { from } = parts.reference;
  await assertRejectsWith(() => compareCheckpoints(path, from), OptionError, `a: ${message}`);
  await assertRejectsWith(() => compareCheckpoints(from, path), OptionError, `b: ${message}`);
  assertEquals([temp.names(), read], [["in"], 0]);

  const { input } = await convertCheckpoint({
    input: path,
    output: temp.at("out"),
    from: "huggingface",
    to: "fairseq2",
  });
  assertEquals([input, temp.names("out")], [path, ["model.yaml", "step_1"]]);
  for (const [from, format] of [["meta", "torch"], ["huggingface", "safetensors"]] as const) {
    const { layout, format: found, files } = await inspect(path, { from });
    assertEquals([layout, found, files.length], [from === "meta" ? "reference" : from, format, 1]);
    const { ok, model, files: all } = await verifyCheckpoint(path, { from });
    // All files are checked, and one model.
    assertEquals([ok, model?.kind, all.length], [true, from === "meta" ? "reference" : "Hugging Face", 2]);
  }
  const same = await compareCheckpoints(path, path, { from: ["reference", "huggingface"] });
  assertEquals([same.equal, same.a.kind, same.b.kind], [true, "reference", "Hugging Face"]);
  const both = await compareCheckpoints(path, path, { from: "reference" });
  assertEquals([both.equal, both.a.kind, both.b.kind], [true, "reference", "reference"]);
  // A file is what it is.
  for (
    const [file, kind] of [[join(path, "consolidated.00.pth"), "reference"], [MODEL, "fairseq2 0.2–0.4"]]
  ) {
    const { equal, a, b } = await compareCheckpoints(path, file!, { from: "huggingface" });
    assertEquals([equal, a.kind, b.kind], [true, "Hugging Face", kind]);
  }
  await assertRejectsWith(
    () => compareCheckpoints(path, parts.huggingface.from, { from: "reference" }),
    OptionError,
    `b: ${parts.huggingface.from}: holds no checkpoint in the reference layout, but model.safetensors (huggingface)`,
  );
});

Deno.test("compareCheckpoints() doesn't mix the files of several checkpoints, whatever they hold", async () => {
  using temp = new TempDir();
  const fixtures = join(CHECKPOINTS, "..");
  Deno.copyFileSync(join(fixtures, "torch", "2.13.0", "plain", "model.pt"), temp.at("consolidated.00.pth"));
  Deno.copyFileSync(join(fixtures, "safetensors", "dtypes.safetensors"), temp.at("model.safetensors"));
  await assertRejectsWith(
    () => compareCheckpoints(temp.path, temp.path),
    OptionError,
    `a: ${temp.path}: holds several checkpoints: consolidated.00.pth (reference) and model.safetensors (huggingface); ` +
      "say which with --from reference or --from huggingface",
  );
});

Deno.test("inspect() and verifyCheckpoint() refuse a layout for what is no directory", async () => {
  const file = join(parts.reference.from, "consolidated.00.pth");
  const message = (path: string) => `${path}: is no directory, so --from has no meaning here`;
  await assertRejectsWith(() => inspect(file, { from: "reference" }), OptionError, message(file));
  await assertRejectsWith(() => verifyCheckpoint(file, { from: "reference" }), OptionError, message(file));
  const url = "http://localhost:1/model.safetensors";
  await assertRejectsWith(() => inspect(url, { from: "huggingface" }), OptionError, message(url));
  assert((await verifyCheckpoint(file)).ok);
});

Deno.test("openCheckpoint() opens a checkpoint by its only file, also beside another's", async () => {
  using temp = new TempDir();
  const path = mixed(temp, "reference", "huggingface");
  assertEquals(await kindOf(join(path, "consolidated.00.pth")), "reference");
  assertEquals(await kindOf(join(path, "consolidated.00.pth"), { from: "meta" }), "reference");
  assertEquals(await kindOf(join(path, "model.safetensors")), "Hugging Face");
  const [other, from] = [join(path, "adapter.safetensors"), "reference"] as const;
  Deno.copyFileSync(join(path, "model.safetensors"), other);
  await assertRejectsWith(
    () => openCheckpoint(other),
    OptionError,
    `${other}: is no file of the checkpoint in ${path}; name that directory`,
  );
  await assertRejectsWith(
    () => openCheckpoint(join(path, "model.safetensors"), { from }),
    OptionError,
    `${
      join(path, "model.safetensors")
    }: is a file, as Hugging Face has them, not a directory in the reference layout`,
  );
  const parts = join(CHECKPOINTS, "expected/fairseq2-0.3.0/llama3_bf16_tp2/reference");
  const first = join(parts, "consolidated.00.pth");
  await assertRejectsWith(
    () => openCheckpoint(first),
    FileError,
    `${first}: is one of 2 parts of a model; name the directory that holds them all`,
  );
});

Deno.test("openCheckpoint() names the checkpoints below a directory that holds none", async () => {
  const runs = join(CHECKPOINTS, "fairseq2-0.4.5");
  const below = [...Deno.readDirSync(runs)].map(({ name }) => join(runs, name)).sort();
  assertEquals(below.length, 2);
  await assertRejectsWith(
    () => openCheckpoint(runs),
    FileError,
    `${runs}: holds no checkpoint, but ${below.join(", ")} do; name one`,
  );
  using temp = new TempDir();
  Deno.mkdirSync(temp.at("empty"));
  Deno.symlinkSync(below[0]!, temp.at("link"));
  Deno.mkdirSync(temp.at("run", "checkpoints"), { recursive: true });
  await assertRejectsWith(
    () => openCheckpoint(temp.path),
    FileError,
    `${temp.path}: holds no checkpoint, but ${temp.at("link")}, ${temp.at("run")} do; name one`,
  );
});
