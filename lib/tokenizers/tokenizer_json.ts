/**
 * `tokenizer.json`, byte for byte as tokenizers 0.20 writes it: first what stands around the model, then the
 * model with its vocabulary and its merges.
 */

import type { Merge } from "./bpe_merges.ts";
import { openJson, TextBuilder } from "./json_text.ts";

/** A token that is found in a text before the model sees it. Its id is that of the vocabulary, or past it. */
export interface AddedToken {
  /** Its id. */
  readonly id: number;
  /** Its text. */
  readonly content: string;
  /** Whether it is left out where special tokens are skipped. */
  readonly special: boolean;
  /** Whether it takes spaces beside it along, or is found as a whole word alone. */
  readonly looksAround?: boolean;
}

/** A part of the pipeline, as tokenizers writes it, with its keys in that order. */
export type Component = { readonly type: string; readonly [key: string]: unknown };

/** What a `tokenizer.json` is made from. */
export interface TokenizerJsonParts {
  /** The added tokens by id. */
  readonly addedTokens: readonly AddedToken[];
  /** What is done to a text at first. */
  readonly normalizer: Component | null;
  /** How a text is split before pairs are merged. */
  readonly preTokenizer: Component | null;
  /** What is put around the ids. */
  readonly postProcessor: Component | null;
  /** How tokens become a text again. */
  readonly decoder: Component | null;
  /** The model's settings where they aren't the usual ones. */
  readonly model: {
    /** The token for what has no other. */
    readonly unkToken: string | null;
    /** Whether several unknown characters in a row are one token. */
    readonly fuseUnk: boolean;
    /** Whether an unknown character is cut into tokens of one byte each. */
    readonly byteFallback: boolean;
    /** Whether a piece that is in the vocabulary is taken as it is, whatever the merges would give. */
    readonly ignoreMerges: boolean;
  };
  /** The vocabulary by id; `undefined` for ids that no token of it has. */
  readonly tokens: readonly (string | undefined)[];
  /** The merges, the first one first. */
  readonly merges: readonly Merge[];
}

/** Prints a `tokenizer.json`. */
export function tokenizerJson(parts: TokenizerJsonParts): readonly Uint8Array[] {
  const { merges, model } = parts;
  const builder = new TextBuilder();
  builder.append(openJson({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: parts.addedTokens.map(({ id, content, special }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special,
    })),
    normalizer: parts.normalizer,
    pre_tokenizer: parts.preTokenizer,
    post_processor: parts.postProcessor,
    decoder: parts.decoder,
  }));
  const settings = openJson({
    type: "BPE",
    dropout: null,
    unk_token: model.unkToken,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: model.fuseUnk,
    byte_fallback: model.byteFallback,
    ignore_merges: model.ignoreMerges,
  }, "  ");
  const quoted = parts.tokens.map((token) => token === undefined ? "" : JSON.stringify(token));
  builder.append(`,\n  "model": ${settings},\n    "vocab": {\n`);
  builder.appendItems(
    quoted.entries().filter(([, token]) => token !== "").map(([id, token]) => `      ${token}: ${id}`),
  );
  builder.append(`\n    },\n    "merges": [`);
  if (merges.length > 0) {
    builder.append("\n");
    builder.appendItems(
      merges.values().map(({ left, right }) =>
        `      [\n        ${quoted[left]},\n        ${quoted[right]}\n      ]`
      ),
    );
    builder.append("\n    ");
  }
  builder.append("]\n  }\n}");
  return builder.toParts();
}

/**
 * Puts the token that a sequence begins with in front of one sequence, or in front of both of a pair, the
 * second one of which has type 1.
 */
export function beginsWith(content: string, id: number): Component {
  const begin = (type_id: number) => ({ SpecialToken: { id: content, type_id } });
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  return {
    type: "TemplateProcessing",
    single: [begin(0), sequence("A", 0)],
    pair: [begin(0), sequence("A", 0), begin(1), sequence("B", 1)],
    special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
  };
}
