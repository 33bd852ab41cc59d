/**
 * The tokens that begin, end and pad a sequence.
 *
 * @module
 */

import type { Architecture } from "../../models/family.ts";
import { familyOf } from "../../models/families.ts";
import type { ModelDescription, SpecialTokens } from "../../models/model_description.ts";

/**
 * The special tokens of a model: those that its configuration says; else those of its architecture; else the usual ones
 * of its family. Most of fairseq2's configurations from 0.5 on say none.
 *
 * A token that the vocabulary hasn't got is left out.
 *
 * @param model The model.
 * @param architecture Its published architecture, where it has one.
 * @returns The tokens.
 */
export function specialTokens(model: ModelDescription, architecture?: Architecture): SpecialTokens {
  const fallback = architecture ?? familyOf(model).usualTokens(model);
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
