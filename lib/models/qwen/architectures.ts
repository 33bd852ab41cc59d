/**
 * The published Qwen architectures.
 *
 * @module
 */

import type { Architecture } from "../family.ts";

/** The epsilon of the norms, which no configuration of fairseq2's has (0.8.1 `models/qwen/factory.py`). */
export const NORM_EPS = 1e-6;

/** What all have. */
const common = {
  family: "qwen",
  multipleOf: 1,
  ropeTheta: 1e6,
  normEps: NORM_EPS,
  embeddingShardDim: 0,
  tied: false,
} as const;

/** Biases, and heads that divide the dimension. */
const qwen25 = {
  ...common,
  qkvBias: true,
  qNorm: false,
  kNorm: false,
  maxSeqLen: 32768,
  vocabSize: 152064,
} as const;

/** Norms over each head of q and k, and heads of a size of their own. */
const qwen3 = {
  ...common,
  qkvBias: false,
  qNorm: true,
  kNorm: true,
  headDim: 128,
  kvHeads: 8,
  maxSeqLen: 40960,
  vocabSize: 151936,
} as const;

/** The smaller ones' embedding is the output projection. */
const small = { vocabSize: 151936, tied: true } as const;

type Facts = Omit<Architecture, "name" | "cards" | "headDim"> & { readonly headDim?: number };

function architecture(name: string, cards: readonly string[], facts: Facts): Architecture {
  const { headDim = facts.dim / facts.heads } = facts;
  return Object.freeze({ name, cards, ...facts, headDim });
}

/** The cards of an architecture of 2.5 that has them, and of 3. */
const of25 = (name: string) => [`${name}_instruct`];
const of3 = (name: string) => [`${name}_base`];

/**
 * The published architectures: names and sizes are fairseq2's (0.8.1 `models/qwen/config.py`, the same since 0.5, and
 * `assets/cards/models/qwen.yaml`, where most architectures are cards of the same name, too).
 */
export const qwenArchitectures: readonly Architecture[] = Object.freeze([
  architecture("qwen25_1_5b", [], {
    ...qwen25,
    ...small,
    dim: 1536,
    layers: 28,
    heads: 12,
    kvHeads: 2,
    intermediateSize: 8960,
  }),
  architecture("qwen25_3b", [], {
    ...qwen25,
    ...small,
    dim: 2048,
    layers: 36,
    heads: 16,
    kvHeads: 2,
    intermediateSize: 11008,
  }),
  architecture("qwen25_7b", of25("qwen25_7b"), {
    ...qwen25,
    dim: 3584,
    layers: 28,
    heads: 28,
    kvHeads: 4,
    intermediateSize: 18944,
  }),
  architecture("qwen25_14b", of25("qwen25_14b"), {
    ...qwen25,
    dim: 5120,
    layers: 48,
    heads: 40,
    kvHeads: 8,
    intermediateSize: 13824,
  }),
  architecture("qwen25_32b", of25("qwen25_32b"), {
    ...qwen25,
    dim: 5120,
    layers: 64,
    heads: 40,
    kvHeads: 8,
    intermediateSize: 27648,
  }),
  architecture("qwen3_0.6b", of3("qwen3_0.6b"), {
    ...qwen3,
    ...small,
    dim: 1024,
    layers: 28,
    heads: 16,
    intermediateSize: 3072,
  }),
  architecture("qwen3_1.7b", of3("qwen3_1.7b"), {
    ...qwen3,
    ...small,
    dim: 2048,
    layers: 28,
    heads: 16,
    intermediateSize: 6144,
  }),
  architecture("qwen3_4b", of3("qwen3_4b"), {
    ...qwen3,
    ...small,
    dim: 2560,
    layers: 36,
    heads: 32,
    intermediateSize: 9728,
  }),
  architecture("qwen3_8b", of3("qwen3_8b"), {
    ...qwen3,
    dim: 4096,
    layers: 36,
    heads: 32,
    intermediateSize: 12288,
  }),
  architecture("qwen3_14b", of3("qwen3_14b"), {
    ...qwen3,
    dim: 5120,
    layers: 40,
    heads: 40,
    intermediateSize: 17408,
  }),
  architecture("qwen3_32b", [], { ...qwen3, dim: 5120, layers: 64, heads: 64, intermediateSize: 25600 }),
]);
