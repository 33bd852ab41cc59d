/**
 * Mistral's model.yaml, of fairseq2 0.3.0, 0.4.5 and 0.8.1.
 */

import { assertEquals } from "@std/assert";
import { MismatchError } from "../../../lib/error.ts";
import { parseModelYaml } from "../../../lib/layouts/fairseq2/model_yaml.ts";
import { modelYaml } from "../../../lib/layouts/fairseq2/model_yaml_writer.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import type { Generation } from "../../../lib/models/family.ts";
import { mistral } from "../../../lib/models/mistral/family.ts";
import { findArchitecture } from "../../../lib/models/model_cards.ts";
import { assertError } from "../../convert/_assert_error.ts";

const FIXTURES = new URL("../../../fixtures/", import.meta.url);

function read(path: string): string {
  return Deno.readTextFileSync(new URL(`${path}/model.yaml`, FIXTURES));
}

const texts: readonly (readonly [path: string, generation: Generation])[] = [
  ["families/mistral_0.3.0", "0.2-0.3"],
  ["families/mistral_0.4.5", "0.4"],
  ["checkpoints/fairseq2-0.8.1/mistral_bf16/checkpoints", "0.5+"],
  ["families/mistral_fp32_tp2_fsdp2/checkpoints", "0.5+"],
];

for (const [path, generation] of texts) {
  Deno.test(`parseModelYaml() and modelYaml() give the text that fairseq2 wrote: ${path}`, () => {
    const text = read(path).replace("tokenizer_ref: checkpoint_tokenizer\n", "");
    const { bosId, eosIds, ...model } = parseModelYaml(read(path), { generations: [generation] });
    assertEquals(model.generation, generation);
    const tokens = bosId === undefined ? {} : { bosId, eosIds: eosIds! };
    assertEquals(modelYaml(model, { form: generation, shards: 1, tied: false, tokens }), text);
  });
}

Deno.test("parseModelYaml() reads Mistral alike, whichever fairseq2 wrote it", () => {
  const [old, next] = ["families/mistral_0.3.0", "families/mistral_0.4.5"].map((path) => {
    const { generation: _, ...model } = parseModelYaml(read(path));
    return model;
  });
  assertEquals(old, next);
  assertEquals([old!.slidingWindow, old!.normEps, old!.ropeTheta, old!.bosId, old!.eosIds], [
    8,
    1e-5,
    10000,
    1,
    [2],
  ]);
});

Deno.test("parseModelYaml() knows whose 7b is meant by the family", () => {
  const architecture = (yaml: string) => parseModelYaml(yaml).architecture?.name;
  assertEquals(architecture("model_family: mistral\nmodel_arch: 7b\n"), "mistral_7b");
  assertEquals(architecture("model_family: llama\nmodel_arch: 7b\n"), "7b");
  assertEquals(architecture("base: mistral_7b_instruct\n"), "mistral_7b");
  assertEquals(architecture("model_family: mistral\nbase: 7b\n"), "mistral_7b");
  assertError(
    () => parseModelYaml("base: 7b\n"),
    ConfigError,
    'model.yaml: base: The model "7b" may be a LLaMA or a Mistral: say llama_7b or mistral_7b',
  );
  assertError(
    () => parseModelYaml("model_family: mistral\nmodel_arch: 13b\n"),
    ConfigError,
    'model.yaml: model_arch: 13b is of the family "llama", not "mistral"',
  );
});

const refused: readonly (readonly [config: string, message: string])[] = [
  ["{num_attn_heads: 30}", "num_attn_heads: 30 heads don't divide a dimension of 4096"],
  ["{num_key_value_heads: 5}", "num_key_value_heads: 5 key and value heads don't divide 32 heads"],
  ["{model_dim: 96}", "num_attn_heads: heads of 3 rows are odd, and RoPE needs pairs"],
  ["{attn_window_len: null}", "attn_window_len: expected a positive integer, got null"],
  ["{attn_window_len: 0}", "attn_window_len: expected a positive integer, got 0"],
];

Deno.test("parseModelYaml() refuses Mistral models that can't be", () => {
  for (const [config, message] of refused) {
    assertError(
      () => parseModelYaml(`model_family: mistral\nmodel_config: ${config}\n`),
      ConfigError,
      `model.yaml: model_config.${message}`,
    );
  }
});

Deno.test("parseModelYaml() knows no field of other families in a Mistral", () => {
  const config = "{rope_theta: 1000000.0, tied_embeddings: true, head_dim: 64, sliding_window: 16}";
  const { unknownFields, slidingWindow, ropeTheta } = parseModelYaml(
    `model_family: mistral\nmodel_config: ${config}\n`,
  );
  assertEquals(unknownFields.map(({ name }) => name), [
    "rope_theta",
    "tied_embeddings",
    "head_dim",
    "sliding_window",
  ]);
  assertEquals([slidingWindow, ropeTheta], [4096, 10000]);
});

Deno.test("modelYaml() refuses a theta that fairseq2's Mistral hasn't got", () => {
  const model = { ...findArchitecture("mistral_7b"), ropeTheta: 1e6 };
  assertError(
    () => modelYaml(model, { form: "0.5+", shards: 1, tied: false, tokens: {} }),
    MismatchError,
    "Cannot write model.yaml: fairseq2's Mistral has a rope_theta of 10000 and no field for another, but the model has " +
      "1000000",
  );
});

Deno.test("Mistral's configuration notes a window that isn't there, and another epsilon", () => {
  const { slidingWindow: _, ...model } = findArchitecture("mistral_7b");
  const { notes, write } = mistral.modelYaml;
  const config = write(model, { form: "0.5+", tied: false, tokens: {} });
  assertEquals(config.get("attn_window_len"), 8192);
  const target = { form: "0.5+", isChosen: false, shards: 1, tokens: {} } as const;
  assertEquals(notes!(model, target), [
    "fairseq2's Mistral always has a window: attn_window_len is 8192, which is the whole context",
  ]);
  assertEquals(notes!({ ...model, slidingWindow: 16, normEps: 1e-6 }, target), [
    "fairseq2 can't set the epsilon of its norms: it takes 0.00001, where the model has 0.000001",
  ]);
});
