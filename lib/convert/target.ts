/**
 * The names of layouts, as `--to` and `--from` have them.
 *
 * @module
 */

/** The layouts that can be written. */
export const targets = ["reference", "meta", "huggingface", "fairseq2"] as const;

/** A layout that can be written. All can be read as well, where `"reference"` and `"meta"` are one. */
export type Target = typeof targets[number];
