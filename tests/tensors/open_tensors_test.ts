import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import {
  castTensors,
  type LazyTensor,
  openTensors,
  OptionError,
  saveSafetensors,
  tensorOf,
} from "../../mod.ts";
import { openCheckpoint } from "../../lib/convert/mod.ts";
import { assertRejectsWith } from "../_assert_rejects.ts";
import { copyTree, TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const FIXTURES = join(CHECKPOINTS, "..");

/** What was opened, with the notes. */
async function opened(
  path: string,
  options: Parameters<typeof openTensors>[1] = {},
): Promise<{ tensors: Map<string, LazyTensor>; notes: string[] }> {
  const notes: string[] = [];
  return { tensors: await openTensors(path, { ...options, onNote: (note) => notes.push(note) }), notes };
}

Deno.test("openTensors() joins tensor-parallel shards, whose values are those of the whole model", async () => {
  const { tensors, notes } = await opened(join(CHECKPOINTS, "fairseq2-0.3.0/llama2_fp32_tp4/step_10"));
  assertEquals(notes, ["joined from 4 tensor-parallel shards"]);
  // Hugging Face's own script joined them, and cast them to bfloat16.
  const expected = await openTensors(join(CHECKPOINTS, "expected/fairseq2-0.3.0/llama2_fp32_tp4/hf"));
  const names: [string, string][] = [
    ["decoder_frontend.embed.weight", "model.embed_tokens.weight"],
    ["decoder.layers.1.ffn.output_proj.weight", "model.layers.1.mlp.down_proj.weight"],
    ["decoder.layers.0.self_attn.v_proj.weight", "model.layers.0.self_attn.v_proj.weight"],
    ["final_proj.weight", "lm_head.weight"],
  ];
  assertEquals(tensors.size, expected.size);
  const cast = castTensors(tensors, "bfloat16");
  for (const [name, other] of names) {
    assertEquals(tensors.get(name)!.shape, expected.get(other)!.shape);
    assertEquals(await cast.get(name)!.read(), await expected.get(other)!.read(), name);
  }
});

Deno.test("openTensors() joins shards of the reference layout under its own names", async () => {
  const directory = join(CHECKPOINTS, "expected/fairseq2-0.3.0/llama2_fp32_tp4/reference");
  const { tensors } = await opened(directory);
  const whole = await openTensors(join(CHECKPOINTS, "fairseq2-0.3.0/llama2_fp32_tp4/step_10"));
  assertEquals(
    await tensors.get("layers.1.attention.wo.weight")!.read(),
    await whole.get("decoder.layers.1.self_attn.output_proj.weight")!.read(),
  );
  // One of the files is a file like any other.
  const shard = await openTensors(join(directory, "consolidated.02.pth"));
  const columns = shard.get("layers.1.attention.wo.weight")!.shape[1]!;
  assertEquals(columns * 4, tensors.get("layers.1.attention.wo.weight")!.shape[1]);
});

Deno.test("openTensors() joins FSDP's pieces", async () => {
  const path = join(CHECKPOINTS, "fairseq2-0.8.1/llama3_bf16_fsdp3/checkpoints/step_10");
  const { tensors, notes } = await opened(path);
  const { shards } = await openCheckpoint(path);
  assertEquals([...tensors.keys()], [...shards[0]!.parameters.keys()]);
  assertEquals(notes.filter((note) => note.includes("joined")).length, 1);
});

Deno.test("openTensors() gives the tensors of a Hugging Face directory by their own names", async () => {
  const path = join(CHECKPOINTS, "expected/fairseq2-0.8.1/qwen3_bf16_tied/hf");
  const { tensors, notes } = await opened(path);
  assert(tensors.has("model.layers.0.self_attn.q_norm.weight"));
  assertEquals(notes, []);
  const q = (await openTensors(join(path, "model.safetensors"))).get(
    "model.layers.0.self_attn.q_proj.weight",
  )!;
  assertEquals(await tensors.get("model.layers.0.self_attn.q_proj.weight")!.bytes(), await q.bytes());
});

Deno.test("openTensors() opens several files of any model: by an index, or each name in one file", async () => {
  using temp = new TempDir();
  const tensors = new Map(
    ["a", "b", "c", "d"].map((name, i) => [name, tensorOf(new Float32Array([i, i]))] as const),
  );
  await saveSafetensors(temp.at("split"), tensors, { maxShardSize: 16 });
  assertEquals(temp.names("split"), [
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
  ]);
  Deno.writeTextFileSync(temp.at("split", "config.json"), '{"model_type": "unheard_of"}');
  await saveSafetensors(temp.at("split", "adapter.safetensors"), new Map([["z", tensors.get("a")!]]));
  assertEquals([...(await openTensors(temp.at("split"))).keys()], ["a", "b", "c", "d"]);
  Deno.removeSync(temp.at("split", "model-00002-of-00002.safetensors"));
  await assertMessage(temp.at("split"), "model-00002-of-00002.safetensors is missing");

  await saveSafetensors(temp.at("x.safetensors"), new Map([["x", tensors.get("a")!]]));
  await saveSafetensors(temp.at("y.safetensors"), new Map([["y", tensors.get("b")!]]));
  assertEquals([...(await openTensors(temp.path)).keys()], ["x", "y"]);
  await saveSafetensors(temp.at("z.safetensors"), new Map([["y", tensors.get("b")!]]));
  await assertMessage(temp.path, `y is in ${temp.at("y.safetensors")} and in ${temp.at("z.safetensors")}`);
});

async function assertMessage(path: string, message: string): Promise<void> {
  let found = "nothing";
  await openTensors(path).catch((error) => found = error.message);
  assert(found.includes(message), found);
}

Deno.test("openTensors() doesn't take a part of a model for the model", async () => {
  using temp = new TempDir();
  copyTree(join(CHECKPOINTS, "fairseq2-0.3.0/llama2_fp32_tp4/step_10"), temp.at("step_10"));
  Deno.removeSync(temp.at("step_10", "model.1.pt"));
  await assertMessage(temp.at("step_10"), "model.1.pt is missing");
});

Deno.test("openTensors() reads GGUF, and the numbers that quantized tensors stand for", async () => {
  const { tensors, notes } = await opened(join(FIXTURES, "gguf/types.gguf"));
  assertEquals(notes.length, 1);
  const quantized = [...tensors.values()].find(({ dtype }) => dtype === "Q8_0")!;
  const values = await quantized.read();
  assert(values instanceof Float32Array);
  assertEquals(values.length, quantized.shape.reduce((product, size) => product * size, 1));
  const parts = await openTensors(join(FIXTURES, "gguf/split-00001-of-00004.gguf"));
  assert(parts.size > 0);
});

Deno.test("openTensors() takes the state dict out of the dict that it is in, and says what is left", async () => {
  const path = join(CHECKPOINTS, "fairseq2-0.4.5/llama3_bf16/step_10/model.pt");
  const { tensors, notes } = await opened(path);
  assertEquals([tensors.size, tensors.has("final_proj.weight")], [21, true]);
  assertEquals(notes, ["left out: model_key and fs2"]);
  const all = await opened(path, { key: "" });
  assertEquals([all.tensors.size, all.tensors.has("model.final_proj.weight")], [21, true]);
  await assertRejectsWith(
    () => openTensors(path, { key: "optimizer" }),
    OptionError,
    `${path}: holds no tensors under "optimizer"; its keys are model, model_key, fs2`,
  );
  await assertRejectsWith(
    () => openTensors(path, { key: 1 as unknown as string }),
    OptionError,
    "Option key is 1; it must be a text",
  );
});

Deno.test("read() finds out that a file changed since it was opened", async () => {
  using temp = new TempDir();
  const path = temp.at("a.safetensors");
  const tensors = new Map([["a", tensorOf(new Float32Array([1]))]]);
  await saveSafetensors(path, tensors);
  const tensor = (await openTensors(path)).get("a")!;
  await saveSafetensors(path, new Map([["a", tensorOf(new Float32Array([2]))]]), { overwrite: true });
  let message = "";
  await tensor.read().catch((error) => message = error.message);
  assert(message.startsWith(`${path}: the file changed while it was read`), message);
});
