/**
 * config.json and generation_config.json as they are written. `outputs/huggingface_test.ts` compares them with those
 * that transformers' script wrote.
 */

import { assertEquals } from "@std/assert";
import { configJson, parseConfigJson } from "../../../lib/layouts/huggingface/config_json.ts";
import { generationConfigJson } from "../../../lib/layouts/huggingface/generation_config.ts";
import { llamaTokens } from "../../../lib/models/llama/tokens.ts";
import { findArchitecture } from "../../../lib/models/model_cards.ts";
import { Random } from "../../copy/_random.ts";
import { randomModel } from "../../convert/_random_model.ts";

Deno.test("configJson() says what parseConfigJson() reads, for random models", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    const model = { ...randomModel(random), tied: random.integer(0, 1) === 1, padId: random.integer(0, 7) };
    const { bosId, eosIds, padId, tied } = model;
    const text = configJson(model, {
      dtype: "float16",
      tied,
      tokens: { bosId: bosId!, eosIds: eosIds!, padId },
    });
    // What the width was rounded up to, and how embeddings are split, isn't in the file.
    const { multipleOf: _multiple, embeddingShardDim: _dim, ...read } = parseConfigJson(text).model;
    const { multipleOf: _itsMultiple, embeddingShardDim: _itsDim, ...expected } = model;
    assertEquals(read, expected, text);
  }
});

Deno.test("configJson() has null for tokens that aren't known, but no token that pads", () => {
  const model = randomModel(new Random(1));
  const fields = JSON.parse(configJson(model, { dtype: "float32", tied: false, tokens: {} }));
  assertEquals([fields.bos_token_id, fields.eos_token_id], [null, null]);
  assertEquals("pad_token_id" in fields, false);
  assertEquals(parseConfigJson(JSON.stringify(fields)).model.bosId, undefined);
  const padded = JSON.parse(configJson(model, { dtype: "float32", tied: false, tokens: { padId: 3 } }));
  assertEquals(padded.pad_token_id, 3);
});

Deno.test("configJson() prints floats as floats, since transformers checks types", () => {
  const model = { ...randomModel(new Random(2)), ropeTheta: 500000, normEps: 1e-5 };
  const ropeScaling = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 };
  const text = configJson({ ...model, ropeScaling }, { dtype: "float32", tied: false, tokens: {} });
  const lines = text.split("\n").map((line) => line.trim());
  for (
    const line of [
      '"rope_theta": 500000.0,',
      '"rms_norm_eps": 1e-05,',
      '"factor": 8.0,',
      '"low_freq_factor": 1.0,',
      '"high_freq_factor": 4.0,',
      '"original_max_position_embeddings": 8192,',
      '"attention_dropout": 0.0,',
    ]
  ) assertEquals(lines.includes(line), true, line);
});

Deno.test("configJson() has one token that ends a sequence, or a list of them", () => {
  const model = randomModel(new Random(3));
  for (const [eosIds, expected] of [[[2], 2], [[2, 8, 9], [2, 8, 9]]] as const) {
    const text = configJson({ ...model, vocabSize: 10 }, {
      dtype: "float32",
      tied: false,
      tokens: { eosIds },
    });
    assertEquals(JSON.parse(text).eos_token_id, expected);
  }
});

Deno.test("generationConfigJson() leaves out tokens that aren't known, and invents no sampling", () => {
  const model = findArchitecture("llama_7b");
  assertEquals(JSON.parse(generationConfigJson(model, {})), { transformers_version: "4.46.3" });
  assertEquals(JSON.parse(generationConfigJson(model, { bosId: 0, eosIds: [2], padId: 3 })), {
    bos_token_id: 0,
    eos_token_id: 2,
    pad_token_id: 3,
    transformers_version: "4.46.3",
  });
});

Deno.test("generationConfigJson() prints what Meta published for LLaMA 3.1's instruct models", () => {
  const sampling = llamaTokens.sampling!("llama3_1_8b_instruct");
  const tokens = { bosId: 128000, eosIds: [128001, 128008, 128009] };
  // meta-llama/Llama-3.1-8B-Instruct, but for the version of transformers.
  assertEquals(
    generationConfigJson(findArchitecture("llama3_1_8b"), tokens, sampling),
    `{
  "bos_token_id": 128000,
  "do_sample": true,
  "eos_token_id": [
    128001,
    128008,
    128009
  ],
  "temperature": 0.6,
  "top_p": 0.9,
  "transformers_version": "4.46.3"
}
`,
  );
});
