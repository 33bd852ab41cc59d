/**
 * Which tokens begin, end and pad a model's sequences, and whether it follows instructions: as files say, else as the
 * model was published. What a file says is kept; an instruct model stops at the end of a turn, too, whatever it says.
 */

import { OptionError } from "../error.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { listDirectory } from "../layouts/directory.ts";
import { type GenerationConfig, readGenerationConfig } from "../layouts/huggingface/generation_config.ts";
import { listed } from "../words.ts";
import { familyOf } from "../models/families.ts";
import type { SpecialTokens } from "../models/model_description.ts";
import { tokensOf, tokensWithin } from "../models/special_tokens.ts";
import type { NamedModel, SamplingSettings } from "../models/token_family.ts";
import type { ResolvedModel } from "./resolve_model.ts";

/** A model's special tokens, and what goes with them. */
export interface ResolvedTokens {
  /** The tokens: as far as the vocabulary has them, but for those that a Hugging Face directory takes over from another. */
  readonly tokens: SpecialTokens;
  /** The one of those that end a sequence to say where one alone can be said. */
  readonly mainEnd: number | undefined;
  /** The file that said them, where one did. */
  readonly saidBy: string | undefined;
  /** Whether the input says what it was published with, for better or worse, as a Hugging Face directory does. */
  readonly isKept: boolean;
  /** Whether the model follows instructions, so that its tokenizer has a chat template. */
  readonly isInstruct: boolean;
  /** The `generation_config.json` beside the input, where it has one. */
  readonly generation: GenerationConfig | undefined;
  /** How the published model samples, where one was named and that is known. */
  readonly sampling: SamplingSettings | undefined;
  /** What a user should be told. */
  readonly notes: readonly string[];
}

/** How to find a model's tokens. */
export interface TokenOptions {
  /** Whether the user says that it is an instruct model. */
  readonly instruct?: boolean;
  /** Whether a tokenizer was named, which says what its vocabulary has; `undefined` where the layout has none. */
  readonly hasTokenizer?: boolean;
}

/**
 * Finds a model's special tokens.
 *
 * A `config.json` says them all, and nothing is added. A `model.yaml` of fairseq2 0.2 to 0.4 has room for one that ends
 * a sequence, where an instruct model has several; one of 0.5 or later says none.
 *
 * @throws {OptionError} If the model is said to be an instruct one and can't be.
 * @throws {FormatError} If the `generation_config.json` beside the input isn't what it must be.
 */
export function resolveTokens(
  checkpoint: Checkpoint,
  resolved: ResolvedModel,
  { instruct = false, hasTokenizer }: TokenOptions = {},
): ResolvedTokens {
  const { model, tokensFrom, card } = resolved;
  const { tokens: family, title } = familyOf(model);
  const generation = checkpoint.naming === "huggingface"
    ? readGenerationConfig(listDirectory(checkpoint.path))
    : undefined;
  const said: SpecialTokens = tokensFrom === undefined ? {} : model;
  const stops = generation?.tokens.eosIds ?? said.eosIds;
  const turnEnd = family.turnEnd(resolved);
  if (instruct && turnEnd === undefined) {
    throw new OptionError(`--instruct: ${card ?? resolved.architecture ?? title} has no instruct models`);
  }
  // Where a card is named, it has the word on what a config.json leaves open.
  const isKept = checkpoint.describedBy !== undefined && (card === undefined || stops !== undefined);
  if (instruct && turnEnd! >= model.vocabSize && !hasTokenizer && !isKept) {
    const hint = hasTokenizer === undefined ? "" : "; give the model's tokenizer with --tokenizer";
    throw new OptionError(
      `--instruct: a vocabulary of ${model.vocabSize} hasn't got ${turnEnd}, which ends a turn as published, so what ` +
        `does isn't known${hint}`,
    );
  }
  const isInstruct = instruct || (card !== undefined && family.isInstruct(card)) ||
    endsTurns(resolved, stops);
  const { eosIds, notes } = isKept
    ? asSaid(resolved, said, stops, isInstruct ? turnEnd : undefined, instruct)
    : completed(resolved, said, isInstruct, tokensFrom);
  const published = family.published(resolved, isInstruct);
  const { bosId = isKept ? undefined : published.bosId } = said;
  const found = tokensOf({ bosId, eosIds, padId: model.padId });
  // transformers 4.46 to 5.23 compute with a bos_token_id and an eos_token_id past the vocabulary as if there were none; a
  // model with such a pad_token_id doesn't load. What isn't Hugging Face's has no use for any.
  const isCarried = isKept && hasTokenizer !== undefined;
  const within = tokensWithin(found, model.vocabSize);
  const tokens = isCarried ? tokensOf({ ...found, padId: within.padId }) : within;
  const all = [...tokens.eosIds ?? [], ...stops ?? []];
  return {
    tokens,
    mainEnd: isInstruct && turnEnd !== undefined && all.includes(turnEnd) ? turnEnd : tokens.eosIds?.[0],
    saidBy: tokensFrom,
    isKept,
    isInstruct,
    generation,
    sampling: card === undefined ? undefined : family.sampling?.(card),
    notes: [
      ...notes,
      ...(isKept ? notesOfAbsent(tokensFrom!, said, tokens, model.vocabSize) : []),
      ...(generation === undefined || hasTokenizer === undefined
        ? []
        : notesOfAbsent(generation.path, generation.tokens, generation.tokens, model.vocabSize)),
    ],
  };
}

/** Whether sequences end as only a turn of an instruct model does. */
export function endsTurns(named: NamedModel, ends: readonly number[] | undefined): boolean {
  const family = familyOf(named.model).tokens;
  const turnEnd = family.turnEnd(named);
  return turnEnd !== undefined && ends?.includes(turnEnd) === true &&
    family.published(named, false).eosIds?.includes(turnEnd) !== true;
}

/** What to say of tokens that a file says and the vocabulary hasn't got: those that are written, and those that aren't. */
function notesOfAbsent(
  file: string,
  said: SpecialTokens,
  written: SpecialTokens,
  vocabSize: number,
): string[] {
  const absent = ({ bosId, eosIds = [], padId }: SpecialTokens) =>
    new Set([bosId, ...eosIds, padId].filter((id) => id !== undefined && id >= vocabSize));
  const note = (ids: ReadonlySet<number | undefined>, outcome: string) =>
    ids.size === 0 ? [] : [
      `${file} has the token${ids.size > 1 ? "s" : ""} ${listed([...ids].map(String), "and")}, which a ` +
      `vocabulary of ${vocabSize} hasn't got: ${outcome}`,
    ];
  const kept = absent(written);
  const left = absent(said).difference(kept);
  return [...note(kept, "carried over all the same"), ...note(left, "left out")];
}

/** What end a sequence, and what to say of it. */
interface Ends {
  readonly eosIds: readonly number[] | undefined;
  readonly notes: readonly string[];
}

/** The tokens of a `config.json`, which has the word, for better or worse. */
function asSaid(
  { card, tokensFrom }: ResolvedModel,
  { eosIds }: SpecialTokens,
  stops: readonly number[] | undefined,
  turnEnd: number | undefined,
  isOption: boolean,
): Ends {
  if (turnEnd === undefined || stops === undefined || stops.includes(turnEnd)) return { eosIds, notes: [] };
  const what =
    `${tokensFrom} and generation_config.json stop at ${listed(stops, "and")}, not at ${turnEnd}, which ` +
    "ends a turn of an instruct model";
  if (isOption) throw new OptionError(`--instruct: ${what}; put it into their eos_token_id first`);
  return { eosIds, notes: [`${what} such as ${card}; they are carried over as they are`] };
}

/** The token that a `model.yaml` says, or none, and what an instruct model stops at besides. */
function completed(
  named: NamedModel,
  { eosIds: said }: SpecialTokens,
  isInstruct: boolean,
  file?: string,
): Ends {
  const family = familyOf(named.model).tokens;
  const published = tokensWithin(family.published(named, isInstruct), named.model.vocabSize).eosIds;
  if (said === undefined || published === undefined) return { eosIds: said ?? published, notes: [] };
  const turnEnd = family.turnEnd(named);
  if (!isInstruct || turnEnd === undefined || !published.includes(turnEnd)) {
    return { eosIds: said, notes: [] };
  }
  const eosIds = [...said.filter((id) => !published.includes(id)), ...published];
  return {
    eosIds,
    notes: said.includes(turnEnd) ? [] : [
      `${file} says that ${
        said.join(", ")
      } ends a sequence, but ${turnEnd} ends a turn of an instruct model: ` +
      `generation stops at ${listed(eosIds, "and")}`,
    ],
  };
}

/**
 * Which tokens a layout loses that says none, or no more than one that ends a sequence.
 *
 * @returns What is no longer known where the output is read without a name, as a sentence has it; `undefined` where
 * nothing is lost.
 */
export function lostTokens(
  { model, architecture }: NamedModel,
  { tokens, generation }: ResolvedTokens,
  kept: SpecialTokens,
): string | undefined {
  const unnamed: NamedModel = { model, architecture };
  const isInstruct = endsTurns(unnamed, kept.eosIds);
  const { bosId = familyOf(model).tokens.published(unnamed, isInstruct).bosId } = kept;
  const { eosIds: known } = completed(unnamed, kept, isInstruct);
  const all = new Set([...tokens.eosIds ?? [], ...generation?.tokens.eosIds ?? []]);
  const ends = [...all].filter((id) => known?.includes(id) !== true);
  const lost = [
    ...(tokens.bosId === undefined || tokens.bosId === bosId ? [] : [`${tokens.bosId} begins a sequence`]),
    ...(ends.length === 0 ? [] : [`${listed(ends, "and")} end${ends.length > 1 ? "" : "s"} a sequence`]),
  ];
  return lost.length === 0 ? undefined : lost.join(", ");
}
