/** Reads a `tokenizer.json` (tokenizers 0.23), as far as it is byte-pair encoding. */

import { FormatError } from "../error.ts";
import { KeyGuard } from "../key_guard.ts";
import { type Merge, repeatedMerge } from "./bpe_merges.ts";
import { MAX_TOKEN_BYTES, MAX_TOKENIZER_JSON_LISTS, MAX_TOKENS } from "./limits.ts";
import type { AddedToken, Component, TokenizerJsonParts } from "./tokenizer_json.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads a `tokenizer.json`.
 *
 * @throws {FormatError} If it is no JSON, another kind of tokenizer, or has an id, a token or a merge that can't be.
 */
export function readTokenizerJson(text: string, path: string): TokenizerJsonParts {
  checkLists(text, path);
  const fields = parseJson(text, path);
  const model = fieldsOf(fields["model"]);
  // Older files say no type, and are told by their fields.
  const type = model?.["type"] ?? (model?.["merges"] === undefined ? undefined : "BPE");
  if (model === undefined || type !== "BPE") {
    throw new FormatError(`${path}: its model is ${show(type)}, where BPE is expected`);
  }
  for (const field of ["dropout", "continuing_subword_prefix", "end_of_word_suffix"]) {
    if (model[field]) throw new FormatError(`${path}: model.${field} is set, which llama.cpp can't do`);
  }
  const { tokens, ids } = readVocabulary(model["vocab"], path);
  const addedTokens = listOf(fields["added_tokens"] ?? [], `${path}: added_tokens`).map((token) =>
    readAddedToken(token, path)
  );
  return {
    addedTokens,
    normalizer: componentOf(fields["normalizer"], `${path}: normalizer`),
    preTokenizer: componentOf(fields["pre_tokenizer"], `${path}: pre_tokenizer`),
    postProcessor: componentOf(fields["post_processor"], `${path}: post_processor`),
    decoder: componentOf(fields["decoder"], `${path}: decoder`),
    model: {
      unkToken: typeof model["unk_token"] === "string" ? model["unk_token"] : null,
      fuseUnk: model["fuse_unk"] === true,
      byteFallback: model["byte_fallback"] === true,
      ignoreMerges: model["ignore_merges"] === true,
    },
    tokens,
    merges: readMerges(listOf(model["merges"], `${path}: merges`), ids, path),
  };
}

/** Refuses what would take gigabytes, since a list of nothing takes 50 times its text in memory. */
function checkLists(text: string, path: string): void {
  let count = 0;
  for (const opening of ["[", "{"]) {
    for (let at = text.indexOf(opening); at >= 0; at = text.indexOf(opening, at + 1)) count++;
  }
  if (count <= MAX_TOKENIZER_JSON_LISTS) return;
  throw new FormatError(
    `${path}: has ${count} lists and objects, more than the ${MAX_TOKENIZER_JSON_LISTS} that are read`,
  );
}

/**
 * Parses a text that is one JSON object. Of a name that is there twice, the last one counts, as in Python.
 *
 * @throws {FormatError} If it isn't one.
 */
export function parseJson(text: string, path: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FormatError(`${path}: is no JSON; the file is damaged or incomplete`);
  }
  const fields = fieldsOf(value);
  if (fields === undefined) throw new FormatError(`${path}: is no JSON object`);
  return fields;
}

/** A value with fields, which an array isn't. */
export function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Fields : undefined;
}

function listOf(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new FormatError(`${where} is no list`);
  return value;
}

function componentOf(value: unknown, where: string): Component | null {
  if (value === null || value === undefined) return null;
  if (typeof fieldsOf(value)?.["type"] !== "string") throw new FormatError(`${where} has no type`);
  return value as Component;
}

/** A text and an id that a vocabulary can have. */
function checkedToken(text: unknown, id: unknown, path: string): { text: string; id: number } {
  if (typeof text !== "string" || !text.isWellFormed() || text.length > MAX_TOKEN_BYTES) {
    throw new FormatError(
      `${path}: a token is a text of at most ${MAX_TOKEN_BYTES} characters; the one with id ${
        show(id)
      } isn't`,
    );
  }
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= MAX_TOKENS) {
    throw new FormatError(
      `${path}: the token ${JSON.stringify(text)} has the id ${
        show(id)
      }; ids are whole numbers below ${MAX_TOKENS}`,
    );
  }
  return { text, id };
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? "missing").slice(0, 40);
}

function readVocabulary(
  value: unknown,
  path: string,
): { tokens: (string | undefined)[]; ids: ReadonlyMap<string, number> } {
  const entries = Object.entries(fieldsOf(value) ?? {});
  if (entries.length === 0) throw new FormatError(`${path}: model.vocab has no tokens`);
  const ids = new Map<string, number>();
  const guard = new KeyGuard();
  let size = 0;
  for (const entry of entries) {
    const { text, id } = checkedToken(...entry, path);
    if (!guard.allows(ids, text)) throw new FormatError(`${path}: too many tokens have one hash`);
    ids.set(text, id);
    size = Math.max(size, id + 1);
  }
  const tokens = new Array<string | undefined>(size).fill(undefined);
  for (const [text, id] of ids) {
    if (tokens[id] !== undefined) {
      throw new FormatError(
        `${path}: the tokens ${JSON.stringify(tokens[id])} and ${JSON.stringify(text)} have one id, ${id}`,
      );
    }
    tokens[id] = text;
  }
  return { tokens, ids };
}

function readAddedToken(value: unknown, path: string): AddedToken {
  const { id, content, special, ...fields } = fieldsOf(value) ?? {};
  const token = checkedToken(content, id, path);
  const looksAround = ["lstrip", "rstrip", "single_word"].some((field) => fields[field] === true);
  return {
    id: token.id,
    content: token.text,
    special: special === true,
    ...(looksAround && { looksAround }),
  };
}

/** Merges as texts with a space between their parts, or as pairs, which tokenizers 0.20 and later write. */
function readMerges(list: readonly unknown[], ids: ReadonlyMap<string, number>, path: string): Merge[] {
  const merges = list.map((merge, index) => {
    const parts: unknown[] = typeof merge === "string" ? merge.split(" ") : Array.isArray(merge) ? merge : [];
    const [left, right] = parts;
    if (parts.length !== 2 || typeof left !== "string" || typeof right !== "string") {
      throw new FormatError(`${path}: merge ${index} is ${show(merge)}, where two tokens are expected`);
    }
    const [first, second, token] = [ids.get(left), ids.get(right), ids.get(left + right)];
    if (first === undefined || second === undefined || token === undefined) {
      const missing = first === undefined ? left : second === undefined ? right : left + right;
      throw new FormatError(
        `${path}: merge ${index} names ${show(missing)}, which is no token of the vocabulary`,
      );
    }
    return { left: first, right: second, token };
  });
  const repeated = repeatedMerge(merges);
  if (repeated !== undefined) {
    throw new FormatError(
      `${path}: merge ${repeated} is there before; tokenizers and llama.cpp rank it differently`,
    );
  }
  return merges;
}
