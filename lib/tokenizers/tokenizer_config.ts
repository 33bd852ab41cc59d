/**
 * `tokenizer_config.json` and `special_tokens_map.json`, byte for byte as transformers 4.46.3 writes them
 * (`tokenization_utils_base.py`, `save_pretrained`): keys in the order of their code points, ids by number, and
 * only what JSON demands escaped, which is what `JSON.stringify` does.
 */

import { tokenizerJson, type TokenizerJsonParts } from "./tokenizer_json.ts";

/** The bytes of a file, as parts that follow one another. */
export type FileContent = readonly Uint8Array[];

/** A tokenizer as transformers has it. */
export interface Tokenizer {
  /** What its `tokenizer.json` says. */
  readonly json: TokenizerJsonParts;
  /** The special tokens by their roles, `bos_token` and so on, in the order of the roles' code points. */
  readonly roles: Readonly<Record<string, string>>;
  /** The other fields of `tokenizer_config.json` that aren't the same for all; they win over those that are. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A tokenizer of which the tokens are known that begin and end sequences. */
export interface TokenizerWithEnds extends Tokenizer {
  /** The id that a sequence begins with. */
  readonly bosId: number;
  /** The id that a sequence ends with; a turn, in an instruct model. */
  readonly eosId: number;
  /** All ids at which generation is to stop. */
  readonly eosIds: readonly number[];
}

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

/** The files of a tokenizer by name. */
export function tokenizerFiles({ json, roles, fields }: Tokenizer): Map<string, FileContent> {
  // Whole numbers come first in an object, by their size: the order that Python has for ints.
  const decoder = Object.fromEntries(
    json.addedTokens.map(({ id, content, special }) => [id, { ...addedToken(content), special }]),
  );
  const config = Object.entries({ ...COMMON, ...roles, ...fields, added_tokens_decoder: decoder })
    .sort(([a], [b]) => a < b ? -1 : 1);
  const map = Object.entries(roles).map(([role, content]) => [role, addedToken(content)]);
  return new Map([
    ["special_tokens_map.json", print(Object.fromEntries(map))],
    ["tokenizer.json", tokenizerJson(json)],
    ["tokenizer_config.json", print(Object.fromEntries(config))],
  ]);
}

function addedToken(content: string): Record<string, unknown> {
  return { content, lstrip: false, normalized: false, rstrip: false, single_word: false };
}

function print(value: object): FileContent {
  return [new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)];
}
