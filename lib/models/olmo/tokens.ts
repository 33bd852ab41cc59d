/**
 * OLMo's special tokens.
 *
 * @module
 */

import type { TokenFamily } from "../token_family.ts";
import { END_OF_TEXT, PAD } from "./architectures.ts";

/** What OLMo knows of its tokens: fairseq2's cards are those of base models, and none has a token that ends a turn. */
export const olmoTokens: TokenFamily = {
  isInstruct: () => false,
  published: ({ model: { vocabSize } }) => vocabSize > PAD ? { eosIds: [END_OF_TEXT] } : {},
  turnEnd: () => undefined,
};
