/**
 * LLaMA 3's tokenizer for transformers, as `Llama3Converter` of transformers 4.46.3
 * `convert_llama_weights_to_hf.py` makes it.
 */

import { FormatError } from "../error.ts";
import { recoverMerges } from "./bpe_merges.ts";
import { byteLevelText } from "./byte_unicode.ts";
import { llama3ChatTemplate } from "./chat_templates.ts";
import type { Llama3Version } from "../models/token_family.ts";
import {
  BEGIN_OF_TEXT,
  END_OF_MESSAGE,
  END_OF_TEXT,
  END_OF_TURN,
  llama3SpecialTokens,
} from "./special_tokens.ts";
import { type AddedToken, beginsWith, type Component } from "./tokenizer_json.ts";
import type { TokenizerWithEnds } from "./tokenizer_config.ts";

/**
 * How a text is cut up before pairs are merged (llama-models 0.3.0 `llama3/tokenizer.py`, `pat_str`):
 * contractions, words with a character in front of them, up to three digits, punctuation, line breaks,
 * spaces.
 */
const PATTERN = String
  .raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const PRE_TOKENIZER: Component = {
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: PATTERN }, behavior: "Isolated", invert: false },
    { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
};

const DECODER: Component = { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true };

/** What is known of a model whose tokenizer is to be converted. */
export interface Llama3Model {
  /** Its version. */
  readonly version: Llama3Version;
  /** Whether it was tuned to follow instructions: it then has a chat template, and ends with `<|eot_id|>`. */
  readonly instruct: boolean;
  /** The positions that it can attend to. */
  readonly contextLength: number;
}

/**
 * The tokenizer of the tokens by rank, with a character for each byte.
 *
 * @throws {FormatError} If the vocabulary has a special token of the version, or merges without end.
 */
export function llama3Tokenizer(
  tokens: readonly string[],
  model: Llama3Model,
  path: string,
): TokenizerWithEnds {
  const special = llama3SpecialTokens(model.version);
  const texts = new Set(special);
  for (const [rank, token] of tokens.entries()) {
    if (texts.has(token)) {
      throw new FormatError(
        `${path}: rank ${rank} is ${token}, which LLaMA ${model.version} has behind all ranks`,
      );
    }
  }
  const addedTokens = special.map((content, index): AddedToken => ({
    id: tokens.length + index,
    content,
    special: true,
  }));
  const bos = BEGIN_OF_TEXT;
  // A turn of an instruct model ends a text, too, or a call of a tool: all of them stop it, as published.
  const ends = model.instruct
    ? [END_OF_TEXT, END_OF_MESSAGE, END_OF_TURN].filter((text) => texts.has(text))
    : [END_OF_TEXT];
  const eos = ends.at(-1)!;
  const idOf = (text: string) => tokens.length + special.indexOf(text);
  const bosId = idOf(bos);
  const json = {
    addedTokens,
    normalizer: null,
    preTokenizer: PRE_TOKENIZER,
    postProcessor: {
      type: "Sequence",
      processors: [
        { type: "ByteLevel", add_prefix_space: true, trim_offsets: false, use_regex: true },
        beginsWith(bos, bosId),
      ],
    },
    decoder: DECODER,
    model: { unkToken: null, fuseUnk: false, byteFallback: false, ignoreMerges: true },
    tokens: tokens.map(byteLevelText),
    merges: recoverMerges(tokens, path),
  };
  return {
    json,
    roles: { bos_token: bos, eos_token: eos },
    fields: {
      ...(model.instruct ? { chat_template: llama3ChatTemplate(model.version) } : {}),
      model_max_length: model.contextLength,
    },
    bosId,
    eosId: idOf(eos),
    eosIds: ends.map(idOf),
  };
}
