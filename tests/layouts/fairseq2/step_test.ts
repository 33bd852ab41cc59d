/**
 * Directories of several steps, and the paths inside steps.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { FileError, OptionError } from "../../../lib/error.ts";
import { modelYamlCandidates, stepDirectory } from "../../../lib/layouts/fairseq2/model_yaml_path.ts";
import { openCheckpoint } from "../../../lib/convert/mod.ts";
import { assertRejectsWith } from "../../_assert_rejects.ts";
import { copyTree, TempDir } from "../../_temp.ts";
import { CHECKPOINTS } from "../../_torch_files.ts";

const LEGACY = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16_tp2");
const NATIVE = join(CHECKPOINTS, "fairseq2-0.8.1/llama3_bf16_fsdp3/checkpoints");
const WHOLE = join(CHECKPOINTS, "fairseq2-0.8.1/llama3_bf16/checkpoints");

/** A directory of checkpoints with some steps, each a copy of a real one. */
class Root extends TempDir {
  constructor(private readonly source: string, ...steps: readonly string[]) {
    super();
    Deno.copyFileSync(join(source, "model.yaml"), this.at("model.yaml"));
    for (const name of steps) this.add(name);
  }

  add(name: string): void {
    copyTree(join(this.source, "step_10"), this.at(name));
  }
}

/** What was opened, and what was said of it. */
async function opened(path: string, step?: number) {
  const { path: found, notes, modelYaml, kind } = await openCheckpoint(
    path,
    step === undefined ? {} : { step },
  );
  return { found, notes, modelYaml, kind };
}

for (
  const { source, kind, joined } of [
    { source: LEGACY, kind: "fairseq2 0.2–0.4", joined: [] },
    { source: NATIVE, kind: "fairseq2 0.5–0.8", joined: ["joined from 3 data-parallel pieces of each"] },
  ]
) {
  const expected = (root: Root, step: number, note: string) => ({
    found: root.at(`step_${step}`),
    notes: [note, ...joined],
    modelYaml: root.at("model.yaml"),
    kind,
  });

  Deno.test(`openCheckpoint() takes the newest of several steps of ${kind}`, async () => {
    using root = new Root(source, "step_9", "step_100", "step_20");
    // What isn't a step doesn't count, whatever its name.
    for (const name of ["scores", "step_", "step_101a", "step_-200", "step_0300", "STEP_400", "step_1e9"]) {
      root.add(name);
    }
    Deno.writeTextFileSync(root.at("step_500"), "a file");
    const newest = expected(root, 100, "step 100, the newest with a model of 3 steps");
    assertEquals(await opened(root.path), newest);
    assertEquals(await opened(`${root.path}/`), newest);
  });

  Deno.test(`openCheckpoint() takes the step that is asked for of ${kind}`, async () => {
    using root = new Root(source, "step_9", "step_100", "step_0", "step_30.tmp");
    for (const step of [0, 9, 100]) {
      assertEquals(await opened(root.path, step), expected(root, step, `step ${step}`));
    }
    const { path } = root;
    await assertRejectsWith(
      () => openCheckpoint(path, { step: 10 }),
      OptionError,
      `${path}: has no step 10; it has 100, 9, 0`,
    );
    await assertRejectsWith(
      () => openCheckpoint(path, { step: 30 }),
      FileError,
      `${path}/step_30.tmp: fairseq2 didn't finish writing this step (.tmp); name a complete one`,
    );
  });

  Deno.test(`openCheckpoint() leaves out steps of ${kind} that weren't finished`, async () => {
    using root = new Root(source, "step_9", "step_10.tmp", "step_11.tmp.tmp", "step_12.tmpx");
    assertEquals(await opened(root.path), expected(root, 9, "step 9"));
  });

  Deno.test(`openCheckpoint() leaves out steps of ${kind} that were saved without a model`, async () => {
    using root = new Root(source, "step_9", "step_20");
    for (const step of [30, 40, 50]) Deno.mkdirSync(root.at(`step_${step}`));
    Deno.writeTextFileSync(root.at("step_30", "rank_0.pt"), "the trainer's state");
    Deno.mkdirSync(root.at("step_40", "trainer"));
    Deno.mkdirSync(root.at("step_50", "model", "pp_00.tmp"), { recursive: true });
    assertEquals(await opened(root.path), expected(root, 20, "step 20, the newest with a model of 5 steps"));
  });

  Deno.test(`openCheckpoint() says what a step of ${kind} holds that was saved without a model`, async () => {
    using root = new Root(source, "step_9");
    for (const step of [30, 40, 50]) Deno.mkdirSync(root.at(`step_${step}`));
    Deno.writeTextFileSync(root.at("step_30", "rank_0.pt"), "the trainer's state");
    Deno.mkdirSync(root.at("step_40", "optimizer"));
    for (
      const [step, what] of [
        [
          30,
          "holds no model.pt, only the trainer's state (rank_0.pt); name a step that was saved with its model",
        ],
        [
          40,
          "holds no model.pt, only the trainer's state (optimizer); name a step that was saved with its model",
        ],
        [50, "the directory is empty; name a checkpoint's step directory"],
      ] as const
    ) {
      const path = root.at(`step_${step}`);
      await assertRejectsWith(() => openCheckpoint(root.path, { step }), FileError, `${path}: ${what}`);
      await assertRejectsWith(() => openCheckpoint(path), FileError, `${path}: ${what}`);
    }
  });

  Deno.test(`openCheckpoint() refuses a directory of ${kind} in which no step has a model`, async () => {
    using root = new Root(source);
    Deno.mkdirSync(root.at("step_3"));
    Deno.mkdirSync(root.at("step_20"));
    root.add("step_30.tmp");
    const { path } = root;
    await assertRejectsWith(
      () => openCheckpoint(path),
      FileError,
      `${path}: none of its steps holds a complete model; wait until one was saved, or look at ${path}/step_20`,
    );
    Deno.removeSync(root.at("step_3"));
    Deno.removeSync(root.at("step_20"));
    await assertRejectsWith(
      () => openCheckpoint(path),
      FileError,
      `${path}: none of its steps holds a complete model; wait until one was saved, or look at ${path}/step_30.tmp`,
    );
    await assertRejectsWith(
      () => openCheckpoint(path, { step: 4 }),
      OptionError,
      `${path}: has no step 4; it has none that is complete`,
    );
  });

  Deno.test(`openCheckpoint() refuses to take an older step of ${kind} for a damaged newest one`, async () => {
    using root = new Root(source, "step_9", "step_10");
    const isLegacy = source === LEGACY;
    const directory = isLegacy ? root.at("step_10") : root.at("step_10", "model", "pp_00", "tp_00");
    Deno.removeSync(join(directory, isLegacy ? "model.0.pt" : "sdp_01.pt"));
    await assertRejectsWith(
      () => openCheckpoint(root.path),
      FileError,
      isLegacy
        ? `${directory}: model.0.pt is missing, but model.1.pt is there; all shards are needed`
        : `${directory}: sdp_01.pt is missing, but sdp_02.pt is there; all ranks are needed`,
    );
  });

  Deno.test(`openCheckpoint() refuses everything in a step of ${kind} that wasn't finished`, async () => {
    using root = new Root(source, "step_10.tmp");
    const step = root.at("step_10.tmp");
    const paths = [step, `${step}/`];
    if (source === NATIVE) {
      paths.push(join(step, "model"), join(step, "model", "pp_00", "tp_00", "sdp_00.pt"));
    } else {
      paths.push(join(step, "model.0.pt"));
    }
    for (const path of paths) {
      await assertRejectsWith(
        () => openCheckpoint(path),
        FileError,
        `${path}: fairseq2 didn't finish writing this step (.tmp); name a complete one`,
      );
    }
  });

  Deno.test(`openCheckpoint() refuses a step number for a single checkpoint of ${kind}`, async () => {
    using root = new Root(source, "step_10");
    const path = root.at("step_10");
    await assertRejectsWith(
      () => openCheckpoint(path, { step: 10 }),
      OptionError,
      `${path}: is a single checkpoint, so --step has no meaning here`,
    );
  });

  Deno.test(`openCheckpoint() takes a link to a step of ${kind}`, async () => {
    using root = new Root(source, "step_9");
    using elsewhere = new Root(source, "step_10");
    Deno.symlinkSync(elsewhere.at("step_10"), root.at("step_10"));
    Deno.symlinkSync(elsewhere.at("step_11"), root.at("step_11")); // to nothing
    assertEquals(await opened(root.path), expected(root, 10, "step 10, the newest with a model of 2 steps"));
  });
}

Deno.test("openCheckpoint() lists eight of many steps", async () => {
  using root = new Root(LEGACY, ...Array.from({ length: 11 }, (_, i) => `step_${i}`));
  await assertRejectsWith(
    () => openCheckpoint(root.path, { step: 99 }),
    OptionError,
    `${root.path}: has no step 99; it has 10, 9, 8, 7, 6, 5, 4, 3 and 3 more`,
  );
});

Deno.test("openCheckpoint() refuses a file that is one of several parts of a model", async () => {
  using root = new Root(NATIVE, "step_10");
  const file = root.at("step_10", "model", "pp_00", "tp_00", "sdp_00.pt");
  await assertRejectsWith(
    () => openCheckpoint(file),
    FileError,
    `${file}: is one of 3 parts of a model; name the directory that holds them all`,
  );
  // One piece in each directory: other tensor-parallel ranks, or other stages.
  using single = new Root(WHOLE, "step_10");
  const model = single.at("step_10", "model");
  const only = join(model, "pp_00", "tp_00", "sdp_00.pt");
  await openCheckpoint(only);
  for (const [from, to, count] of [["pp_00/tp_00", "pp_00/tp_01", 2], ["pp_00", "pp_01", 4]] as const) {
    copyTree(join(model, from), join(model, to));
    await assertRejectsWith(
      () => openCheckpoint(only),
      FileError,
      `${only}: is one of ${count} parts of a model; name the directory that holds them all`,
    );
  }

  using legacy = new Root(LEGACY, "step_10");
  const shard = legacy.at("step_10", "model.1.pt");
  await assertRejectsWith(
    () => openCheckpoint(shard),
    FileError,
    `${shard}: is one of 2 parts of a model; name the directory that holds them all`,
  );
});

Deno.test("openCheckpoint() takes the only file of a model by any name", async () => {
  using temp = new TempDir();
  copyTree(join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16"), temp.at("in"));
  for (const name of ["model.pt", "model.0.pt", "sdp_00.pt", "weights.pt"]) {
    const file = temp.at("in", "step_10", name);
    if (name !== "model.pt") Deno.renameSync(temp.at("in", "step_10", "model.pt"), file);
    const { path, modelYaml, shards } = await openCheckpoint(file);
    assertEquals({ path, modelYaml, shards: shards.length }, {
      path: file,
      modelYaml: temp.at("in", "model.yaml"),
      shards: 1,
    });
    if (name !== "model.pt") Deno.renameSync(file, temp.at("in", "step_10", "model.pt"));
  }
});

Deno.test("stepDirectory() goes up to the step", () => {
  for (
    const path of [
      "/run/step_5",
      "/run/step_5/",
      "/run/step_5/model.pt",
      "/run/step_5/model",
      "/run/step_5/model/pp_00/",
      "/run/step_5/model/pp_00/tp_01",
      "/run/step_5/model/pp_00/tp_01/sdp_100.pt",
      "/run/step_5/model/pp_100/tp_100/../tp_00",
    ]
  ) {
    assertEquals(stepDirectory(path), "/run/step_5", path);
  }
  assertEquals(stepDirectory("/run"), "/run");
  assertEquals(stepDirectory("/"), "/");
  assertEquals(stepDirectory("step_5/model"), join(Deno.cwd(), "step_5"));
});

Deno.test("modelYamlCandidates() looks beside the files, in the step, and above it", () => {
  const above = ["/run/step_5/model.yaml", "/run/model.yaml"];
  assertEquals(modelYamlCandidates("/run/step_5"), above);
  assertEquals(modelYamlCandidates("/run/step_5/model.pt"), above);
  assertEquals(modelYamlCandidates("/run/step_5/model"), ["/run/step_5/model/model.yaml", ...above]);
  assertEquals(modelYamlCandidates("/run/step_5/model/pp_00/tp_00/sdp_00.pt"), [
    "/run/step_5/model/pp_00/tp_00/model.yaml",
    ...above,
  ]);
});
