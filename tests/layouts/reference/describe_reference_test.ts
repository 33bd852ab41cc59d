/**
 * What a params.json and the weights beside it are taken for.
 */

import { assertEquals } from "@std/assert";
import { MismatchError } from "../../../lib/error.ts";
import { familyOf } from "../../../lib/models/families.ts";
import type { LlamaArchitecture } from "../../../lib/models/llama/architectures.ts";
import { findArchitecture } from "../../../lib/models/model_cards.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import {
  type DescribedModel,
  describeReference,
  paramsJson,
} from "../../../lib/layouts/reference/params_json.ts";
import { kvDim, type ModelDescription, qDim } from "../../../lib/models/model_description.ts";
import type { ObservedShape } from "../../../lib/models/family.ts";
import { assertError } from "../../convert/_assert_error.ts";

function observe(model: ModelDescription, changes: Partial<ObservedShape> = {}): ObservedShape {
  const { dim, layers, intermediateSize, vocabSize } = model;
  return {
    family: familyOf(model),
    kinds: new Set(familyOf(model).parameters.map(({ names }) => names.fairseq2)),
    qDim: qDim(model),
    dim,
    layers,
    intermediateSize,
    vocabSize,
    kvDim: kvDim(model),
    embeddingShardDim: undefined,
    ...changes,
  };
}

function describe(
  text: string,
  model: ModelDescription,
  changes: Partial<ObservedShape> = {},
  shards = 1,
): DescribedModel {
  return describeReference(text, "params.json", shards, () => observe(model, changes));
}

/** The fields of an architecture that a model description has, untied as the files of this layout are. */
function untied(name: string): ModelDescription {
  const { name: _, cards: _cards, inFairseq2: _built, ffnDimMultiplier: _multiplier, ...model } =
    findArchitecture(name, "llama") as LlamaArchitecture;
  return { ...model, tied: false };
}

const certain = ["33b", "65b", "llama2_70b", "llama3_1_405b", "llama3_2_1b", "llama3_2_3b"];

for (const name of certain) {
  Deno.test(`describeReference() knows ${name} by its params.json, nested or flat`, () => {
    const model = untied(name);
    const { ropeScaling } = model;
    const note = `params.json doesn't say how RoPE is scaled; it is taken to be as in ${name} (factor ` +
      `${ropeScaling?.factor}, low 1, high 4)`;
    const other =
      "; fairseq2 0.2 and 0.3 scaled it by factor 8, low 1, high 5: if they trained the model, give its " +
      "model.yaml with --model";
    // Flat, it says that RoPE is scaled, which stands for a factor of 8.
    const [nested, flat] = [ropeScaling !== undefined, ropeScaling?.factor === 32];
    assertEquals(describe(paramsJson(model, "reference"), model), {
      model,
      notes: nested ? [note + other] : [],
    });
    assertEquals(describe(paramsJson(model, "meta"), model), { model, notes: flat ? [note] : [] });
  });
}

const ambiguous: readonly (readonly [plain: string, scaled: string])[] = [
  ["llama3_8b", "llama3_1_8b"],
  ["llama3_70b", "llama3_1_70b"],
];

for (const [plain, scaled] of ambiguous) {
  Deno.test(`describeReference() tells ${plain} from ${scaled} by Meta's params.json alone`, () => {
    for (const name of [plain, scaled]) {
      const model = untied(name);
      assertEquals(describe(paramsJson(model, "meta"), model), { model, notes: [] });
      // Nested, the two are the same text, and they compute differently.
      assertEquals(describe(paramsJson(model, "reference"), model), { notes: [] });
    }
  });
}

for (const [older, newer] of [["7b", "llama2_7b"], ["13b", "llama2_13b"]] as const) {
  Deno.test(`describeReference() takes ${newer} for ${older}, which differs in the context length, and says so`, () => {
    const text = paramsJson(untied(newer), "reference");
    assertEquals(describe(text, untied(newer)), {
      model: untied(older),
      notes: [
        `params.json fits ${older} and ${newer}, which differ in the context length: 2048 is taken; name the other ` +
        "with --model",
      ],
    });
  });
}

Deno.test("describeReference() takes fairseq2's 13B of 32 layers for one", () => {
  const model: ModelDescription = { ...untied("13b"), layers: 32 };
  assertEquals(describe(paramsJson(model, "reference"), model).model, model);
});

Deno.test("describeReference() takes the vocabulary of the weights, and says where params.json has another", () => {
  const model = untied("33b");
  const changes = { vocabSize: 32100 };
  const expected = { ...model, ...changes };
  assertEquals(describe(paramsJson(model, "meta"), model, changes), {
    model: expected,
    notes: ["a vocabulary of 32100, where params.json has 32000"],
  });
  assertEquals(describe(paramsJson(model, "reference"), model, changes), { model: expected, notes: [] });
});

Deno.test("describeReference() takes the weights' word for how the embedding is split", () => {
  for (const embeddingShardDim of [0, 1] as const) {
    for (const name of ["llama3_2_1b", "33b"]) {
      const model = untied(name);
      const described = describe(paramsJson(model, "reference"), model, { embeddingShardDim }, 2);
      assertEquals(described.model, { ...model, embeddingShardDim });
    }
  }
});

const own: ModelDescription = {
  family: "llama",
  dim: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  intermediateSize: 128,
  vocabSize: 50,
  multipleOf: 8,
  ropeTheta: 500000,
  normEps: 1e-6,
  maxSeqLen: 8192,
  embeddingShardDim: 0,
  tied: false,
};
const ropeScaling = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 };

Deno.test("describeReference() describes sizes of their own as transformers' script does, and says what it took", () => {
  const length = (taken: number) => `params.json says no context length; ${taken} is taken`;
  const unscaled =
    "params.json doesn't say whether RoPE is scaled; it is taken as not scaled; if it is, give the " +
    "model.yaml with --model";
  assertEquals(describe(paramsJson(own, "reference"), own), { model: own, notes: [length(8192), unscaled] });
  assertEquals(describe(paramsJson(own, "meta"), own), { model: own, notes: [length(8192)] });

  const scaled: ModelDescription = { ...own, ropeScaling, maxSeqLen: 131072 };
  assertEquals(describe(paramsJson(scaled, "meta"), own), { model: scaled, notes: [length(131072)] });

  const code: ModelDescription = { ...own, ropeTheta: 1e6, maxSeqLen: 16384, embeddingShardDim: 1 };
  assertEquals(describe(paramsJson(code, "meta"), own), { model: code, notes: [length(16384)] });

  const llama2: ModelDescription = { ...own, ropeTheta: 10000, maxSeqLen: 4096, embeddingShardDim: 1 };
  assertEquals(describe(paramsJson(llama2, "reference"), own), { model: llama2, notes: [length(4096)] });
});

Deno.test("describeReference() finds shards missing at the end", () => {
  const text = paramsJson(own, "reference");
  assertError(
    () =>
      describe(text, own, { kvDim: 8, intermediateSize: 64, vocabSize: 25, embeddingShardDim: undefined }),
    MismatchError,
    "params.json: speaks of a model in 2 shards of this size, but there are 1; all shards are needed",
  );
  // Weights of another model are for others to find.
  assertEquals(describe(text, own, { dim: 16, kvDim: 8 }).model, own);
});

Deno.test("describeReference() refuses a params.json that is none, or says a thing twice", () => {
  const of = (text: string) => () => describe(text, own);
  assertError(of("[]"), ConfigError, "params.json: expected a mapping, got a sequence");
  const twice = paramsJson(own, "meta").replace("{", '{"dim": 32,');
  assertError(of(twice), ConfigError, "params.json: dim: is there twice");
});

Deno.test("describeReference() carries no field of the architecture's table along", () => {
  const model = describe(paramsJson(untied("33b"), "reference"), untied("33b")).model as Partial<
    LlamaArchitecture
  >;
  assertEquals(
    [model.name, model.cards, model.inFairseq2, model.ffnDimMultiplier],
    Array(4).fill(undefined),
  );
});
