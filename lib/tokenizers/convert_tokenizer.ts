/** Turns a `tokenizer.model` into what transformers loads. */

import type { Literal, OutputFile } from "../copy/plan.ts";
import { MismatchError, OptionError } from "../error.ts";
import type { Llama3Version, LlamaVersion } from "../models/token_family.ts";
import { type TokenizerKind, tokenizerKind } from "./detect.ts";
import { llama2Tokenizer } from "./llama2_tokenizer.ts";
import { llama3Tokenizer } from "./llama3_tokenizer.ts";
import { parseSentencePiece, type Piece } from "./sentencepiece.ts";
import { SPECIAL_TOKENS } from "./special_tokens.ts";
import { parseTiktoken } from "./tiktoken.ts";
import { type FileContent, tokenizerFiles, type TokenizerWithEnds } from "./tokenizer_config.ts";

/** Whose tokenizer is to be converted. */
export interface TokenizerOptions {
  /** The path of the `tokenizer.model`, for messages. */
  readonly path: string;
  /** The model's version. */
  readonly version: LlamaVersion;
  /** Whether the model was tuned to follow instructions. */
  readonly instruct: boolean;
  /**
   * The positions that the model can attend to; by default, the version's. LLaMA 1 and 2 have no limit noted.
   */
  readonly contextLength?: number;
  /** The rows of the model's embedding, where they are known. */
  readonly vocabSize?: number;
  /** What will read what is made, for messages; transformers by default. */
  readonly reader?: string;
}

/** What a `tokenizer.model` is for transformers. */
export interface ReadTokenizer extends TokenizerWithEnds {
  /** What kind of file it was. */
  readonly kind: TokenizerKind;
  /** The pieces of a SentencePiece model. */
  readonly pieces?: readonly Piece[];
  /** How many ids the tokenizer has. */
  readonly vocabSize: number;
  /** What the user should know, in a sentence each. */
  readonly notes: readonly string[];
}

/** What became of a `tokenizer.model`. */
export interface ConvertedTokenizer
  extends Pick<ReadTokenizer, "kind" | "vocabSize" | "notes" | "bosId" | "eosId" | "eosIds"> {
  /** The files to write, by name. */
  readonly files: readonly OutputFile[];
}

/** By version (transformers 4.46.3 `convert_llama_weights_to_hf.py`, `CONTEXT_LENGTH_FOR_VERSION`). */
const CONTEXT_LENGTHS: Readonly<Record<Llama3Version, number>> = {
  "3": 8192,
  "3.1": 131072,
  "3.2": 131072,
  "3.3": 131072,
};

/** How many ids the published tokenizers have: all models with as many rows have that tokenizer. */
const PUBLISHED_SIZES: Readonly<Record<TokenizerKind, number>> = { tiktoken: 128256, sentencepiece: 32000 };

/** What a user knows each kind by. */
const KIND_NAMES: Readonly<Record<TokenizerKind, string>> = {
  tiktoken: "a tiktoken vocabulary",
  sentencepiece: "a SentencePiece model",
};

/**
 * Plans the files of a tokenizer for transformers. LLaMA 3's tiktoken vocabulary becomes `tokenizer.json`,
 * `tokenizer_config.json` and `special_tokens_map.json`, byte for byte as transformers 4.46.3
 * `convert_llama_weights_to_hf.py` writes them. LLaMA 1 and 2's SentencePiece model is taken along as
 * `tokenizer.model`, byte for byte, with the same three files beside it.
 *
 * All of it is in memory: for LLaMA 3, 17 MB of `tokenizer.json`.
 *
 * @throws {OptionError} If the file is of another kind than the version's, or the context length is no whole
 * number.
 * @throws {FormatError} If the file is damaged, or is no tokenizer of LLaMA's.
 * @throws {MismatchError} If the tokenizer has ids that the model has no rows for, or a model with the
 * published number of rows has another tokenizer.
 */
export function convertTokenizer(bytes: Uint8Array, options: TokenizerOptions): ConvertedTokenizer {
  const { kind, vocabSize, notes, bosId, eosId, eosIds, ...tokenizer } = readTokenizerModel(bytes, options);
  const files = tokenizerFiles(tokenizer);
  if (kind === "sentencepiece") files.set("tokenizer.model", [bytes]);
  return { files: outputFiles(files), kind, vocabSize, bosId, eosId, eosIds, notes };
}

/**
 * Reads a `tokenizer.model`.
 *
 * @throws {OptionError} As `convertTokenizer` does.
 * @throws {FormatError} Likewise.
 * @throws {MismatchError} Likewise.
 */
export function readTokenizerModel(bytes: Uint8Array, options: TokenizerOptions): ReadTokenizer {
  const { path, version, contextLength } = options;
  if (contextLength !== undefined && !(Number.isSafeInteger(contextLength) && contextLength > 0)) {
    throw new OptionError(
      `Cannot write a context length of ${contextLength}: it is no positive whole number`,
    );
  }
  const kind = tokenizerKind(bytes, path);
  if (version === "1" || version === "2") {
    checkKind(kind, "sentencepiece", options);
    return readSentencePiece(bytes, options);
  }
  checkKind(kind, "tiktoken", options);
  return readTiktoken(bytes, version, options);
}

function readTiktoken(bytes: Uint8Array, version: Llama3Version, options: TokenizerOptions): ReadTokenizer {
  const { path, instruct, contextLength = CONTEXT_LENGTHS[version] } = options;
  const tokens = parseTiktoken(bytes, path);
  const vocabSize = tokens.length + SPECIAL_TOKENS;
  const notes = checkSize("tiktoken", vocabSize, options);
  const tokenizer = llama3Tokenizer(tokens, { version, instruct, contextLength }, path);
  return { ...tokenizer, kind: "tiktoken", vocabSize, notes };
}

function readSentencePiece(bytes: Uint8Array, options: TokenizerOptions): ReadTokenizer {
  const { path, reader = "transformers' LLaMA tokenizer" } = options;
  const { pieces, keepsText } = parseSentencePiece(bytes, path);
  const notes = checkSize("sentencepiece", pieces.length, options);
  if (!keepsText) {
    notes.push(
      `the tokenizer changes texts before it cuts them up, which ${reader} doesn't; some texts will have other ids`,
    );
  }
  const symbol = pieces.find(({ type }) => type === "user defined");
  if (symbol !== undefined) {
    notes.push(
      `the tokenizer has symbols of its own, such as ${
        JSON.stringify(symbol.text)
      }, behind which ${reader} adds a ` +
        "space; texts with them will have other ids",
    );
  }
  return { ...llama2Tokenizer(pieces, path), kind: "sentencepiece", pieces, vocabSize: pieces.length, notes };
}

function checkKind(kind: TokenizerKind, expected: TokenizerKind, { path, version }: TokenizerOptions): void {
  if (kind === expected) return;
  throw new OptionError(
    `${path}: it is ${KIND_NAMES[kind]}, where LLaMA ${version} has ${
      KIND_NAMES[expected]
    }; give the model's own`,
  );
}

/** Compares the tokenizer's ids to the rows of the embedding. */
function checkSize(kind: TokenizerKind, size: number, { path, vocabSize }: TokenizerOptions): string[] {
  if (vocabSize === undefined || vocabSize === size) return [];
  if (vocabSize < size || vocabSize === PUBLISHED_SIZES[kind]) {
    throw new MismatchError(
      `${path}: the tokenizer has ${size} ids, the model's vocabulary ${vocabSize}; give the model's own tokenizer`,
    );
  }
  return [
    `the tokenizer has ${size} ids, the model's vocabulary ${vocabSize}: no text gets the ids from ${size} on`,
  ];
}

/** Plans files that are in memory. */
export function outputFiles(files: ReadonlyMap<string, FileContent>): OutputFile[] {
  return [...files].sort(([a], [b]) => a < b ? -1 : 1).map(([name, content]) => outputFile(name, content));
}

function outputFile(name: string, content: FileContent): OutputFile {
  const literals: Literal[] = [];
  let size = 0;
  for (const bytes of content) {
    literals.push({ at: size, bytes });
    size += bytes.length;
  }
  return { name, size, tensors: [], copies: [], literals };
}
