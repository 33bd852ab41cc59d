/**
 * How llama.cpp names the ways in which texts are cut up before pairs of tokens are merged (`tokenizer.ggml.pre`), and
 * what each stands for (llama.cpp `src/llama-vocab.cpp`, `llm_tokenizer_bpe` and `llama_vocab::impl::load`).
 */

import type { Component, TokenizerJsonParts } from "./tokenizer_json.ts";

/** A way to cut up texts. */
interface PreTokenizer {
  /** What llama.cpp calls it: first the name to write, then those that stand for the same. */
  readonly names: readonly string[];
  /** Regular expressions, each of which cuts up what those before it left; the last one leaves nothing over. */
  readonly patterns: readonly string[];
  /** Whether a piece that is in the vocabulary is taken as it is, whatever the merges would give. */
  readonly ignoresMerges: boolean;
  /** Whether published tokenizers of that kind compose characters first (NFC), which llama.cpp doesn't do. */
  readonly composes?: boolean;
}

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

/** Punctuation with line breaks behind it, line breaks, spaces. */
const REST = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** Contractions, words with a character in front of them, digits, the rest. */
function words(digits: string, contractions = `${CONTRACTIONS}|`): string {
  return String.raw`${contractions}[^\r\n\p{L}\p{N}]?\p{L}+|${digits}|${REST}`;
}

/** GPT-2's (its `encoder.py`), which is that of `ByteLevel` in tokenizers, too. */
const GPT_2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** How LLaMA 3's cuts up texts, and GPT-4's. */
export const LLAMA_3 = words(String.raw`\p{N}{1,3}`);

/** As tiktoken writes LLaMA 3's for GPT-4 (its `openai_public.py`, `cl100k_base`). It matches just the same. */
const GPT_4 = String
  .raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`;

const DIGIT = String.raw`\p{N}`;

const PRE_TOKENIZERS: readonly PreTokenizer[] = [
  {
    names: ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
    patterns: [LLAMA_3],
    ignoresMerges: true,
  },
  { names: ["dbrx", "smaug-bpe"], patterns: [LLAMA_3], ignoresMerges: false },
  {
    names: ["qwen2", "deepseek-r1-qwen", "megrez", "stablelm2"],
    patterns: [words(DIGIT)],
    ignoresMerges: false,
    composes: true,
  },
  {
    names: ["qwen35"],
    patterns: [
      String
        .raw`${CONTRACTIONS}|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    ],
    ignoresMerges: false,
    composes: true,
  },
  {
    names: ["seed-coder"],
    patterns: [
      String
        .raw`${CONTRACTIONS}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+`,
    ],
    ignoresMerges: false,
  },
  { names: ["smollm", "starcoder", "refact", "command-r"], patterns: [DIGIT, GPT_2], ignoresMerges: false },
  { names: ["gpt-2", "phi-2", "jais"], patterns: [GPT_2], ignoresMerges: false },
  { names: ["olmo", "mpt"], patterns: [GPT_2], ignoresMerges: false, composes: true },
];

/** What llama.cpp calls the way in which a `tokenizer.json` cuts up texts; `undefined` if it isn't known. */
export function nameOfPreTokenizer(
  { preTokenizer, normalizer, model }: Pick<TokenizerJsonParts, "preTokenizer" | "normalizer" | "model">,
): string | undefined {
  const patterns = preTokenizer === null ? undefined : patternsOf(preTokenizer);
  if (patterns === undefined) return undefined;
  const alike = PRE_TOKENIZERS.filter((known) =>
    known.ignoresMerges === model.ignoreMerges && known.patterns.join("\n") === patterns.join("\n")
  );
  const composes = normalizer?.type === "NFC";
  return (alike.find((known) => (known.composes ?? false) === composes) ?? alike[0])?.names[0];
}

/** The regular expressions that a byte-level pre-tokenizer cuts up texts with, one after another. */
function patternsOf(component: Component): string[] | undefined {
  const steps = component.type === "Sequence" ? component["pretokenizers"] : [component];
  if (!Array.isArray(steps)) return undefined;
  const patterns: (string | undefined)[] = steps.map((step, index) =>
    patternOf(step, index === steps.length - 1)
  );
  // The last one makes characters of bytes; it may do no more than that.
  if (patterns.at(-1) === "") patterns.pop();
  return patterns.every((pattern) => pattern !== undefined && pattern !== "")
    ? patterns as string[]
    : undefined;
}

function patternOf(step: Component | null, isLast: boolean): string | undefined {
  switch (step?.type) {
    case "Digits":
      return isLast || step["individual_digits"] !== true ? undefined : DIGIT;
    case "Split": {
      const { Regex: pattern } = Object(step["pattern"]) as { Regex?: unknown };
      const { behavior, invert } = step;
      if (isLast || typeof pattern !== "string") return undefined;
      // What matches is a piece; what lies between is one, too, or left out: the same where all of a text matches.
      const leavesNothing = pattern.endsWith(String.raw`|\s+`) && behavior === "Removed" && invert === true;
      if (!leavesNothing && (behavior !== "Isolated" || invert === true)) return undefined;
      return pattern === GPT_4 ? LLAMA_3 : pattern;
    }
    case "ByteLevel":
      if (!isLast || step["add_prefix_space"] === true) return undefined;
      return step["use_regex"] === false ? "" : GPT_2;
    default:
      return undefined;
  }
}

/** What a name of llama.cpp's stands for, in a `tokenizer.json`. */
export interface NamedPreTokenizer {
  /** How a text is split before pairs are merged. */
  readonly preTokenizer: Component;
  /** What is done to a text at first. */
  readonly normalizer: Component | null;
  /** Whether a piece that is in the vocabulary is taken as it is. */
  readonly ignoresMerges: boolean;
}

/** What a name of llama.cpp's stands for; `undefined` if it isn't known. */
export function preTokenizerOf(name: string): NamedPreTokenizer | undefined {
  const known = PRE_TOKENIZERS.find(({ names }) => names.includes(name));
  if (known === undefined) return undefined;
  const isGpt2 = known.patterns.at(-1) === GPT_2;
  const splits = (isGpt2 ? known.patterns.slice(0, -1) : known.patterns).map((pattern): Component =>
    pattern === DIGIT
      ? { type: "Digits", individual_digits: true }
      : { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false }
  );
  const bytes: Component = {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: isGpt2,
  };
  return {
    preTokenizer: splits.length === 0 ? bytes : { type: "Sequence", pretokenizers: [...splits, bytes] },
    normalizer: known.composes ? { type: "NFC" } : null,
    ignoresMerges: known.ignoresMerges,
  };
}
