import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { planOutput } from "../../lib/convert/plan_output.ts";
import { type Checkpoint, openCheckpoint, resolveModel } from "../../lib/convert/mod.ts";
import {
  CheckpointError,
  type ConversionSummary,
  convertCheckpoint,
  FileError,
  MismatchError,
  OptionError,
  planConversion,
} from "../../mod.ts";
import { findArchitecture, type Generation, type RopeScaling } from "../../lib/models/mod.ts";
import { type PickleValue, Tuple } from "../../lib/pickle/mod.ts";
import { PersistentId } from "../../lib/pickle/mod.ts";
import { assertRejectsWith } from "../_assert_rejects.ts";
import { assertSameFile, stateFacts } from "../_state_facts.ts";
import { formNote, referenceNote, unknownNote } from "../_notes.ts";
import { TempDir } from "../_temp.ts";
import {
  changeTensor,
  CheckpointCopy,
  CHECKPOINTS,
  type Dict,
  type Records,
  storageOf,
} from "../_torch_files.ts";
import { makeCheckpoint } from "../bench/make_checkpoint.ts";

const CASE = "fairseq2-0.3.0/llama3_bf16";
const EXPECTED = join(CHECKPOINTS, "expected", CASE, "reference", "consolidated.00.pth");

function convert(temp: TempDir, copy: CheckpointCopy, model?: string): Promise<ConversionSummary> {
  const options = { input: copy.step, output: temp.at("out"), clone: false };
  return convertCheckpoint(model === undefined ? options : { ...options, model });
}

function paramsOf(temp: TempDir): Record<string, unknown> {
  return JSON.parse(Deno.readTextFileSync(temp.at("out", "params.json"))).model;
}

async function assertRefuses(
  temp: TempDir,
  copy: CheckpointCopy,
  // deno-lint-ignore no-explicit-any
  errorClass: new (...args: any[]) => CheckpointError,
  message: string,
  model?: string,
): Promise<void> {
  await assertRejectsWith(() => convert(temp, copy, model), errorClass, message);
  assertEquals(temp.names().filter((name) => name.startsWith("out")), []);
}

/** Gives a tensor of a state dict another number of rows or columns: bytes are cut off or zeros appended. */
function resize(records: Records, name: string, shape: readonly [number, number]): void {
  records.editState((state) => {
    const tensor = state.get(name)!;
    const [tag, type, key, location] = storageOf(tensor) as PickleValue[];
    const data = new Uint8Array(shape[0] * shape[1] * 2);
    data.set(records.get(`data/${key}`)!.subarray(0, data.length));
    records.set(`data/${key}`, data);
    const storage = new PersistentId(new Tuple(tag!, type!, key!, location!, shape[0] * shape[1]));
    state.set(
      name,
      changeTensor(tensor, { storage, shape: new Tuple(...shape), stride: new Tuple(shape[1], 1) }),
    );
  });
}

Deno.test("resolveModel() takes the model.yaml above the step, or the one in it", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in"));
  Deno.renameSync(join(copy.path, "model.yaml"), join(copy.step, "model.yaml"));
  // The one above is another model's, and not asked.
  Deno.writeTextFileSync(join(copy.path, "model.yaml"), "model_family: llama\nmodel_arch: 7b\n");
  await convert(temp, copy);
  assertSameFile(temp.at("out", "consolidated.00.pth"), EXPECTED);
});

Deno.test("resolveModel() takes the model.yaml above the step that a link leads to", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in"));
  Deno.mkdirSync(temp.at("links"));
  Deno.symlinkSync(copy.step, temp.at("links", "latest"));
  await convertCheckpoint({ input: temp.at("links", "latest"), output: temp.at("out"), clone: false });
  assertSameFile(temp.at("out", "consolidated.00.pth"), EXPECTED);
});

Deno.test("resolveModel() takes the model.yaml that is named, wherever it is", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in"));
  Deno.renameSync(join(copy.path, "model.yaml"), temp.at("Some.YML"));
  await convert(temp, copy, temp.at("Some.YML"));
  assertSameFile(temp.at("out", "consolidated.00.pth"), EXPECTED);
});

Deno.test("resolveModel() needs a model.yaml for sizes that nobody published", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in")).removeYaml();
  await assertRefuses(
    temp,
    copy,
    OptionError,
    `${copy.step}: no published architecture has these shapes (dim 32, 2 layers, feed-forward width 128) and ` +
      "there is no model.yaml; give one with --model <model.yaml>",
  );
});

Deno.test("resolveModel() refuses a model.yaml that isn't there, or can't be one", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in"));
  const [missing, big, empty] = ["missing.yaml", "big.yaml", "empty.yaml"].map((name) => temp.at(name));
  await assertRefuses(
    temp,
    copy,
    FileError,
    `${missing}: no such file or directory; check the path`,
    missing,
  );
  Deno.writeTextFileSync(big!, "#".repeat(2 ** 20 + 1));
  await assertRefuses(
    temp,
    copy,
    OptionError,
    `${big}: has 1048577 bytes, which no model.yaml has; name the right file`,
    big,
  );
  Deno.writeTextFileSync(empty!, "");
  const error = await convert(temp, copy, empty).catch((error) => error);
  assertEquals(error.message, `${empty}: expected a mapping, got null`);
});

Deno.test("resolveModel() says what in a model.yaml isn't what the weights have", async () => {
  const fields: readonly (readonly [from: string, to: string, message: string])[] = [
    [
      "model_dim: 32",
      "model_dim: 64",
      "model_dim stands for a dimension of 64, but the weights have 32 (decoder.layer_norm.weight)",
    ],
    [
      "num_layers: 2",
      "num_layers: 3",
      "num_layers stands for a number of layers of 3, but the weights have 2 (decoder.layers)",
    ],
    [
      "num_key_value_heads: 2",
      "num_key_value_heads: 4",
      "num_key_value_heads stands for a width of k and v of 32, but the weights have 16 " +
      "(decoder.layers.0.self_attn.k_proj.weight)",
    ],
    [
      "ffn_inner_dim: 192",
      "ffn_inner_dim: 96",
      "ffn_inner_dim stands for a feed-forward width of 64, but the weights have 128 " +
      "(decoder.layers.0.ffn.gate_proj.weight)",
    ],
  ];
  for (const [from, to, message] of fields) {
    using temp = new TempDir();
    const copy = new CheckpointCopy(CASE, temp.at("in")).editYaml(from, to);
    const yaml = join(copy.path, "model.yaml");
    await assertRefuses(
      temp,
      copy,
      MismatchError,
      `${yaml}: ${message}; no published architecture has these shapes`,
    );
  }
});

Deno.test("resolveModel() tells of a vocabulary that isn't the model's", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in")).edit((records) => {
    resize(records, "decoder_frontend.embed.weight", [53, 32]);
    resize(records, "final_proj.weight", [53, 32]);
  });
  const { notes, parameters } = await convert(temp, copy);
  assertEquals(notes, [
    `a vocabulary of 53, where ${join(copy.path, "model.yaml")} has 50`,
    referenceNote(5),
  ]);
  assertEquals(parameters, 34080 + 2 * 3 * 32);
  const facts = await stateFacts(temp.at("out", "consolidated.00.pth"));
  assertEquals(facts.at(0)!.shape, [53, 32]);
  assertEquals(facts.at(-1)!.shape, [53, 32]);
});

Deno.test("resolveModel() refuses an embedding and an output projection of two vocabularies", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in"))
    .edit((records) => resize(records, "decoder_frontend.embed.weight", [53, 32]));
  await assertRefuses(
    temp,
    copy,
    MismatchError,
    `${copy.file()}: the weights are not those of ${join(copy.path, "model.yaml")}: ` +
      "decoder_frontend.embed.weight is [53, 32], expected [50, 32]; no published architecture has these shapes",
  );
});

Deno.test("resolveModel() writes the shortest multiplier that gives the weights' width", async () => {
  // int(8 · 32 / 3) is 85.
  const widths: readonly (readonly [width: number, multipleOf: number, multiplier: number | undefined])[] = [
    [88, 8, undefined],
    [85, 1, undefined],
    [128, 8, 1.5],
    [120, 8, 1.4],
    [100, 1, 1.18],
    [16, 8, 0.19],
    [8, 8, 0.1],
    [170, 1, 2],
  ];
  for (const [width, multipleOf, multiplier] of widths) {
    using temp = new TempDir();
    const copy = new CheckpointCopy(CASE, temp.at("in"))
      .editYaml("ffn_inner_dim: 192", `ffn_inner_dim: ${width}`)
      .editYaml(/ffn_inner_dim_scale: .*/, "ffn_inner_dim_scale: 1.0")
      .editYaml("ffn_inner_dim_to_multiple: 8", `ffn_inner_dim_to_multiple: ${multipleOf}`)
      .edit((records) => {
        for (const layer of ["decoder.layers.0", "decoder.layers.1"]) {
          resize(records, `${layer}.ffn.gate_proj.weight`, [width, 32]);
          resize(records, `${layer}.ffn.inner_proj.weight`, [width, 32]);
          resize(records, `${layer}.ffn.output_proj.weight`, [32, width]);
        }
      });
    await convert(temp, copy);
    const { multiple_of, ffn_dim_multiplier } = paramsOf(temp);
    assertEquals([multiple_of, ffn_dim_multiplier], [multipleOf, multiplier]);
  }
});

Deno.test("resolveModel() writes what model.yaml alone knows", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in"))
    .editYaml("num_attn_heads: 4", "num_attn_heads: 16")
    .editYaml("num_key_value_heads: 2", "num_key_value_heads: 8")
    .editYaml("rope_theta: 500000.0", "rope_theta: 1234.5");
  await convert(temp, copy);
  assertEquals(paramsOf(temp), {
    dim: 32,
    n_layers: 2,
    n_heads: 16,
    n_kv_heads: 8,
    multiple_of: 8,
    ffn_dim_multiplier: 1.5,
    rope_theta: 1234.5,
    norm_eps: 1e-5,
  });
});

Deno.test("resolveModel() sees that shards are missing at the end", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama2_fp32_tp4", temp.at("in"));
  Deno.removeSync(copy.file("model.3.pt"));
  const yaml = join(copy.path, "model.yaml");
  await assertRefuses(
    temp,
    copy,
    MismatchError,
    `${copy.step}: holds 3 of the 4 shards that ${yaml} speaks of; all shards are needed`,
  );
  for (const rank of [1, 2]) Deno.removeSync(copy.file(`model.${rank}.pt`));
  await assertRefuses(
    temp,
    copy,
    MismatchError,
    `${copy.step}: holds 1 of the 4 shards that ${yaml} speaks of; all shards are needed`,
  );
});

Deno.test("resolveModel() doesn't mind num_shards where the weights were joined", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in")).editYaml(/$/, "num_shards: 2\n");
  await convert(temp, copy);
  assertSameFile(temp.at("out", "consolidated.00.pth"), EXPECTED);
});

/** A step without a `model.yaml`, with a file of another form. */
function reshaped(temp: TempDir, name: string, change: (root: Dict) => PickleValue | void): string {
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at(name)).removeYaml();
  return copy.edit((records) => void records.edit(change)).step;
}

Deno.test("openCheckpoint() tells which versions of fairseq2 save such files", async () => {
  using temp = new TempDir();
  const forms: [path: string, generations: readonly Generation[] | undefined][] = [
    [join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16/step_10"), ["0.2-0.3", "0.4"]],
    [join(CHECKPOINTS, "fairseq2-0.3.0/llama3_fp32_ddp/step_10"), ["0.2-0.3", "0.4"]],
    [join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16_tp2/step_10"), ["0.2-0.3", "0.4"]],
    [join(CHECKPOINTS, "fairseq2-0.4.5/llama3_bf16/step_10"), ["0.4"]],
    // 0.4.1, `checkpoint/_manager.py`.
    [reshaped(temp, "0.4.1", (root) => new Map([["model", root.get("model")!], ["fs2", true]])), ["0.4"]],
    [join(CHECKPOINTS, "fairseq2-0.8.1/llama3_bf16_fsdp3/checkpoints/step_10"), ["0.5+"]],
    [join(CHECKPOINTS, "fairseq2-0.8.1/llama3_bf16/checkpoints/step_10/model/pp_00/tp_00/sdp_00.pt"), [
      "0.5+",
    ]],
    // What people save by themselves.
    [reshaped(temp, "flat", (root) => root.get("model")!), undefined],
    [reshaped(temp, "wrapped", (root) => new Map([["model", root.get("model")!]])), undefined],
    [join(CHECKPOINTS, "expected/fairseq2-0.3.0/llama3_bf16/reference"), undefined],
    [join(CHECKPOINTS, "expected/fairseq2-0.3.0/llama3_bf16/hf"), undefined],
  ];
  for (const [path, generations] of forms) {
    assertEquals((await openCheckpoint(path)).generations, generations, path);
  }
});

/** What fairseq2 0.3.0 computes (`models/llama/factory.py`), and what LLaMA 3.1 was published with. */
const scalings = {
  old: { factor: 8, lowFreqFactor: 1, highFreqFactor: 5, originalContextLength: 8192 },
  published: { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
};

for (const name of ["llama3_1_8b_instruct", "llama3_2_1b", "llama3_2_3b"]) {
  Deno.test(`resolveModel() scales RoPE of ${name} as the fairseq2 did whose form the files have`, async () => {
    using temp = new TempDir();
    makeCheckpoint({ model: name, directory: temp.path });
    const { modelYaml: _, ...made } = await openCheckpoint(temp.at("step_1"));
    assertEquals(made.generations, ["0.2-0.3", "0.4"]);
    const published = { ...scalings.published, factor: name.startsWith("llama3_2") ? 32 : 8 };
    const { generations: __, ...bare } = made;
    const cases: [Checkpoint, RopeScaling, notes: string[]][] = [
      [made, scalings.old, [formNote(name)]],
      [{ ...bare, generations: ["0.4"] }, published, []],
      [{ ...bare, generations: ["0.5+"] }, published, []],
      [bare, published, [unknownNote(name)]],
      [{ ...bare, naming: "reference" }, published, [unknownNote(name)]],
    ];
    for (const [checkpoint, ropeScaling, notes] of cases) {
      const { model, notes: said, card } = resolveModel(checkpoint, name);
      assertEquals([model.ropeScaling, said, card], [ropeScaling, notes, name]);
      if (!name.startsWith("llama3_2")) continue; // Others than these fit two architectures.
      const byShapes = resolveModel(checkpoint);
      assertEquals([byShapes.model.ropeScaling, byShapes.notes], [ropeScaling, notes]);
    }
  });
}

Deno.test("resolveModel() says nothing of RoPE where a params.json does, or has been said to", async () => {
  using temp = new TempDir();
  makeCheckpoint({ model: "llama3_2_1b", directory: temp.path });
  const { modelYaml: _, generations: __, ...made } = await openCheckpoint(temp.at("step_1"));
  const model = findArchitecture("llama3_2_1b");
  const reference: Checkpoint = { ...made, naming: "reference", model };
  assertEquals(resolveModel(reference, "llama3_2_1b").notes, []);
  const other = { ...model, ropeScaling: scalings.published };
  assertEquals(resolveModel({ ...reference, model: other }, "llama3_2_1b").notes, [
    unknownNote("llama3_2_1b"),
  ]);
});

Deno.test("resolveModel() says nothing of RoPE that isn't scaled", async () => {
  using temp = new TempDir();
  makeCheckpoint({ model: "llama3_8b", directory: temp.path });
  const { modelYaml: _, ...bare } = await openCheckpoint(temp.at("step_1"));
  const { model, notes } = resolveModel(bare, "llama3_8b");
  assertEquals([model.ropeScaling, notes], [undefined, []]);
});

Deno.test("resolveModel() reads a model.yaml that names a model alone by the form of the files", async () => {
  using temp = new TempDir();
  makeCheckpoint({ model: "llama3_1_8b", directory: temp.path });
  Deno.writeTextFileSync(temp.at("model.yaml"), "name: checkpoint\nbase: llama3_1_8b\n");
  const checkpoint = await openCheckpoint(temp.at("step_1"));
  const scalingOf = (generations?: readonly Generation[]) => {
    const { generations: _, ...rest } = checkpoint;
    const { model, notes } = resolveModel({ ...rest, ...(generations === undefined ? {} : { generations }) });
    return [model.ropeScaling, notes.length];
  };
  assertEquals(scalingOf(checkpoint.generations), [scalings.old, 0]);
  assertEquals(scalingOf(["0.4"]), [scalings.published, 0]);
  assertEquals(scalingOf(["0.5+"]), [scalings.published, 0]);
  // It is what 0.3 writes; but nothing shows it.
  assertEquals(scalingOf(), [scalings.old, 1]);
  const { generations: _, ...rest } = checkpoint;
  const named = resolveModel(rest, "llama3_1_8b");
  assertEquals([named.model.ropeScaling, named.notes], [scalings.old, resolveModel(rest).notes]);
});

Deno.test("planConversion() writes RoPE as fairseq2 0.3 computed it, though the model is only named", async () => {
  using temp = new TempDir();
  makeCheckpoint({ model: "llama3_2_1b", directory: temp.path });
  Deno.removeSync(temp.at("model.yaml"));
  const paths = { input: temp.at("step_1"), output: temp.at("out") };
  const { plan, notes } = await planConversion({
    ...paths,
    model: "llama3_2_1b",
    to: "huggingface",
    tokenizer: false,
  });
  const config = plan.files.find(({ name }) => name === "config.json")!.literals[0]!.bytes;
  assertEquals(JSON.parse(new TextDecoder().decode(config)).rope_scaling, {
    factor: 8,
    high_freq_factor: 5,
    low_freq_factor: 1,
    original_max_position_embeddings: 8192,
    rope_type: "llama3",
  });
  assertEquals(notes, [formNote("llama3_2_1b")]);
});

Deno.test("planConversion() says how to name what the reference layout can't say", async () => {
  using temp = new TempDir();
  makeCheckpoint({ model: "llama3_2_1b", directory: temp.path });
  Deno.removeSync(temp.at("model.yaml"));
  const paths = { input: temp.at("step_1"), output: temp.at("out") };
  const checkpoint = await planConversion(paths);
  assertEquals(checkpoint.notes, [formNote("llama3_2_1b"), referenceNote(5)]);
  const { generations: _, ...bare } = checkpoint.checkpoint;
  const { notes } = await planOutput(bare, resolveModel({ ...bare, generations: ["0.4"] }));
  assertEquals(notes, [referenceNote(4, "llama3_2_1b", 32)]);
});

Deno.test("resolveModel() has the unknown fields of a model.yaml beside a model that is named", async () => {
  using temp = new TempDir();
  makeCheckpoint({ model: "llama3_2_1b", directory: temp.path });
  const yaml = temp.at("model.yaml");
  Deno.writeTextFileSync(
    yaml,
    Deno.readTextFileSync(yaml).replace("  dropout_p: 0.0", "  dropout_p: 0.0\n  novelty: 3"),
  );
  const checkpoint = await openCheckpoint(temp.at("step_1"));
  const { unknownFields, model } = resolveModel(checkpoint, "llama3_2_1b");
  assertEquals(unknownFields.map(({ name }) => name), ["novelty"]);
  assertEquals(model.ropeScaling, scalings.old);
  const { modelYaml: _, ...bare } = checkpoint;
  assertEquals(resolveModel(bare, "llama3_2_1b").unknownFields, []);
});
