/**
 * `ckpt convert` takes every family, `ckpt llama convert_checkpoint` LLaMA alone.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { ckpt } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const at = (name: string) => join(CHECKPOINTS, "fairseq2-0.8.1", name, "checkpoints", "step_10");
const QWEN = at("qwen25_bf16");
const LLAMA = at("llama3_bf16");

Deno.test("ckpt convert makes a Hugging Face directory of a model of any family, unless --to says otherwise", async () => {
  using temp = new TempDir();
  for (const [i, input] of [QWEN, LLAMA].entries()) {
    const { code, stderr } = await ckpt(["convert", "--quiet", input, temp.at(`hf${i}`)]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(temp.names(`hf${i}`), ["config.json", "generation_config.json", "model.safetensors"]);
  }
  const { code } = await ckpt(["convert", "--quiet", "--to", "reference", LLAMA, temp.at("reference")]);
  assertEquals([code, temp.names("reference")], [0, ["consolidated.00.pth", "params.json"]]);
});

Deno.test("ckpt llama convert_checkpoint refuses other families, and names ckpt convert", async () => {
  using temp = new TempDir();
  assertEquals(await ckpt(["llama", "convert_checkpoint", "--to", "huggingface", QWEN, temp.at("out")]), {
    code: 1,
    stdout: "",
    stderr: `error: ${QWEN}: is a Qwen model, not a LLaMA; convert it with ckpt convert\n`,
  });
  assertEquals(temp.names(), []);
});
