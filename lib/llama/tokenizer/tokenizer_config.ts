/**
 * `tokenizer_config.json` and `special_tokens_map.json`, byte for byte as transformers 4.46.3 writes them
 * (`tokenization_utils_base.py`, `save_pretrained`): keys in the order of their code points.
 *
 * @module
 */

import { pythonJson, type PythonJsonValue } from "../python_json.ts";
import type { AddedToken } from "./tokenizer_json.ts";

/**
 * What transformers takes for the length of a context that nothing limits (`VERY_LARGE_INTEGER`, an int
 * there).
 */
export const NO_LENGTH_LIMIT: bigint = BigInt(1e30);

/** The parts of a `tokenizer_config.json` that are the same for all. */
function common(addedTokens: readonly AddedToken[]): [string, PythonJsonValue][] {
  const decoder = new Map(
    addedTokens.map(({ id, content, special }) => [String(id), addedToken(content, { special })]),
  );
  return [
    ["added_tokens_decoder", decoder],
    ["clean_up_tokenization_spaces", true],
    // Without it, there would be token_type_ids, which the model refuses.
    ["model_input_names", ["input_ids", "attention_mask"]],
    // Takes tokenizer.json as it is. transformers' own classes rebuild what is in it.
    ["tokenizer_class", "PreTrainedTokenizerFast"],
  ];
}

/**
 * Prints a `tokenizer_config.json`.
 *
 * @param addedTokens The added tokens by id.
 * @param fields The fields that aren't the same for all; they win over those that are.
 * @returns The text.
 */
export function tokenizerConfig(
  addedTokens: readonly AddedToken[],
  fields: Readonly<Record<string, PythonJsonValue>>,
): string {
  const all = new Map([...common(addedTokens), ...Object.entries(fields)]);
  const sorted = new Map([...all].sort(([a], [b]) => a < b ? -1 : 1));
  return `${pythonJson(sorted, { indent: 2 })}\n`;
}

/**
 * Prints a `special_tokens_map.json`.
 *
 * @param roles The tokens by their roles, `bos_token` and so on, in the order of the roles' code points.
 * @returns The text.
 */
export function specialTokensMap(roles: Readonly<Record<string, string>>): string {
  const map = new Map(Object.entries(roles).map(([role, content]) => [role, addedToken(content)]));
  return `${pythonJson(map, { indent: 2 })}\n`;
}

function addedToken(content: string, more: { special?: boolean } = {}): PythonJsonValue {
  return { content, lstrip: false, normalized: false, rstrip: false, single_word: false, ...more };
}
