/**
 * Mistral's special tokens.
 *
 * @module
 */

import type { SpecialTokens } from "../model_description.ts";
import type { TokenFamily } from "../token_family.ts";

/** `<s>` and `</s>`, which all of Mistral's tokenizers have there. */
export const MISTRAL_TOKENS: Required<Pick<SpecialTokens, "bosId" | "eosIds">> = { bosId: 1, eosIds: [2] };

/** The size of v0.1's vocabulary, the smallest that was published. */
const SMALLEST_VOCABULARY = 32000;

/** What Mistral knows of its tokens. A turn of its instruct models ends as a text does. */
export const mistralTokens: TokenFamily = {
  isInstruct: (card) => card.endsWith("_instruct"),
  published: ({ model: { vocabSize } }) => vocabSize < SMALLEST_VOCABULARY ? {} : MISTRAL_TOKENS,
  turnEnd: () => MISTRAL_TOKENS.eosIds[0],
};
