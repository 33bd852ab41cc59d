/**
 * The files of a model's tokenizer, for Hugging Face.
 *
 * @module
 */

import { FileSource } from "../bytes/source.ts";
import { FormatError, OptionError } from "../error.ts";
import type { PlannedOutput } from "../layouts/planned_output.ts";
import type { ResolvedModel } from "../convert/resolve_model.ts";
import { convertTokenizer, type LlamaVersion } from "./convert_tokenizer.ts";
import { MAX_TOKENIZER_BYTES } from "./limits.ts";

/**
 * Plans the files of a tokenizer.
 *
 * @param path The `tokenizer.model`.
 * @param resolved The model that it belongs to.
 * @returns The files, and what a user should be told.
 * @throws {FileError} If it can't be read.
 * @throws {FormatError} If it is no tokenizer of LLaMA's.
 */
export async function tokenizerFiles(
  path: string,
  { model, architecture, card }: ResolvedModel,
): Promise<PlannedOutput> {
  if (card?.startsWith("r1_distilled")) {
    throw new OptionError(
      `${path}: ${card} has DeepSeek's tokenizer; take the tokenizer.json that is published with it`,
    );
  }
  return convertTokenizer(await readTokenizer(path), {
    path,
    version: versionOf(architecture, card, model.ropeScaling?.factor, model.vocabSize),
    instruct: /_(instruct|chat)$/.test(card ?? ""),
    contextLength: model.maxSeqLen,
    vocabSize: model.vocabSize,
  });
}

/** The version of LLaMA that a model is or was made from: by its name, else by what only that version has. */
function versionOf(
  architecture: string | undefined,
  card: string | undefined,
  scalingFactor: number | undefined,
  vocabSize: number,
): LlamaVersion {
  const name = card ?? architecture ?? "";
  const version = /^llama3_([123])_/.exec(name)?.[1];
  if (version === "1" || version === "2" || version === "3") return `3.${version}`;
  if (/^(r1_distilled_)?llama3_1/.test(name)) return "3.1";
  if (/^llama3_/.test(name)) return "3";
  if (/^llama2_/.test(name)) return "2";
  if (name !== "") return "1";
  if (scalingFactor === 32) return "3.2";
  if (scalingFactor !== undefined) return "3.1";
  // LLaMA 1 and 2 have 32,000 tokens, LLaMA 3 has 128,256; either may have been extended by some.
  return vocabSize < 64000 ? "2" : "3";
}

async function readTokenizer(path: string): Promise<Uint8Array> {
  using source = FileSource.open(path);
  if (source.size > MAX_TOKENIZER_BYTES) {
    throw new FormatError(
      `${path}: has ${source.size} bytes, which no tokenizer of LLaMA's has; name a tokenizer.model`,
    );
  }
  return await source.read(0, source.size);
}
