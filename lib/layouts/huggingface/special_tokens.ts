/**
 * The tokens that begin, end and pad a sequence.
 *
 * @module
 */

import type { Architecture } from "../../models/family.ts";
import type { ModelDescription } from "../../models/model_description.ts";

/** Tokens of a vocabulary that have a role of their own, where they are known. */
export type SpecialTokens = Pick<ModelDescription, "bosId" | "eosId" | "padId">;

/** LLaMA 1 and 2: `<s>` and `</s>` of their SentencePiece model. */
const LLAMA_1: SpecialTokens = { bosId: 1, eosId: 2 };

/** LLaMA 3: `<|begin_of_text|>` and `<|end_of_text|>`. */
const LLAMA_3: SpecialTokens = { bosId: 128000, eosId: 128001 };

/** The size of LLaMA 1 and 2's vocabulary. */
const LLAMA_1_VOCABULARY = 32000;

/**
 * The special tokens of a model: those that its configuration says; else those of its architecture; else those of
 * the vocabulary that its size tells of, as fairseq2's own exporter has it (0.8.1 `models/llama/interop.py`: 32,000
 * tokens are LLaMA 1's and 2's, all else is LLaMA 3's). fairseq2's configurations from 0.5 on say none.
 *
 * A token that the vocabulary hasn't got is left out.
 *
 * @param model The model.
 * @param architecture Its published architecture, where it has one.
 * @returns The tokens.
 */
export function specialTokens(model: ModelDescription, architecture?: Architecture): SpecialTokens {
  const fallback = architecture ?? (model.vocabSize === LLAMA_1_VOCABULARY ? LLAMA_1 : LLAMA_3);
  const known = (token: number | undefined) =>
    token !== undefined && token < model.vocabSize ? token : undefined;
  const bosId = known(model.bosId ?? fallback.bosId);
  const eosId = known(model.eosId ?? fallback.eosId);
  const padId = known(model.padId);
  return {
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosId }),
    ...(padId !== undefined && { padId }),
  };
}
