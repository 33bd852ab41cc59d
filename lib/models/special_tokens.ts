import type { SpecialTokens } from "./model_description.ts";

/** Tokens without those that are `undefined`, and without all that isn't about tokens. */
export function tokensOf({ bosId, eosIds, padId }: SpecialTokens): SpecialTokens {
  return {
    ...(bosId !== undefined && { bosId }),
    ...(eosIds !== undefined && { eosIds }),
    ...(padId !== undefined && { padId }),
  };
}

/** Those of some tokens that a vocabulary of a size has. */
export function tokensWithin({ bosId, eosIds, padId }: SpecialTokens, vocabSize: number): SpecialTokens {
  const within = (id: number | undefined) => id !== undefined && id < vocabSize ? id : undefined;
  const ends = eosIds?.filter((id) => id < vocabSize) ?? [];
  return tokensOf({
    bosId: within(bosId),
    eosIds: ends.length > 0 ? ends : undefined,
    padId: within(padId),
  });
}
