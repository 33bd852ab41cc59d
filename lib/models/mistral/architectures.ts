/** The published Mistral architecture that fairseq2 has, and its tokens. */

import { architecture } from "../architecture.ts";
import type { Architecture } from "../family.ts";
import type { TokenFamily } from "../token_family.ts";

/** The base of the rotary frequencies in fairseq2, which no configuration of its says (`RotaryEncoder`, 0.2 to 0.8.1). */
export const ROPE_THETA = 10000;

/** The epsilon of the norms in fairseq2, which no configuration of its says (`RMSNorm`, 0.2 to 0.8.1). */
export const NORM_EPS = 1e-5;

/** `<s>` and `</s>`, which all of Mistral's tokenizers have there. */
export const MISTRAL_TOKENS = { bosId: 1, eosIds: [2] };

/**
 * Mistral 7B, v0.1. Names and sizes are fairseq2's (0.3.0 `models/mistral/factory.py`, 0.8.1 `models/mistral/config.py`,
 * and `assets/cards/models/mistral.yaml`), which calls it `7b`, as it does a LLaMA.
 */
export const mistralArchitectures: readonly Architecture[] = Object.freeze([
  architecture("mistral_7b", "mistral_7b mistral_7b_instruct", {
    family: "mistral",
    alias: "7b",
    vocabSize: 32000,
    multipleOf: 1,
    ropeTheta: ROPE_THETA,
    slidingWindow: 4096,
    normEps: NORM_EPS,
    maxSeqLen: 8192,
    embeddingShardDim: 0,
    tied: false,
    ...MISTRAL_TOKENS,
  }, [4096, 32, 32, 8, 14336]),
]);

/** The size of v0.1's vocabulary, the smallest that was published. */
const SMALLEST_VOCABULARY = 32000;

/** What Mistral knows of its tokens. A turn of its instruct models ends as a text does. */
export const mistralTokens: TokenFamily = {
  isInstruct: (card) => card.endsWith("_instruct"),
  published: ({ model: { vocabSize } }) => vocabSize < SMALLEST_VOCABULARY ? {} : MISTRAL_TOKENS,
  turnEnd: () => MISTRAL_TOKENS.eosIds[0],
};

/** What the hub calls the models behind the model cards (fairseq2 0.8.1 `assets/cards/models/mistral.yaml`). */
export const mistralHubNames: Readonly<Record<string, string>> = {
  mistral_7b_instruct: "mistralai/Mistral-7B-Instruct-v0.1",
};
