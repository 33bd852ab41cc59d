/**
 * The keys of a GGUF file that say what its tokenizer is, as llama.cpp's converter writes them for a Hugging Face
 * directory (llama.cpp `conversion/base.py` and `conversion/llama.py`, gguf-py 0.19 `vocab.py`).
 */

import { FormatError, MismatchError, OptionError } from "../error.ts";
import type { GgufMetadata, GgufValue } from "../gguf/value.ts";
import { KeyGuard } from "../key_guard.ts";
import type { SpecialTokens } from "../models/model_description.ts";
import type { LoadedTokenizer } from "./load_tokenizer.ts";
import { nameOfPreTokenizer } from "./pre_tokenizers.ts";
import type { PieceType } from "./sentencepiece.ts";
import { SPACE, spacePrefix } from "./space_prefix.ts";
import { surroundings } from "./surroundings.ts";
import type { AddedToken, TokenizerJsonParts } from "./tokenizer_json.ts";
import { ROLES, type TokenizerSettings } from "./tokenizer_settings.ts";

/** What a token is there for (gguf-py 0.19 `constants.py`, `TokenType`). */
export const TOKEN_TYPES = {
  normal: 1,
  unknown: 2,
  control: 3,
  "user defined": 4,
  unused: 5,
  byte: 6,
} as const satisfies Readonly<Record<PieceType, number>>;

/** The keys of special tokens by role; `eot` ends a turn. llama.cpp has no key for `cls`. */
export const ROLE_KEYS: Readonly<Record<string, string>> = {
  bos: "bos_token_id",
  eos: "eos_token_id",
  unk: "unknown_token_id",
  sep: "seperator_token_id",
  pad: "padding_token_id",
  mask: "mask_token_id",
  eot: "eot_token_id",
};

/** The roles of tokens of which a key says whether they are put around a text. */
const ADDED_ROLES: readonly string[] = ["bos", "eos", "sep"];

/** Scores of tokens that no merge makes, and of ids that have no token. */
const ADDED_SCORE = -1000;
const UNUSED_SCORE = -10000;

/** The ids of CodeLlama's vocabulary and its token that ends infilling, which `config.json` doesn't tell. */
const CODE_LLAMA = { vocabSize: 32016, eotId: 32010 };

/** The vocabulary of SmolLM and of Granite's small models, for which the converter turns the first token off. */
const NO_BOS_VOCAB_SIZE = 49152;

/** The token that llama.cpp takes for the end of a text where no key says which it is. */
const FALLBACK_EOS_ID = 11;

/** What a tokenizer is put into a GGUF file for. */
export interface GgufTokenizerOptions {
  /** The model's architecture in llama.cpp: `llama`, `qwen2` and so on. */
  readonly architecture: string;
  /** The rows of the model's embedding. */
  readonly vocabSize: number;
  /** The special tokens that `config.json` would name: they count where the tokenizer names none. */
  readonly tokens?: SpecialTokens;
  /** What llama.cpp calls the way in which texts are cut up; by default, it is found by the tokenizer's own rules. */
  readonly pre?: string;
}

/** The keys of a tokenizer. */
export interface GgufTokenizer {
  /** The keys, in the order of llama.cpp's converter. */
  readonly metadata: GgufMetadata;
  /** What a user should be told. */
  readonly notes: readonly string[];
}

/**
 * Makes the keys of a tokenizer.
 *
 * @throws {OptionError} If llama.cpp has no name for its rules, or one is given where it has no use for it.
 * @throws {FormatError} If two ids have one text, or there are no merges, which llama.cpp refuses, or a chat template
 * can't be written.
 * @throws {MismatchError} If it has ids that the model has no rows for.
 */
export function ggufTokenizer(tokenizer: LoadedTokenizer, options: GgufTokenizerOptions): GgufTokenizer {
  const { json, path } = tokenizer;
  const { architecture, vocabSize } = options;
  const isLlama = architecture === "llama";
  const notes: string[] = [];
  const keys = new Map<string, GgufValue>();
  const set = (key: string, value: GgufValue) => keys.set(`tokenizer.${key}`, value);
  const isBytePairs = !json.model.byteFallback;
  const prefix = isBytePairs
    ? isLlama ? tokenizer.settings?.addsPrefixSpace : undefined
    : spacePrefix(tokenizer, notes);
  if (prefix !== undefined) set("ggml.add_space_prefix", { type: "bool", value: prefix });
  if (!isBytePairs && options.pre !== undefined) {
    throw new OptionError(
      `${path}: is SentencePiece's tokenizer, for which llama.cpp has no --tokenizer-pre; leave it out`,
    );
  }
  const vocabulary = new Vocabulary(vocabSize, path);
  set("ggml.model", { type: "string", value: isBytePairs ? "gpt2" : "llama" });
  set("ggml.pre", {
    type: "string",
    value: isBytePairs ? options.pre ?? preOf(json, path, notes) : "default",
  });
  if (isBytePairs) fillFromJson(vocabulary, tokenizer);
  else fillFromPieces(vocabulary, tokenizer);
  const { tokens, scores, types } = vocabulary.finished();
  set("ggml.tokens", { type: "array", items: "string", values: tokens });
  if (!isBytePairs) set("ggml.scores", { type: "array", items: "float32", values: scores });
  set("ggml.token_type", { type: "array", items: "int32", values: types });
  if (isBytePairs) {
    const texts = json.tokens.map((text) => text?.replaceAll(" ", "Ġ"));
    const values = json.merges.map(({ left, right }) => `${texts[left]} ${texts[right]}`);
    if (values.length === 0) throw new FormatError(`${path}: has no merges, which llama.cpp refuses`);
    set("ggml.merges", { type: "array", items: "string", values });
  }
  const special = specialTokens(tokenizer, options);
  if (isLlama && vocabSize === CODE_LLAMA.vocabSize) special.ids.set("eot", CODE_LLAMA.eotId);
  for (const [role, value] of special.ids) {
    const key = ROLE_KEYS[role];
    if (key !== undefined && value < vocabSize) set(`ggml.${key}`, { type: "uint32", value });
  }
  for (const [role, value] of special.adds) {
    if (ADDED_ROLES.includes(role)) set(`ggml.add_${role}_token`, { type: "bool", value });
  }
  setTemplates(set, tokenizer.settings, path);
  if (isLlama && vocabSize === NO_BOS_VOCAB_SIZE) set("ggml.add_bos_token", { type: "bool", value: false });
  const looking = json.addedTokens.find(({ looksAround }) => looksAround);
  if (looking !== undefined) {
    notes.push(
      `the added token ${
        JSON.stringify(looking.content)
      } takes spaces beside it along (lstrip, rstrip) or stands alone ` +
        "(single_word), which llama.cpp doesn't know of; texts with it will have other ids",
    );
  }
  if (isBytePairs && !special.ids.has("eos")) {
    notes.push(
      `no file says which token ends a text; llama.cpp then takes ${FALLBACK_EOS_ID}, so that generation may stop early`,
    );
  }
  return { metadata: keys, notes };
}

/** The name of a byte-level tokenizer's rules, or an error that offers to name them. */
function preOf(json: TokenizerJsonParts, path: string, notes: string[]): string {
  const { normalizer } = json;
  const name = nameOfPreTokenizer(json);
  if (name === undefined) {
    throw new OptionError(
      `${path}: how its pre_tokenizer cuts up texts has no name that ckpt knows of llama.cpp's; give it with ` +
        "--tokenizer-pre",
    );
  }
  if (normalizer?.type === "NFC") {
    notes.push(
      "the tokenizer composes characters (NFC) before it cuts up a text, which llama.cpp doesn't; texts with " +
        "decomposed ones will have other ids",
    );
  } else if (normalizer !== null) {
    throw new OptionError(
      `${path}: its normalizer ${normalizer.type} changes texts, which llama.cpp can't do; give --tokenizer-pre ${name} ` +
        "if that may be",
    );
  }
  return name;
}

/** A vocabulary that is filled by id; ids that stay without a token are unused. */
class Vocabulary {
  readonly #tokens: string[];
  readonly #scores: Float32Array;
  readonly #types: Int32Array;
  readonly #path: string;

  constructor(size: number, path: string) {
    this.#tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
    this.#scores = new Float32Array(size).fill(UNUSED_SCORE);
    this.#types = new Int32Array(size).fill(TOKEN_TYPES.unused);
    this.#path = path;
  }

  set(id: number, text: string, type: PieceType, score: number): void {
    if (id >= this.#tokens.length) {
      throw new MismatchError(
        `${this.#path}: the tokenizer has the token ${id}, the model a vocabulary of ${this.#tokens.length}; give the ` +
          "model's own",
      );
    }
    this.#tokens[id] = text;
    this.#types[id] = TOKEN_TYPES[type];
    this.#scores[id] = score;
  }

  setAdded({ id, content, special }: AddedToken): void {
    const isControl = special || looksSpecial(content);
    const text = isControl ? content : content.replaceAll(SPACE, " ");
    this.set(id, text, isControl ? "control" : "user defined", ADDED_SCORE);
  }

  finished(): { tokens: readonly string[]; scores: Float32Array; types: Int32Array } {
    const ids = new Map<string, number>();
    const guard = new KeyGuard();
    for (const [id, text] of this.#tokens.entries()) {
      if (!guard.allows(ids, text)) throw new FormatError(`${this.#path}: too many tokens have one hash`);
      const known = ids.get(text);
      if (known !== undefined) {
        throw new FormatError(
          `${this.#path}: the tokens ${known} and ${id} are both ${
            JSON.stringify(text)
          }, which llama.cpp refuses`,
        );
      }
      ids.set(text, id);
    }
    return { tokens: this.#tokens, scores: this.#scores, types: this.#types };
  }
}

/** Added tokens that are taken for special ones, whatever is said of them (`does_token_look_special`). */
function looksSpecial(text: string): boolean {
  return ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].includes(text) ||
    text.startsWith("<|") && text.endsWith("|>") ||
    text.startsWith("<｜") && text.endsWith("｜>") ||
    text.startsWith("<unused") && text.endsWith(">");
}

/** A byte-level vocabulary (`get_vocab_base`). */
function fillFromJson(vocabulary: Vocabulary, { json, settings }: LoadedTokenizer): void {
  for (const [id, text] of json.tokens.entries()) {
    if (text !== undefined) vocabulary.set(id, text, "normal", 0);
  }
  const special = new Set(settings?.roles.values());
  const added = new Map(settings?.addedTokens.map((token) => [token.id, token]));
  for (const token of json.addedTokens) added.set(token.id, token);
  for (const token of added.values()) {
    vocabulary.setAdded({ ...token, special: token.special || special.has(token.content) });
  }
}

/** SentencePiece's vocabulary (`_create_vocab_sentencepiece`), or one that was made of it (`_set_vocab_llama_hf`). */
function fillFromPieces(vocabulary: Vocabulary, { json, pieces, settings }: LoadedTokenizer): void {
  if (pieces === undefined) {
    const scores = scoresOf(json);
    for (const [id, text] of json.tokens.entries()) {
      if (text === undefined) continue;
      const type = /^<0x[0-9A-F]{2}>$/.test(text) ? "byte" : "normal";
      vocabulary.set(id, text, type, scores[id]!);
    }
  }
  for (const [id, { text, type, score }] of pieces?.entries() ?? []) {
    // Only four of the types are told apart there.
    vocabulary.set(id, text, type === "user defined" ? "normal" : type, score);
  }
  const added = pieces === undefined ? json.addedTokens : settings?.addedTokens ?? [];
  for (const token of added) vocabulary.setAdded(token);
}

/**
 * Scores by which SentencePiece merges as the merges say: the higher, the earlier a token is made. The converter gives
 * all tokens one score there, by which llama.cpp merges from left to right, to other ids.
 */
function scoresOf({ tokens, merges }: TokenizerJsonParts): Float32Array {
  const scores = new Float32Array(tokens.length).fill(ADDED_SCORE);
  const made = new Set<number>();
  for (const { token } of merges) {
    if (made.has(token)) continue;
    scores[token] = -made.size;
    made.add(token);
  }
  return scores;
}

/** The ids of special tokens by role, and whether they are put around a text, in the order of the keys. */
function specialTokens(
  { json, settings }: LoadedTokenizer,
  { tokens = {} }: GgufTokenizerOptions,
): { ids: Map<string, number>; adds: Map<string, boolean> } {
  const { roles, adds } = surroundings(json.postProcessor, settings?.roles ?? new Map());
  const ids = new Map<string, number>();
  if (settings !== undefined) {
    for (const role of [...ROLES, "eot"] as const) {
      const isAdded = role === "eot" ? undefined : settings.adds.get(role);
      if (isAdded !== undefined && !adds.has(role)) adds.set(role, isAdded);
      const text = roles.get(role);
      const id = text === undefined
        ? undefined
        : json.addedTokens.find(({ content }) => content === text)?.id;
      if (id !== undefined) ids.set(role, id);
    }
  }
  const eosId = tokens.eosIds?.length === 1 ? tokens.eosIds[0] : undefined;
  for (const [role, id] of [["bos", tokens.bosId], ["eos", eosId], ["pad", tokens.padId]] as const) {
    if (id !== undefined && !ids.has(role)) ids.set(role, id);
  }
  return { ids, adds };
}

/** The chat templates: named ones each have a key, and there is a list of the names. */
function setTemplates(
  set: (key: string, value: GgufValue) => void,
  settings: TokenizerSettings | undefined,
  path: string,
): void {
  const names: string[] = [];
  for (const [given, value] of settings?.chatTemplates ?? []) {
    if (!value.isWellFormed()) throw new FormatError(`${path}: a chat template has half a character`);
    const name = given.replaceAll(/[^A-Za-z0-9]/g, "_");
    if (name === "" || name === "default") continue;
    if (names.includes(name)) {
      throw new FormatError(`${path}: two chat templates would be ${name} in a GGUF file; rename one`);
    }
    names.push(name);
    set(`chat_template.${name}`, { type: "string", value });
  }
  if (names.length > 0) set("chat_templates", { type: "array", items: "string", values: names });
  const value = settings?.chatTemplates.get("default");
  if (value !== undefined) set("chat_template", { type: "string", value });
}
