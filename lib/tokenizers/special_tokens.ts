/**
 * The special tokens of LLaMA 3: 256 of them, right behind the vocabulary. What they are called depends on
 * the version; their number and ids don't.
 */

import type { Llama3Version } from "../models/token_family.ts";

/** The special tokens of any version of LLaMA 3. */
export const SPECIAL_TOKENS = 256;

/** What a sequence begins with. */
export const BEGIN_OF_TEXT = "<|begin_of_text|>";

/** What a text ends with. */
export const END_OF_TEXT = "<|end_of_text|>";

/** What a call of a tool ends with, from 3.1 on. */
export const END_OF_MESSAGE = "<|eom_id|>";

/** What a turn of a conversation ends with. */
export const END_OF_TURN = "<|eot_id|>";

/** Those with names, by their place; the others are reserved. */
const NAMED: ReadonlyMap<number, string> = new Map([
  [0, BEGIN_OF_TEXT],
  [1, END_OF_TEXT],
  [6, "<|start_header_id|>"],
  [7, "<|end_header_id|>"],
  [9, END_OF_TURN],
]);

/** Those that have names from 3.1 on. */
const NAMED_LATER: ReadonlyMap<number, string> = new Map([
  [4, "<|finetune_right_pad_id|>"],
  [8, END_OF_MESSAGE],
  [10, "<|python_tag|>"],
]);

/**
 * The special tokens of a version in the order of their ids (transformers 4.46.3
 * `convert_llama_weights_to_hf.py`, `DEFAULT_LLAMA_SPECIAL_TOKENS`). Reserved ones are numbered through.
 * Meta's own later lists (llama-models 0.3.0 `llama3/tokenizer.py`) number them otherwise and name two more,
 * `<|step_id|>` and `<|image|>`; the ids of all other names are the same.
 */
export function llama3SpecialTokens(version: Llama3Version): string[] {
  const later = version === "3" ? new Map<number, string>() : NAMED_LATER;
  let reserved = 0;
  return Array.from(
    { length: SPECIAL_TOKENS },
    (_, index) => NAMED.get(index) ?? later.get(index) ?? `<|reserved_special_token_${reserved++}|>`,
  );
}
