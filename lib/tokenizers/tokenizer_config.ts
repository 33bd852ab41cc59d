/**
 * `tokenizer_config.json` and `special_tokens_map.json`, byte for byte as transformers 4.46.3 writes them
 * (`tokenization_utils_base.py`, `save_pretrained`): keys in the order of their code points, ids by number, and
 * only what JSON demands escaped, which is what `JSON.stringify` does.
 */

import type { AddedToken } from "./tokenizer_json.ts";

/**
 * What transformers takes for the length of a context that nothing limits (`VERY_LARGE_INTEGER`): an int, which
 * JavaScript would print with an exponent, and so make a float of it.
 */
export const NO_LENGTH_LIMIT: object = rawJson(String(BigInt(1e30)));

/** A value that `JSON.stringify` prints as it is; TypeScript's library doesn't know it yet. */
function rawJson(text: string): object {
  return (JSON as unknown as { rawJSON(text: string): object }).rawJSON(text);
}

/** The fields that are the same for all. */
const COMMON = {
  clean_up_tokenization_spaces: true,
  // Without it, there would be token_type_ids, which the model refuses.
  model_input_names: ["input_ids", "attention_mask"],
  // Takes tokenizer.json as it is. transformers' own classes rebuild what is in it.
  tokenizer_class: "PreTrainedTokenizerFast",
};

/** Prints a `tokenizer_config.json`. */
export function tokenizerConfig(
  addedTokens: readonly AddedToken[],
  fields: Readonly<Record<string, unknown>>,
): string {
  // Whole numbers come first in an object, by their size: the order that Python has for ints.
  const decoder = Object.fromEntries(
    addedTokens.map(({ id, content, special }) => [id, { ...addedToken(content), special }]),
  );
  const all = Object.entries({ ...COMMON, ...fields, added_tokens_decoder: decoder });
  return print(Object.fromEntries(all.sort(([a], [b]) => a < b ? -1 : 1)));
}

/** Prints a `special_tokens_map.json`. */
export function specialTokensMap(roles: Readonly<Record<string, string>>): string {
  return print(
    Object.fromEntries(Object.entries(roles).map(([role, content]) => [role, addedToken(content)])),
  );
}

function addedToken(content: string): Record<string, unknown> {
  return { content, lstrip: false, normalized: false, rstrip: false, single_word: false };
}

function print(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
