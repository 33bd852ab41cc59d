/**
 * Mistral's config.json: those with which transformers computes fairseq2's logits (`fixtures/families`), and those that
 * are published.
 */

import { assertEquals } from "@std/assert";
import { configJson, parseConfigJson } from "../../../lib/layouts/huggingface/config_json.ts";
import { parseModelYaml } from "../../../lib/layouts/fairseq2/model_yaml.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import { assertError } from "../../convert/_assert_error.ts";

const FIXTURES = new URL("../../../fixtures/", import.meta.url);

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, FIXTURES));
}

for (
  const [name, dtype, directory] of [
    ["mistral_bf16", "bfloat16", "checkpoints/fairseq2-0.8.1/mistral_bf16"],
    ["mistral_fp32_tp2_fsdp2", "float32", "families/mistral_fp32_tp2_fsdp2"],
  ] as const
) {
  Deno.test(`configJson() and parseConfigJson() agree with what transformers needs: ${name}`, () => {
    const { generation: _, notes: __, unknownFields: ___, ...model } = parseModelYaml(
      read(`${directory}/checkpoints/model.yaml`),
      {
        generations: ["0.5+"],
      },
    );
    const text = read(`families/${name}/config.json`);
    assertEquals(configJson(model, { dtype, tied: false, tokens: {} }), text.trimEnd() + "\n");
    assertEquals(parseConfigJson(text), { model, notes: [] });
  });
}

/** mistralai/Mistral-7B-v0.1, as it was published. */
const v01 = {
  architectures: ["MistralForCausalLM"],
  bos_token_id: 1,
  eos_token_id: 2,
  hidden_act: "silu",
  hidden_size: 4096,
  initializer_range: 0.02,
  intermediate_size: 14336,
  max_position_embeddings: 32768,
  model_type: "mistral",
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-05,
  rope_theta: 10000.0,
  sliding_window: 4096,
  tie_word_embeddings: false,
  torch_dtype: "bfloat16",
  transformers_version: "4.34.0.dev0",
  use_cache: true,
  vocab_size: 32000,
};

const model = {
  family: "mistral",
  dim: 4096,
  layers: 32,
  heads: 32,
  kvHeads: 8,
  headDim: 128,
  intermediateSize: 14336,
  vocabSize: 32000,
  bosId: 1,
  eosIds: [2],
  multipleOf: 1,
  ropeTheta: 10000,
  slidingWindow: 4096,
  normEps: 1e-5,
  maxSeqLen: 32768,
  embeddingShardDim: 0,
  tied: false,
} as const;

/** What is read of v0.1's file with other fields; one that is `undefined` isn't there. */
function parse(changes: Readonly<Record<string, unknown>>) {
  return parseConfigJson(JSON.stringify({ ...v01, ...changes }));
}

Deno.test("parseConfigJson() reads published Mistral models", () => {
  assertEquals(parse({}), { model, notes: [] });
  const { slidingWindow: _, ...windowless } = model;
  // v0.2, and v0.3, whose vocabulary has 768 more tokens.
  assertEquals(parse({ rope_theta: 1e6, sliding_window: null }).model, { ...windowless, ropeTheta: 1e6 });
  assertEquals(
    parse({ rope_theta: 1e6, sliding_window: null, vocab_size: 32768, head_dim: null }).model,
    { ...windowless, ropeTheta: 1e6, vocabSize: 32768 },
  );
  // As transformers 5 saves it.
  assertEquals(
    parse({
      rope_theta: undefined,
      rope_parameters: { rope_theta: 10000.0, rope_type: "default" },
      torch_dtype: undefined,
      dtype: "bfloat16",
      head_dim: 128,
    }).model,
    model,
  );
});

Deno.test("parseConfigJson() takes what transformers' MistralConfig does where nothing is said", () => {
  const absent = [
    "sliding_window",
    "rope_theta",
    "rms_norm_eps",
    "max_position_embeddings",
    "num_key_value_heads",
    "bos_token_id",
    "eos_token_id",
    "tie_word_embeddings",
    "hidden_act",
  ];
  assertEquals(
    parse(Object.fromEntries(absent.map((name) => [name, undefined]))).model,
    { ...model, normEps: 1e-6, maxSeqLen: 131072 },
  );
  // null says as many as heads.
  assertEquals(parse({ num_key_value_heads: null }).model.kvHeads, 32);
  assertEquals(parse({ tie_word_embeddings: true }).model.tied, true);
  assertEquals(parse({ layer_types: Array(32).fill("sliding_attention"), is_causal: true }).model, model);
  const none = { sliding_window: null, layer_types: Array(32).fill("full_attention") };
  assertEquals("slidingWindow" in parse(none).model, false);
});

const refused: readonly (readonly [changes: Readonly<Record<string, unknown>>, message: string])[] = [
  [
    { hidden_size: 5120, head_dim: 128 }, // Mistral Nemo
    "head_dim: expected hidden_size / num_attention_heads, which is 160, got 128; fairseq2's Mistral has no heads of " +
    "another size",
  ],
  [{ num_attention_heads: 48 }, "num_attention_heads: 48 heads don't divide a dimension of 4096"],
  [{ num_key_value_heads: 5 }, "num_key_value_heads: 5 key and value heads don't divide 32 heads"],
  ...[["full_attention", "sliding_attention"], ["full_attention"], "full_attention"].map((layer_types) =>
    [
      { layer_types },
      'layer_types: expected "sliding_attention" for each layer: all layers of fairseq2\'s Mistral models have the same ' +
      "window",
    ] as const
  ),
  [
    { is_causal: false },
    "is_causal: says that tokens see those behind them, which those of fairseq2's Mistral models don't",
  ],
  [{ sliding_window: 0 }, "sliding_window: expected a positive integer or null, got 0"],
  [{ sliding_window: "4096" }, 'sliding_window: expected a positive integer or null, got "4096"'],
  [{ hidden_act: "gelu" }, 'hidden_act: is "gelu", but fairseq2\'s Mistral models have "silu"'],
  [
    { rope_scaling: { rope_type: "yarn", factor: 4.0 } },
    "rope_scaling: is of the kind \"yarn\", but fairseq2's Mistral models don't scale it",
  ],
  [{ partial_rotary_factor: 0.5 }, "partial_rotary_factor: expected 1, got 0.5"],
  [
    { architectures: ["MistralForSequenceClassification"] },
    'architectures: is "MistralForSequenceClassification", but only MistralForCausalLM can be converted',
  ],
  [
    { quantization_config: { quant_method: "gptq" } },
    'quantization_config: says that the weights are quantized ("gptq"); convert the model that they were made of',
  ],
];

Deno.test("parseConfigJson() refuses Mistral models that can't be converted", () => {
  for (const [changes, message] of refused) {
    assertError(() => parse(changes), ConfigError, `config.json: ${message}`);
  }
});
