/**
 * Meta's layout: the reference layout's weights, and a params.json that says all that it can.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { OptionError } from "../../../lib/error.ts";
import type { ModelDescription } from "../../../lib/models/model_description.ts";
import { referenceFiles } from "../../../lib/layouts/reference/write.ts";
import { assertSameFile, stateFacts } from "../../_state_facts.ts";
import { TempDir } from "../../_temp.ts";
import { assertError } from "../../convert/_assert_error.ts";
import {
  cases,
  expectedOf,
  openCase,
  openReferenceAt,
  readParameters,
  writeFiles,
} from "../../convert/_layouts.ts";

/** Those whose reference files another torch wrote than the source's, or that had to be joined. */
const remade = /ddp|fsdp/;

for (const name of cases) {
  Deno.test(`referenceFiles() writes the weights that fairseq2's converter wrote: ${name}`, async () => {
    using temp = new TempDir();
    const { checkpoint, model } = await openCase(name);
    const expected = expectedOf(name, "reference");
    const shards = [...Deno.readDirSync(expected)].filter(({ name }) => name.endsWith(".pth")).length;
    writeFiles(referenceFiles(checkpoint, model, "meta", { shards }).files, temp.at("out"));
    assertEquals(temp.names("out"), [...Deno.readDirSync(expected)].map(({ name }) => name).sort());
    for (const file of temp.names("out").filter((file) => file.endsWith(".pth"))) {
      if (!remade.test(name) && !name.startsWith("fairseq2-0.8")) {
        assertSameFile(temp.at("out", file), join(expected, file));
      }
      const facts = await stateFacts(temp.at("out", file));
      assertEquals(
        facts.map(({ name, dtype, shape, bytes }) => [name, dtype, shape, bytes]).sort(),
        (await stateFacts(join(expected, file))).map((
          { name, dtype, shape, bytes },
        ) => [name, dtype, shape, bytes])
          .sort(),
      );
    }
  });
}

Deno.test("referenceFiles() writes a flat params.json without the lengths that Meta's loader passes", async () => {
  const { checkpoint, model } = await openCase("fairseq2-0.8.1/llama3_bf16");
  const { files, notes } = referenceFiles(checkpoint, model, "meta");
  const params = files.find(({ name }) => name === "params.json")!;
  assertEquals(notes, []);
  assertEquals(JSON.parse(new TextDecoder().decode(params.literals[0]!.bytes)), {
    dim: 32,
    n_layers: 2,
    n_heads: 4,
    n_kv_heads: 2,
    vocab_size: 50,
    ffn_dim_multiplier: 1.5,
    multiple_of: 8,
    norm_eps: 1e-5,
    rope_theta: 500000,
    use_scaled_rope: true,
  });
});

Deno.test("referenceFiles() notes scaled RoPE that params.json can't say", async () => {
  const { checkpoint, model } = await openCase("fairseq2-0.8.1/llama3_bf16");
  const note = (ropeScaling: ModelDescription["ropeScaling"]) =>
    referenceFiles(checkpoint, { ...model, ropeScaling: ropeScaling! }, "meta").notes;
  const scaling = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 };
  const { ropeScaling: _, ...unscaled } = model;
  assertEquals(referenceFiles(checkpoint, unscaled, "meta").notes, []);
  assertEquals(note(scaling), []);
  assertEquals(note({ ...scaling, factor: 32 }), [
    "Meta's params.json can't say how RoPE is scaled (factor 32, low 1, high 4, original length 8192): Meta's loader " +
    "will compute with factor 8, low 1, high 4 and 8192, and give logits that differ",
  ]);
  assertEquals(note({ ...scaling, highFreqFactor: 5 }), [
    "Meta's params.json can't say how RoPE is scaled (factor 8, low 1, high 5, original length 8192): Meta's loader " +
    "and torchtune will compute with factor 8, low 1, high 4 and 8192, and give logits that differ",
  ]);
});

for (const name of ["fairseq2-0.3.0/llama2_fp32_tp4", "fairseq2-0.3.0/llama3_bf16"]) {
  Deno.test(`referenceFiles() joins and splits to any number of shards that divides: ${name}`, async () => {
    const opened = await openCase(name);
    for (const shards of name.includes("llama2") ? [1, 2, 4] : [1, 2]) {
      using temp = new TempDir();
      writeFiles(referenceFiles(opened.checkpoint, opened.model, "meta", { shards }).files, temp.at("out"));
      const back = await openReferenceAt(temp.at("out"));
      assertEquals(back.checkpoint.shards.length, shards);
      assertEquals(back.model.embeddingShardDim, opened.model.embeddingShardDim);
      assertEquals([...readParameters(back)].sort(), [...readParameters(opened)].sort());
    }
  });
}

Deno.test("referenceFiles() refuses a number of shards that doesn't divide, or is none", async () => {
  const { checkpoint, model } = await openCase("fairseq2-0.3.0/llama3_bf16");
  assertError(
    () => referenceFiles(checkpoint, model, "meta", { shards: 4 }),
    OptionError,
    "Can't split the model into 4 shards: it has 2 key and value heads, which 4 doesn't divide",
  );
  for (const shards of [0, -1, 1.5, NaN]) {
    assertError(
      () => referenceFiles(checkpoint, model, "meta", { shards }),
      OptionError,
      `Can't split the model into ${shards} shards: give a whole number from 1`,
    );
  }
});
