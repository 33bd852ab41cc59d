/**
 * The published LLaMA architectures.
 *
 * @module
 */

import type { Architecture } from "../family.ts";
import type { RopeScaling } from "../model_description.ts";
import { referenceIntermediateSize } from "./intermediate_size.ts";

/** A published LLaMA. */
export interface LlamaArchitecture extends Architecture {
  /** `ffn_dim_multiplier`; 1 where there is none. */
  readonly ffnDimMultiplier: number;
  /** The token that begins a sequence. */
  readonly bosId: number;
  /** The tokens that end a sequence in the base model. */
  readonly eosIds: readonly number[];
}

/** What LLaMA 3.1 was published with; 3.2 differs in the factor. */
const scaling: RopeScaling = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 };

/** LLaMA 1 and 2: SentencePiece, and embeddings split along their columns (fairseq2: `max_seq_len < 8192`). */
const llama1 = {
  family: "llama",
  multipleOf: 256,
  ffnDimMultiplier: 1,
  ropeTheta: 10000,
  normEps: 1e-5,
  vocabSize: 32000,
  maxSeqLen: 2048,
  embeddingShardDim: 1,
  tied: false,
  bosId: 1,
  eosIds: [2],
} as const;

const llama2 = { ...llama1, maxSeqLen: 4096 } as const;

/** LLaMA 3 and later: tiktoken, and embeddings split along their rows. */
const llama3 = {
  ...llama2,
  kvHeads: 8,
  ropeTheta: 500000,
  vocabSize: 128256,
  maxSeqLen: 8192,
  embeddingShardDim: 0,
  bosId: 128000,
  eosIds: [128001],
  padId: 128004,
} as const;

const llama3_1 = { ...llama3, maxSeqLen: 131072, ropeScaling: scaling } as const;
const llama3_2 = { ...llama3_1, tied: true, ropeScaling: { ...scaling, factor: 32 } } as const;

const sizes7b = { dim: 4096, layers: 32, heads: 32, kvHeads: 32 } as const;
/** fairseq2 from 0.3 on builds 13B with 32 layers: `llama/archs.py` and its successors leave the default. */
const sizes13b = { dim: 5120, layers: 40, inFairseq2: { layers: 32 }, heads: 40, kvHeads: 40 } as const;
const sizes8b = { dim: 4096, layers: 32, heads: 32, multipleOf: 1024, ffnDimMultiplier: 1.3 } as const;
const sizes70b = {
  dim: 8192,
  layers: 80,
  heads: 64,
  kvHeads: 8,
  multipleOf: 4096,
  ffnDimMultiplier: 1.3,
} as const;

function architecture(
  name: string,
  cards: string,
  facts: Omit<LlamaArchitecture, "name" | "cards" | "headDim" | "intermediateSize">,
): LlamaArchitecture {
  const headDim = facts.dim / facts.heads;
  const intermediateSize = referenceIntermediateSize(facts.dim, facts.multipleOf, facts.ffnDimMultiplier);
  return Object.freeze({ name, cards: Object.freeze(cards.split(" ")), ...facts, headDim, intermediateSize });
}

/**
 * The published architectures.
 *
 * The names and the sizes are fairseq2's (0.3.0 `models/llama/archs.py`, 0.8.1 `models/llama/config.py`, and
 * `assets/cards/models/llama.yaml`), the rest is as published: 405B, which fairseq2's `convert_checkpoint` knows
 * by its multiplier alone, and the cards of LLaMA 1, which it lacks, among them.
 */
export const llamaArchitectures: readonly LlamaArchitecture[] = Object.freeze([
  architecture("7b", "llama_7b", { ...llama1, ...sizes7b }),
  architecture("13b", "llama_13b", { ...llama1, ...sizes13b }),
  architecture("33b", "llama_33b", { ...llama1, dim: 6656, layers: 60, heads: 52, kvHeads: 52 }),
  architecture("65b", "llama_65b", { ...llama1, dim: 8192, layers: 80, heads: 64, kvHeads: 64 }),
  architecture("llama2_7b", "llama2_7b llama2_7b_chat", { ...llama2, ...sizes7b }),
  architecture("llama2_13b", "llama2_13b llama2_13b_chat", { ...llama2, ...sizes13b }),
  architecture("llama2_70b", "llama2_70b llama2_70b_chat", { ...llama2, ...sizes70b }),
  architecture("llama3_8b", "llama3_8b llama3_8b_instruct", { ...llama3, ...sizes8b }),
  architecture("llama3_70b", "llama3_70b llama3_70b_instruct", { ...llama3, ...sizes70b }),
  architecture("llama3_1_8b", "llama3_1_8b llama3_1_8b_instruct r1_distilled_llama3_1_8b_instruct", {
    ...llama3_1,
    ...sizes8b,
  }),
  architecture("llama3_1_70b", "llama3_1_70b llama3_1_70b_instruct llama3_3_70b_instruct", {
    ...llama3_1,
    ...sizes70b,
  }),
  architecture("llama3_1_405b", "llama3_1_405b llama3_1_405b_instruct", {
    ...llama3_1,
    dim: 16384,
    layers: 126,
    heads: 128,
    multipleOf: 4096,
    ffnDimMultiplier: 1.2,
  }),
  architecture("llama3_2_1b", "llama3_2_1b llama3_2_1b_instruct", {
    ...llama3_2,
    dim: 2048,
    layers: 16,
    heads: 32,
    ffnDimMultiplier: 1.5,
  }),
  architecture("llama3_2_3b", "llama3_2_3b llama3_2_3b_instruct", {
    ...llama3_2,
    dim: 3072,
    layers: 28,
    heads: 24,
  }),
]);
