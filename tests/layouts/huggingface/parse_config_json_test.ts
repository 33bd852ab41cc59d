/**
 * config.json as it is read: what transformers wrote, and what can't be converted.
 */

import { families } from "../../../lib/models/families.ts";
import { listed } from "../../models/_listed.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import type { ModelDescription } from "../../../lib/models/model_description.ts";
import { parseConfigJson } from "../../../lib/layouts/huggingface/config_json.ts";
import { assertError } from "../../convert/_assert_error.ts";

const FIXTURES = join(import.meta.dirname!, "..", "..", "..", "fixtures", "huggingface");
const scaled = {
  ropeTheta: 500000,
  ropeScaling: { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
  embeddingShardDim: 0,
} as const;
const sizes = {
  family: "llama",
  dim: 16,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 4,
  intermediateSize: 48,
  vocabSize: 24,
  multipleOf: 16,
  normEps: 1e-6,
  maxSeqLen: 2048,
  tied: false,
  bosId: 20,
  eosIds: [21],
} as const;

const written: Readonly<Record<string, ModelDescription>> = {
  defaults: {
    family: "llama",
    dim: 4096,
    layers: 32,
    heads: 32,
    kvHeads: 32,
    headDim: 128,
    intermediateSize: 11008,
    vocabSize: 32000,
    multipleOf: 256,
    normEps: 1e-6,
    maxSeqLen: 2048,
    tied: false,
    bosId: 1,
    eosIds: [2],
    ropeTheta: 10000,
    embeddingShardDim: 1,
  },
  mha: { ...sizes, kvHeads: 4, ropeTheta: 10000, embeddingShardDim: 1 },
  scaled: { ...sizes, ...scaled, tied: true, maxSeqLen: 131072 },
  several_ends: { ...sizes, ...scaled, eosIds: [21, 22, 23], padId: 19 },
};

for (const version of ["4.46.3", "5.23.0"]) {
  for (const [name, expected] of Object.entries(written)) {
    Deno.test(`parseConfigJson() reads what transformers ${version} wrote: ${name}`, () => {
      const path = join(FIXTURES, `transformers-${version}`, "configs", `${name}.json`);
      assertEquals(parseConfigJson(Deno.readTextFileSync(path)).model, expected);
    });
  }
}

const least = {
  model_type: "llama",
  hidden_size: 32,
  intermediate_size: 88,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  vocab_size: 40,
};

/** What a config.json with some fields more says. */
function parse(fields: Readonly<Record<string, unknown>>): ModelDescription {
  return parseConfigJson(JSON.stringify({ ...least, ...fields })).model;
}

Deno.test("parseConfigJson() takes what transformers takes for fields that aren't there", () => {
  const model = {
    family: "llama",
    dim: 32,
    layers: 2,
    heads: 4,
    kvHeads: 4,
    headDim: 8,
    intermediateSize: 88,
    vocabSize: 40,
    multipleOf: 8,
    ropeTheta: 10000,
    normEps: 1e-6,
    maxSeqLen: 2048,
    embeddingShardDim: 1,
    tied: false,
    bosId: 1,
    eosIds: [2],
  } as const;
  assertEquals(parse({}), model);
  const nothing = Object.fromEntries(
    ["num_key_value_heads", "head_dim", "rope_theta", "rope_scaling", "rope_parameters", "rms_norm_eps"]
      .concat("max_position_embeddings", "attention_bias", "mlp_bias", "quantization_config", "architectures")
      .concat("hidden_act", "pad_token_id", "partial_rotary_factor").map((name) => [name, null]),
  );
  assertEquals(parse(nothing), model);
});

Deno.test("parseConfigJson() takes null and -1 for no token, and lists of tokens that end a sequence", () => {
  const tokens = ({ bosId, eosIds, padId }: ModelDescription) => [bosId, eosIds, padId];
  assertEquals(tokens(parse({ bos_token_id: null, eos_token_id: null })), [undefined, undefined, undefined]);
  assertEquals(tokens(parse({ eos_token_id: [7], pad_token_id: -1 })), [1, [7], undefined]);
  assertEquals(tokens(parse({ bos_token_id: 0, eos_token_id: 0, pad_token_id: 0 })), [0, [0], 0]);
  assertEquals(tokens(parse({ eos_token_id: [2, 8, 9] })), [1, [2, 8, 9], undefined]);
  assertEquals(tokens(parse({ eos_token_id: [-1] })), [1, undefined, undefined]);
});

Deno.test("parseConfigJson() reads RoPE wherever a version of transformers has it", () => {
  const rope = (fields: Readonly<Record<string, unknown>>) => {
    const { ropeTheta, ropeScaling } = parse(fields);
    return [ropeTheta, ropeScaling?.highFreqFactor, ropeScaling?.originalContextLength];
  };
  const llama3 = {
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 5,
    original_max_position_embeddings: 8192,
  };
  assertEquals(rope({ rope_parameters: { rope_theta: 7, rope_type: "default" } }), [7, undefined, undefined]);
  assertEquals(rope({ rope_theta: 7, rope_parameters: { rope_type: "default" } }), [7, undefined, undefined]);
  assertEquals(rope({ rope_theta: 7, rope_parameters: { rope_theta: 8, rope_type: "llama3", ...llama3 } }), [
    8,
    5,
    8192,
  ]);
  assertEquals(rope({ rope_theta: 7, rope_scaling: { rope_type: "llama3", ...llama3 } }), [7, 5, 8192]);
  assertEquals(rope({ rope_theta: 7, rope_scaling: { type: "llama3", ...llama3 } }), [7, 5, 8192]);
  const { original_max_position_embeddings: _, ...short } = llama3;
  assertEquals(
    rope({ max_position_embeddings: 4096, rope_scaling: { rope_type: "llama3", ...short } }),
    [10000, 5, 4096],
  );
  // transformers 5.x prefers the old name where there are both.
  const other = { rope_type: "llama3", ...llama3, high_freq_factor: 3 };
  // To transformers 5.23 an empty mapping is none, and what stands beside the mapping goes first.
  assertEquals(
    rope({ rope_scaling: {}, rope_parameters: { rope_theta: 7, rope_type: "llama3", ...llama3 } }),
    [7, 5, 8192],
  );
  assertEquals(
    rope({
      rope_theta: 7,
      rope_scaling: { rope_type: "llama3", ...llama3 },
      original_max_position_embeddings: 1024,
    }),
    [7, 5, 1024],
  );
  assertEquals(rope({ rope_scaling: { rope_type: "llama3", ...llama3 }, rope_parameters: other }), [
    10000,
    5,
    8192,
  ]);
});

const llama3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

const refused:
  readonly (readonly [what: string, fields: Readonly<Record<string, unknown>>, message: string])[] = [
    [
      "another family",
      { model_type: "gemma3" },
      `model_type: is "gemma3", but only models of ${
        listed(
          families.flatMap(({ configJson }) => [...configJson.types.keys()]).map((name) => `"${name}"`),
          "and",
        )
      } can be converted`,
    ],
    ["a family that is no text", { model_type: 3 }, "model_type: expected a text, got 3"],
    [
      "another head",
      { architectures: ["LlamaForSequenceClassification"] },
      'architectures: is "LlamaForSequenceClassification", but only LlamaForCausalLM can be converted',
    ],
    ["classes that are no sequence", { architectures: "x" }, 'architectures: expected a sequence, got "x"'],
    [
      "quantized weights",
      { quantization_config: { quant_method: "gptq", bits: 4 } },
      'quantization_config: says that the weights are quantized ("gptq"); convert the model that they were made of',
    ],
    [
      "quantized weights of an unknown kind",
      { quantization_config: {} },
      "quantization_config: says that the weights are quantized; convert the model that they were made of",
    ],
    [
      "biases of attention",
      { attention_bias: true },
      "attention_bias: says that the model has biases, which fairseq2's and Meta's LLaMA haven't got",
    ],
    [
      "biases of the feed-forward network",
      { mlp_bias: true },
      "mlp_bias: says that the model has biases, which fairseq2's and Meta's LLaMA haven't got",
    ],
    [
      "another activation",
      { hidden_act: "gelu" },
      'hidden_act: is "gelu", but fairseq2\'s and Meta\'s LLaMA have "silu"',
    ],
    [
      "heads of a size of their own",
      { head_dim: 16 },
      "head_dim: expected hidden_size / num_attention_heads, which is 8, got 16; neither fairseq2 nor Meta's code has " +
      "heads of another size",
    ],
    [
      "heads that don't divide",
      { num_attention_heads: 5 },
      "num_attention_heads: 5 heads don't divide a dimension of 32",
    ],
    [
      "odd heads",
      { num_attention_heads: 32 },
      "num_attention_heads: heads of 1 rows are odd, and RoPE needs pairs",
    ],
    [
      "key and value heads that don't divide",
      { num_key_value_heads: 3 },
      "num_key_value_heads: 3 key and value heads don't divide 4 heads",
    ],
    ...["linear", "dynamic", "yarn", "longrope"].map((kind) =>
      [
        `${kind} RoPE`,
        { rope_scaling: { type: kind, factor: 2 } },
        `rope_scaling: is of the kind "${kind}", but fairseq2's and Meta's LLaMA have "llama3" alone`,
      ] as const
    ),
    [
      "yarn in rope_parameters",
      { rope_parameters: { rope_type: "yarn" } },
      'rope_parameters: is of the kind "yarn", but fairseq2\'s and Meta\'s LLaMA have "llama3" alone',
    ],
    ["RoPE that turns a part", { partial_rotary_factor: 0.5 }, "partial_rotary_factor: expected 1, got 0.5"],
    [
      "RoPE that turns a part, said in rope_parameters",
      { rope_parameters: { rope_type: "default", partial_rotary_factor: 0.5 } },
      "rope_parameters.partial_rotary_factor: expected 1, got 0.5",
    ],
    ["scaling that is no mapping", { rope_scaling: 8 }, "rope_scaling: expected a mapping, got 8"],
    [
      "scaling without a factor",
      { rope_scaling: { ...llama3, factor: undefined } },
      "rope_scaling.factor: missing, expected a positive number",
    ],
    [
      "factors the wrong way round",
      { rope_scaling: { ...llama3, low_freq_factor: 4 } },
      "rope_scaling.high_freq_factor: expected more than low_freq_factor, which is 4, got 4",
    ],
    ["no dimension", { hidden_size: undefined }, "hidden_size: missing, expected a positive integer"],
    ["a dimension of 0", { hidden_size: 0 }, "hidden_size: expected a positive integer, got 0"],
    ["a huge vocabulary", { vocab_size: 1e9 }, "vocab_size: expected at most 16777216, got 1000000000"],
    ["an epsilon of 0", { rms_norm_eps: 0 }, "rms_norm_eps: expected a positive number or null, got 0"],
    [
      "a token that is no number",
      { bos_token_id: "<s>" },
      'bos_token_id: expected a token\'s number or null, got "<s>"',
    ],
    [
      "several beginnings",
      { bos_token_id: [1, 2] },
      "bos_token_id: expected a token's number or null, got a sequence",
    ],
    [
      "no ends at all",
      { eos_token_id: [] },
      "eos_token_id: expected a token's number or null, got a sequence",
    ],
  ];

for (const [what, fields, message] of refused) {
  Deno.test(`parseConfigJson() refuses ${what}`, () => {
    assertError(() => parse(fields), ConfigError, `config.json: ${message}`);
  });
}

Deno.test("parseConfigJson() refuses what is no JSON object, or too long, by the file's name", () => {
  const of = (text: string) => () => parseConfigJson(text, "dir/config.json");
  assertError(of("{"), ConfigError, "dir/config.json: is no JSON: ends too early");
  assertError(of("[]"), ConfigError, "dir/config.json: expected a mapping, got a sequence");
  assertError(
    of('{"a":1,"vocab_size":1,"vocab_size":2}'),
    ConfigError,
    "dir/config.json: vocab_size: is there twice",
  );
  assertError(
    of(" ".repeat(65537)),
    ConfigError,
    "dir/config.json: expected at most 65536 characters, got 65537",
  );
});

Deno.test("parseConfigJson() names the field at fault", () => {
  const error = assertThrows(() => parse({ rope_scaling: { ...llama3, factor: 0 } }), ConfigError);
  assertEquals([error.file, error.field], ["config.json", "rope_scaling.factor"]);
});
