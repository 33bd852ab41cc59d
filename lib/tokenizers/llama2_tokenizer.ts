/**
 * The tokenizer of LLaMA 1 and 2 for transformers, beside its `tokenizer.model`.
 *
 * transformers' own script goes wrong here: with 4.46.3 it leaves out the space in front of a text
 * (`add_prefix_space` is `None` when `LlamaConverter` asks for it), so that nearly every text gets other ids
 * than by SentencePiece. And transformers 5 builds its `LlamaTokenizer` anew from vocabulary and merges, with
 * another space in front of a text that begins with one. So `tokenizer.json` is what `LlamaConverter` makes
 * when it is told to add the space, which is also what is published with LLaMA 2, and the class named in
 * `tokenizer_config.json` is the one that takes `tokenizer.json` as it is. Both then give SentencePiece's
 * ids.
 */

import { type Merge, recoverMerges } from "./bpe_merges.ts";
import type { Piece } from "./sentencepiece.ts";
import { type AddedToken, beginsWith, type Component, type TokenizerJsonParts } from "./tokenizer_json.ts";
import { NO_LENGTH_LIMIT, type TokenizerWithEnds } from "./tokenizer_config.ts";

const UNKNOWN = "<unk>";
const BEGIN = "<s>";
const END = "</s>";

/** The ids of what a sequence begins and ends with; the reader makes sure of them. */
const BEGIN_ID = 1;
const END_ID = 2;

/** What stands for a space. */
const SPACE = "▁";

const NORMALIZER: Component = {
  type: "Sequence",
  normalizers: [
    { type: "Prepend", prepend: SPACE },
    { type: "Replace", pattern: { String: " " }, content: SPACE },
  ],
};

const DECODER: Component = {
  type: "Sequence",
  decoders: [
    { type: "Replace", pattern: { String: SPACE }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
    { type: "Strip", content: " ", start: 1, stop: 0 },
  ],
};

/**
 * What `tokenizer.json` says of a vocabulary.
 *
 * @throws {FormatError} If the vocabulary has merges without end.
 */
export function llama2Json(pieces: readonly Piece[], path: string): TokenizerJsonParts {
  return {
    addedTokens: addedTokensOf(pieces),
    normalizer: NORMALIZER,
    preTokenizer: null,
    postProcessor: beginsWith(BEGIN, BEGIN_ID),
    decoder: DECODER,
    model: { unkToken: UNKNOWN, fuseUnk: true, byteFallback: true, ignoreMerges: false },
    tokens: pieces.map(({ text }) => text),
    merges: byScore(recoverMerges(pieces.map(({ text }) => binary(text)), path), pieces),
  };
}

/**
 * The tokenizer of a vocabulary.
 *
 * @throws {FormatError} If the vocabulary has merges without end.
 */
export function llama2Tokenizer(pieces: readonly Piece[], path: string): TokenizerWithEnds {
  return {
    json: llama2Json(pieces, path),
    roles: { bos_token: BEGIN, eos_token: END, unk_token: UNKNOWN },
    fields: {
      add_bos_token: true,
      add_eos_token: false,
      clean_up_tokenization_spaces: false,
      // For those who open it with LlamaTokenizer.
      legacy: true,
      model_max_length: NO_LENGTH_LIMIT,
      pad_token: null,
      sp_model_kwargs: {},
      spaces_between_special_tokens: false,
      use_default_system_prompt: false,
    },
    bosId: BEGIN_ID,
    eosId: END_ID,
    eosIds: [END_ID],
  };
}

/** `<unk>`, control pieces and those of the user (transformers 4.46.3 `SpmConverter.tokenizer`). */
function addedTokensOf(pieces: readonly Piece[]): AddedToken[] {
  return [...pieces.entries()]
    .filter(([, { type }]) => type === "unknown" || type === "control" || type === "user defined")
    .map(([id, { text, type }]) => ({ id, content: text, special: type !== "user defined" }));
}

/**
 * SentencePiece merges to the piece with the highest score first. Where scores are equal, as those of all
 * pieces that weren't learned, the longer first part wins, then the longer second part (transformers 4.46.3
 * `convert_slow_tokenizer.py`, `generate_merges`); Python's `sort` is stable when it sorts backwards, too.
 */
function byScore(merges: readonly Merge[], pieces: readonly Piece[]): Merge[] {
  const lengths = pieces.map(({ text }) => [...text].length); // Python's length of a text.
  return merges.toSorted((a, b) =>
    pieces[b.token]!.score - pieces[a.token]!.score ||
    lengths[b.left]! - lengths[a.left]! ||
    lengths[b.right]! - lengths[a.right]!
  );
}

/**
 * A text's bytes in UTF-8, a character for each. Where they are split within a character, no piece begins.
 */
function binary(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
