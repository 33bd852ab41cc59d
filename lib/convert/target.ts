/** What can be written: the layouts, as `--to` and `--from` name them, and the options that go with each. */

import { type CastType, castTypes } from "../bytes/view.ts";
import { OptionError } from "../error.ts";
import { MAX_SHARDS } from "../models/limits.ts";
import { flag, oneOf, type Rules, text, wholeNumber } from "../options.ts";

/** The layouts that can be written. */
export const targets = ["reference", "meta", "huggingface", "fairseq2"] as const;

/** A layout that can be written. All can be read as well, where `"reference"` and `"meta"` are one. */
export type Target = typeof targets[number];

/** What is written where nothing is said. */
export const DEFAULT_TARGET: Target = "reference";

/** What is to be written. */
export interface OutputOptions {
  /** The layout; `"reference"` by default. */
  readonly to?: Target;
  /**
   * The number of tensor-parallel shards; by default those of the input. Hugging Face's layout has none, nor has
   * Mistral's reference layout.
   */
  readonly shards?: number;
  /** The dtype to convert the weights to; their own by default. */
  readonly dtype?: CastType;
  /** The bytes of a safetensors file's tensors at most, for Hugging Face; 5 GB by default. */
  readonly maxShardSize?: number;
  /**
   * The tokenizer, for Hugging Face: the path of a `tokenizer.model` to convert, or of a directory that has one of
   * Hugging Face's. Without it the input's goes along, where that is Hugging Face's, too; `false` leaves it.
   */
  readonly tokenizer?: string | false;
  /** Whether the model is an instruct one, where its name doesn't say so: it stops at the end of a turn. */
  readonly instruct?: boolean;
  /** Which of fairseq2's layouts: `"legacy"` (0.2 to 0.4), the default, or `"native"` (0.5 and later). */
  readonly layout?: "legacy" | "native";
}

/** What the options may be. */
export const outputRules: Rules<OutputOptions> = {
  to: oneOf(targets),
  shards: wholeNumber(1, MAX_SHARDS),
  dtype: oneOf(castTypes),
  maxShardSize: wholeNumber(1),
  tokenizer: { what: `${text.what}, or false`, allows: (value) => value === false || text.allows(value) },
  instruct: flag,
  layout: oneOf(["legacy", "native"]),
};

/** The options that only some layouts have, by what they are called on the command line. */
const optionNames = {
  shards: "--shards",
  maxShardSize: "--max-shard-size",
  tokenizer: "--tokenizer",
  instruct: "--instruct",
  layout: "--layout",
} as const;

/** What a conversion has to know of a layout before its files are planned. */
interface TargetFacts {
  /** The options that it has, of those that only some have. */
  readonly options: readonly (keyof typeof optionNames)[];
  /** Whether it has tied matrices once, or says that they are. */
  readonly saysTied?: boolean;
  /** Where it says what the model computes. Those without such a file only carry the weights on, under other names. */
  readonly computedBy?: string;
}

/** What there is to know of each layout. */
export const targetFacts: Readonly<Record<Target, TargetFacts>> = {
  reference: { options: ["shards"] },
  meta: { options: ["shards"], computedBy: "params.json" },
  huggingface: {
    options: ["maxShardSize", "tokenizer", "instruct"],
    saysTied: true,
    computedBy: "config.json",
  },
  fairseq2: { options: ["shards", "instruct", "layout"], saysTied: true },
};

/**
 * Checks that options go with the layout.
 *
 * @throws {OptionError} If one doesn't.
 */
export function checkOutputOptions(options: OutputOptions): void {
  const { to = DEFAULT_TARGET } = options;
  for (const name of Object.keys(optionNames) as (keyof typeof optionNames)[]) {
    const having = targets.filter((target) => targetFacts[target].options.includes(name));
    // What is false asks for nothing.
    if ((options[name] ?? false) === false || having.includes(to)) continue;
    throw new OptionError(
      `The ${to} layout has no ${optionNames[name]}; it goes with ${having.join(", ")}`,
    );
  }
}
