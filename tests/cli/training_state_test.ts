/** What a training saves beside its model, given in the place of a model. */

import { assertEquals, assertMatch } from "@std/assert";
import { join } from "../../lib/deps.ts";
import type { PickleValue } from "../../lib/pickle/mod.ts";
import { ckpt } from "../_ckpt.ts";
import { copyTree, TempDir } from "../_temp.ts";
import { CheckpointCopy, CHECKPOINTS } from "../_torch_files.ts";

const TRAINING = join(CHECKPOINTS, "..", "training");
const STEP = join(TRAINING, "one", "checkpoints", "step_10");
const MODEL = join(CHECKPOINTS, "fairseq2-0.8.1", "llama3_bf16", "checkpoints", "step_10");
const OPTIMIZER = "optimizer/pp_00/tp_00/sdp_00.pt";

/** The paths of a step that fairseq2 0.8.1 wrote, what they are, and the tensors that torch finds in each. */
const parts: readonly (readonly [what: string, paths: readonly string[], tensors: readonly string[]])[] = [
  ["optimizer", ["optimizer", "optimizer/pp_00", "optimizer/pp_00/tp_00", OPTIMIZER], [
    "state.0.step float32 []",
    "state.0.exp_avg float32 [4,8]",
    "state.0.exp_avg_sq float32 [4,8]",
  ]],
  ["trainer", ["trainer", "trainer/rank_00.pt"], [
    "_rng_bag.generators.0 uint8 [5056]",
    "_metric_bag.loss.weighted_sum float64 []",
    "_metric_bag.loss.weights float64 []",
  ]],
  ["data reader", ["data_reader", "data_reader/dp_00.pt"], ["position.7 uint8 [5056]"]],
];

/** Asserts what is said of a path, whatever is to be done with it. */
async function assertNoModel(path: string, what: string, instead: string): Promise<void> {
  using temp = new TempDir();
  const message = `${path}: is the ${what}, not a model; name ${instead}\n`;
  assertEquals(await ckpt(["convert", path, temp.at("out")]), {
    code: 1,
    stdout: "",
    stderr: `error: ${message}`,
  });
  for (const [a, b, side] of [[path, MODEL, "a"], [MODEL, path, "b"]] as const) {
    assertEquals(await ckpt(["compare", a, b]), {
      code: 2,
      stdout: "",
      stderr: `error: ${side}: ${message}`,
    });
  }
  const { code, stdout } = await ckpt(["verify", path]);
  assertEquals(code, 0);
  assertMatch(stdout.replaceAll(/\s+/g, " "), /^ok .* checksums note: the .*, no model; for that name /);
  assertEquals(
    stdout.replaceAll(/\s+/g, " ").includes(`the ${what}, no model; for that name ${instead}`),
    true,
    stdout,
  );
}

for (const [what, paths, tensors] of parts) {
  for (const path of paths) {
    Deno.test(`ckpt says that ${path} of a step is the state of its ${what}`, async () => {
      await assertNoModel(join(STEP, path), `${what} state of fairseq2 0.5-0.8`, `its step, ${STEP}`);
    });

    Deno.test(`ckpt inspect lists the tensors of ${path}`, async () => {
      const { stdout } = await ckpt(["inspect", "--json", join(STEP, path)]);
      const inspection = JSON.parse(stdout);
      assertEquals(inspection.state, {
        what: `${what} state of fairseq2 0.5-0.8`,
        instead: `its step, ${STEP}`,
      });
      assertEquals(
        inspection.tensors.map(({ name, dtype, shape }: { name: string; dtype: string; shape: number[] }) =>
          `${name} ${dtype} ${JSON.stringify(shape)}`
        ),
        tensors,
      );
      const text = (await ckpt(["inspect", join(STEP, path)])).stdout;
      assertEquals(text.split("\n")[1], `  what     ${what} state of fairseq2 0.5-0.8`);
      assertMatch(text.replaceAll(/\s+/g, " "), / note .* name its step, /);
    });
  }

  Deno.test(`ckpt says what a file is that is the state of a ${what}, wherever it lies`, async () => {
    using temp = new TempDir();
    const path = temp.at("model.pt");
    Deno.copyFileSync(join(STEP, paths.at(-1)!), path);
    await assertNoModel(path, `${what} state`, "the directory that holds model.pt or model/pp_00");
  });
}

Deno.test("ckpt says what the state of an optimizer is that FSDP2 split", async () => {
  using temp = new TempDir();
  const step = join(TRAINING, "fsdp2", "checkpoints", "step_10");
  await assertNoModel(join(step, OPTIMIZER), "optimizer state of fairseq2 0.5-0.8", `its step, ${step}`);
  Deno.copyFileSync(join(step, OPTIMIZER), temp.at("loose.pt"));
  await assertNoModel(
    temp.at("loose.pt"),
    "optimizer state",
    "the directory that holds model.pt or model/pp_00",
  );
});

Deno.test("ckpt doesn't take an optimizer's files for parts of a model, nor its directory for one", async () => {
  using temp = new TempDir();
  copyTree(STEP, temp.at("step_10"));
  const file = temp.at("step_10", OPTIMIZER);
  Deno.copyFileSync(file, file.replace("sdp_00", "sdp_01"));
  await assertNoModel(file, "optimizer state of fairseq2 0.5-0.8", `its step, ${temp.at("step_10")}`);
  const { stderr } = await ckpt(["convert", temp.at("step_10"), temp.at("out")]);
  assertEquals(
    stderr,
    `error: ${temp.at("step_10")}: holds no model.pt, only the trainer's state (trainer); ` +
      "name a step that was saved with its model\n",
  );
});

Deno.test("ckpt compare compares two states of one kind by the names of their tensors", async () => {
  const path = join(STEP, OPTIMIZER);
  const kind = "optimizer state of fairseq2 0.5-0.8, tensors by name";
  assertEquals(await ckpt(["compare", path, path]), {
    code: 0,
    stdout: `The same: 3 tensors, bit for bit\n  a  ${path} (${kind})\n  b  ${path} (${kind})\n`,
    stderr: "",
  });
});

Deno.test("ckpt says what a bag of random number generators is", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("in"));
  copy.edit((records) => void (records.root = new Map<PickleValue, PickleValue>([["generators", []]])));
  const { stderr } = await ckpt(["convert", copy.file(), temp.at("out")]);
  assertMatch(
    stderr,
    /: is the random number generator state, not a model; name the directory that holds model\.pt /,
  );
});

Deno.test("ckpt inspect doesn't take a model beside an optimizer for the optimizer's state", async () => {
  for (const [key, layout] of [["model", "fairseq2 0.2-0.3"], ["net", null]] as const) {
    using temp = new TempDir();
    const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("in"));
    copy.edit((records) => {
      records.root = new Map<PickleValue, PickleValue>([
        [key, records.root instanceof Map ? records.root.get("model")! : null],
        ["optimizer", new Map()],
      ]);
    });
    const inspection = JSON.parse((await ckpt(["inspect", "--json", copy.file()])).stdout);
    assertEquals([inspection.state, inspection.layout], [undefined, layout]);
  }
});

Deno.test("ckpt converts a model from a directory that is called as a trainer's is", async () => {
  using temp = new TempDir();
  copyTree(join(CHECKPOINTS, "expected", "fairseq2-0.3.0", "llama3_bf16", "hf"), temp.at("trainer"));
  assertEquals(
    (await ckpt(["inspect", temp.at("trainer")])).stdout.split("\n")[1]!.includes("LLaMA model"),
    true,
  );
  Deno.mkdirSync(temp.at("optimizer"));
  Deno.writeTextFileSync(temp.at("optimizer", "notes.txt"), "");
  assertMatch((await ckpt(["inspect", temp.at("optimizer")])).stderr, /: holds no checkpoint \(model\.pt, /);
});
