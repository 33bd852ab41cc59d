/**
 * Qwen's special tokens.
 *
 * @module
 */

import type { TokenFamily } from "../token_family.ts";

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
