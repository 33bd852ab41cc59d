/**
 * Finds the merges of byte-pair encoding that a vocabulary implies. Its file lists tokens alone; tokenizers
 * wants to know which two tokens make a third. Each split of a token into two others counts, since any can
 * come up first.
 */

import { trimMemory } from "../copy/memory.ts";
import { FormatError } from "../error.ts";
import { MAX_MERGED_BYTES, MAX_TOKENS } from "./limits.ts";
import { ByteTrie } from "./trie.ts";

/** Two tokens that make a third, each by its index in the vocabulary. */
export interface Merge {
  /** The first part. */
  readonly left: number;
  /** The second part. */
  readonly right: number;
  /** What they make. */
  readonly token: number;
}

/**
 * All merges of a vocabulary without duplicates, whose tokens have a character for each byte: token by token, and for
 * each by the indices of their parts (transformers 4.46.3 `convert_slow_tokenizer.py`:
 * `TikTokenConverter.extract_vocab_merges_from_model`, and `generate_merges` before it sorts by scores). Looking for the parts takes time in proportion to the tokens' bytes.
 *
 * @throws {FormatError} If there are so many that the file must have been made to have them.
 */
export function recoverMerges(tokens: readonly string[], path: string): Merge[] {
  const { starts, ends } = indexed(tokens);
  const merges: Merge[] = [];
  let bytes = 0;
  for (const [index, token] of tokens.entries()) {
    const splits = splitsOf(token, index, starts, ends);
    bytes += splits.length * token.length;
    if (bytes > MAX_MERGED_BYTES) {
      throw new FormatError(
        `${path}: its merges make more than ${MAX_MERGED_BYTES} bytes; it is no vocabulary of LLaMA's`,
      );
    }
    for (const split of splits) merges.push(split);
  }
  trimMemory();
  return merges;
}

/** Tries of the tokens from their first byte on, and of the tokens from their last byte back. */
function indexed(tokens: readonly string[]): { starts: ByteTrie; ends: ByteTrie } {
  const starts = new ByteTrie();
  const ends = new ByteTrie();
  for (const [index, token] of tokens.entries()) {
    let node = starts.root;
    for (let i = 0; i < token.length; i++) node = starts.childOrNew(node, token.charCodeAt(i));
    starts.setValue(node, index);
    node = ends.root;
    for (let i = token.length - 1; i >= 0; i--) node = ends.childOrNew(node, token.charCodeAt(i));
    ends.setValue(node, index);
  }
  return { starts, ends };
}

function splitsOf(token: string, index: number, starts: ByteTrie, ends: ByteTrie): Merge[] {
  const rights = new Int32Array(token.length);
  let node = ends.root;
  for (let at = token.length - 1; at > 0; at--) {
    node = ends.child(node, token.charCodeAt(at));
    rights[at] = ends.value(node);
  }
  const splits: Merge[] = [];
  node = starts.root;
  for (let at = 1; at < token.length; at++) {
    node = starts.child(node, token.charCodeAt(at - 1));
    const left = starts.value(node);
    const right = rights[at]!;
    if (left >= 0 && right >= 0) splits.push({ left, right, token: index });
  }
  // No two splits of a token have the same first part.
  return splits.length < 2 ? splits : splits.sort((a, b) => a.left - b.left);
}

/**
 * The place of a merge whose parts are merged by an earlier one, too: tokenizers goes by the last of these, llama.cpp by
 * the first. None where all are different.
 */
export function repeatedMerge(merges: readonly Merge[]): number | undefined {
  const pairOf = ({ left, right }: Merge) => left * MAX_TOKENS + right;
  // Sorted, since a file could choose numbers that collide in a set.
  const pairs = Float64Array.from(merges, pairOf).sort();
  const repeated = pairs.find((pair, i) => i > 0 && pair === pairs[i - 1]);
  return repeated === undefined ? undefined : merges.findLastIndex((merge) => pairOf(merge) === repeated);
}
