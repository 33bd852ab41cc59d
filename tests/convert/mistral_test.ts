/**
 * What Mistral alone has beside LLaMA's names: its layouts of fairseq2 0.3 and 0.4, its reference layout, matrices that
 * each shard has whole, and an architecture that is called as one of LLaMA's.
 */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { join } from "../../lib/deps.ts";
import { MismatchError, OptionError } from "../../lib/error.ts";
import {
  compareCheckpoints,
  convertCheckpoint,
  type ConvertOptions,
  inspect,
  planConversion,
  verifyCheckpoint,
} from "../../mod.ts";
import { findArchitecture } from "../../lib/models/mod.ts";
import { openCheckpoint, resolveModel } from "../../lib/convert/mod.ts";
import { assertRejectsWith } from "../_assert_rejects.ts";
import { ckpt } from "../_ckpt.ts";
import { makeNative } from "../bench/make_native.ts";
import { readState, saveState } from "../_native.ts";
import { python, runPython, transformersPythons } from "../_python.ts";
import { assertSameTorchFile } from "../_state_facts.ts";
import { TempDir } from "../_temp.ts";
import type { Values } from "../_tensors.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { assertError } from "./_assert_error.ts";
import { TRANSFORMERS } from "./_python_programs.ts";

const FAMILIES = join(CHECKPOINTS, "..", "families");

const BF16 = join(CHECKPOINTS, "fairseq2-0.8.1", "mistral_bf16", "checkpoints", "step_10");
const TP2 = join(FAMILIES, "mistral_fp32_tp2_fsdp2", "checkpoints", "step_10");
const OF_0_3 = join(FAMILIES, "mistral_0.3.0");
const OF_0_4 = join(FAMILIES, "mistral_0.4.5");

const EMBEDDING = "decoder_frontend.embed.weight";
const PROJECTION = "final_proj.weight";

async function convert(
  input: string,
  output: string,
  options: Partial<ConvertOptions> = {},
): Promise<string> {
  await convertCheckpoint({ input, output, clone: false, ...options });
  return output;
}

/** Asserts that two checkpoints have the same tensors, bit for bit. */
async function assertSame(a: string, b: string): Promise<void> {
  const { equal, tensors } = await compareCheckpoints(a, b);
  assertEquals(equal, true, `${a} and ${b}`);
  assertEquals(tensors, 21);
}

/** The state dict of a torch file that holds it flat. */
function stateOf(...path: string[]) {
  return readState(join(...path));
}

Deno.test("convertCheckpoint() takes a Mistral to any layout and back, bit for bit", async () => {
  using temp = new TempDir();
  for (const [i, source] of [BF16, TP2, join(OF_0_3, "step_10"), join(OF_0_4, "step_10")].entries()) {
    const hf = await convert(source, temp.at(`hf${i}`), { to: "huggingface" });
    const reference = await convert(source, temp.at(`reference${i}`), { to: "reference" });
    const native = await convert(reference, temp.at(`native${i}`), {
      to: "fairseq2",
      layout: "native",
      shards: 2,
    });
    const legacy = await convert(hf, temp.at(`legacy${i}`), { to: "fairseq2", layout: "legacy" });
    for (const output of [hf, reference, native, legacy]) {
      await assertSame(source, output);
      const { family, layout } = await inspect(output);
      const layouts = { [hf]: "huggingface", [reference]: "reference", [native]: "fairseq2 0.5-0.8" };
      assertEquals([family, layout], ["mistral", layouts[output] ?? "fairseq2 0.4"]);
      const { ok, model } = await verifyCheckpoint(output);
      assertEquals([ok, model?.parameters], [true, 21]);
    }
    // A window and sizes of its own, in all of them.
    for (const output of [hf, reference, native, legacy]) {
      const { model } = resolveModel(await openCheckpoint(output));
      const source0 = resolveModel(await openCheckpoint(source)).model;
      assertEquals([model.slidingWindow, model.family], [source0.slidingWindow, "mistral"]);
    }
  }
});

for (const { variable, path } of transformersPythons) {
  Deno.test({
    name:
      `convertCheckpoint() makes what transformers computes the logits of fairseq2 0.3's and 0.4's Mistral with (${variable})`,
    ignore: path === undefined,
    async fn() {
      using temp = new TempDir();
      const args: string[] = [];
      for (const root of [OF_0_3, OF_0_4]) {
        const reference = await convert(join(root, "step_10"), temp.at(`reference${args.length}`), {
          to: "reference",
        });
        for (const input of [join(root, "step_10"), reference]) {
          args.push(
            await convert(input, temp.at(`hf${args.length}`), { to: "huggingface" }),
            join(root, "logits.pt"),
          );
        }
      }
      const found: [number, string, boolean][] | null = JSON.parse(await runPython(TRANSFORMERS, args, path));
      if (found === null) return; // This Python has torch, but not transformers.
      assertEquals(
        found.map(([, dtype, tied]) => [dtype, tied]),
        ["float16", "float16", "bfloat16", "bfloat16"].map((dtype) => [dtype, false]),
      );
      for (const [i, [error]] of found.entries()) assert(error < 1e-5, `${args[2 * i]}: ${error}`);
    },
  });
}

/** What `torch.save` makes of fairseq2's state dict under the names of its own map (0.8.1 `models/mistral/interop.py`). */
const SAVE_REFERENCE = `
import re, sys, torch
names = [
    (r"^decoder\\.layers\\.([0-9]+)\\.self_attn\\.q_proj\\.", r"layers.\\1.attention.wq."),
    (r"^decoder\\.layers\\.([0-9]+)\\.self_attn\\.k_proj\\.", r"layers.\\1.attention.wk."),
    (r"^decoder\\.layers\\.([0-9]+)\\.self_attn\\.v_proj\\.", r"layers.\\1.attention.wv."),
    (r"^decoder\\.layers\\.([0-9]+)\\.self_attn\\.output_proj\\.", r"layers.\\1.attention.wo."),
    (r"^decoder\\.layers\\.([0-9]+)\\.self_attn_layer_norm\\.", r"layers.\\1.attention_norm."),
    (r"^decoder\\.layers\\.([0-9]+)\\.ffn\\.gate_proj\\.", r"layers.\\1.feed_forward.w1."),
    (r"^decoder\\.layers\\.([0-9]+)\\.ffn\\.output_proj\\.", r"layers.\\1.feed_forward.w2."),
    (r"^decoder\\.layers\\.([0-9]+)\\.ffn\\.inner_proj\\.", r"layers.\\1.feed_forward.w3."),
    (r"^decoder\\.layers\\.([0-9]+)\\.ffn_layer_norm\\.", r"layers.\\1.ffn_norm."),
    (r"^decoder\\.layer_norm\\.", r"norm."),
    (r"^decoder_frontend\\.embed\\.", r"tok_embeddings."),
    (r"^final_proj\\.", r"output."),
]
result = {}
for key, value in torch.load(sys.argv[1], weights_only=True).items():
    for pattern, to in names:
        key = re.sub(pattern, to, key)
    result[key] = value
torch.save(result, sys.argv[2])
`;

Deno.test({
  name: "convertCheckpoint() writes a Mistral's consolidated.00.pth as torch.save does",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    const output = await convert(BF16, temp.at("out"), { to: "reference" });
    assertEquals(temp.names("out"), ["consolidated.00.pth", "params.json"]);
    const source = join(BF16, "model", "pp_00", "tp_00", "sdp_00.pt");
    // torch names the records after the file.
    Deno.mkdirSync(temp.at("expected"));
    const expected = temp.at("expected/consolidated.00.pth");
    await runPython(SAVE_REFERENCE, [source, expected]);
    assertSameTorchFile(join(output, "consolidated.00.pth"), expected);
  },
});

Deno.test("convertCheckpoint() writes Mistral's own params.json", async () => {
  using temp = new TempDir();
  const output = await convert(BF16, temp.at("out"), { to: "reference" });
  assertEquals(JSON.parse(Deno.readTextFileSync(join(output, "params.json"))), {
    dim: 32,
    n_layers: 2,
    head_dim: 8,
    hidden_dim: 96,
    n_heads: 4,
    n_kv_heads: 2,
    norm_eps: 1e-5,
    sliding_window: 16,
    vocab_size: 50,
    rope_theta: 10000,
  });
});

Deno.test("convertCheckpoint() joins a Mistral's shards in the reference layout, which is one file", async () => {
  using temp = new TempDir();
  const output = await convert(TP2, temp.at("out"), { to: "reference" });
  assertEquals(temp.names("out"), ["consolidated.00.pth", "params.json"]);
  await assertSame(TP2, output);
  await assertRejectsWith(
    () => planConversion({ input: TP2, output: temp.at("two"), to: "reference", shards: 2 }),
    OptionError,
    "A Mistral in the reference layout is one file, which can't be split into 2 shards; leave --shards out",
  );
  Deno.copyFileSync(join(output, "consolidated.00.pth"), join(output, "consolidated.01.pth"));
  await assertRejectsWith(
    () => openCheckpoint(output),
    MismatchError,
    `${output}/params.json: is of a Mistral model, which is in one file, but there are 2`,
  );
});

Deno.test("convertCheckpoint() leaves a Mistral's embedding and projection whole in every shard", async () => {
  using temp = new TempDir();
  const output = await convert(TP2, temp.at("out"), { to: "fairseq2", layout: "native", shards: 4 });
  const files = [0, 1, 2, 3].map((rank) =>
    join(output, "step_10", "model", "pp_00", `tp_0${rank}`, "sdp_00.pt")
  );
  const [first, ...others] = await Promise.all(files.map((file) => stateOf(file)));
  for (const name of [EMBEDDING, PROJECTION]) {
    assertEquals(first!.get(name)!.shape, [34, 16]);
    for (const other of others) assertEquals(other.get(name), first!.get(name));
  }
  assertEquals(first!.get("decoder.layers.0.self_attn.q_proj.weight")!.shape, [4, 16]);
  // No number of shards has to divide the vocabulary, but the key and value heads.
  await assertRejectsWith(
    () =>
      planConversion({ input: TP2, output: temp.at("three"), to: "fairseq2", layout: "native", shards: 3 }),
    OptionError,
    "Can't split the model into 3 shards: it has 4 attention heads, which 3 doesn't divide",
  );
});

Deno.test("convertCheckpoint() tells of an embedding that differs between a Mistral's shards", async () => {
  using temp = new TempDir();
  const input = await convert(TP2, temp.at("in"), { to: "fairseq2", layout: "native" });
  const file = join(input, "step_10", "model", "pp_00", "tp_01", "sdp_00.pt");
  const state = new Map(await stateOf(file));
  const { dtype, shape, bytes } = state.get(EMBEDDING)!;
  state.set(EMBEDDING, { dtype, shape, bytes: bytes.map((byte, i) => i === 0 ? byte ^ 1 : byte) });
  saveState(file, state);
  const note = (which: string) =>
    `${EMBEDDING} differs between the shards, though each should have the same copy; ${which}`;
  for (
    const [options, which] of [
      [{ to: "huggingface" }, "that of the first shard is taken"],
      [{ to: "reference" }, "that of the first shard is taken"],
      [{ to: "fairseq2", layout: "native" }, "each shard keeps its own"],
    ] as const
  ) {
    const { notes } = await planConversion({ input, output: temp.at("out"), ...options });
    assert(notes.includes(note(which)), `${options.to}: ${notes.join("\n")}`);
  }
});

Deno.test("convertCheckpoint() gives a Mistral two matrices, where Hugging Face's files have one", async () => {
  using temp = new TempDir();
  const hf = await convert(BF16, temp.at("hf"), { to: "huggingface" });
  const config = JSON.parse(Deno.readTextFileSync(join(hf, "config.json")));
  Deno.writeTextFileSync(join(hf, "config.json"), JSON.stringify({ ...config, tie_word_embeddings: true }));
  dropTensor(join(hf, "model.safetensors"), "lm_head.weight");
  const native = await convert(hf, temp.at("native"), { to: "fairseq2", layout: "native", shards: 2 });
  const { shards } = await openCheckpoint(native);
  for (const { parameters } of shards) {
    // fairseq2's loader gives one tensor of two names to the model once.
    const [embedding, projection] = [parameters.get(EMBEDDING)!, parameters.get(PROJECTION)!];
    assert(embedding !== projection);
    assertEquals(embedding.storage, projection.storage);
  }
  const { notes } = await planConversion({
    input: hf,
    output: temp.at("x"),
    to: "fairseq2",
    layout: "native",
    shards: 2,
  });
  assertEquals(notes, []);
  const back = await convert(native, temp.at("back"), { to: "huggingface" });
  assertEquals(
    Deno.readFileSync(join(back, "model.safetensors")),
    Deno.readFileSync(join(hf, "model.safetensors")),
  );
});

/** Takes a tensor out of a safetensors file whose data comes last, or is written anew without it. */
function dropTensor(path: string, name: string): void {
  const file = Deno.readFileSync(path);
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header: Record<string, { data_offsets?: [number, number] }> = JSON.parse(
    new TextDecoder().decode(file.subarray(8, 8 + length)),
  );
  const [start, end] = header[name]!.data_offsets!;
  delete header[name];
  for (const { data_offsets } of Object.values(header)) {
    if (data_offsets === undefined || data_offsets[0] < end) continue;
    data_offsets[0] -= end - start;
    data_offsets[1] -= end - start;
  }
  let text = JSON.stringify(header);
  text = text.padEnd(Math.ceil(text.length / 8) * 8);
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, BigInt(text.length), true);
  const data = file.subarray(8 + length);
  Deno.writeFileSync(
    path,
    Buffer.concat([size, new TextEncoder().encode(text), data.subarray(0, start), data.subarray(end)]),
  );
}

Deno.test("convertCheckpoint() refuses weights that aren't a Mistral's", async () => {
  const layer = "decoder.layers.1.";
  const vector = (state: Map<string, Values>, length: number): Values => {
    const { dtype, bytes } = state.get(EMBEDDING)!;
    return { dtype, shape: [length], bytes: bytes.slice(0, length * dtype.itemBytes) };
  };
  const isNone = (name: string) =>
    `${name}: is no parameter of a fairseq2 Mistral model; is this another model?`;
  const isNot = (what: string) =>
    `the weights are not those of MODEL: ${what}; no published architecture has these shapes`;
  const changes: readonly (readonly [change: (state: Map<string, Values>) => void, message: string])[] = [
    [
      (state) => state.set(`${layer}self_attn.q_proj.bias`, vector(state, 32)),
      isNone(`${layer}self_attn.q_proj.bias`),
    ],
    [
      (state) => state.set(`${layer}self_attn.q_norm.weight`, vector(state, 8)),
      isNone(`${layer}self_attn.q_norm.weight`),
    ],
    [
      (state) => state.delete(`${layer}ffn.gate_proj.weight`),
      isNot(`${layer}ffn.gate_proj.weight is missing`),
    ],
    [
      (state) => state.set(`${layer}ffn_layer_norm.weight`, vector(state, 16)),
      isNot(`${layer}ffn_layer_norm.weight is [16], expected [32]`),
    ],
  ];
  for (const [change, message] of changes) {
    using temp = new TempDir();
    const file = temp.at("in/step_10/model/pp_00/tp_00/sdp_00.pt");
    const state = new Map(await stateOf(BF16, "model", "pp_00", "tp_00", "sdp_00.pt"));
    change(state);
    saveState(file, state);
    Deno.copyFileSync(join(BF16, "..", "model.yaml"), temp.at("in/model.yaml"));
    await assertRejectsWith(
      () => planConversion({ input: temp.at("in"), output: temp.at("out"), to: "huggingface" }),
      MismatchError,
      `${file}: ${message.replace("MODEL", temp.at("in/model.yaml"))}`,
    );
  }
});

Deno.test("convertCheckpoint() refuses a theta that fairseq2's Mistral hasn't got, which other layouts have", async () => {
  using temp = new TempDir();
  const hf = await convert(BF16, temp.at("hf"), { to: "huggingface" });
  const config = JSON.parse(Deno.readTextFileSync(join(hf, "config.json")));
  Deno.writeTextFileSync(
    join(hf, "config.json"),
    JSON.stringify({ ...config, rope_theta: 1000000.0, sliding_window: null }),
  );
  for (const layout of ["legacy", "native"] as const) {
    await assertRejectsWith(
      () => planConversion({ input: hf, output: temp.at("out"), to: "fairseq2", layout }),
      MismatchError,
      "Cannot write model.yaml: fairseq2's Mistral has a rope_theta of 10000 and no field for another, but the model " +
        "has 1000000",
    );
  }
  const reference = await convert(hf, temp.at("reference"), { to: "reference" });
  const { rope_theta, sliding_window } = JSON.parse(Deno.readTextFileSync(join(reference, "params.json")));
  assertEquals([rope_theta, sliding_window], [1000000, undefined]);
  const { model } = resolveModel(await openCheckpoint(reference));
  assertEquals([model.ropeTheta, model.slidingWindow], [1000000, undefined]);
});

Deno.test("convertCheckpoint() refuses a Mistral in several shards of fairseq2 0.2 to 0.4", async () => {
  using temp = new TempDir();
  await assertRejectsWith(
    () => planConversion({ input: TP2, output: temp.at("out"), to: "fairseq2" }),
    OptionError,
    "fairseq2 0.2 to 0.4 can't load a Mistral in 2 shards; write one (--shards 1), or the layout of 0.5 and later " +
      "(--layout native)",
  );
  const { plan } = await planConversion({ input: TP2, output: temp.at("out"), to: "fairseq2", shards: 1 });
  assertEquals(plan.files.map(({ name }) => name), ["step_10/model.pt", "model.yaml"]);
});

Deno.test("convertCheckpoint() refuses Meta's layout for a Mistral", async () => {
  using temp = new TempDir();
  await assertRejectsWith(
    () => planConversion({ input: BF16, output: temp.at("out"), to: "meta" }),
    OptionError,
    "The meta layout has no Mistral models; write Mistral's own (--to reference)",
  );
});

Deno.test("resolveModel() takes the checkpoint's own word for whose 7b is meant, or the family that is given", async () => {
  using temp = new TempDir();
  makeNative({ family: "mistral", model: "7b", directory: temp.path });
  const checkpoint = await openCheckpoint(temp.at("step_1"));
  const { modelYaml, ...bare } = checkpoint;
  for (const named of ["7b", "mistral_7b", "mistral_7b_instruct"]) {
    const { architecture, card } = resolveModel(checkpoint, named);
    assertEquals([architecture, card], ["mistral_7b", named]);
  }
  assertEquals(resolveModel(bare, "7b", "mistral").architecture, "mistral_7b");
  // The names are LLaMA's, but none of its architectures has these sizes with this vocabulary.
  assertEquals(resolveModel(bare).architecture, "mistral_7b");
  assertError(
    () => resolveModel(bare, "7b"),
    OptionError,
    'The model "7b" may be a LLaMA or a Mistral: say llama_7b or mistral_7b',
  );
  assertError(
    () => resolveModel(bare, "7b", "llama"),
    MismatchError,
    `${temp.at("step_1/model/pp_00/tp_00/sdp_00.pt")}: the weights are not those of 7b: ` +
      "decoder.layers.0.self_attn.k_proj.weight is [1024, 4096], expected [4096, 4096]; " +
      "decoder.layers.0.self_attn.v_proj.weight is [1024, 4096], expected [4096, 4096]; " +
      "decoder.layers.0.ffn.gate_proj.weight is [14336, 4096], expected [11008, 4096]; and 157 more; the shapes fit " +
      "llama3_8b, llama3_1_8b",
  );
  assertError(
    () => resolveModel(checkpoint, "llama_7b"),
    MismatchError,
    `${modelYaml}: says that the model is of the family Mistral, but llama_7b is of LLaMA`,
  );
  assertError(
    () => resolveModel(checkpoint, undefined, "llama"),
    OptionError,
    `${temp.at("step_1")}: is a Mistral model, not a LLaMA; convert it with ckpt convert`,
  );
});

Deno.test("resolveModel() takes a window from where it is said, not from the name", async () => {
  using temp = new TempDir();
  const config = { attn_window_len: 1024, max_seq_len: 16384 };
  makeNative({ family: "mistral", model: "7b", config, directory: temp.path });
  const checkpoint = await openCheckpoint(temp.at("step_1"));
  for (const named of ["mistral_7b", "7b", undefined]) {
    const { model } = resolveModel(checkpoint, named);
    assertEquals([model.slidingWindow, model.maxSeqLen, model.family], [1024, 16384, "mistral"], named);
  }
  // Mistral's params.json says the window, too, or that there is none.
  const { modelYaml: _, ...bare } = checkpoint;
  for (const slidingWindow of [2048, undefined]) {
    const described = { ...findArchitecture("mistral_7b"), slidingWindow };
    const reference = { ...bare, naming: "reference", model: described } as const;
    assertEquals(resolveModel(reference, "mistral_7b").model.slidingWindow, slidingWindow);
  }
});

Deno.test("ckpt llama convert_checkpoint converts LLaMA alone, and knows its 7b", async () => {
  using temp = new TempDir();
  const run = (...args: string[]) =>
    ckpt(["llama", "convert_checkpoint", "--dry-run", ...args, temp.at("out")]);
  assertEquals(await run(BF16), {
    code: 1,
    stdout: "",
    stderr: `error: ${BF16}: is a Mistral model, not a LLaMA; convert it with ckpt convert\n`,
  });
  // Without a model.yaml, whose 7b it is follows from the command.
  Deno.copyFileSync(join(BF16, "model", "pp_00", "tp_00", "sdp_00.pt"), temp.at("sdp_00.pt"));
  const { code, stderr } = await run("--model", "7b", temp.at("sdp_00.pt"));
  assertEquals(code, 1);
  assert(stderr.includes("expected [4096, 4096]"), stderr);
  const other = await ckpt(["convert", "--dry-run", "--model", "7b", temp.at("sdp_00.pt"), temp.at("out")]);
  assertEquals(other, {
    code: 1,
    stdout: "",
    stderr: 'error: The model "7b" may be a LLaMA or a Mistral: say llama_7b or mistral_7b\n',
  });
});
