import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { CancelledError, FileError, FormatError, MismatchError, OptionError } from "../../lib/error.ts";
import { compareCheckpoints, type CompareOptions, type Comparison } from "../../lib/inspect/compare.ts";
import { compareStatistics } from "../../lib/inspect/movement.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { copyTree, TempDir } from "../_temp.ts";
import {
  changeTensor,
  CheckpointCopy,
  CHECKPOINTS,
  editFile,
  readRecords,
  writeRecords,
} from "../_torch_files.ts";
import { Tuple } from "../../lib/pickle/mod.ts";
import { golden, goldenPath } from "./_golden.ts";

/** What differs, in short. */
function differences({ differences }: Comparison): string[] {
  return differences.map(({ name, what, largest, tolerated }) =>
    [name, what, ...(largest === undefined ? [] : [largest]), ...(tolerated ? ["tolerated"] : [])].join(" ")
  );
}

async function compare(a: string, b: string, options?: CompareOptions): Promise<string[] | "equal"> {
  const comparison = await compareCheckpoints(a, b, options);
  return comparison.equal && comparison.differences.length === 0 ? "equal" : differences(comparison);
}

const at = (...names: string[]) => join(CHECKPOINTS, ...names);

/** The checkpoints of each model, whatever their layouts, shards and wrappers. */
const sameModels: readonly (readonly [name: string, input: string, outputs: readonly string[]])[] = [
  ["fairseq2-0.3.0/llama2_fp16", "step_10", ["reference"]],
  ["fairseq2-0.3.0/llama2_fp32_tp4", "step_10", ["reference"]],
  ["fairseq2-0.3.0/llama3_bf16", "", ["reference", "hf"]],
  ["fairseq2-0.3.0/llama3_bf16_tp2", "step_10", ["reference", "hf"]],
  ["fairseq2-0.3.0/llama3_fp32_ddp", "step_10", ["reference", "reference/consolidated.00.pth"]],
  ["fairseq2-0.4.5/llama3_bf16", "step_10/model.pt", ["reference", "hf"]],
  ["fairseq2-0.4.5/llama3_bf16_tp2", "step_10", ["reference", "hf"]],
  ["fairseq2-0.8.1/llama3_bf16", "", ["reference", "hf"]],
  ["fairseq2-0.8.1/llama3_bf16_fsdp3", "checkpoints", ["reference", "hf"]],
  ["fairseq2-0.8.1/llama3_bf16_tied", "checkpoints/step_10", ["reference", "hf"]],
  ["fairseq2-0.8.1/llama3_fp32_tp2_fsdp2", "checkpoints/step_10/model", ["reference"]],
];

for (const [name, input, outputs] of sameModels) {
  Deno.test(`compareCheckpoints() finds ${name} in what the real converters made of it`, async () => {
    for (const output of outputs) {
      const [a, b] = [at(name, input), at("expected", name, output)];
      assertEquals([await compare(a, b), await compare(b, a)], ["equal", "equal"], output);
    }
  });
}

Deno.test("compareCheckpoints() finds that models of the same names are different", async () => {
  const a = at("fairseq2-0.3.0", "llama3_bf16");
  for (
    const other of [
      "fairseq2-0.3.0/llama3_bf16_tp2",
      "fairseq2-0.4.5/llama3_bf16",
      "fairseq2-0.8.1/llama3_bf16",
    ]
  ) {
    const found = await compareCheckpoints(a, at(other));
    assertEquals([found.equal, found.tensors, found.differences.every(({ what }) => what === "bits")], [
      false,
      21,
      true,
    ]);
  }
});

Deno.test("compareCheckpoints() says what it compared", async () => {
  const [a, b] = [at("fairseq2-0.3.0", "llama3_bf16"), at("expected", "fairseq2-0.3.0", "llama3_bf16", "hf")];
  assertEquals(await compareCheckpoints(a, b), {
    equal: true,
    a: { path: a, kind: "fairseq2 0.2–0.4" },
    b: { path: b, kind: "Hugging Face" },
    tensors: 21,
    differences: [],
    notes: [],
  });
});

Deno.test("compareCheckpoints() takes another dtype for a difference, unless there is a tolerance", async () => {
  const name = "fairseq2-0.3.0/llama2_fp32_tp4";
  const [a, b] = [at(name), at("expected", name, "hf")];
  const bits = await compareCheckpoints(a, b);
  assertEquals([bits.equal, bits.differences.length], [false, 21]);
  assertEquals(bits.differences[0], {
    name: "decoder_frontend.embed.weight",
    what: "dtype",
    a: { dtype: "float32", shape: [40, 32] },
    b: { dtype: "bfloat16", shape: [40, 32] },
    tolerated: false,
  });
  const { equal, differences } = await compareCheckpoints(a, b, { tolerance: 1 / 256 });
  assertEquals([equal, differences.length], [true, 21]);
  const far = differences.map(({ largest }) => largest!);
  assertEquals(far, far.toSorted((x, y) => y - x));
  // The norms are between 0.5 and 1.5, where bfloat16 has 8 bits.
  assertEquals([far[0]! <= 1 / 256, far[0]! > 1 / 512, far.at(-1)! > 0], [true, true, true]);
  const strict = await compareCheckpoints(a, b, { tolerance: far[1]! });
  assertEquals([strict.equal, strict.differences.map(({ tolerated }) => tolerated).slice(0, 3)], [false, [
    false,
    true,
    true,
  ]]);
});

const apart = golden<Record<string, number | null>>("apart.json");

Deno.test("compareCheckpoints() finds the differences that torch finds, of any dtypes", async () => {
  const [a, b] = [goldenPath("left.pt"), goldenPath("right.pt")];
  const { differences, tensors, equal } = await compareCheckpoints(a, b, { tolerance: Infinity });
  const found = new Map(differences.map(({ name, largest }) => [name, largest]));
  const unequal = Object.keys(apart).filter((name) => found.has(name));
  assertEquals(
    Object.fromEntries(unequal.map((name) => [name, found.get(name)])),
    Object.fromEntries(
      unequal.map((name) => [name, apart[name]]),
    ),
  );
  // What isn't listed has the same bits and dtype.
  assertEquals(Object.keys(apart).filter((name) => !found.has(name)), [
    "float64 as float64",
    "bfloat16 as bfloat16",
  ]);
  assertEquals([tensors, equal], [Object.keys(apart).length, false]);
  const untolerated = differences.filter(({ tolerated }) => !tolerated).map(({ name }) => name).sort();
  assertEquals(untolerated, ["infinity", "infinity and a number", "nan on one side"]);
});

Deno.test("compareCheckpoints() compares bits where there is no tolerance", async () => {
  using temp = new TempDir();
  const [a, b] = [goldenPath("left.pt"), goldenPath("left.pt")];
  assertEquals(await compare(a, b), "equal");
  const zero = temp.at("zero.pt");
  const records = readRecords(goldenPath("left.pt"));
  const key = [...records.keys()].find((name) => {
    const data = records.get(name)!;
    return name.startsWith("data/") && data.length === 24 && data[7] === 0x80;
  })!;
  records.set(key, records.get(key)!.map((byte, i) => i === 7 ? 0 : byte));
  writeRecords(zero, records);
  // The storage is that of two tensors.
  assertEquals(await compare(a, zero), ["signs of zero bits", "same specials bits"]);
  assertEquals(await compare(a, zero, { tolerance: 0 }), [
    "signs of zero values 0 tolerated",
    "same specials values 0 tolerated",
  ]);
});

Deno.test("compareCheckpoints() finds what only one of them has, and other shapes", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("in"));
  copy.removeYaml().editState((state) => {
    state.delete("decoder.layers.1.ffn_layer_norm.weight");
    const norm = state.get("decoder.layers.0.ffn_layer_norm.weight")!;
    state.set("decoder.layers.2.ffn_layer_norm.weight", norm);
    state.set("decoder.layers.0.ffn_layer_norm.weight", changeTensor(norm, { shape: new Tuple(16) }));
  });
  const original = at("fairseq2-0.3.0", "llama3_bf16");
  assertEquals(await compare(original, copy.step), [
    "decoder.layers.1.ffn_layer_norm.weight missing",
    "decoder.layers.2.ffn_layer_norm.weight missing",
    "decoder.layers.0.ffn_layer_norm.weight shape",
  ]);
  // No tolerance makes up for that.
  assertEquals((await compareCheckpoints(original, copy.step, { tolerance: Infinity })).equal, false);
  const [{ a, b }] = (await compareCheckpoints(original, copy.step)).differences as [
    Comparison["differences"][0],
  ];
  assertEquals([a, b], [{ dtype: "bfloat16", shape: [32] }, null]);
});

Deno.test("compareCheckpoints() finds a single bit that differs, wherever it is", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama2_fp16", temp.at("in"));
  for (const [key, at] of [["data/0", 0], ["data/7", 1001], ["data/20", 2559]] as const) {
    copy.edit((records) => records.set(key, records.get(key)!.map((byte, i) => i === at ? byte ^ 1 : byte)));
  }
  const found = await compare(at("fairseq2-0.3.0", "llama2_fp16"), copy.step);
  assertEquals(found, [
    "decoder_frontend.embed.weight bits",
    "decoder.layers.0.ffn.gate_proj.weight bits",
    "final_proj.weight bits",
  ]);
});

Deno.test("compareCheckpoints() trusts no checksum", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama2_fp16", temp.at("in"));
  const file = Deno.readFileSync(copy.file());
  const records = readRecords(copy.file());
  // The bytes change where they are; what the archive says of them stays.
  const data = records.get("data/20")!;
  const text = new TextDecoder("latin1").decode(file);
  const start = text.indexOf(new TextDecoder("latin1").decode(data));
  file[start] = file[start]! ^ 1;
  Deno.writeFileSync(copy.file(), file);
  assertEquals(await compare(at("fairseq2-0.3.0", "llama2_fp16"), copy.step), ["final_proj.weight bits"]);
});

Deno.test("compareCheckpoints() compares other files by the names of their tensors", async () => {
  const folder = join(CHECKPOINTS, "..");
  const [legacy, current] = ["torch_legacy", "torch/2.13.0"].map((name) =>
    join(folder, name, "tied", "model.pt")
  ) as [
    string,
    string,
  ];
  assertEquals(await compare(legacy, current), "equal");
  const found = await compareCheckpoints(legacy, current);
  assertEquals([found.a.kind, found.tensors], ["tensors by name", 9]);
  await assertFailsAsync(
    () => compareCheckpoints(goldenPath("nested.pt"), legacy),
    FormatError,
    `a: ${
      goldenPath("nested.pt")
    }: data.pkl: names argparse.Namespace at byte 542, which no model's weights need; ` +
      "ckpt runs nothing from a file, so save the weights alone (a state dict)",
  );
  assertEquals(
    await compare(
      join(folder, "safetensors", "model.safetensors"),
      join(folder, "safetensors", "model.safetensors"),
    ),
    "equal",
  );
});

Deno.test("compareCheckpoints() compares a shard by itself with another by name", async () => {
  const [a, b] = ["model.0.pt", "model.1.pt"].map((name) =>
    at("fairseq2-0.3.0", "llama3_bf16_tp2", "step_10", name)
  ) as [
    string,
    string,
  ];
  assertEquals(await compare(a, a), "equal");
  const found = await compareCheckpoints(a, b);
  // The norms are copies of each other.
  assertEquals([found.equal, found.tensors, found.differences.length], [false, 21, 16]);
  assertEquals(found.differences[0]!.name, "model.decoder_frontend.embed.weight");
});

Deno.test("compareCheckpoints() compares a model with other files by the names in the files", async () => {
  const [model, other] = [at("fairseq2-0.3.0", "llama3_bf16", "step_10"), goldenPath("left.pt")];
  const found = await compareCheckpoints(model, other);
  assertEquals([found.equal, found.tensors, found.a.kind], [false, 0, "tensors by name"]);
  assertEquals(found.differences[0]!.name, "model.decoder_frontend.embed.weight");
});

Deno.test("compareCheckpoints() notes copies and configurations that differ", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
  copy.editState((state) => {
    const norm = "decoder.layer_norm.weight";
    state.set(norm, state.get("decoder.layers.0.ffn_layer_norm.weight")!);
  }, "model.1.pt");
  copy.editYaml(/rope_theta: .*/, "rope_theta: 20000.0");
  const { equal, notes } = await compareCheckpoints(at("fairseq2-0.3.0", "llama3_bf16_tp2"), copy.step);
  assertEquals(equal, true);
  assertEquals(notes, [
    `${copy.step}: decoder.layer_norm.weight differs between the shards, though each should have the same copy; ` +
    "the first one counts",
    "the configurations differ: a RoPE base of 500000 and 20000",
  ]);
});

Deno.test("compareCheckpoints() refuses what is incomplete, missing or damaged", async () => {
  using temp = new TempDir();
  const good = at("fairseq2-0.3.0", "llama3_bf16_tp2");
  const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
  Deno.removeSync(copy.file("model.0.pt"));
  await assertFailsAsync(
    () => compareCheckpoints(good, copy.step),
    FileError,
    `b: ${copy.step}: model.0.pt is missing, but model.1.pt is there; all shards are needed`,
  );
  await assertFailsAsync(
    () => compareCheckpoints(good, temp.at("none")),
    FileError,
    `b: ${temp.at("none")}: no such file or directory; check the path`,
  );
  Deno.mkdirSync(temp.at("empty"));
  await assertFailsAsync(
    () => compareCheckpoints(good, temp.at("empty")),
    FileError,
    `b: ${temp.at("empty")}: the directory is empty; name a checkpoint's step directory`,
  );
  // A model of Hugging Face's of which a tensor is missing isn't compared as other files.
  copyTree(at("expected", "fairseq2-0.3.0", "llama3_bf16", "hf"), temp.at("hf"));
  const config = temp.at("hf", "config.json");
  Deno.writeTextFileSync(
    config,
    Deno.readTextFileSync(config).replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'),
  );
  await assertFailsAsync(
    () => compareCheckpoints(temp.at("hf"), temp.at("hf")),
    MismatchError,
    `a: ${temp.at("hf")}: no file holds model.layers.2.input_layernorm.weight, so the model is incomplete`,
  );
  Deno.writeTextFileSync(config, '{"model_type": "mistral"}');
  assertEquals(await compare(temp.at("hf"), temp.at("hf")), "equal");
});

Deno.test("compareCheckpoints() and compareStatistics() name the side at fault", async () => {
  using temp = new TempDir();
  const good = at("fairseq2-0.3.0", "llama3_bf16");
  const none = temp.at("none");
  const text = temp.at("text.pt");
  Deno.writeTextFileSync(text, "nonsense");
  const cut = temp.at("cut.safetensors");
  const whole = Deno.readFileSync(at("expected", "fairseq2-0.3.0", "llama3_bf16", "hf", "model.safetensors"));
  Deno.writeFileSync(cut, whole.subarray(0, whole.length - 1));
  const both = temp.at("both");
  copyTree(at("expected", "fairseq2-0.3.0", "llama3_bf16", "hf"), both);
  copyTree(at("expected", "fairseq2-0.3.0", "llama3_bf16", "reference"), both);
  const bad = [[none, FileError], [text, FormatError], [cut, FormatError], [both, OptionError]] as const;
  for (const [path, kind] of bad) {
    for (const [a, b, side] of [[path, good, "a"], [good, path, "b"], [path, path, "a"]] as const) {
      for (
        const compare of [compareCheckpoints, (...of: [string, string]) => compareStatistics(...of).next()]
      ) {
        const error: Error = await assertRejects(() => compare(a, b), kind);
        assert(error.message.startsWith(`${side}: ${path}: `), error.message);
      }
    }
  }
});

Deno.test("compareCheckpoints() names the side that was changed while it was read", async () => {
  for (const side of ["a", "b"] as const) {
    using temp = new TempDir();
    const file = at("expected", "fairseq2-0.3.0", "llama3_bf16", "hf", "model.safetensors");
    const paths = { a: temp.at("a.safetensors"), b: temp.at("b.safetensors") };
    for (const path of Object.values(paths)) Deno.copyFileSync(file, path);
    const onProgress = () => Deno.writeTextFileSync(paths[side], "more", { append: true });
    await assertFailsAsync(
      () => compareCheckpoints(paths.a, paths.b, { onProgress }),
      FileError,
      `${side}: ${paths[side]}: changed while it was read; compare again`,
    );
  }
});

Deno.test("compareCheckpoints() refuses a tolerance that is none", async () => {
  for (const tolerance of [-1, NaN]) {
    await assertFailsAsync(
      () => compareCheckpoints("a", "b", { tolerance }),
      OptionError,
      `Can't compare with a tolerance of ${tolerance}: it must be a number from 0`,
    );
  }
});

Deno.test("compareCheckpoints() reports how far it is, and can be cancelled", async () => {
  const [a, b] = [at("fairseq2-0.3.0", "llama3_bf16"), at("expected", "fairseq2-0.3.0", "llama3_bf16", "hf")];
  const reports: [number, number][] = [];
  await compareCheckpoints(a, b, { onProgress: (...report) => reports.push(report) });
  assertEquals(reports.at(-1), [68160, 68160]);
  const controller = new AbortController();
  controller.abort();
  await assertFailsAsync(
    () => compareCheckpoints(a, b, { signal: controller.signal }),
    CancelledError,
    "Cancelled",
  );
});

Deno.test("compareCheckpoints() refuses a tensor that repeats its storage without end", async () => {
  using temp = new TempDir();
  const file = temp.at("x.pt");
  Deno.copyFileSync(join(CHECKPOINTS, "..", "torch", "2.13.0", "plain", "model.pt"), file);
  editFile(file, (records) =>
    records.edit((root) => {
      const large = { shape: new Tuple(1 << 20, 1 << 20), stride: new Tuple(0, 0) };
      root.set("a", changeTensor(root.get("a")!, large));
    }));
  await assertFailsAsync(
    () => compareCheckpoints(file, file),
    FormatError,
    `a: ${file}: a: repeats the items of its storage (torch's expand) to more than 67108864 bytes; ` +
      "save it with tensor.clone()",
  );
});
