import { assertEquals, assertRejects } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { CheckpointError } from "../../../lib/error.ts";
import { openCheckpoint } from "../../../lib/convert/open_checkpoint.ts";
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
