/**
 * The special tokens in `config.json` and in `generation_config.json`, which have the same fields for them.
 */

import { type ConfigFields, type Kind, show } from "./config_fields.ts";
import { MAX_VOCABULARY } from "./limits.ts";
import type { SpecialTokens } from "./model_description.ts";
import { tokensOf } from "./special_tokens.ts";

/** How many tokens may end a sequence. Published models have 3 at most; 85 times as many. */
const MAX_ENDS = 256;

/** A token, `null`, or -1, which early configurations have for none. */
const token: Kind<number | null> = {
  expectation: (value) =>
    value === null ||
      typeof value === "number" && Number.isInteger(value) && value >= -1 && value <= MAX_VOCABULARY
      ? undefined
      : "a token's number or null",
};

/**
 * Reads `bos_token_id`, `eos_token_id` (a token or a list of them) and `pad_token_id`; those of `absent` count where one
 * isn't there.
 *
 * @throws {ConfigError} If a field isn't what it must be.
 */
export function readTokenFields(fields: ConfigFields, absent: SpecialTokens = {}): SpecialTokens {
  const read = (name: string, value: unknown): number | undefined => {
    const expected = token.expectation(value);
    if (expected !== undefined) throw fields.error(name, `expected ${expected}, got ${show(value)}`);
    return value === null || value === -1 ? undefined : value as number;
  };
  const one = (name: string, otherwise: number | undefined): number | undefined =>
    fields.values.has(name) ? read(name, fields.values.get(name)) : otherwise;
  const several = (name: string, otherwise: readonly number[] | undefined): readonly number[] | undefined => {
    const value = fields.values.get(name);
    if (value === undefined) return otherwise;
    const items = Array.isArray(value) && value.length > 0 ? value : [value];
    if (items.length > MAX_ENDS) {
      throw fields.error(name, `expected at most ${MAX_ENDS} tokens, got ${items.length}`);
    }
    const ids = items.map((item) => read(name, item)).filter((id) => id !== undefined);
    return ids.length > 0 ? ids : undefined;
  };
  return tokensOf({
    bosId: one("bos_token_id", absent.bosId),
    eosIds: several("eos_token_id", absent.eosIds),
    padId: one("pad_token_id", absent.padId),
  });
}

/** `eos_token_id` as it is written: a list, where generation is to stop at several tokens. */
export function endsJson({ eosIds }: SpecialTokens): number | readonly number[] | undefined {
  return eosIds?.length === 1 ? eosIds[0] : eosIds;
}
