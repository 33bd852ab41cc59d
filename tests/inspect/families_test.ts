/**
 * Looking inside models of all families, and of families that aren't known: these are no error, and all tensors are
 * shown.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { compareCheckpoints } from "../../lib/inspect/compare.ts";
import { inspect } from "../../lib/inspect/inspect.ts";
import { verifyCheckpoint } from "../../lib/inspect/verify.ts";
import { families } from "../../lib/models/families.ts";
import { copyTree, TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const SOURCE = join(CHECKPOINTS, "fairseq2-0.8.1");

/** The checkpoints of families that are known, with the number of tensors that each has. */
const known = ([
  ["llama", "llama3_bf16", 21],
  ["qwen", "qwen25_fp32_tp2", 27],
  ["qwen", "qwen3_bf16_tied", 25],
  ["mistral", "mistral_bf16", 21],
  ["olmo", "olmo2_fp32_gqa_fsdp2", 25],
  ["olmo", "olmo3_bf16", 47],
] as const).filter(([family]) => families.some(({ name }) => name === family));

for (const [family, name, count] of known) {
  Deno.test(`inspect() and verifyCheckpoint() know what ${name} is`, async () => {
    const path = join(SOURCE, name);
    const found = await inspect(path);
    assertEquals([found.family, found.layout, found.tensors.length], [family, "fairseq2 0.5-0.8", count]);
    const { ok, model } = await verifyCheckpoint(path, { jobs: 1 });
    assertEquals([ok, model?.parameters, model?.problem], [true, count, undefined]);
    const { equal, tensors } = await compareCheckpoints(path, path);
    assertEquals([equal, tensors], [true, count]);
  });
}

/** A checkpoint of a family that isn't known: its names are Qwen's all the same. */
function unknown(temp: TempDir): string {
  copyTree(join(SOURCE, "qwen25_bf16"), temp.at("unknown"));
  const yaml = temp.at("unknown", "checkpoints", "model.yaml");
  Deno.writeTextFileSync(yaml, Deno.readTextFileSync(yaml).replace("family: qwen", "family: gemma3n"));
  return temp.at("unknown");
}

Deno.test("inspect() shows the tensors of a model whose family it doesn't know", async () => {
  using temp = new TempDir();
  const { family, layout, architecture, tensors, notes } = await inspect(unknown(temp));
  assertEquals([family, layout, architecture, tensors.length], [null, null, null, 27]);
  assert(notes[0]!.startsWith("no checkpoint that can be converted: "), notes[0]);
  assert(notes[0]!.includes('got "gemma3n"'), notes[0]);
});

Deno.test("verifyCheckpoint() finds nothing wrong with a model whose family it doesn't know", async () => {
  using temp = new TempDir();
  const { ok, files, model } = await verifyCheckpoint(unknown(temp), { jobs: 1 });
  assertEquals([ok, files.length, model], [true, 1, undefined]);
});

Deno.test("compareCheckpoints() compares models whose family it doesn't know by the names in the files", async () => {
  using temp = new TempDir();
  const path = unknown(temp);
  const { equal, tensors, a, b } = await compareCheckpoints(path, join(SOURCE, "qwen25_bf16"));
  assertEquals([equal, tensors, a.kind, b.kind], [true, 27, "tensors by name", "tensors by name"]);
});
