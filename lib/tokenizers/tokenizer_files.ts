/**
 * The files of a model's tokenizer, for Hugging Face: made of a `tokenizer.model`, or carried over from a directory that
 * has them.
 */

import { openSource } from "../bytes/open_source.ts";
import { join } from "../deps.ts";
import { ConfigError } from "../models/config_error.ts";
import { FormatError, OptionError } from "../error.ts";
import type { Listing } from "../layouts/directory.ts";
import { parseJsonFields } from "../layouts/json_fields.ts";
import { holdTokenizer, type SideFiles, tokenizerCopies } from "../layouts/huggingface/side_files.ts";
import { familyOf } from "../models/families.ts";
import type { NamedModel } from "../models/token_family.ts";
import { convertTokenizer } from "./convert_tokenizer.ts";
import { MAX_TOKENIZER_BYTES } from "./limits.ts";
import { type TokenizerFacts, tokenizerFacts } from "./tokenizer_facts.ts";

/** A tokenizer's files, and what is known of it. */
export interface PlannedTokenizer extends SideFiles, TokenizerFacts {
  /** Whether there is a vocabulary among the files, without which they are no tokenizer. */
  readonly hasVocabulary: boolean;
  /** All ids at which generation is to stop, where the tokenizer tells more than one. */
  readonly eosIds?: readonly number[];
}

/**
 * Plans the files of a tokenizer that is converted.
 *
 * @throws {FileError} If it can't be read.
 * @throws {FormatError} If it is no tokenizer of LLaMA's.
 */
export async function convertedTokenizer(
  path: string,
  named: NamedModel,
  isInstruct: boolean,
): Promise<PlannedTokenizer> {
  const { tokens, title } = familyOf(named.model);
  const version = tokens.tokenizerOf?.(named);
  if (version === undefined) {
    throw new OptionError(
      `${path}: ${
        named.card ?? title
      } has no tokenizer.model of LLaMA's; name a directory with the tokenizer.json that ` +
        "is published with it",
    );
  }
  const { files, bosId, eosId, eosIds, notes } = convertTokenizer(await readTokenizer(path), {
    path,
    version,
    instruct: isInstruct,
    contextLength: named.model.maxSeqLen,
    vocabSize: named.model.vocabSize,
  });
  const isOld = version === "1" || version === "2";
  const hasChatTemplate = isInstruct && !isOld;
  const why = isOld
    ? `transformers' script has none for LLaMA ${version}`
    : "a base model has none; --instruct says that it is an instruct model";
  return {
    files,
    sources: [],
    hasVocabulary: true,
    bosId,
    eosId,
    eosIds,
    hasChatTemplate,
    notes: [...notes, ...hasChatTemplate ? [] : [`the tokenizer has no chat template: ${why}`]],
  };
}

/** The largest tokenizer_config.json that is looked into, in characters. LLaMA 3's has 55,000; 19 times as many. */
const MAX_CONFIG_CHARACTERS = 1 << 20;

/** How much of a tokenizer.json is looked into, in bytes. The added tokens of LLaMA 3 end at 55,000; 19 times as far. */
const MAX_HEAD_BYTES = 1 << 20;

/**
 * Plans copies of the tokenizer's files in a directory.
 *
 * @throws {FormatError} If a file is larger than a tokenizer's can be.
 * @throws {FileError} If a file can't be read.
 */
export async function carriedTokenizer(listing: Listing): Promise<PlannedTokenizer> {
  const copies = tokenizerCopies(listing);
  const names = copies.files.map(({ name }) => name);
  const notes = [...copies.notes];
  const read = async (name: string) =>
    names.includes(name) ? await readHead(join(listing.path, name), MAX_HEAD_BYTES) : "";
  let config: ReadonlyMap<string, unknown> = new Map();
  if (names.includes("tokenizer_config.json")) {
    const path = join(listing.path, "tokenizer_config.json");
    try {
      config = parseJsonFields(await read("tokenizer_config.json"), path, MAX_CONFIG_CHARACTERS).values;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      notes.push(
        `${error.message}; it goes along all the same, and its tokens weren't compared with config.json's`,
      );
    }
  }
  const facts = tokenizerFacts(config, await read("tokenizer.json"));
  const hasChatTemplate = facts.hasChatTemplate ||
    names.some((name) => name.startsWith("chat_template.") || name.startsWith("additional_chat_templates/"));
  return { ...copies, ...facts, hasVocabulary: holdTokenizer(names), hasChatTemplate, notes };
}

/** The beginning of a text; a character that is cut in two becomes another, which no token has. */
async function readHead(path: string, maxBytes: number): Promise<string> {
  using source = openSource(path);
  return new TextDecoder().decode(await source.read(0, Math.min(source.size, maxBytes)));
}

async function readTokenizer(path: string): Promise<Uint8Array> {
  using source = openSource(path);
  if (source.size > MAX_TOKENIZER_BYTES) {
    throw new FormatError(
      `${path}: has ${source.size} bytes, which no tokenizer of LLaMA's has; name a tokenizer.model`,
    );
  }
  return await source.read(0, source.size);
}
