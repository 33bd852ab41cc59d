/**
 * `--dtype` with every target: the weights are those that Hugging Face's layout gets, whose casts torch and transformers
 * judge (`convert_torch_test.ts`, `cast_table_test.ts`).
 */

import { assertEquals, assertThrows } from "@std/assert";
import { bytes } from "../../lib/bytes/view.ts";
import { join } from "../../lib/deps.ts";
import { OptionError } from "../../lib/error.ts";
import { compareCheckpoints } from "../../lib/inspect/compare.ts";
import { castTensor } from "../../lib/layouts/cast.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { tensorOfView } from "../../lib/tensor/tensor.ts";
import { convertCheckpoint, type ConvertOptions, inspect } from "../../mod.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const SOURCE = join(CHECKPOINTS, "fairseq2-0.8.1", "llama3_fp32_tp2_fsdp2", "checkpoints", "step_10");

const targets: readonly Pick<ConvertOptions, "to" | "layout" | "shards">[] = [
  { to: "reference" },
  { to: "reference", shards: 1 },
  { to: "meta" },
  { to: "fairseq2", layout: "legacy" },
  { to: "fairseq2", layout: "native" },
  { to: "fairseq2", layout: "native", shards: 1 },
];

for (const dtype of ["bfloat16", "float16"] as const) {
  Deno.test(`convertCheckpoint() casts to ${dtype} for every target alike`, async () => {
    using temp = new TempDir();
    const common = { input: SOURCE, dtype, clone: false, jobs: 1 };
    await convertCheckpoint({ ...common, output: temp.at("hf"), to: "huggingface" });
    for (const [i, target] of targets.entries()) {
      const output = temp.at(String(i));
      const { dtypes } = await convertCheckpoint({ ...common, ...target, output });
      assertEquals(dtypes, [dtype]);
      const input = target.to === "fairseq2" ? join(output, "step_10") : output;
      const { equal, differences } = await compareCheckpoints(input, temp.at("hf"));
      assertEquals([equal, differences], [true, []], JSON.stringify(target));
    }
  });
}

Deno.test("convertCheckpoint() carries weights over as they are where they have the dtype", async () => {
  using temp = new TempDir();
  const common = { input: SOURCE, to: "meta", clone: false, jobs: 1 } as const;
  await convertCheckpoint({ ...common, output: temp.at("plain") });
  await convertCheckpoint({ ...common, output: temp.at("cast"), dtype: "float32" });
  for (const name of temp.names("plain")) {
    assertEquals(Deno.readFileSync(temp.at("cast", name)), Deno.readFileSync(temp.at("plain", name)), name);
  }
});

Deno.test("convertCheckpoint() keeps tied matrices one when it casts them", async () => {
  using temp = new TempDir();
  const input = join(CHECKPOINTS, "fairseq2-0.8.1", "llama3_bf16_tied", "checkpoints", "step_10");
  for (const target of [{ to: "reference" }, { to: "fairseq2", layout: "native" }] as const) {
    const { to } = target;
    await convertCheckpoint({
      ...target,
      input,
      output: temp.at(to),
      dtype: "float32",
      clone: false,
      jobs: 1,
    });
    const { parameters, tensors } = await inspect(temp.at(to));
    const all = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    assertEquals(all - parameters, 50 * 32, to);
  }
});

Deno.test("castTensor() refuses what it can't cast from", () => {
  const tensor = tensorOfView(dtypeOf("float64"), [2], bytes("x", 0, 2, 8));
  assertThrows(
    () => castTensor(tensor, "float16", "final_proj.weight"),
    OptionError,
    "Can't convert the weights to float16: final_proj.weight is float64, and only float32, float16, bfloat16 can be converted",
  );
});
