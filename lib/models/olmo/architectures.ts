/** The published OLMo architectures, and their tokens. */

import { architecture } from "../architecture.ts";
import type { Architecture } from "../family.ts";
import type { TokenFamily } from "../token_family.ts";

/** `<|endoftext|>` of both vocabularies, and `<|pad|>`. */
const END_OF_TEXT = 100257;
const PAD = 100277;

const olmo2 = {
  family: "olmo",
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

/** fairseq2 has the width of 13B for it. */
const olmo2_32b = { ...olmo2, inFairseq2: { intermediateSize: 13824 } };

/**
 * The published architectures: names and sizes are fairseq2's (0.8.1 `models/olmo/config.py`,
 * `assets/cards/models/olmo.yaml`).
 */
export const olmoArchitectures: readonly Architecture[] = Object.freeze([
  architecture("olmo2_1b", "olmo-2-0425-1b", olmo2, [2048, 16, 16, 16, 8192]),
  architecture("olmo2_7b", "olmo-2-1124-7b", olmo2, [4096, 32, 32, 32, 11008]),
  architecture("olmo2_13b", "olmo-2-1124-13b", olmo2, [5120, 40, 40, 40, 13824]),
  architecture("olmo2_32b", "olmo-2-0325-32b", olmo2_32b, [5120, 64, 40, 8, 27648]),
  architecture("olmo3_7b", "olmo-3-1025-7b olmo-3-7b-think", olmo3, [4096, 32, 32, 32, 11008]),
  architecture("olmo3_32b", "olmo-3-1125-32b olmo3.1-32b-think", olmo3, [5120, 64, 40, 8, 27648]),
]);

/** What OLMo knows of its tokens: fairseq2's cards are those of base models, and none has a token that ends a turn. */
export const olmoTokens: TokenFamily = {
  isInstruct: () => false,
  published: ({ model: { vocabSize } }) => vocabSize > PAD ? { eosIds: [END_OF_TEXT] } : {},
  turnEnd: () => undefined,
};

/** What the hub calls the models behind the model cards (fairseq2 0.8.1 `assets/cards/models/olmo.yaml`). */
export const olmoHubNames: Readonly<Record<string, string>> = {
  "olmo-2-0425-1b": "allenai/OLMo-2-0425-1B",
  "olmo-2-1124-7b": "allenai/OLMo-2-1124-7B",
  "olmo-2-1124-13b": "allenai/OLMo-2-1124-13B",
  "olmo-2-0325-32b": "allenai/OLMo-2-0325-32B",
  "olmo-3-1025-7b": "allenai/OLMo-3-1025-7B",
  "olmo-3-7b-think": "allenai/OLMo-3-7B-Think",
  "olmo-3-1125-32b": "allenai/OLMo-3-1125-32B",
  "olmo3.1-32b-think": "allenai/OLMo-3.1-32B-Think",
};
