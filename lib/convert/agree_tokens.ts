/** A model's tokens and its tokenizer's, which the files of one output have to agree on. */

import type { Checkpoint } from "../layouts/checkpoint.ts";
import { generationConfigJson } from "../layouts/huggingface/generation_config.ts";
import { listed } from "../words.ts";
import { familyOf } from "../models/families.ts";
import type { SpecialTokens } from "../models/model_description.ts";
import type { TokenizerFacts } from "../tokenizers/tokenizer_facts.ts";
import type { ResolvedModel } from "./resolve_model.ts";
import { endsTurns, type ResolvedTokens, resolveTokens, type TokenOptions } from "./resolve_tokens.ts";

/** What is known of a tokenizer's tokens. */
export interface TokenizerTokens extends TokenizerFacts {
  /** All ids at which generation is to stop, where the tokenizer tells more than one. */
  readonly eosIds?: readonly number[];
}

/** A tokenizer, and the tokens that a model has with it. */
export interface AgreedTokens<T> {
  readonly tokenizer: T | undefined;
  readonly tokens: SpecialTokens;
  /** The text of `generation_config.json`. */
  readonly generation: string;
  /** What a user should be told. */
  readonly notes: readonly string[];
}

/**
 * Finds a model's tokens, and loads its tokenizer, which may say that the model is an instruct one.
 *
 * @param load Loads the tokenizer, where there is one, of an instruct model or another.
 */
export async function agreeTokens<T extends TokenizerTokens>(
  checkpoint: Checkpoint,
  resolved: ResolvedModel,
  options: TokenOptions,
  load: (isInstruct: boolean) => Promise<T | undefined>,
): Promise<AgreedTokens<T>> {
  const first = resolveTokens(checkpoint, resolved, options);
  const tokenizer = await load(first.isInstruct);
  const found = !first.isKept && tokenizer?.eosId !== undefined && endsTurns(resolved, [tokenizer.eosId])
    ? resolveTokens(checkpoint, resolved, { ...options, instruct: true })
    : first;
  const { tokens, notes } = tokenizer === undefined
    ? { tokens: found.tokens, notes: [] }
    : agreed(found, tokenizer);
  return {
    tokenizer,
    tokens,
    generation: found.generation?.text ?? generationConfigJson(resolved.model, tokens, found.sampling),
    notes: [...found.notes, ...notes],
  };
}

/**
 * The tokens on which the files are to agree: the tokenizer's, since it makes the tokens of texts and texts of tokens. A
 * Hugging Face input keeps what it says.
 */
function agreed(
  found: ResolvedTokens,
  tokenizer: TokenizerTokens,
): { tokens: SpecialTokens; notes: string[] } {
  const { tokens, isKept } = found;
  const notes = differences(found, tokenizer);
  if (isKept) return { tokens, notes };
  const { bosId = tokens.bosId } = tokenizer;
  const eosIds = endsOf(tokens, tokenizer);
  return {
    tokens: { ...tokens, bosId, eosIds },
    notes,
  };
}

/** Where a file says other tokens than the tokenizer. */
function differences(
  { tokens: { bosId, eosIds }, saidBy, isKept, isInstruct, generation }: ResolvedTokens,
  { bosId: itsBosId, eosId: itsEosId, hasChatTemplate }: TokenizerTokens,
): string[] {
  if (saidBy === undefined) return [];
  const notes: string[] = [];
  if (bosId !== undefined && itsBosId !== undefined && bosId !== itsBosId) {
    const outcome = isKept ? "it is carried over as it is" : "the tokenizer's is written";
    notes.push(
      `${saidBy} says that ${bosId} begins a sequence, the tokenizer that ${itsBosId} does; ${outcome}`,
    );
  }
  const stops = generation?.tokens.eosIds;
  const ends = stops ?? eosIds;
  if (ends !== undefined && itsEosId !== undefined && !ends.includes(itsEosId)) {
    const runsOn = hasChatTemplate || isInstruct ? ", so that generation may run on" : "";
    const outcome = isKept ? `it is carried over as it is${runsOn}` : "the tokenizer's is written";
    const file = stops === undefined ? saidBy : generation!.path;
    const plural = ends.length > 1 ? "" : "s";
    notes.push(
      `${file} says that ${
        listed(ends, "and")
      } end${plural} a sequence, the tokenizer that ${itsEosId} does; ${outcome}`,
    );
  }
  return notes;
}

/** What ends a sequence where the tokenizer ends one with some token, and perhaps with others. */
function endsOf(
  { eosIds: known }: SpecialTokens,
  { eosId, eosIds = [] }: TokenizerTokens,
): readonly number[] | undefined {
  if (eosId === undefined) return known;
  const isMore = known?.every((id) => eosIds.includes(id)) === true;
  if (known?.includes(eosId) && !isMore) return known;
  return eosIds.length > 0 ? eosIds : [eosId];
}

/** What `--tokenizer` may name for a model. */
export function tokenizerOf(resolved: ResolvedModel): string {
  return familyOf(resolved.model).tokens.tokenizerOf?.(resolved) === undefined
    ? "a directory with the model's tokenizer.json"
    : "the model's tokenizer.model, or a directory with its tokenizer.json";
}
