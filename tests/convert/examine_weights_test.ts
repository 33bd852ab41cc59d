/**
 * What only the weights tell, as a step of its own: planning itself reads none of them.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { examineWeights } from "../../lib/convert/examine_weights.ts";
import { openCheckpoint } from "../../lib/convert/open_checkpoint.ts";
import { planOutput } from "../../lib/convert/plan_output.ts";
import { resolveModel } from "../../lib/convert/resolve_model.ts";
import { targets } from "../../lib/convert/target.ts";
import { planConversion, runConversion } from "../../mod.ts";
import { copyTree, TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const TIED = join(CHECKPOINTS, "fairseq2-0.8.1", "llama3_bf16_tied", "checkpoints");
const SHARDS = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16_tp2");

Deno.test("examineWeights() finds tied matrices for those targets that have to know", async () => {
  const checkpoint = await openCheckpoint(TIED);
  const { model } = resolveModel(checkpoint);
  const found: (readonly [string, boolean])[] = [];
  for (const to of targets) found.push([to, (await examineWeights(checkpoint, model, to)).tied]);
  assertEquals(Object.fromEntries(found), {
    reference: false,
    meta: false,
    huggingface: true,
    fairseq2: true,
    gguf: true,
  });
});

Deno.test("planOutput() reads no weights: they may be gone once they were examined", async () => {
  using temp = new TempDir();
  copyTree(SHARDS, temp.at("in"));
  const checkpoint = await openCheckpoint(temp.at("in", "step_10"));
  const resolved = resolveModel(checkpoint);
  for (const to of targets) {
    const facts = await examineWeights(checkpoint, resolved.model, to);
    Deno.renameSync(temp.at("in"), temp.at("gone"));
    const { files } = await planOutput(checkpoint, resolved, {
      to,
      ...(to === "gguf" && { tokenizer: false }),
    }, facts);
    Deno.renameSync(temp.at("gone"), temp.at("in"));
    assertEquals(files.length > (to === "gguf" ? 0 : 1), true, to);
  }
});

Deno.test("runConversion() carries out no plan for which the weights were only looked at quickly", async () => {
  using temp = new TempDir();
  const options = { input: TIED, output: temp.at("out"), to: "huggingface" } as const;
  const conversion = await planConversion(options, "quick");
  await assertRejects(
    () => runConversion(conversion, options),
    TypeError,
    "Cannot run a conversion that was planned quickly",
  );
  assertEquals(temp.names(), []);
});
