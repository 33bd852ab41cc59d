/**
 * The published OLMo architectures.
 *
 * @module
 */

import type { Architecture } from "../family.ts";

/** `<|endoftext|>` of both vocabularies. */
export const END_OF_TEXT = 100257;

/** `<|pad|>`. */
export const PAD = 100277;

/** OLMo 2. */
const olmo2 = {
  family: "olmo",
  headDim: 128,
  multipleOf: 1,
  ropeTheta: 500000,
  normEps: 1e-6,
  vocabSize: 100352,
  maxSeqLen: 4096,
  embeddingShardDim: 1,
  tied: false,
  eosIds: [END_OF_TEXT],
  padId: PAD,
} as const;

/** OLMo 3: a window in most layers, and YaRN, which fairseq2 has in all of them. */
const olmo3 = {
  ...olmo2,
  vocabSize: 100278,
  maxSeqLen: 65536,
  slidingWindow: 4096,
  yarn: {
    factor: 8,
    originalContextLength: 8192,
    betaFast: 32,
    betaSlow: 1,
    mscale: 1,
    mscaleAllDim: 0,
    truncate: true,
  },
} as const;

const sizes7b = { dim: 4096, layers: 32, heads: 32, kvHeads: 32, intermediateSize: 11008 } as const;
const sizes32b = { dim: 5120, layers: 64, heads: 40, kvHeads: 8, intermediateSize: 27648 } as const;

function architecture(
  name: string,
  cards: string,
  facts: Omit<Architecture, "name" | "cards">,
): Architecture {
  return Object.freeze({ name, cards: cards.split(" "), ...facts });
}

/**
 * The published architectures: names and sizes are fairseq2's (0.8.1 `models/olmo/config.py`,
 * `assets/cards/models/olmo.yaml`).
 */
export const olmoArchitectures: readonly Architecture[] = Object.freeze([
  architecture("olmo2_1b", "olmo-2-0425-1b", {
    ...olmo2,
    dim: 2048,
    layers: 16,
    heads: 16,
    kvHeads: 16,
    intermediateSize: 8192,
  }),
  architecture("olmo2_7b", "olmo-2-1124-7b", { ...olmo2, ...sizes7b }),
  architecture("olmo2_13b", "olmo-2-1124-13b", {
    ...olmo2,
    dim: 5120,
    layers: 40,
    heads: 40,
    kvHeads: 40,
    intermediateSize: 13824,
  }),
  // fairseq2 has the width of 13B for it.
  architecture("olmo2_32b", "olmo-2-0325-32b", {
    ...olmo2,
    ...sizes32b,
    inFairseq2: { intermediateSize: 13824 },
  }),
  architecture("olmo3_7b", "olmo-3-1025-7b olmo-3-7b-think", { ...olmo3, ...sizes7b }),
  architecture("olmo3_32b", "olmo-3-1125-32b olmo3.1-32b-think", { ...olmo3, ...sizes32b }),
]);
