/**
 * Loads a model's tokenizer whole, as a GGUF file has it: a `tokenizer.model`, or what lies in a Hugging Face directory.
 */

import { isDirectory } from "../bytes/file_system.ts";
import { openSource } from "../bytes/open_source.ts";
import type { SourceFile } from "../bytes/source.ts";
import { join } from "../deps.ts";
import { FormatError, OptionError } from "../error.ts";
import { listDirectory, type Listing } from "../layouts/directory.ts";
import { tokenizerCopies } from "../layouts/huggingface/side_files.ts";
import { familyOf } from "../models/families.ts";
import type { NamedModel } from "../models/token_family.ts";
import { readTokenizerModel } from "./convert_tokenizer.ts";
import { tokenizerKind } from "./detect.ts";
import { MAX_TOKENIZER_BYTES, MAX_TOKENIZER_JSON_BYTES } from "./limits.ts";
import { parseJson, readTokenizerJson } from "./read_tokenizer_json.ts";
import { parseSentencePiece, type Piece } from "./sentencepiece.ts";
import type { TokenizerFacts } from "./tokenizer_facts.ts";
import type { TokenizerJsonParts } from "./tokenizer_json.ts";
import { type Role, type TokenizerSettings, tokenizerSettings } from "./tokenizer_settings.ts";

/** A tokenizer in memory, and what is known of it. */
export interface LoadedTokenizer extends TokenizerFacts {
  /** Where it was found, for messages. */
  readonly path: string;
  /** What its `tokenizer.json` says, or would say. */
  readonly json: TokenizerJsonParts;
  /** The pieces of its SentencePiece model, where it has one. */
  readonly pieces?: readonly Piece[];
  /** What its `tokenizer_config.json` says, where it has one. */
  readonly settings?: TokenizerSettings;
  /** All ids at which generation is to stop, where the tokenizer tells more than one. */
  readonly eosIds?: readonly number[];
  /** The files that were read. */
  readonly sources: readonly SourceFile[];
  /** What a user should be told. */
  readonly notes: readonly string[];
}

/** The largest `tokenizer_config.json` or chat template, in bytes. LLaMA 3's has 55,000; 19 times as many. */
const MAX_SETTINGS_BYTES = 1 << 20;

/** What a message calls the program that reads a GGUF file. */
const READER = "llama.cpp";

/**
 * Loads a tokenizer: a `tokenizer.model`, or a directory that has one or a `tokenizer.json`.
 *
 * @returns `undefined` if it is a directory that holds no tokenizer.
 * @throws {FileError} If it can't be read.
 * @throws {FormatError} If it is damaged, or no tokenizer that is known.
 * @throws {OptionError} If it is of another kind than the model's.
 * @throws {MismatchError} If it has ids that the model has no rows for.
 */
export async function loadTokenizer(
  path: string,
  named: NamedModel,
  isInstruct: boolean,
): Promise<LoadedTokenizer | undefined> {
  if (isDirectory(path)) return await loadDirectory(listDirectory(path), named, isInstruct);
  const reading = new Reading();
  return fromModel(await reading.bytes(path, MAX_TOKENIZER_BYTES), path, named, isInstruct, reading);
}

async function loadDirectory(
  listing: Listing,
  named: NamedModel,
  isInstruct: boolean,
): Promise<LoadedTokenizer | undefined> {
  const { files, notes } = tokenizerCopies(listing);
  const names = new Set(files.map(({ name }) => name));
  const reading = new Reading(notes);
  const at = (name: string) => join(listing.path, name);
  const model = names.has("tokenizer.model")
    ? await reading.bytes(at("tokenizer.model"), MAX_TOKENIZER_BYTES)
    : undefined;
  const settings = names.has("tokenizer_config.json")
    ? tokenizerSettings(
      parseJson(
        await reading.text(at("tokenizer_config.json"), MAX_SETTINGS_BYTES),
        at("tokenizer_config.json"),
      ),
      await templatesIn(listing.path, names, reading),
    )
    : undefined;
  const path = at("tokenizer.json");
  if (!names.has("tokenizer.json")) {
    if (model === undefined) return undefined;
    return fromModel(model, at("tokenizer.model"), named, isInstruct, reading, settings);
  }
  const json = readTokenizerJson(await reading.text(path, MAX_TOKENIZER_JSON_BYTES), path);
  const modelPath = at("tokenizer.model");
  const isSentencePiece = json.model.byteFallback && model !== undefined &&
    tokenizerKind(model, modelPath) === "sentencepiece";
  const idOf = (role: Role) =>
    json.addedTokens.find(({ content }) => content === settings?.roles.get(role))?.id;
  return {
    path: listing.path,
    json,
    ...(isSentencePiece && { pieces: parseSentencePiece(model, modelPath).pieces }),
    ...(settings !== undefined && { settings }),
    ...factsOf(idOf("bos"), idOf("eos"), settings),
    ...reading,
  };
}

/** A `tokenizer.model`, as `--to huggingface` makes files of it. */
function fromModel(
  bytes: Uint8Array,
  path: string,
  named: NamedModel,
  isInstruct: boolean,
  { sources, notes }: Reading,
  found?: TokenizerSettings,
): LoadedTokenizer {
  const { tokens, title } = familyOf(named.model);
  const isSentencePiece = tokenizerKind(bytes, path) === "sentencepiece";
  const version = tokens.tokenizerOf?.(named) ?? (isSentencePiece ? "2" : undefined);
  if (version === undefined) {
    throw new OptionError(
      `${path}: ${named.card ?? title} has no tokenizer.model of LLaMA 3's; name a directory with the ` +
        "tokenizer.json that is published with it",
    );
  }
  const { json, pieces, roles, fields, bosId, eosId, eosIds, notes: said } = readTokenizerModel(bytes, {
    path,
    version,
    instruct: isInstruct,
    contextLength: named.model.maxSeqLen,
    vocabSize: named.model.vocabSize,
    reader: READER,
  });
  const made = tokenizerSettings({ ...roles, ...fields });
  const settings = found ?? { ...made, addedTokens: json.addedTokens };
  const hasTemplate = settings.chatTemplates.size > 0;
  const why = isSentencePiece
    ? "none is known that goes with a SentencePiece model"
    : "a base model has none; --instruct says that it is an instruct model";
  return {
    path,
    json,
    ...(pieces !== undefined && { pieces }),
    settings,
    ...factsOf(bosId, eosId, settings),
    eosIds,
    sources,
    notes: [...notes, ...said, ...hasTemplate ? [] : [`the tokenizer has no chat template: ${why}`]],
  };
}

function factsOf(
  bosId: number | undefined,
  eosId: number | undefined,
  settings: TokenizerSettings | undefined,
): TokenizerFacts {
  return {
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosId }),
    hasChatTemplate: settings !== undefined && settings.chatTemplates.size > 0,
  };
}

/** The chat templates in files of their own: the new kind, else the old one (gguf-py 0.19 `vocab.py`). */
async function templatesIn(
  directory: string,
  names: ReadonlySet<string>,
  reading: Reading,
): Promise<ReadonlyMap<string, string>> {
  const templates = new Map<string, string>();
  const read = (name: string) => reading.text(join(directory, name), MAX_SETTINGS_BYTES);
  if (names.has("chat_template.jinja")) {
    templates.set("default", await read("chat_template.jinja"));
    for (const name of names) {
      const more = /^additional_chat_templates\/(.+)\.jinja$/.exec(name);
      if (more !== null) templates.set(more[1]!, await read(name));
    }
  } else if (names.has("chat_template.json")) {
    const { chat_template: template } = parseJson(
      await read("chat_template.json"),
      join(directory, "chat_template.json"),
    );
    if (typeof template === "string") templates.set("default", template);
  }
  return templates;
}

/** Reads files whole, and keeps which they were. */
class Reading {
  readonly sources: SourceFile[] = [];

  constructor(readonly notes: readonly string[] = []) {}

  async bytes(path: string, maxBytes: number): Promise<Uint8Array> {
    using source = openSource(path);
    if (source.size > maxBytes) {
      throw new FormatError(
        `${path}: has ${source.size} bytes, more than the ${maxBytes} that a tokenizer's file may have`,
      );
    }
    this.sources.push(source.identity);
    return await source.read(0, source.size);
  }

  async text(path: string, maxBytes: number): Promise<string> {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(await this.bytes(path, maxBytes));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new FormatError(`${path}: is no UTF-8; the file is damaged`);
    }
  }
}
