/** The published Qwen architectures, and their tokens. */

import { architecture } from "../architecture.ts";
import type { Architecture } from "../family.ts";
import type { TokenFamily } from "../token_family.ts";

/** The epsilon of the norms, which no configuration of fairseq2's has (0.8.1 `models/qwen/factory.py`). */
export const NORM_EPS = 1e-6;

const common = {
  family: "qwen",
  multipleOf: 1,
  ropeTheta: 1e6,
  normEps: NORM_EPS,
  embeddingShardDim: 0,
  tied: false,
} as const;

/** Biases, and heads that divide the dimension. */
const qwen25 = { ...common, qkvBias: true, qNorm: false, kNorm: false, maxSeqLen: 32768, vocabSize: 152064 };

/** Norms over each head of q and k, and heads of a size of their own. */
const qwen3 = {
  ...common,
  qkvBias: false,
  qNorm: true,
  kNorm: true,
  headDim: 128,
  maxSeqLen: 40960,
  vocabSize: 151936,
};

/** The smaller ones' embedding is the output projection. */
const small25 = { ...qwen25, vocabSize: 151936, tied: true };
const small3 = { ...qwen3, tied: true };

/**
 * The published architectures: names and sizes are fairseq2's (0.8.1 `models/qwen/config.py`, the same since 0.5, and
 * `assets/cards/models/qwen.yaml`, where most architectures are cards of the same name, too).
 */
export const qwenArchitectures: readonly Architecture[] = Object.freeze([
  architecture("qwen25_1_5b", "", small25, [1536, 28, 12, 2, 8960]),
  architecture("qwen25_3b", "", small25, [2048, 36, 16, 2, 11008]),
  architecture("qwen25_7b", "qwen25_7b_instruct", qwen25, [3584, 28, 28, 4, 18944]),
  architecture("qwen25_14b", "qwen25_14b_instruct", qwen25, [5120, 48, 40, 8, 13824]),
  architecture("qwen25_32b", "qwen25_32b_instruct", qwen25, [5120, 64, 40, 8, 27648]),
  architecture("qwen3_0.6b", "qwen3_0.6b_base", small3, [1024, 28, 16, 8, 3072]),
  architecture("qwen3_1.7b", "qwen3_1.7b_base", small3, [2048, 28, 16, 8, 6144]),
  architecture("qwen3_4b", "qwen3_4b_base", small3, [2560, 36, 32, 8, 9728]),
  architecture("qwen3_8b", "qwen3_8b_base", qwen3, [4096, 36, 32, 8, 12288]),
  architecture("qwen3_14b", "qwen3_14b_base", qwen3, [5120, 40, 40, 8, 17408]),
  architecture("qwen3_32b", "", qwen3, [5120, 64, 64, 8, 25600]),
]);

/** `<|endoftext|>`, which all vocabularies of 2.5 and 3 have there. */
const END_OF_TEXT = 151643;

/** `<|im_end|>`, which ends a turn. */
const END_OF_TURN = 151645;

/**
 * What Qwen knows of its tokens: as the published configurations have it (`generation_config.json` of
 * Qwen/Qwen2.5-7B-Instruct and Qwen/Qwen3-8B has both ends). fairseq2 begins no sequence with a token.
 */
export const qwenTokens: TokenFamily = {
  // The cards with `use_im_end`: those of 2.5 that are called "instruct", those of 3 that aren't called "base".
  isInstruct: (card) => /^qwen25_.*_instruct$|^qwen3_[^_]+$/.test(card),
  published: ({ model: { vocabSize } }, isInstruct) =>
    vocabSize > END_OF_TURN
      ? { bosId: END_OF_TEXT, eosIds: isInstruct ? [END_OF_TURN, END_OF_TEXT] : [END_OF_TEXT] }
      : {},
  turnEnd: () => END_OF_TURN,
};

/** What the hub calls the models behind the model cards (fairseq2 0.8.1 `assets/cards/models/qwen.yaml`). */
export const qwenHubNames: Readonly<Record<string, string>> = {
  qwen25_7b_instruct: "Qwen/Qwen2.5-7B-Instruct",
  qwen25_14b_instruct: "Qwen/Qwen2.5-14B-Instruct",
  qwen25_32b_instruct: "Qwen/Qwen2.5-32B-Instruct",
  "qwen3_0.6b_base": "Qwen/Qwen3-0.6B-Base",
  "qwen3_1.7b_base": "Qwen/Qwen3-1.7B-Base",
  qwen3_4b_base: "Qwen/Qwen3-4B-Base",
  qwen3_8b_base: "Qwen/Qwen3-8B-Base",
  qwen3_14b_base: "Qwen/Qwen3-14B-Base",
};
