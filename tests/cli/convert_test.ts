/**
 * `ckpt convert` takes every family, `ckpt llama convert_checkpoint` LLaMA alone.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { castTypes } from "../../lib/bytes/view.ts";
import { targets } from "../../lib/convert/target.ts";
import { join } from "../../lib/deps.ts";
import { ckpt } from "../_ckpt.ts";
import { makeGguf } from "../gguf/_model.ts";
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
    assertEquals(temp.names(`hf${i}`), [
      "README.md",
      "config.json",
      "generation_config.json",
      "model.safetensors",
    ]);
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

Deno.test("--no-tokenizer and --dtype go with every layout", async () => {
  using temp = new TempDir();
  // With a tokenizer beside it, which would go along.
  const input = join(CHECKPOINTS, "expected", "fairseq2-0.3.0", "llama3_bf16", "hf");
  Deno.mkdirSync(temp.at("in"));
  for (const { name } of Deno.readDirSync(input)) Deno.copyFileSync(join(input, name), temp.at("in", name));
  Deno.writeTextFileSync(temp.at("in", "tokenizer_config.json"), "{}");
  for (const to of targets) {
    for (const dtype of castTypes) {
      const output = temp.at(`${to} ${dtype}`);
      const args = [
        "--to",
        to,
        "--dtype",
        dtype,
        "--no-tokenizer",
        "--no-clone",
        "--json",
        temp.at("in"),
        output,
      ];
      const { code, stdout, stderr } = await ckpt(["convert", ...args]);
      assertEquals(code, 0, stderr);
      const { dtypes, files } = JSON.parse(stdout);
      // llama.cpp wants norms in float32.
      assertEquals(
        dtypes.includes(dtype) && (to === "gguf" || dtypes.length === 1),
        true,
        `${to}: ${dtypes}`,
      );
      assertEquals(files.filter(({ name }: { name: string }) => name.includes("tokenizer")), []);
    }
    const q8 = await ckpt([
      "convert",
      "--to",
      to,
      "--dtype",
      "q8_0",
      "--no-tokenizer",
      temp.at("in"),
      temp.at(to),
    ]);
    assertEquals(q8.code, to === "gguf" ? 0 : 2, q8.stderr);
    if (to === "gguf") continue;
    assertStringIncludes(q8.stderr, `The ${to} layout has no --dtype q8_0; it goes with gguf`);
  }
});

Deno.test("--to fairseq2 keeps the number of the step", async () => {
  using temp = new TempDir();
  const steps = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16");
  for (
    const [input, step] of [[steps, "step_10"], [join(steps, "step_10", "model.pt"), "step_10"]] as const
  ) {
    const output = temp.at(crypto.randomUUID());
    assertEquals((await ckpt(["convert", "--to", "fairseq2", "--quiet", input, output])).code, 0);
    assertEquals([...Deno.readDirSync(output)].map(({ name }) => name).sort(), ["model.yaml", step]);
  }
});

Deno.test("--to and --dtype take other spellings of layouts and dtypes", async () => {
  using temp = new TempDir();
  for (const [to, dtype] of [["GGUF", "Q8_0"], ["gguf", "q8-0"], ["Gguf", "BF16"], ["HF", "FP16"]] as const) {
    const args = ["convert", "--dry-run", "--quiet", "--no-tokenizer", "--to", to, "--dtype", dtype];
    assertEquals(await ckpt([...args, LLAMA, temp.at("out")]), { code: 0, stdout: "", stderr: "" });
  }
});

Deno.test("a file is known by what it begins with, whatever its name is", async () => {
  using temp = new TempDir();
  const gguf = await makeGguf(temp.at("gguf"));
  for (const name of ["model", "model.pt", "sha256-3f1c"]) {
    Deno.copyFileSync(gguf, temp.at(name));
    const { code, stdout, stderr } = await ckpt(["convert", "--dry-run", temp.at(name), temp.at("out")]);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "blk.0–1.attn_q.weight → model.layers.0–1.self_attn.q_proj.weight");
  }
  const step = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16", "step_10");
  Deno.copyFileSync(join(step, "model.pt"), temp.at("weights"));
  Deno.copyFileSync(join(step, "..", "model.yaml"), temp.at("model.yaml"));
  const yaml = temp.at("model.yaml");
  const run = await ckpt(["convert", "--quiet", "--model", yaml, temp.at("weights"), temp.at("out")]);
  assertEquals(run, { code: 0, stdout: "", stderr: "" });
  const { code, stderr } = await ckpt(["convert", yaml, temp.at("other")]);
  assertEquals([code, stderr], [1, `error: ${yaml}: is a file; name the checkpoint's directory\n`]);
});

Deno.test("a GGUF file that grows is noted, and compare names what it is quantized to", async () => {
  using temp = new TempDir();
  const quantized = await makeGguf(temp.at("q8"), { dtype: "q8_0" });
  const grown = ["convert", "--to", "gguf", "--no-tokenizer", "--dry-run", quantized, temp.at("out")];
  assertMatch(
    (await ckpt(grown)).stdout,
    /note +the file grows from \S+ kB to \S+ kB, .*; --dtype bfloat16 or q8_0 /,
  );
  assertEquals((await ckpt([...grown, "--dtype", "bf16"])).stdout.includes("grows"), false);
  const plain = await makeGguf(temp.at("plain"));
  assertEquals(
    (await ckpt(["convert", "--to", "gguf", "--no-tokenizer", "--dry-run", plain, temp.at("out")])).stdout
      .includes("grows"),
    false,
  );
  const { code, stdout } = await ckpt(["compare", plain, quantized]);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "of another dtype (bfloat16 in a, Q8_0 in b; bfloat16 in a, float32 in b)");
  assertStringIncludes(stdout, "decoder.layers.0–1.self_attn.q_proj.weight       bfloat16 in a, Q8_0 in b");
  const { differences } = JSON.parse((await ckpt(["compare", "--json", plain, quantized])).stdout);
  assertEquals(differences[0].b.dtype, "float32");
  assertEquals([differences[0].a.quantization, differences[0].b.quantization], [undefined, "Q8_0"]);
  const near = await ckpt(["compare", "--tolerance", "1e-4", plain, quantized]);
  assertMatch(near.stdout, /up to \S+ apart \(bfloat16, Q8_0\)/);
});
