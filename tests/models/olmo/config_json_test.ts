/**
 * OLMo's config.json: those with which transformers computes fairseq2's logits (`fixtures/families`), and those that
 * are published.
 */

import { assertAlmostEquals, assertEquals } from "@std/assert";
import { configJson, parseConfigJson } from "../../../lib/layouts/huggingface/config_json.ts";
import { parseModelYaml } from "../../../lib/layouts/fairseq2/model_yaml.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import { findArchitecture } from "../../../lib/models/model_cards.ts";
import type { ModelDescription } from "../../../lib/models/model_description.ts";
import { olmoJsonNotes } from "../../../lib/models/olmo/config_json.ts";
import { layerTypesOf } from "../../../lib/models/olmo/model_yaml.ts";
import { assertError } from "../../convert/_assert_error.ts";

const FIXTURES = new URL("../../../fixtures/", import.meta.url);

const cases: readonly (readonly [name: string, dtype: string, directory: string])[] = [
  ["olmo2_bf16", "bfloat16", "checkpoints/fairseq2-0.8.1/olmo2_bf16"],
  ["olmo2_fp32_gqa_fsdp2", "float32", "checkpoints/fairseq2-0.8.1/olmo2_fp32_gqa_fsdp2"],
  ["olmo3_bf16", "bfloat16", "checkpoints/fairseq2-0.8.1/olmo3_bf16"],
  ["olmo2_bf16_tied", "bfloat16", "families/olmo2_bf16_tied"],
  ["olmo2_fp32_unused_yarn", "float32", "families/olmo2_fp32_unused_yarn"],
  ["olmo3_bf16_yarn_mscale", "bfloat16", "families/olmo3_bf16_yarn_mscale"],
  ["olmo3_fp32_plain_rope", "float32", "families/olmo3_fp32_plain_rope"],
  ["olmo3_fp32_yarn_fsdp2", "float32", "families/olmo3_fp32_yarn_fsdp2"],
  ["olmo3_fp32_yarn_no_truncate", "float32", "families/olmo3_fp32_yarn_no_truncate"],
];

function readFixture(path: string): string {
  return Deno.readTextFileSync(new URL(path, FIXTURES));
}

for (const [name, dtype, directory] of cases) {
  Deno.test(`configJson() and parseConfigJson() agree with what transformers needs: ${name}`, () => {
    const { generation: _, unknownFields: _unknown, notes: _notes, ...model } = parseModelYaml(
      readFixture(`${directory}/checkpoints/model.yaml`),
    );
    const text = readFixture(`families/${name}/config.json`);
    assertEquals(configJson(model, { dtype, tied: model.tied, tokens: model }), text.trimEnd() + "\n");
    // A config.json always says the layers' types, and never how an embedding is split.
    const expected = model.slidingWindow === undefined
      ? model
      : { ...model, layerTypes: layerTypesOf(model) };
    const { model: found, notes } = parseConfigJson(text);
    // Of YaRN's two scales a config.json has what they come to.
    const scales = name === "olmo3_fp32_yarn_fsdp2" ? { mscale: 0.7, mscaleAllDim: 0.3 } : {};
    const { yarn } = found;
    assertEquals(yarn === undefined ? found : { ...found, yarn: { ...yarn, ...scales } }, expected);
    assertEquals(notes, []);
    assertEquals(configJson(found, { dtype, tied: found.tied, tokens: found }), text.trimEnd() + "\n");
  });
}

/** What the published config.json of Olmo-3-7B says, in the form of transformers 4.57: the fields that matter. */
const published = {
  architectures: ["Olmo3ForCausalLM"],
  attention_bias: false,
  bos_token_id: null,
  eos_token_id: 100257,
  hidden_act: "silu",
  hidden_size: 4096,
  intermediate_size: 11008,
  layer_types: Array.from(
    { length: 32 },
    (_, layer) => (layer + 1) % 4 === 0 ? "full_attention" : "sliding_attention",
  ),
  max_position_embeddings: 65536,
  model_type: "olmo3",
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 32,
  pad_token_id: 100277,
  rms_norm_eps: 1e-06,
  rope_scaling: {
    attention_factor: 1.2079441541679836,
    beta_fast: 32,
    beta_slow: 1,
    factor: 8.0,
    original_max_position_embeddings: 8192,
    rope_type: "yarn",
  },
  rope_theta: 500000,
  sliding_window: 4096,
  tie_word_embeddings: false,
  vocab_size: 100278,
};

/** The same model as transformers 5.13 and later have it, with RoPE for each type of layers. */
function nested(full: object, sliding: object): Record<string, unknown> {
  const { rope_scaling: _scaling, rope_theta: _theta, ...fields } = published;
  return { ...fields, rope_parameters: { full_attention: full, sliding_attention: sliding } };
}

function parse(fields: object): ReturnType<typeof parseConfigJson> {
  return parseConfigJson(JSON.stringify(fields));
}

function plainModel(name: string): ModelDescription {
  const { name: _, cards: _cards, inFairseq2: _built, ...model } = findArchitecture(name);
  return model;
}

const YARN = { ...published.rope_scaling, rope_theta: 500000 };
const PLAIN = { rope_type: "default", rope_theta: 500000 };
const PARTIAL =
  "config.json has YaRN in layers without a window alone, fairseq2 has it in all: there the logits will be others, as " +
  "they are where fairseq2 loads the published model itself";

Deno.test("parseConfigJson() reads the published OLMo 3 as fairseq2 does, and says where it computes otherwise", () => {
  const expected = plainModel("olmo3_7b");
  const layerTypes = layerTypesOf(expected);
  assertEquals(parse(published), { model: { ...expected, layerTypes }, notes: [PARTIAL] });
  // As transformers 5.0 to 5.12 saved it, which had YaRN in all layers.
  const { rope_scaling: _scaling, rope_theta: _theta, ...fields } = published;
  assertEquals(parse({ ...fields, rope_parameters: YARN }), {
    model: { ...expected, layerTypes },
    notes: [],
  });
  assertEquals(parse(nested(YARN, YARN)), { model: { ...expected, layerTypes }, notes: [] });
  // No layer has a window.
  const full = { ...published, layer_types: Array(32).fill("full_attention") };
  assertEquals(parse(full).notes, []);
  assertEquals(parse(full).model.layerTypes, Array(32).fill("full"));
});

Deno.test("parseConfigJson() refuses RoPE that differs between layers", () => {
  const message =
    "config.json: rope_parameters: differs between full_attention and sliding_attention, but fairseq2's OLMo models " +
    "turn all layers alike";
  const other = { ...YARN, factor: 4 };
  for (
    const fields of [nested(YARN, PLAIN), nested(YARN, other), nested(PLAIN, { ...PLAIN, rope_theta: 1e4 })]
  ) {
    assertError(() => parse(fields), ConfigError, message);
  }
  // transformers takes rope_scaling for layers without a window.
  assertError(() => parse({ ...nested(PLAIN, PLAIN), rope_scaling: YARN }), ConfigError, message);
  assertEquals(parse({ ...nested(PLAIN, YARN), rope_scaling: YARN }).model.yarn?.factor, 8);
});

Deno.test("parseConfigJson() finds the scales of which fairseq2 makes YaRN's attention factor", () => {
  const scales = (fields: object) => {
    const { mscale, mscaleAllDim } = parse(nested({ ...YARN, ...fields }, { ...YARN, ...fields })).model
      .yarn!;
    return [mscale, mscaleAllDim];
  };
  const { log } = Math;
  assertEquals(scales({}), [1, 0]);
  assertEquals(scales({ attention_factor: undefined }), [1, 0]);
  assertEquals(scales({ attention_factor: undefined, mscale: 0.7, mscale_all_dim: 0.4 }), [0.7, 0.4]);
  // transformers takes neither without the other.
  assertEquals(scales({ attention_factor: undefined, mscale: 0.7 }), [1, 0]);
  assertEquals(scales({ attention_factor: 0.1 * 0.707 * log(8) + 1 }), [0.707, 0]);
  // fairseq2 takes 0 for 1.
  assertEquals(scales({ attention_factor: 1 }), [1, 1]);
  assertEquals(scales({ attention_factor: 1, factor: 1 }), [1, 0]);
  const [odd] = scales({ attention_factor: 1.1 });
  assertAlmostEquals(0.1 * odd! * log(8) + 1, 1.1, 1e-15);
});

const refused: readonly (readonly [fields: object, message: string])[] = [
  [
    { rope_scaling: { type: "linear", factor: 2 } },
    'rope_scaling: is of the kind "linear", but fairseq2\'s OLMo models have "yarn" alone',
  ],
  [{ rope_scaling: { rope_type: "yarn" } }, "rope_scaling.factor: missing, expected a positive number"],
  [
    { rope_scaling: { rope_type: "yarn", factor: 0.5, attention_factor: 1.1 } },
    "rope_scaling.attention_factor: expected 1, as it is with a factor of 0.5, got 1.1",
  ],
  [{ layer_types: ["full_attention"] }, "layer_types: has 1 types, where the model has 32 layers"],
  [
    { layer_types: Array(32).fill("chunked_attention") },
    'layer_types: expected "sliding_attention" or "full_attention", got "chunked_attention"',
  ],
  [{ sliding_window: null }, "sliding_window: is null, but layer_types has layers with a window"],
  [{ sliding_window: 0 }, "sliding_window: expected a positive integer or null, got 0"],
  [
    { attention_bias: true },
    "attention_bias: says that the model has biases, which fairseq2's OLMo models haven't got",
  ],
  [
    { head_dim: 64 },
    "head_dim: expected hidden_size / num_attention_heads, which is 128, got 64; fairseq2's OLMo models have no heads of " +
    "another size",
  ],
  [
    { model_type: "olmo2", architectures: ["Olmo2ForCausalLM"] },
    "rope_scaling: is of the kind \"yarn\", but fairseq2's OLMo models don't scale it",
  ],
];

Deno.test("parseConfigJson() refuses OLMo models that fairseq2 can't compute", () => {
  for (const [fields, message] of refused) {
    assertError(() => parse({ ...published, ...fields }), ConfigError, `config.json: ${message}`);
  }
});

Deno.test("parseConfigJson() takes transformers' defaults for OLMo", () => {
  const { layer_types: _types, rope_scaling: _scaling, sliding_window: _window, ...least } = published;
  const { model, notes } = parse(least);
  assertEquals([model.slidingWindow, notes], [4096, []]);
  // Not the last layer, where that is no fourth one.
  assertEquals(parse({ ...least, num_hidden_layers: 6 }).model.layerTypes, [
    "sliding",
    "sliding",
    "sliding",
    "full",
    "sliding",
    "sliding",
  ]);
});

Deno.test("olmoJsonNotes() says which versions of transformers can't compute a model", () => {
  const model = plainModel("olmo3_7b");
  const yarn =
    "fairseq2 has YaRN in all layers of OLMo 3, which transformers 5 computes; earlier versions can't, and fail to load it";
  assertEquals(olmoJsonNotes(plainModel("olmo2_7b")), []);
  assertEquals(olmoJsonNotes(model), [yarn]);
  assertEquals(olmoJsonNotes({ ...model, yarn: { ...model.yarn!, truncate: false } }), [
    yarn,
    "transformers 5.13 to 5.23 don't look at YaRN's truncate, and compute other logits",
  ]);
});
