import { assertEquals, assertRejects } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { CheckpointError } from "../../../lib/error.ts";
import { openCheckpoint } from "../../../lib/convert/open_checkpoint.ts";
import { ggmlTypeOf } from "../../../lib/gguf/ggml_types.ts";
import { type Contents, editGguf, float32, makeGguf } from "../../gguf/_model.ts";
import { TempDir } from "../../_temp.ts";
import { CHECKPOINTS } from "../../_torch_files.ts";

/** Refuses a model after a change. */
async function refuses(name: string, change: (contents: Contents) => void, message: string): Promise<void> {
  using temp = new TempDir();
  const path = await makeGguf(temp.at("out"), { input: join(CHECKPOINTS, "fairseq2-0.8.1", name) });
  assertEquals((await openCheckpoint(path)).kind, "GGUF");
  await editGguf(path, change);
  await assertRejects(() => openCheckpoint(path), CheckpointError, `${path}: ${message}`);
}

Deno.test("openGguf() refuses a factor of RoPE without a type: llama.cpp takes it as linear", async () => {
  for (const name of ["olmo2_bf16", "qwen25_bf16"]) {
    const code = name === "olmo2_bf16" ? "olmo2" : "qwen2";
    await refuses(
      name,
      ({ metadata }) => void metadata.set(`${code}.rope.scaling.factor`, float32(8)),
      `${code}.rope.scaling.factor: unknown field with the value 8`,
    );
  }
  await refuses(
    "olmo3_bf16",
    ({ metadata }) => void metadata.delete("olmo2.rope.scaling.type"),
    "olmo2.rope.scaling.factor: unknown field with the value 8",
  );
});

Deno.test("openGguf() refuses an OLMo without its own output, which llama.cpp never ties", async () => {
  await refuses(
    "olmo2_bf16",
    (contents) => void (contents.tensors = contents.tensors.filter(({ name }) => name !== "output.weight")),
    "has no output.weight, which olmo2 never goes without",
  );
});

Deno.test("openGguf() takes what llama.cpp takes where a key isn't there", async () => {
  using temp = new TempDir();
  const input = join(CHECKPOINTS, "fairseq2-0.8.1", "olmo3_bf16");
  const path = await makeGguf(temp.at("out"), { input });
  await editGguf(path, ({ metadata }) => {
    for (const key of ["freq_base", "freq_base_swa", "scaling.yarn_beta_fast", "scaling.yarn_beta_slow"]) {
      metadata.delete(`olmo2.rope.${key}`);
    }
    metadata.delete("olmo2.attention.sliding_window_pattern");
  });
  const { ropeTheta, yarn, layerTypes } = (await openCheckpoint(path)).model!;
  assertEquals([ropeTheta, yarn?.betaFast, yarn?.betaSlow], [10000, 32, 1]);
  assertEquals(layerTypes, ["sliding", "sliding", "sliding", "full"]);
});

Deno.test("openGguf() refuses parts that have fewer tensors than the first one says", async () => {
  using temp = new TempDir();
  await makeGguf(temp.at("out"), { maxShardSize: 40_000 });
  const part = (number: number) => temp.at("out", `model-0000${number}-of-00002.gguf`);
  assertEquals((await openCheckpoint(part(2))).kind, "GGUF");
  await editGguf(part(2), (contents) => void contents.tensors.pop());
  await assertRejects(
    () => openCheckpoint(part(2)),
    CheckpointError,
    `${part(1)}: says that all parts have 22 tensors, but they have 21`,
  );
});

Deno.test("openGguf() leaves vectors in float32 where the matrices have several dtypes", async () => {
  using temp = new TempDir();
  const path = await makeGguf(temp.at("out"));
  const normOf = async () =>
    (await openCheckpoint(path)).shards[0]!.parameters.get("decoder.layer_norm.weight")!.dtype.name;
  assertEquals(await normOf(), "bfloat16");
  await editGguf(path, ({ tensors }) => {
    const last = tensors.findIndex(({ name }) => name === "output.weight");
    tensors[last] = { ...tensors[last]!, type: ggmlTypeOf("float16") };
  });
  assertEquals(await normOf(), "float32");
});
