/**
 * Planning a Hugging Face directory: the weights, and what must agree with one another beside them: the tokens in
 * `config.json` and `generation_config.json`, and the tokenizer.
 */

import { isDirectory, isFile } from "../bytes/file_system.ts";
import { basename, join } from "../deps.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { listDirectory } from "../layouts/directory.ts";
import { holdTokenizer, notesOfFilesLeft } from "../layouts/huggingface/side_files.ts";
import { MODEL_CARD, modelCard } from "../layouts/huggingface/model_card.ts";
import { huggingFaceFiles, type HuggingFaceOptions } from "../layouts/huggingface/write.ts";
import { stepDirectory } from "../layouts/fairseq2/model_yaml_path.ts";
import { dtypesOf, type PlannedOutput, textFile } from "../layouts/planned_output.ts";
import type { OutputFile } from "../copy/plan.ts";
import { numel } from "../tensor/tensor.ts";
import {
  carriedTokenizer,
  convertedTokenizer,
  type PlannedTokenizer,
} from "../tokenizers/tokenizer_files.ts";
import { MismatchError, OptionError } from "../error.ts";
import { agreeTokens, tokenizerOf } from "./agree_tokens.ts";
import { tokenizerOfGguf } from "../tokenizers/tokenizer_of_gguf.ts";
import type { ResolvedModel } from "./resolve_model.ts";

/** What is to be written. */
export interface HuggingFacePlanOptions extends Pick<HuggingFaceOptions, "tied" | "dtype" | "maxShardSize"> {
  /** A `tokenizer.model` to convert, or a directory of a tokenizer; `false` for none, not even the input's. */
  readonly tokenizer?: string | false;
  /** Whether the user says that it is an instruct model. */
  readonly instruct?: boolean;
  /** Whether a model card is written. True by default. */
  readonly card?: boolean;
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
  { tokenizer: wanted, instruct, card = true, ...options }: HuggingFacePlanOptions,
): Promise<PlannedOutput> {
  const hasTokenizer = typeof wanted === "string";
  const { tokenizer, tokens, generation, notes } = await agreeTokens(
    checkpoint,
    resolved,
    { instruct, hasTokenizer },
    (isInstruct) => planTokenizer(checkpoint, resolved, wanted, isInstruct),
  );
  const weights = huggingFaceFiles(checkpoint, resolved.model, { ...options, tokens, generation });
  return {
    files: [
      ...weights.files,
      ...(card ? [planCard(checkpoint, resolved, weights.files, options.dtype)] : []),
      ...tokenizer?.files ?? [],
    ],
    sources: tokenizer?.sources ?? [],
    notes: [
      ...weights.notes,
      ...notes,
      ...tokenizer?.notes ?? [],
      ...(wanted === false || tokenizer?.hasVocabulary ? [] : [noteOfNoTokenizer(checkpoint, resolved)]),
      ...notesOfInput(checkpoint, hasTokenizer),
    ],
  };
}

function planCard(
  { kind, path, naming, general }: Checkpoint,
  { model, architecture, card }: ResolvedModel,
  files: readonly OutputFile[],
  cast: string | undefined,
): OutputFile {
  const tensors = files.flatMap(({ tensors }) => tensors);
  const step = naming === undefined ? /^step_\d+$/.exec(basename(stepDirectory(path)))?.[0] : undefined;
  const license = general?.get("general.license");
  // A file may say anything; the hub has short names.
  const isName = license?.type === "string" && /^[a-z0-9][a-z0-9.-]{0,63}$/.test(license.value);
  return textFile(
    MODEL_CARD,
    modelCard(model, {
      kind,
      step,
      architecture,
      card,
      license: isName ? license.value : undefined,
      parameters: tensors.reduce((sum, { shape }) => sum + numel(shape), 0),
      dtype: dtypesOf(files)[0]!,
      cast,
    }),
  );
}

/** The tokenizer that was asked for, else the one in a GGUF input or beside a Hugging Face one. */
async function planTokenizer(
  { naming, path, tokenizer: keys, describedBy }: Checkpoint,
  resolved: ResolvedModel,
  wanted: string | false | undefined,
  isInstruct: boolean,
): Promise<PlannedTokenizer | undefined> {
  if (wanted === false) return undefined;
  if (wanted === undefined && keys !== undefined) {
    return tokenizerOfGguf(keys, describedBy ?? path, resolved.model.maxSeqLen);
  }
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

/** transformers says that sentencepiece or tiktoken should be installed, which doesn't help. */
function noteOfNoTokenizer({ naming, path }: Checkpoint, resolved: ResolvedModel): string {
  const beside = join(path, "tokenizer.model");
  const isThere = naming === "reference" && isFile(beside);
  return `there is no tokenizer, so AutoTokenizer won't load: give --tokenizer ${
    isThere ? beside : tokenizerOf(resolved)
  }`;
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
