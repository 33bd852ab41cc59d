/** What can be written: the layouts, as `--to` and `--from` name them, and the options that go with each. */

import { type CastType, castTypes, type TargetFormat } from "../bytes/view.ts";
import { OptionError } from "../error.ts";
import { MAX_SHARDS } from "../models/limits.ts";
import { flag, oneOf, type Rules, text, wholeNumber } from "../options.ts";

/** The layouts that can be written. */
export const targets = ["reference", "meta", "huggingface", "fairseq2", "gguf"] as const;

/** A layout that can be written. All can be read as well, where `"reference"` and `"meta"` are one. */
export type Target = typeof targets[number];

/** What is written where nothing is said. */
export const DEFAULT_TARGET: Target = "reference";

/** What is to be written. */
export interface OutputOptions {
  /** The layout; `"reference"` by default. */
  readonly to?: Target;
  /**
   * The number of tensor-parallel shards; by default those of the input. Hugging Face's layout has none, nor have
   * Mistral's reference layout and GGUF.
   */
  readonly shards?: number;
  /** The dtype to convert the weights to; their own by default. GGUF alone has `"q8_0"`, which is for its matrices. */
  readonly dtype?: TargetFormat;
  /** The bytes of a file's tensors at most: 5 GB by default for Hugging Face, all in one file for GGUF. */
  readonly maxShardSize?: number;
  /**
   * The tokenizer, for Hugging Face and GGUF: the path of a `tokenizer.model` to convert, or of a directory that has one
   * of Hugging Face's. Without it the input's goes along, where it has one; `false` leaves it.
   */
  readonly tokenizer?: string | false;
  /** llama.cpp's name for how texts are split before they are tokenized, for GGUF; the tokenizer decides by default. */
  readonly tokenizerPre?: string;
  /** Whether the model is an instruct one, where its name doesn't say so: it stops at the end of a turn. */
  readonly instruct?: boolean;
  /** Whether Hugging Face's layout has a model card, `README.md`. True by default. */
  readonly card?: boolean;
  /** Which of fairseq2's layouts: `"legacy"` (0.2 to 0.4), the default, or `"native"` (0.5 and later). */
  readonly layout?: "legacy" | "native";
}

/** What weights can be converted to. */
export const dtypes: readonly TargetFormat[] = [...castTypes, "q8_0"];

/** fairseq2's layouts: that of 0.2 to 0.4, and that of 0.5 and later. */
export const layouts = ["legacy", "native"] as const;

/** What the options may be. */
export const outputRules: Rules<OutputOptions> = {
  to: oneOf(targets),
  shards: wholeNumber(1, MAX_SHARDS),
  dtype: oneOf(dtypes),
  maxShardSize: wholeNumber(1),
  tokenizer: { what: `${text.what}, or false`, allows: (value) => value === false || text.allows(value) },
  tokenizerPre: text,
  instruct: flag,
  card: flag,
  layout: oneOf(layouts),
};

/** The options that only some layouts have, by what they are called on the command line. */
const optionNames = {
  shards: "--shards",
  maxShardSize: "--max-shard-size",
  tokenizer: "--tokenizer",
  tokenizerPre: "--tokenizer-pre",
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
  gguf: {
    options: ["maxShardSize", "tokenizer", "tokenizerPre", "instruct"],
    saysTied: true,
    computedBy: "a GGUF file",
  },
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
  if (to !== "gguf") plainDtype(options);
}

/**
 * The dtype to convert the weights to, for a layout without quantized ones.
 *
 * @throws {OptionError} If a quantization is asked for.
 */
export function plainDtype({ to = DEFAULT_TARGET, dtype }: OutputOptions): CastType | undefined {
  if (dtype !== "q8_0") return dtype;
  throw new OptionError(`The ${to} layout has no --dtype ${dtype}; it goes with gguf`);
}
