import type { SpecialTokens } from "./model_description.ts";

/** Those of some tokens that a vocabulary has. */
export function tokensWithin({ bosId, eosIds, padId }: SpecialTokens, vocabSize: number): SpecialTokens {
  const ends = eosIds?.filter((id) => id < vocabSize) ?? [];
  return {
    ...(bosId !== undefined && bosId < vocabSize && { bosId }),
    ...(ends.length > 0 && { eosIds: ends }),
    ...(padId !== undefined && padId < vocabSize && { padId }),
  };
}
