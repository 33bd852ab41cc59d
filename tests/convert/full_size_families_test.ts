/**
 * Checkpoints of every published size of every family, as sparse files: which model they are, and what becomes of
 * each tensor. The names and shapes are fairseq2's and transformers' own.
 */

import { assertEquals } from "@std/assert";
import { findFamily } from "../../lib/models/families.ts";
import { describeConversion, openCheckpoint, resolveModel } from "../../lib/convert/mod.ts";
import { findArchitecture } from "../../lib/models/mod.ts";
import { planConversion } from "../../mod.ts";
import { makeNative, parameterRows } from "../bench/make_native.ts";
import { TempDir } from "../_temp.ts";
import { architectureConfigs, architectureFacts } from "./_families.ts";

/** As many shards as the heads and the vocabulary of each allow, besides one; fairseq2 splits no tied matrices. */
function shardCounts(config: Readonly<Record<string, unknown>>): number[] {
  const fits = (count: number) =>
    [config.num_key_value_heads, config.vocab_size, config.ffn_inner_dim, config.model_dim]
      .every((n) => Number(n) % count === 0);
  return config.tied_embeddings === true ? [1] : [1, ...[8, 4, 2].filter(fits).slice(0, 1)];
}

const known = Object.entries(architectureConfigs).filter(([family]) => findFamily(family) !== undefined);

for (const [family, { architectures }] of known) {
  for (const [name, config] of Object.entries(architectures)) {
    for (const shards of shardCounts(config)) {
      Deno.test(`planConversion() knows ${name} of ${family} in ${shards} ${shards === 1 ? "shard" : "shards"}`, async () => {
        using temp = new TempDir();
        makeNative({ family, model: name, shards, directory: temp.path });
        const facts = architectureFacts[family]![name]!;
        const paths = { input: temp.at("step_1"), output: temp.at("out") };
        const conversion = await planConversion({ ...paths, to: "huggingface" });
        const described = describeConversion(conversion, paths.output);
        const tied = config.tied_embeddings === true;
        const [vocabulary, dim] = [config.vocab_size, config.model_dim].map(Number);
        assertEquals(
          [described.architecture, described.parameters, described.dtypes],
          [findArchitecture(name, family).name, facts.parameters - (tied ? vocabulary! * dim! : 0), [
            "bfloat16",
          ]],
        );
        const planned = conversion.plan.files.flatMap(({ tensors }) =>
          tensors.map(({ to, shape }) => [to, [...shape]] as const)
        );
        const expected = parameterRows(facts.huggingface, facts.layers).map(([to, shape]) =>
          [to, shape] as const
        );
        const sorted = <T extends readonly [string, unknown]>(rows: readonly T[]) =>
          [...rows].sort(([a], [b]) => a < b ? -1 : 1);
        assertEquals(sorted(planned), sorted(expected));
        const json = conversion.plan.files.find(({ name }) => name === "config.json")!;
        const parsed = JSON.parse(new TextDecoder().decode(json.literals[0]!.bytes));
        assertEquals(
          [parsed.architectures, parsed.num_hidden_layers, parsed.vocab_size, parsed.max_position_embeddings],
          [[facts.class], config.num_layers, config.vocab_size, config.max_seq_len],
        );
      });
    }
  }
}

Deno.test("resolveModel() takes windows and YaRN of an OLMo from its model.yaml, not from its name", async () => {
  using temp = new TempDir();
  const layerTypes = Array.from({ length: 32 }, (_, i) => i === 31 ? "full_attention" : "sliding_attention");
  makeNative({
    family: "olmo",
    model: "olmo3_7b",
    config: { sliding_window: 2048, layer_types: layerTypes, yarn_scale_config: null },
    directory: temp.path,
  });
  const checkpoint = await openCheckpoint(temp.at("step_1"));
  const { model } = resolveModel(checkpoint, "olmo3_7b");
  assertEquals([model.slidingWindow, model.yarn], [2048, undefined]);
  assertEquals(model.layerTypes?.filter((type) => type === "full"), ["full"]);
  const { modelYaml: _, ...bare } = checkpoint;
  const { slidingWindow, yarn } = findArchitecture("olmo3_7b");
  const { model: published } = resolveModel(bare, "olmo3_7b");
  assertEquals([published.slidingWindow, published.yarn], [slidingWindow, yarn]);
});
