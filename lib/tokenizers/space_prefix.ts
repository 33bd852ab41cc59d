/** Whether a space is put in front of a text by a tokenizer that was made of a SentencePiece model. */

import { OptionError } from "../error.ts";
import type { LoadedTokenizer } from "./load_tokenizer.ts";
import { fieldsOf } from "./read_tokenizer_json.ts";
import type { Component, TokenizerJsonParts } from "./tokenizer_json.ts";

/** What stands for a space in SentencePiece's vocabularies. */
export const SPACE = "▁";

/**
 * Whether a space is put in front of a text; `undefined` to leave it to llama.cpp, which puts one in front of a text and
 * behind each special token.
 *
 * @param notes Gets what should be known besides.
 * @throws {OptionError} If the tokenizer changes texts as llama.cpp can't.
 */
export function spacePrefix(
  { json, pieces, settings, path }: LoadedTokenizer,
  notes: string[],
): boolean | undefined {
  if (settings?.addsPrefixSpace !== undefined || pieces !== undefined) return settings?.addsPrefixSpace;
  const scheme = schemeOf(json);
  if (scheme === undefined) {
    throw new OptionError(
      `${path}: its normalizer and pre_tokenizer change texts in a way that llama.cpp can't; put the model's ` +
        "tokenizer.model beside tokenizer.json",
    );
  }
  if (scheme === "first") {
    notes.push(
      "the tokenizer puts a space in front of a text alone, llama.cpp behind special tokens, too; texts with them " +
        "will have other ids",
    );
  }
  return scheme === "never" ? false : undefined;
}

/** Where a space is put: `always` is behind special tokens, too. */
function schemeOf(
  { normalizer, preTokenizer }: TokenizerJsonParts,
): "always" | "first" | "never" | undefined {
  const steps: unknown = normalizer?.type === "Sequence" ? normalizer["normalizers"] : [normalizer];
  const normalizers = (Array.isArray(steps) ? steps : []).filter((step) => step !== null).map(fieldsOf);
  const prepends = normalizers[0]?.["type"] === "Prepend" && normalizers[0]["prepend"] === SPACE;
  const [replace, ...more] = prepends ? normalizers.slice(1) : normalizers;
  const replaces = replace?.["type"] === "Replace" && replace["content"] === SPACE &&
    fieldsOf(replace["pattern"])?.["String"] === " ";
  if (more.length > 0 || replace !== undefined && !replaces) return undefined;
  if (preTokenizer === null) return !replaces ? undefined : prepends ? "always" : "never";
  return prepends ? undefined : schemeOfMetaspace(preTokenizer);
}

function schemeOfMetaspace(component: Component): "always" | "first" | "never" | undefined {
  const { type, replacement, prepend_scheme: scheme, split, add_prefix_space: isAdded } = component;
  if (type !== "Metaspace" || replacement !== SPACE || split !== false) return undefined;
  if (scheme === undefined) return isAdded === false ? "never" : "always";
  return scheme === "always" || scheme === "first" || scheme === "never" ? scheme : undefined;
}
