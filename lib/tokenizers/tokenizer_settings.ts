/** What `tokenizer_config.json`, and the files that take turns with it, say of a tokenizer. */

import type { AddedToken } from "./tokenizer_json.ts";

/** The roles that a special token may have (gguf-py 0.19 `vocab.py`, `SpecialVocab`), in the order of the keys. */
export const ROLES = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"] as const;

/** The role of a special token. */
export type Role = typeof ROLES[number];

/** What a `tokenizer_config.json` says. */
export interface TokenizerSettings {
  /** The special tokens' texts by their roles. */
  readonly roles: ReadonlyMap<Role, string>;
  /** Whether the tokens that have these roles are put around a text. */
  readonly adds: ReadonlyMap<Role, boolean>;
  /** Whether a space is put in front of a text. */
  readonly addsPrefixSpace?: boolean;
  /** The chat templates by name; the usual one is "default". */
  readonly chatTemplates: ReadonlyMap<string, string>;
  /** The added tokens, where it lists them. */
  readonly addedTokens: readonly AddedToken[];
}

/**
 * Reads what a `tokenizer_config.json` says. A field that isn't what it must be counts as missing, as for transformers'
 * readers.
 *
 * @param templates The chat templates in files of their own, which count where it names none.
 */
export function tokenizerSettings(
  config: Readonly<Record<string, unknown>>,
  templates: ReadonlyMap<string, string> = new Map(),
): TokenizerSettings {
  const roles = new Map<Role, string>();
  const adds = new Map<Role, boolean>();
  for (const role of ROLES) {
    const text = textOf(config[`${role}_token`]);
    if (text !== undefined) roles.set(role, text);
    const isAdded = config[`add_${role}_token`];
    if (typeof isAdded === "boolean") adds.set(role, isAdded);
  }
  const prefix = config["add_prefix_space"];
  return {
    roles,
    adds,
    ...(typeof prefix === "boolean" && { addsPrefixSpace: prefix }),
    chatTemplates: "chat_template" in config ? templatesOf(config["chat_template"]) : templates,
    addedTokens: Object.entries(Object(config["added_tokens_decoder"])).flatMap(([id, token]) => {
      const content = textOf(token);
      if (content === undefined || !/^\d{1,7}$/.test(id)) return [];
      return [{ id: Number(id), content, special: Object(token).special === true }];
    }),
  };
}

/** The text of a token, which is one or has one. */
function textOf(token: unknown): string | undefined {
  const text: unknown = typeof token === "object" && token !== null ? Object(token).content : token;
  return typeof text === "string" && text !== "" && text.isWellFormed() ? text : undefined;
}

/** A template, or a list of templates with their names. */
function templatesOf(value: unknown): ReadonlyMap<string, string> {
  if (typeof value === "string") return new Map([["default", value]]);
  const entries: unknown[] = Array.isArray(value) ? value : [];
  return new Map(
    entries.flatMap((entry): [string, string][] => {
      const { name, template } = Object(entry) as Readonly<Record<string, unknown>>;
      return typeof name === "string" && typeof template === "string" ? [[name, template]] : [];
    }),
  );
}
