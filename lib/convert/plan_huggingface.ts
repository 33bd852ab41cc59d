/**
 * Planning a Hugging Face directory: the weights, and what must agree with one another beside them: the tokens in
 * `config.json` and `generation_config.json`, and the tokenizer.
 */

import { isDirectory, isFile } from "../bytes/file_system.ts";
import { join } from "../deps.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { listDirectory } from "../layouts/directory.ts";
import { generationConfigJson } from "../layouts/huggingface/generation_config.ts";
import { holdTokenizer, notesOfFilesLeft } from "../layouts/huggingface/side_files.ts";
import { huggingFaceFiles, type HuggingFaceOptions } from "../layouts/huggingface/write.ts";
import type { PlannedOutput } from "../layouts/planned_output.ts";
import { familyOf } from "../models/families.ts";
import { listed } from "../words.ts";
import type { SpecialTokens } from "../models/model_description.ts";
import {
  carriedTokenizer,
  convertedTokenizer,
  type PlannedTokenizer,
} from "../tokenizers/tokenizer_files.ts";
import { MismatchError, OptionError } from "../error.ts";
import type { ResolvedModel } from "./resolve_model.ts";
import { endsTurns, type ResolvedTokens, resolveTokens } from "./resolve_tokens.ts";

/** What is to be written. */
export interface HuggingFacePlanOptions extends Pick<HuggingFaceOptions, "tied" | "dtype" | "maxShardSize"> {
  /** A `tokenizer.model` to convert, or a directory of a tokenizer; `false` for none, not even the input's. */
  readonly tokenizer?: string | false;
  /** Whether the user says that it is an instruct model. */
  readonly instruct?: boolean;
}

/**
 * Plans a Hugging Face directory.
 *
 * @throws {OptionError} If the options don't fit the model.
 * @throws {MismatchError} If the tokenizer isn't the model's.
 * @throws {FormatError} If a file that goes along isn't what it must be.
 * @throws {FileError} If it can't be read.
 */
export async function planHuggingFace(
  checkpoint: Checkpoint,
  resolved: ResolvedModel,
  { tokenizer: wanted, instruct, ...options }: HuggingFacePlanOptions,
): Promise<PlannedOutput> {
  const hasTokenizer = typeof wanted === "string";
  const first = resolveTokens(checkpoint, resolved, { instruct, hasTokenizer });
  const tokenizer = await planTokenizer(checkpoint, resolved, wanted, first.isInstruct);
  // An instruct model's tokenizer says that the model is one.
  const found = !first.isKept && tokenizer?.eosId !== undefined && endsTurns(resolved, [tokenizer.eosId])
    ? resolveTokens(checkpoint, resolved, { instruct: true, hasTokenizer })
    : first;
  const { tokens, notes } = tokenizer === undefined
    ? { tokens: found.tokens, notes: [] }
    : agreed(found, tokenizer);
  const generation = found.generation?.text ?? generationConfigJson(resolved.model, tokens, found.sampling);
  const weights = huggingFaceFiles(checkpoint, resolved.model, { ...options, tokens, generation });
  return {
    files: [...weights.files, ...tokenizer?.files ?? []],
    sources: tokenizer?.sources ?? [],
    notes: [
      ...weights.notes,
      ...found.notes,
      ...notes,
      ...tokenizer?.notes ?? [],
      ...(wanted === false || tokenizer?.hasVocabulary ? [] : [noteOfNoTokenizer(checkpoint, resolved)]),
      ...notesOfInput(checkpoint, hasTokenizer),
    ],
  };
}

/** The tokenizer that was asked for, else the one beside a Hugging Face input. */
async function planTokenizer(
  { naming, path }: Checkpoint,
  resolved: ResolvedModel,
  wanted: string | false | undefined,
  isInstruct: boolean,
): Promise<PlannedTokenizer | undefined> {
  if (wanted === false) return undefined;
  if (wanted === undefined) {
    return naming === "huggingface" ? await carriedTokenizer(listDirectory(path)) : undefined;
  }
  if (!isDirectory(wanted)) return await convertedTokenizer(wanted, resolved, isInstruct);
  const carried = await carriedTokenizer(listDirectory(wanted));
  const { vocabSize } = resolved.model;
  for (const id of [carried.bosId, carried.eosId]) {
    if (id === undefined || id < vocabSize) continue;
    throw new MismatchError(
      `${wanted}: the tokenizer has the token ${id}, the model a vocabulary of ${vocabSize}; give the model's own`,
    );
  }
  if (!carried.hasVocabulary) {
    throw new OptionError(
      `${wanted}: holds no tokenizer; name ${tokenizerOf(resolved)}`,
    );
  }
  return carried.hasChatTemplate
    ? carried
    : { ...carried, notes: [...carried.notes, `the tokenizer has no chat template: ${wanted} has none`] };
}

/**
 * The tokens on which the files are to agree: the tokenizer's, since it makes the tokens of texts and texts of tokens. A
 * Hugging Face input keeps what it says.
 */
function agreed(
  found: ResolvedTokens,
  tokenizer: PlannedTokenizer,
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
  { bosId: itsBosId, eosId: itsEosId, hasChatTemplate }: PlannedTokenizer,
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
  { eosId, eosIds = [] }: PlannedTokenizer,
): readonly number[] | undefined {
  if (eosId === undefined) return known;
  const isMore = known?.every((id) => eosIds.includes(id)) === true;
  if (known?.includes(eosId) && !isMore) return known;
  return eosIds.length > 0 ? eosIds : [eosId];
}

/** transformers says that sentencepiece or tiktoken should be installed, which doesn't help. */
function noteOfNoTokenizer({ naming, path }: Checkpoint, resolved: ResolvedModel): string {
  const beside = join(path, "tokenizer.model");
  const isThere = naming === "reference" && isFile(beside);
  return `there is no tokenizer, so AutoTokenizer won't load: give --tokenizer ${
    isThere ? beside : tokenizerOf(resolved)
  }`;
}

/** What `--tokenizer` may name for a model. */
function tokenizerOf(resolved: ResolvedModel): string {
  return familyOf(resolved.model).tokens.tokenizerOf?.(resolved) === undefined
    ? "a directory with the model's tokenizer.json"
    : "the model's tokenizer.model, or a directory with its tokenizer.json";
}

/** What of a Hugging Face input doesn't go along. */
function notesOfInput({ naming, path, sources }: Checkpoint, hasOtherTokenizer: boolean): string[] {
  if (naming !== "huggingface") return [];
  const listing = listDirectory(path);
  const notes = notesOfFilesLeft(listing, sources.map((source) => source.path));
  return hasOtherTokenizer && holdTokenizer(listing.files)
    ? [`the tokenizer in ${path} doesn't go along, since --tokenizer names another`, ...notes]
    : notes;
}
