/** A tokenizer for transformers, by the keys of a GGUF file: the other way from `gguf_tokenizer.ts`. */

import { FormatError, OptionError } from "../error.ts";
import type { GgufArray, GgufMetadata } from "../gguf/value.ts";
import { KeyGuard } from "../key_guard.ts";
import { type Merge, repeatedMerge } from "./bpe_merges.ts";
import { outputFiles } from "./convert_tokenizer.ts";
import { ROLE_KEYS, TOKEN_TYPES } from "./gguf_tokenizer.ts";
import { MAX_TOKEN_BYTES, MAX_TOKENS } from "./limits.ts";
import { llama2Json } from "./llama2_tokenizer.ts";
import { preTokenizerOf } from "./pre_tokenizers.ts";
import { type Piece, type PieceType, sentencePieceModel } from "./sentencepiece.ts";
import { NO_LENGTH_LIMIT, type Tokenizer, tokenizerFiles } from "./tokenizer_config.ts";
import type { PlannedTokenizer } from "./tokenizer_files.ts";
import type { AddedToken, Component, TokenizerJsonParts } from "./tokenizer_json.ts";
import { ROLES } from "./tokenizer_settings.ts";

/** The special tokens of a SentencePiece model where no key says them (llama.cpp `llama_vocab::impl::load`). */
const SENTENCEPIECE_IDS: Readonly<Record<string, number>> = { bos: 1, eos: 2, unk: 0 };

/** The types of tokens by number. */
const TYPE_NAMES: ReadonlyMap<number, PieceType> = new Map(
  Object.entries(TOKEN_TYPES).map(([name, number]) => [number, name as PieceType]),
);

const MAX_SHOWN_CHARACTERS = 40;

/** The names that llama.cpp has for a file without a tokenizer. */
const NONE = ["none", "no_vocab"];

/**
 * Plans the files of the tokenizer in a GGUF file.
 *
 * @param path The file, for messages.
 * @param contextLength The positions that the model can attend to, where that is known.
 * @returns `undefined` if there is none.
 * @throws {OptionError} If it is of a kind, or cuts up texts in a way, that isn't known.
 * @throws {FormatError} If its keys aren't what they must be.
 */
export function tokenizerOfGguf(
  metadata: GgufMetadata,
  path: string,
  contextLength?: number,
): PlannedTokenizer | undefined {
  const keys = new Keys(metadata, path);
  const kind = keys.string("ggml.model");
  if (kind === undefined || NONE.includes(kind)) return undefined;
  const pieces = readPieces(keys);
  const idOf = (role: string) =>
    keys.id(ROLE_KEYS[role]!, pieces.length) ?? (kind === "llama" ? SENTENCEPIECE_IDS[role] : undefined);
  const notes: string[] = [];
  const json = kind === "llama"
    ? sentencePieceJson(pieces, keys, idOf, notes)
    : kind === "gpt2"
    ? bytePairJson(pieces, keys, idOf)
    : undefined;
  if (json === undefined) {
    throw new OptionError(
      `${path}: its tokenizer is ${shown(kind)}, which ckpt doesn't know; give --tokenizer or --no-tokenizer`,
    );
  }
  const roles: Record<string, string> = {};
  for (const role of ROLES.toSorted()) {
    const text = role === "cls" ? undefined : pieces[idOf(role) ?? -1]?.text;
    if (text === undefined) continue;
    roles[`${role}_token`] = text;
    const id = keys.id(ROLE_KEYS[role]!, pieces.length);
    if (id === undefined || pieces[id]!.type !== "normal") continue;
    notes.push(
      `${ROLE_KEYS[role]} names ${
        shown(text)
      }, an ordinary token: transformers will take it as a special one ` +
        "wherever a text has it, so that texts may have other ids",
    );
  }
  const template = templateOf(keys);
  const tokenizer: Tokenizer = {
    json,
    roles,
    fields: {
      ...Object.fromEntries(
        ["bos", "eos"].map((role) => [`add_${role}_token`, adds(keys, role, kind)]),
      ),
      ...(template !== undefined && { chat_template: template }),
      clean_up_tokenization_spaces: false,
      model_max_length: contextLength ?? NO_LENGTH_LIMIT,
    },
  };
  const [bosId, eosId, unkId] = [idOf("bos"), idOf("eos"), idOf("unk")];
  const files = tokenizerFiles(tokenizer);
  if (kind === "llama") {
    // Converters make a control token of the unknown one, where SentencePiece has a type of its own.
    const typed = pieces.map((piece, id): Piece => id === unkId ? { ...piece, type: "unknown" } : piece);
    const model = sentencePieceModel(typed, keys.bool("ggml.add_space_prefix") !== false);
    if (model !== undefined) files.set("tokenizer.model", [model]);
  }
  return {
    files: outputFiles(files),
    sources: [],
    hasVocabulary: true,
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosId }),
    hasChatTemplate: template !== undefined,
    notes,
  };
}

/** The tokens by id, without the ids behind the last one, which no token has. */
function readPieces(keys: Keys): Piece[] {
  const tokens = keys.array("ggml.tokens", "string");
  const types = keys.array("ggml.token_type", "int32", tokens?.length);
  const scores = keys.array("ggml.scores", "float32", tokens?.length);
  if (tokens === undefined) throw keys.error("ggml.tokens", "is missing");
  if (tokens.length > MAX_TOKENS) throw keys.error("ggml.tokens", `has more than ${MAX_TOKENS} items`);
  const ids = new Map<string, number>();
  const guard = new KeyGuard();
  const pieces = tokens.map((text, id): Piece => {
    if (text.length > MAX_TOKEN_BYTES) {
      throw keys.error("ggml.tokens", `has a token of more than ${MAX_TOKEN_BYTES} characters, ${id}`);
    }
    if (!guard.allows(ids, text)) throw keys.error("ggml.tokens", "has too many tokens of one hash");
    if (ids.has(text)) throw keys.error("ggml.tokens", `has the token ${shown(text)} twice`);
    ids.set(text, id);
    return {
      text,
      type: TYPE_NAMES.get(types?.[id] ?? TOKEN_TYPES.normal) ?? "normal",
      score: scores?.[id] ?? 0,
    };
  });
  return pieces.slice(0, pieces.findLastIndex((piece, id) => !isPadding(piece, id)) + 1);
}

/** A text for a message. */
function shown(text: string): string {
  return JSON.stringify(
    text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text,
  );
}

/** Whether an id has no token; converters put one there all the same. */
function isPadding({ text, type }: Piece, id: number): boolean {
  return type === "unused" && text === `[PAD${id}]` || text === "";
}

/** The token of a role, and its id. */
type IdOf = (role: string) => number | undefined;

function sentencePieceJson(
  pieces: readonly Piece[],
  keys: Keys,
  idOf: IdOf,
  notes: string[],
): TokenizerJsonParts {
  const json = llama2Json(pieces, keys.path);
  const made = new Set(json.merges.map(({ token }) => token));
  const scores = new Set([...made].map((token) => pieces[token]!.score));
  // Runs of spaces have one score in the published ones.
  const words = [...made].filter((token) => !/^▁+$/.test(pieces[token]!.text));
  const wordScores = new Set(words.map((token) => pieces[token]!.score));
  if (scores.size === 1 && json.merges.length > 1) {
    notes.push(
      "all tokens have one score, so that how the tokenizer merges them isn't known; texts will have other ids than " +
        "the model was trained with",
    );
  } else if (wordScores.size < words.length || scores.has(NaN)) {
    notes.push(
      "some tokens have one score, or none that is a number; llama.cpp makes the leftmost of these first, tokenizers " +
        "always the same one, so that texts may have other ids",
    );
  }
  const unknown = pieces[idOf("unk") ?? -1]?.text ?? null;
  return {
    ...json,
    ...(keys.bool("ggml.add_space_prefix") === false && withoutSpace(json)),
    postProcessor: around(pieces, keys, "llama", idOf),
    model: { ...json.model, unkToken: unknown },
  };
}

/** The same without the space in front of a text. */
function withoutSpace(
  { normalizer, decoder }: TokenizerJsonParts,
): Pick<TokenizerJsonParts, "normalizer" | "decoder"> {
  const without = (component: Component | null, field: string, type: string): Component => ({
    ...component,
    type: "Sequence",
    [field]: (component?.[field] as readonly Component[]).filter((step) => step.type !== type),
  });
  return {
    normalizer: without(normalizer, "normalizers", "Prepend"),
    decoder: without(decoder, "decoders", "Strip"),
  };
}

function bytePairJson(pieces: readonly Piece[], keys: Keys, idOf: IdOf): TokenizerJsonParts {
  const name = keys.string("ggml.pre") ?? "missing";
  const rules = preTokenizerOf(name);
  if (rules === undefined) {
    throw new OptionError(
      `${keys.path}: how its tokenizer cuts up texts, ${
        shown(name)
      }, isn't known to ckpt; give --tokenizer ` +
        "or --no-tokenizer",
    );
  }
  const addedTokens: AddedToken[] = [...pieces.entries()]
    .filter(([, { type }]) => type === "control" || type === "user defined" || type === "unknown")
    .map(([id, { text, type }]) => ({ id, content: text, special: type !== "user defined" }));
  const added = new Set(addedTokens.map(({ id }) => id));
  // Added tokens right behind the vocabulary get their ids by being there; others have to be in it.
  const end = pieces.findLastIndex((_, id) => !added.has(id)) + 1;
  const hasHoles = pieces.some(isPadding);
  const tokens = pieces.map((piece, id) => isPadding(piece, id) ? undefined : piece.text);
  return {
    addedTokens,
    normalizer: rules.normalizer,
    preTokenizer: rules.preTokenizer,
    postProcessor: around(pieces, keys, "gpt2", idOf),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { unkToken: null, fuseUnk: false, byteFallback: false, ignoreMerges: rules.ignoresMerges },
    tokens: hasHoles ? tokens : tokens.slice(0, end),
    merges: readMerges(keys, pieces),
  };
}

function readMerges(keys: Keys, pieces: readonly Piece[]): Merge[] {
  const ids = new Map(pieces.map(({ text }, id) => [text, id]));
  const texts = keys.array("ggml.merges", "string");
  if (texts === undefined) throw keys.error("ggml.merges", "is missing");
  const merges = texts.map((merge, index) => {
    const space = merge.indexOf(" ", 1);
    const [first, second] = [merge.slice(0, space), merge.slice(space + 1)];
    const [left, right, token] = [ids.get(first), ids.get(second), ids.get(first + second)];
    if (space < 0 || left === undefined || right === undefined || token === undefined) {
      throw keys.error(
        "ggml.merges",
        `has ${shown(merge)} at ${index}, which isn't two tokens that make a third`,
      );
    }
    return { left, right, token };
  });
  const repeated = repeatedMerge(merges);
  if (repeated !== undefined) {
    throw keys.error(
      "ggml.merges",
      `has ${shown(texts[repeated]!)} twice, which tokenizers and llama.cpp rank differently`,
    );
  }
  return merges;
}

/** Whether the token of a role is put around a text; llama.cpp's own rules where no key says it. */
function adds(keys: Keys, role: string, kind: string): boolean {
  const byDefault = role === "bos" &&
    (kind === "llama" || preTokenizerOf(keys.string("ggml.pre") ?? "")?.ignoresMerges === true);
  return keys.bool(`ggml.add_${role}_token`) ?? byDefault;
}

/** What puts the tokens around a text, or around both of a pair. */
function around(pieces: readonly Piece[], keys: Keys, kind: string, idOf: IdOf): Component | null {
  const [bos, eos, sep] = ["bos", "eos", "sep"].map((role) => {
    const id = idOf(role);
    const text = pieces[id ?? -1]?.text;
    return id === undefined || text === undefined || !adds(keys, role, kind) ? [] : [{ id, text }];
  });
  const used = [...bos!, ...eos!, ...sep!];
  if (used.length === 0) return null;
  const special = (type_id: number) => ({ text }: { text: string }) => ({
    SpecialToken: { id: text, type_id },
  });
  const one = (id: string, type_id: number, first = bos!) => [
    ...first.map(special(type_id)),
    { Sequence: { id, type_id } },
    ...eos!.map(special(type_id)),
  ];
  return {
    type: "TemplateProcessing",
    single: one("A", 0),
    pair: [...one("A", 0), ...one("B", 1, sep!.length > 0 ? sep : bos)],
    special_tokens: Object.fromEntries(
      used.map(({ id, text }) => [text, { id: text, ids: [id], tokens: [text] }]),
    ),
  };
}

/** The chat template, or a list where there are more. */
function templateOf(keys: Keys): string | readonly object[] | undefined {
  const usual = keys.string("chat_template");
  const more = (keys.array("chat_templates", "string") ?? []).flatMap((name) => {
    const template = keys.string(`chat_template.${name}`);
    return template === undefined ? [] : [{ name, template }];
  });
  if (more.length === 0) return usual;
  return [...usual === undefined ? [] : [{ name: "default", template: usual }], ...more];
}

type ItemsOf<Items extends GgufArray["items"]> = Extract<GgufArray, { readonly items: Items }>["values"];

/** The keys of a tokenizer, of the types that they must have. */
class Keys {
  readonly #metadata: GgufMetadata;
  readonly path: string;

  constructor(metadata: GgufMetadata, path: string) {
    this.#metadata = metadata;
    this.path = path;
  }

  string(key: string): string | undefined {
    const value = this.#metadata.get(`tokenizer.${key}`);
    if (value === undefined) return undefined;
    if (value.type !== "string") throw this.error(key, `is no text, but ${value.type}`);
    return value.value;
  }

  bool(key: string): boolean | undefined {
    const value = this.#metadata.get(`tokenizer.${key}`);
    if (value === undefined) return undefined;
    if (value.type !== "bool") throw this.error(key, `is no bool, but ${value.type}`);
    return value.value;
  }

  /** An id, which must be below a size; llama.cpp passes over one that isn't. */
  id(key: string, size: number): number | undefined {
    const value = this.#metadata.get(`tokenizer.ggml.${key}`);
    if (value === undefined) return undefined;
    if (value.type !== "uint32") throw this.error(`ggml.${key}`, `is no uint32, but ${value.type}`);
    return value.value < size ? value.value : undefined;
  }

  /** The items of a list, as many as there must be. */
  array<Items extends "string" | "int32" | "float32">(
    key: string,
    items: Items,
    length?: number,
  ): ItemsOf<Items> | undefined;
  array(key: string, items: string, length?: number): GgufArray["values"] | undefined {
    const value = this.#metadata.get(`tokenizer.${key}`);
    if (value === undefined) return undefined;
    if (value.type !== "array" || value.items !== items) throw this.error(key, `is no list of ${items}`);
    if (length !== undefined && value.values.length !== length) {
      throw this.error(key, `has ${value.values.length} items, where there are ${length} tokens`);
    }
    return value.values;
  }

  error(key: string, what: string): FormatError {
    return new FormatError(`${this.path}: tokenizer.${key} ${what}`);
  }
}
