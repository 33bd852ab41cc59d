/**
 * Qwen's config.json: those with which transformers computes fairseq2's logits (`fixtures/families`), and those that
 * are published.
 */

import { assertEquals } from "@std/assert";
import { OptionError } from "../../../lib/error.ts";
import { configJson, parseConfigJson } from "../../../lib/layouts/huggingface/config_json.ts";
import { parseModelYaml } from "../../../lib/layouts/fairseq2/model_yaml.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import { findArchitecture } from "../../../lib/models/model_cards.ts";
import type { ModelDescription } from "../../../lib/models/model_description.ts";
import { assertError } from "../../convert/_assert_error.ts";

const FIXTURES = new URL("../../../fixtures/", import.meta.url);

const cases: readonly (readonly [name: string, dtype: string, directory: string])[] = [
  ["qwen25_bf16", "bfloat16", "checkpoints/fairseq2-0.8.1/qwen25_bf16"],
  ["qwen25_bf16_tied_fsdp3", "bfloat16", "checkpoints/fairseq2-0.8.1/qwen25_bf16_tied_fsdp3"],
  ["qwen25_fp32_tp2", "float32", "checkpoints/fairseq2-0.8.1/qwen25_fp32_tp2"],
  ["qwen3_bf16_tied", "bfloat16", "checkpoints/fairseq2-0.8.1/qwen3_bf16_tied"],
  ["qwen3_fp32_fsdp2", "float32", "checkpoints/fairseq2-0.8.1/qwen3_fp32_fsdp2"],
  ["qwen25_fp16_head_dim_tp2", "float16", "families/qwen25_fp16_head_dim_tp2"],
  ["qwen3_bf16_no_head_dim", "bfloat16", "families/qwen3_bf16_no_head_dim"],
];

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, FIXTURES));
}

for (const [name, dtype, directory] of cases) {
  Deno.test(`configJson() and parseConfigJson() agree with what transformers needs: ${name}`, () => {
    const { generation: _, notes: __, unknownFields: ___, ...model } = parseModelYaml(
      read(`${directory}/checkpoints/model.yaml`),
    );
    const text = read(`families/${name}/config.json`);
    assertEquals(configJson(model, { dtype, tied: model.tied, tokens: {} }), text.trimEnd() + "\n");
    assertEquals(parseConfigJson(text), { model, notes: [] });
  });
}

/** What a published config.json says: Qwen/Qwen2.5-7B-Instruct and Qwen/Qwen3-4B, the fields that matter. */
const published = {
  "qwen25_7b": {
    architectures: ["Qwen2ForCausalLM"],
    bos_token_id: 151643,
    eos_token_id: 151645,
    hidden_act: "silu",
    hidden_size: 3584,
    intermediate_size: 18944,
    max_position_embeddings: 32768,
    max_window_layers: 28,
    model_type: "qwen2",
    num_attention_heads: 28,
    num_hidden_layers: 28,
    num_key_value_heads: 4,
    rms_norm_eps: 1e-06,
    rope_theta: 1000000.0,
    sliding_window: 131072,
    tie_word_embeddings: false,
    use_sliding_window: false,
    vocab_size: 152064,
  },
  "qwen3_4b": {
    architectures: ["Qwen3ForCausalLM"],
    attention_bias: false,
    bos_token_id: 151643,
    eos_token_id: 151645,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 2560,
    intermediate_size: 9728,
    max_position_embeddings: 40960,
    max_window_layers: 36,
    model_type: "qwen3",
    num_attention_heads: 32,
    num_hidden_layers: 36,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-06,
    rope_scaling: null,
    rope_theta: 1000000,
    sliding_window: null,
    tie_word_embeddings: true,
    use_sliding_window: false,
    vocab_size: 151936,
  },
} as const;

Deno.test("parseConfigJson() reads the published ones of Qwen as the architectures that they are", () => {
  for (const [name, fields] of Object.entries(published)) {
    const { name: _, cards: _cards, inFairseq2: _built, ...architecture } = findArchitecture(name);
    const tokens = { bosId: 151643, eosIds: [151645] };
    assertEquals(parseConfigJson(JSON.stringify(fields)).model, { ...architecture, ...tokens }, name);
  }
});

Deno.test("parseConfigJson() reads Qwen's as transformers 5 writes them", () => {
  const { rope_theta: _theta, rope_scaling: _scaling, ...fields } = published.qwen3_4b;
  const own = {
    ...fields,
    rope_parameters: { rope_theta: 5e6, rope_type: "default" },
    layer_types: Array(36).fill("full_attention"),
  };
  assertEquals(parseConfigJson(JSON.stringify(own)).model.ropeTheta, 5e6);
});

const refused: readonly (readonly [of: keyof typeof published, fields: object, message: string])[] = [
  [
    "qwen25_7b",
    { rope_scaling: { type: "yarn", factor: 4.0, original_max_position_embeddings: 32768 } },
    "rope_scaling: is of the kind \"yarn\", but fairseq2's Qwen models don't scale it",
  ],
  [
    "qwen25_7b",
    { use_sliding_window: true, max_window_layers: 21 },
    "use_sliding_window: says that layers have a window, which fairseq2's Qwen models haven't got",
  ],
  [
    "qwen3_4b",
    { layer_types: ["full_attention", "sliding_attention"] },
    'layer_types: has "sliding_attention", but fairseq2\'s Qwen models have "full_attention" alone',
  ],
  [
    "qwen3_4b",
    { attention_bias: true },
    "attention_bias: says that the model has biases, which fairseq2's Qwen models haven't got",
  ],
  ["qwen3_4b", { hidden_act: "gelu" }, 'hidden_act: is "gelu", but fairseq2\'s Qwen models have "silu"'],
  ["qwen3_4b", { head_dim: 127 }, "head_dim: heads of 127 rows are odd, and RoPE needs pairs"],
  [
    "qwen25_7b",
    { num_attention_heads: 30 },
    "num_attention_heads: 30 heads don't divide a dimension of 3584",
  ],
  [
    "qwen3_4b",
    { num_key_value_heads: 5 },
    "num_key_value_heads: 5 key and value heads don't divide 32 heads",
  ],
];

Deno.test("parseConfigJson() refuses Qwen models that fairseq2 can't compute", () => {
  for (const [name, fields, message] of refused) {
    const text = JSON.stringify({ ...published[name], ...fields });
    assertError(() => parseConfigJson(text), ConfigError, `config.json: ${message}`);
  }
  // All layers come before the first one that would have a window.
  const unused = { use_sliding_window: true, max_window_layers: 28 };
  assertEquals(parseConfigJson(JSON.stringify({ ...published.qwen25_7b, ...unused })).model.layers, 28);
});

Deno.test("configJson() refuses Qwen models that transformers has no class for", () => {
  const model: ModelDescription = findArchitecture("qwen3_4b");
  const options = { dtype: "float32", tied: true, tokens: {} };
  for (const [qkvBias, qNorm, kNorm] of [[true, true, true], [false, true, false], [false, false, false]]) {
    assertError(
      () => configJson({ ...model, qkvBias, qNorm, kNorm } as ModelDescription, options),
      OptionError,
      "Hugging Face has classes for Qwen models with qkv_proj_bias alone (2.5), and with q_norm and k_norm alone (3); " +
        `this one has qkv_proj_bias ${qkvBias}, q_norm ${qNorm}, k_norm ${kNorm}`,
    );
  }
});
