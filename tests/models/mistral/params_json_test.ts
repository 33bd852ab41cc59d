/**
 * Mistral's own params.json: as published, as Mistral's code reads it, and as it is written.
 */

import { assertEquals } from "@std/assert";
import { MismatchError, OptionError } from "../../../lib/error.ts";
import { describeReference, paramsJson } from "../../../lib/layouts/reference/params_json.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import type { ObservedShape } from "../../../lib/models/family.ts";
import { mistral } from "../../../lib/models/mistral/family.ts";
import { findArchitecture } from "../../../lib/models/model_cards.ts";
import { kvDim, qDim } from "../../../lib/models/model_description.ts";
import { assertError } from "../../convert/_assert_error.ts";

/** Mistral 7B v0.1's, as it was published. */
const v01 = {
  dim: 4096,
  n_layers: 32,
  head_dim: 128,
  hidden_dim: 14336,
  n_heads: 32,
  n_kv_heads: 8,
  norm_eps: 1e-05,
  sliding_window: 4096,
  vocab_size: 32000,
};

const {
  name: _name,
  alias: _alias,
  cards: _cards,
  bosId: _bos,
  eosIds: _eos,
  ...model
} = findArchitecture("mistral_7b");

const observed: ObservedShape = {
  family: mistral,
  kinds: new Set(mistral.parameters.map(({ names }) => names.fairseq2)),
  dim: model.dim,
  layers: model.layers,
  qDim: qDim(model),
  kvDim: kvDim(model),
  intermediateSize: model.intermediateSize,
  vocabSize: model.vocabSize,
  embeddingShardDim: undefined,
};

/** What is read of v0.1's file with other fields; one that is `undefined` isn't there. */
function describe(changes: Readonly<Record<string, unknown>>, seen: Partial<ObservedShape> = {}, shards = 1) {
  const text = JSON.stringify({ ...v01, ...changes });
  return describeReference(text, "params.json", shards, () => ({ ...observed, ...seen }));
}

const WITH_WINDOW = "params.json says no rope_theta; 10000 is taken, as for Mistral's models with a window";
const WITHOUT_WINDOW =
  "params.json says no rope_theta; 1000000 is taken, as for Mistral's models without a window";
const NO_LENGTH = "params.json says no context length; 32768 is taken";

Deno.test("describeReference() reads the params.json of Mistral 7B v0.1", () => {
  assertEquals(describe({}), { model, notes: [WITH_WINDOW] });
  assertEquals(describe({ rope_theta: 10000.0 }), { model, notes: [] });
  assertEquals(describe({ rope_theta: 10000.0, n_kv_heads: 8, head_dim: undefined }), { model, notes: [] });
});

Deno.test("describeReference() reads later Mistral models, which have no window", () => {
  const { slidingWindow: _, ...windowless } = model;
  const later = { ...windowless, ropeTheta: 1e6, maxSeqLen: 32768 };
  // v0.3.
  const extended = { vocabSize: 32768 };
  assertEquals(
    describe({ sliding_window: undefined, vocab_size: 32768, rope_theta: 1000000.0 }, extended),
    { model: { ...later, ...extended }, notes: [NO_LENGTH] },
  );
  assertEquals(describe({ sliding_window: null }), { model: later, notes: [WITHOUT_WINDOW, NO_LENGTH] });
  assertEquals(describe({ sliding_window: null, rope_theta: 1e6, max_seq_len: 65536 }), {
    model: { ...later, maxSeqLen: 65536 },
    notes: [],
  });
  // Mistral's newer code has this name for vLLM's sake.
  assertEquals(
    describe({ sliding_window: undefined, _sliding_window: 4096, rope_theta: 10000.0 }).model,
    model,
  );
});

Deno.test("describeReference() takes the vocabulary of a Mistral's weights", () => {
  assertEquals(describe({ rope_theta: 10000.0 }, { vocabSize: 32002 }), {
    model: { ...model, vocabSize: 32002 },
    notes: ["a vocabulary of 32002, where params.json has 32000"],
  });
});

const refused: readonly (readonly [changes: Readonly<Record<string, unknown>>, message: string])[] = [
  [{ head_dim: 160 }, "head_dim: expected dim / n_heads, which is 128, got 160"],
  [{ n_heads: 48 }, "n_heads: 48 heads don't divide a dimension of 4096"],
  [{ n_kv_heads: 5 }, "n_kv_heads: 5 key and value heads don't divide 32 heads"],
  [{ norm_eps: undefined }, "norm_eps: missing, expected a positive number"],
  [{ vocab_size: undefined }, "vocab_size: missing, expected a positive integer"],
  [{ sliding_window: [4096, null] }, "sliding_window: expected a positive integer or null, got a sequence"],
  [
    { moe: { num_experts: 8, num_experts_per_tok: 2 } },
    "moe: says that this is a mixture of experts, which can't be converted",
  ],
  [{ vision_encoder: {} }, "vision_encoder: says that this is a vision model, which can't be converted"],
];

Deno.test("describeReference() refuses Mistral models that can't be converted", () => {
  for (const [changes, message] of refused) {
    assertError(() => describe(changes), ConfigError, `params.json: ${message}`);
  }
});

Deno.test("describeReference() refuses a Mistral in several files", () => {
  assertError(
    () => describe({}, {}, 2),
    MismatchError,
    "params.json: is of a Mistral model, which is in one file, but there are 2",
  );
});

Deno.test("paramsJson() writes Mistral's own, with the theta that its code wouldn't take by itself", () => {
  const text = paramsJson(findArchitecture("mistral_7b"), "reference");
  assertEquals(JSON.parse(text), { ...v01, rope_theta: 10000 });
  assertEquals(text.includes('"norm_eps": 1e-05,\n'), true);
  assertEquals(text.includes('"rope_theta": 10000.0\n'), true);
  const { slidingWindow: _, ...windowless } = model;
  assertEquals("sliding_window" in JSON.parse(paramsJson(windowless, "reference")), false);
});

Deno.test("paramsJson() has no form of Meta's for a Mistral", () => {
  assertError(
    () => paramsJson(model, "meta"),
    OptionError,
    "The meta layout has no Mistral models; write Mistral's own (--to reference)",
  );
});
