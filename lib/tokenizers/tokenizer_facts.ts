/**
 * What the files of a Hugging Face tokenizer say of its special tokens: which texts begin and end a sequence, and their
 * ids.
 */

/** What a tokenizer says. */
export interface TokenizerFacts {
  /** The id of the token that begins a sequence, where it is known. */
  readonly bosId?: number;
  /** The id of the token that ends one; of a turn, in an instruct model's. */
  readonly eosId?: number;
  /** Whether there is a chat template in `tokenizer_config.json`. */
  readonly hasChatTemplate: boolean;
}

/**
 * An entry of `added_tokens` in `tokenizer.json`, as tokenizers writes it (its `AddedTokenWithId`): the id is a number
 * there alone.
 */
const ADDED_TOKEN = /\{\s*"id":\s*(\d{1,9}),\s*"content":\s*("(?:[^"\\]|\\.)*")/g;

/**
 * Reads what a tokenizer says: the members of its `tokenizer_config.json`, and the beginning of its `tokenizer.json`, or an
 * empty text. Only there can ids be found that transformers 5 wrote; earlier versions repeat them in
 * `added_tokens_decoder`.
 */
export function tokenizerFacts(config: ReadonlyMap<string, unknown>, head: string): TokenizerFacts {
  const decoder = config.get("added_tokens_decoder");
  const entries = decoder instanceof Map ? [...decoder as ReadonlyMap<string, unknown>] : [];
  const idOf = (role: string) => {
    const text = textOf(config.get(role));
    if (text === undefined) return undefined;
    const known = entries.find(([id, token]) => textOf(token) === text && /^\d{1,9}$/.test(id));
    if (known !== undefined) return Number(known[0]);
    const found = head.matchAll(ADDED_TOKEN).find(([, , content]) => parseText(content!) === text);
    return found === undefined ? undefined : Number(found[1]);
  };
  const [bosId, eosId] = [idOf("bos_token"), idOf("eos_token")];
  return {
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosId }),
    hasChatTemplate: (config.get("chat_template") ?? null) !== null,
  };
}

/** The text of a token, which is one or has one. */
function textOf(token: unknown): string | undefined {
  const text = token instanceof Map ? token.get("content") : token;
  return typeof text === "string" ? text : undefined;
}

/** A text in JSON; one with a bad escape stands for itself, and for no token. */
function parseText(json: string): string {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
