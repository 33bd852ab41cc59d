import { assertEquals } from "@std/assert";
import { parseModelYaml } from "../../../lib/layouts/fairseq2/model_yaml.ts";
import { modelYaml } from "../../../lib/layouts/fairseq2/model_yaml_writer.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import { findArchitecture } from "../../../lib/models/model_cards.ts";
import type { SpecialTokens } from "../../../lib/models/model_description.ts";
import { olmo } from "../../../lib/models/olmo/family.ts";
import { assertError } from "../../convert/_assert_error.ts";

const FIXTURES = new URL("../../../fixtures/", import.meta.url);

const real = [
  "checkpoints/fairseq2-0.8.1/olmo2_bf16",
  "checkpoints/fairseq2-0.8.1/olmo2_fp32_gqa_fsdp2",
  "checkpoints/fairseq2-0.8.1/olmo3_bf16",
  "families/olmo2_bf16_tied",
  "families/olmo3_bf16_yarn_mscale",
  "families/olmo3_fp32_plain_rope",
  "families/olmo3_fp32_yarn_no_truncate",
];

for (const name of real) {
  Deno.test(`modelYaml() gives the text that fairseq2 wrote: ${name}`, () => {
    const text = Deno.readTextFileSync(new URL(`${name}/checkpoints/model.yaml`, FIXTURES));
    const model = parseModelYaml(text);
    // fairseq2 prints YAML 1.2, whose floats need no point; with one, YAML 1.1 reads them, too.
    const expected = text.replace(/(rms_norm_eps: \d)(e-)/, "$1.0$2");
    assertEquals(modelYaml(model, { form: "0.5+", shards: 1, tied: model.tied, tokens: model }), expected);
  });
}

Deno.test("parseModelYaml() takes neither YaRN nor types of layers without a window, as fairseq2", () => {
  const text = Deno.readTextFileSync(
    new URL("families/olmo2_fp32_unused_yarn/checkpoints/model.yaml", FIXTURES),
  );
  const { slidingWindow, layerTypes, yarn } = parseModelYaml(text);
  assertEquals([slidingWindow, layerTypes, yarn], [undefined, undefined, undefined]);
});

Deno.test("modelYaml() has a number for each of OLMo's tokens, as fairseq2 demands", () => {
  const model = parseModelYaml("model_family: olmo\n");
  const written = (tokens: { eosIds?: number[]; padId?: number }) => {
    const { bosId, eosIds, padId } = parseModelYaml(
      modelYaml({ ...model, vocabSize: 50 }, { form: "0.5+", shards: 1, tied: false, tokens }),
    );
    return [bosId, ...eosIds!, padId];
  };
  assertEquals(written({ eosIds: [3], padId: 4 }), [undefined, 3, 4]);
  assertEquals(written({ eosIds: [3] }), [undefined, 3, 3]);
  assertEquals(written({ padId: 4 }), [undefined, 4, 4]);
  assertEquals(written({}), [undefined, 49, 49]);
});

Deno.test("olmo.modelYaml.notes() says which tokens are made up since there is no null for them", () => {
  const model = { ...findArchitecture("olmo2_1b"), vocabSize: 50 };
  const notes = (tokens: SpecialTokens) =>
    olmo.modelYaml.notes!(model, { form: "0.5+", isChosen: true, shards: 1, tokens });
  assertEquals(notes({ eosIds: [3], padId: 4 }), []);
  const note = (fields: string, token: number) => [
    `fairseq2's OLMo must have ${fields}, which the model hasn't got: model.yaml says ${token}`,
  ];
  assertEquals(notes({ padId: 4 }), note("eos_token_id", 4));
  assertEquals(notes({ eosIds: [3] }), note("pad_idx", 3));
  assertEquals(notes({}), note("eos_token_id and pad_idx", 49));
});

const refused: readonly (readonly [config: string, message: string])[] = [
  ["{num_attn_heads: 15}", "num_attn_heads: 15 heads don't divide a dimension of 2048"],
  ["{num_key_value_heads: 3}", "num_key_value_heads: 3 key and value heads don't divide 16 heads"],
  ["{pad_idx: null}", "pad_idx: expected a non-negative integer, got null"],
  ["{sliding_window: 0}", "sliding_window: expected a positive integer or null, got 0"],
  [
    "{num_layers: 2, sliding_window: 8, layer_types: [full_attention]}",
    "layer_types: has 1 types, where the model has 2 layers",
  ],
  [
    "{num_layers: 1, layer_types: [chunked_attention]}",
    'layer_types: expected "sliding_attention" or "full_attention", got "chunked_attention"',
  ],
  [
    "{layer_types: full_attention}",
    'layer_types: expected a sequence of texts or null, got "full_attention"',
  ],
  ["{yarn_scale_config: 8}", "yarn_scale_config: expected a mapping, got 8"],
  [
    "{yarn_scale_config: {scale_factor: 0}}",
    "yarn_scale_config.scale_factor: expected a positive number, got 0",
  ],
  ["{yarn_scale_config: {beta_fast: 0}}", "yarn_scale_config.beta_fast: expected a positive number, got 0"],
  [
    "{yarn_scale_config: {original_max_seq_len: 0}}",
    "yarn_scale_config.original_max_seq_len: expected a positive integer, got 0",
  ],
  [
    "{yarn_scale_config: {attention_factor: 1.2}}",
    "yarn_scale_config.attention_factor: unknown field with the value 1.2",
  ],
  ["{init_std_scale: depth}", 'init_std_scale: expected "none", "layer" or "stack", got "depth"'],
];

Deno.test("parseModelYaml() refuses OLMo models that can't be", () => {
  for (const [config, message] of refused) {
    assertError(
      () => parseModelYaml(`model_family: olmo\nmodel_config: ${config}\n`),
      ConfigError,
      `model.yaml: model_config.${message}`,
    );
  }
});
