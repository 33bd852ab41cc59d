/** The published LLaMA architectures, and what they tell of models that say less. */

import { architecture, type ArchitectureFacts } from "../architecture.ts";
import type { Architecture } from "../family.ts";
import type { ModelDescription, RopeScaling } from "../model_description.ts";
import { referenceIntermediateSize, shortestMultiplier } from "./intermediate_size.ts";

export interface LlamaArchitecture extends Architecture {
  /** `ffn_dim_multiplier`; 1 where there is none. */
  readonly ffnDimMultiplier: number;
  /** The token that begins a sequence. */
  readonly bosId: number;
  /** The tokens that end a sequence in the base model. */
  readonly eosIds: readonly number[];
}

/**
 * What LLaMA 3.1 was published with; 3.2 differs in the factor. It is what Meta's code has for `use_scaled_rope`
 * (llama-models 0.3.0 `llama3/model.py` `apply_scaling`), and what fairseq2 takes from 0.4 on where nothing is said
 * (0.4.5 `LLaMARopeScalingConfig`).
 */
export const SCALING_3_1: RopeScaling = {
  factor: 8,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalContextLength: 8192,
};

/** LLaMA 1 and 2: SentencePiece, and embeddings split along their columns (fairseq2: `max_seq_len < 8192`). */
const llama1 = {
  family: "llama",
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
  ropeTheta: 500000,
  vocabSize: 128256,
  maxSeqLen: 8192,
  embeddingShardDim: 0,
  bosId: 128000,
  eosIds: [128001],
  padId: 128004,
} as const;

const llama3_1 = { ...llama3, maxSeqLen: 131072, ropeScaling: SCALING_3_1 } as const;
const llama3_2 = { ...llama3_1, tied: true, ropeScaling: { ...SCALING_3_1, factor: 32 } } as const;

/** fairseq2 from 0.3 on builds 13B with 32 layers: `llama/archs.py` and its successors leave the default. */
const in13b = { inFairseq2: { layers: 32 } };

/** A row: its sizes, and what gives the feed-forward width. */
function llama(
  name: string,
  cards: string,
  facts: Omit<ArchitectureFacts, "multipleOf"> & Pick<LlamaArchitecture, "bosId" | "eosIds">,
  [dim, layers, heads, kvHeads]: readonly [dim: number, layers: number, heads: number, kvHeads: number],
  multipleOf = 256,
  ffnDimMultiplier = 1,
): LlamaArchitecture {
  const width = referenceIntermediateSize(dim, multipleOf, ffnDimMultiplier);
  const all = { ...facts, multipleOf, ffnDimMultiplier };
  return architecture(name, cards, all, [dim, layers, heads, kvHeads, width]);
}

/**
 * The published architectures.
 *
 * The names and the sizes are fairseq2's (0.3.0 `models/llama/archs.py`, 0.8.1 `models/llama/config.py`, and
 * `assets/cards/models/llama.yaml`), the rest is as published: 405B, which fairseq2's `convert_checkpoint` knows
 * by its multiplier alone, and the cards of LLaMA 1, which it lacks, among them.
 */
export const llamaArchitectures: readonly LlamaArchitecture[] = Object.freeze([
  llama("7b", "llama_7b", llama1, [4096, 32, 32, 32]),
  llama("13b", "llama_13b", { ...llama1, ...in13b }, [5120, 40, 40, 40]),
  llama("33b", "llama_33b", llama1, [6656, 60, 52, 52]),
  llama("65b", "llama_65b", llama1, [8192, 80, 64, 64]),
  llama("llama2_7b", "llama2_7b llama2_7b_chat", llama2, [4096, 32, 32, 32]),
  llama("llama2_13b", "llama2_13b llama2_13b_chat", { ...llama2, ...in13b }, [5120, 40, 40, 40]),
  llama("llama2_70b", "llama2_70b llama2_70b_chat", llama2, [8192, 80, 64, 8], 4096, 1.3),
  llama("llama3_8b", "llama3_8b llama3_8b_instruct", llama3, [4096, 32, 32, 8], 1024, 1.3),
  llama("llama3_70b", "llama3_70b llama3_70b_instruct", llama3, [8192, 80, 64, 8], 4096, 1.3),
  llama(
    "llama3_1_8b",
    "llama3_1_8b llama3_1_8b_instruct r1_distilled_llama3_1_8b_instruct",
    llama3_1,
    [4096, 32, 32, 8],
    1024,
    1.3,
  ),
  llama(
    "llama3_1_70b",
    "llama3_1_70b llama3_1_70b_instruct llama3_3_70b_instruct",
    llama3_1,
    [8192, 80, 64, 8],
    4096,
    1.3,
  ),
  llama("llama3_1_405b", "llama3_1_405b llama3_1_405b_instruct", llama3_1, [16384, 126, 128, 8], 4096, 1.2),
  llama("llama3_2_1b", "llama3_2_1b llama3_2_1b_instruct", llama3_2, [2048, 16, 32, 8], 256, 1.5),
  llama("llama3_2_3b", "llama3_2_3b llama3_2_3b_instruct", llama3_2, [3072, 28, 24, 8]),
]);

/** `multiple_of` where nothing else is known: that of most published models. */
const USUAL_MULTIPLE = 256;

/**
 * What the feed-forward width may have been rounded up to a multiple of. A `config.json` states the width itself.
 *
 * It is that of a published architecture with this dimension and width; else the largest power of two up to 256 with
 * which Meta's formula can give the width.
 */
export function inferMultipleOf(dim: number, intermediateSize: number): number {
  const published = llamaArchitectures.find((each) =>
    each.dim === dim && each.intermediateSize === intermediateSize
  );
  if (published !== undefined) return published.multipleOf;
  let multiple = USUAL_MULTIPLE;
  while (multiple > 1 && shortestMultiplier(dim, multiple, intermediateSize) === undefined) multiple /= 2;
  return multiple;
}

/**
 * Along which dimension tensor parallelism splits the embedding: 1 in LLaMA 1 and 2 and what derives from them, 0 from
 * LLaMA 3 on. Where there is one shard, nothing in the weights shows it.
 *
 * LLaMA 3 can be told by its vocabulary, the base of its rotary frequencies, or their scaling.
 */
export function inferEmbeddingShardDim(
  { vocabSize, ropeTheta, ropeScaling }: Pick<ModelDescription, "vocabSize" | "ropeTheta" | "ropeScaling">,
): 0 | 1 {
  return ropeScaling !== undefined || ropeTheta === 500000 || vocabSize >= 128000 ? 0 : 1;
}

/** What the hub calls the models behind the model cards (fairseq2 0.8.1 `assets/cards/models/llama.yaml`). */
export const llamaHubNames: Readonly<Record<string, string>> = {
  llama2_7b_chat: "meta-llama/Llama-2-7b-chat-hf",
  llama2_13b_chat: "meta-llama/Llama-2-13b-chat-hf",
  llama2_70b_chat: "meta-llama/Llama-2-70b-chat-hf",
  llama3_8b_instruct: "meta-llama/Meta-Llama-3-8B-Instruct",
  llama3_70b_instruct: "meta-llama/Meta-Llama-3-70B-Instruct",
  llama3_1_8b_instruct: "meta-llama/Llama-3.1-8B-Instruct",
  llama3_1_70b_instruct: "meta-llama/Llama-3.1-70B-Instruct",
  llama3_1_405b_instruct: "meta-llama/Llama-3.1-405B-Instruct",
  llama3_3_70b_instruct: "meta-llama/Llama-3.3-70B-Instruct",
  llama3_2_1b_instruct: "meta-llama/Llama-3.2-1B-Instruct",
  llama3_2_3b_instruct: "meta-llama/Llama-3.2-3B-Instruct",
  r1_distilled_llama3_1_8b_instruct: "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
};
