/**
 * The width of the feed-forward network: Meta's formula, fairseq2's, and the way from a width back to a
 * `ffn_dim_multiplier`.
 *
 * Python's `int()` cuts a float off towards zero and its `/` gives a double, so `Math.trunc` and JavaScript's
 * numbers compute the same, rounding errors included, as long as all stays below 2^53.
 */

/**
 * The width by Meta's formula (llama-models `llama3/model.py` `FeedForward`; transformers 4.46
 * `convert_llama_weights_to_hf.py` `compute_intermediate_size`):
 * `multiple_of · ceil(int(ffn_dim_multiplier · int(8 · dim / 3)) / multiple_of)`.
 */
export function referenceIntermediateSize(dim: number, multipleOf: number, multiplier = 1): number {
  return roundUp(Math.trunc(multiplier * unscaledWidth(dim)), multipleOf);
}

/** How a fairseq2 configuration says the width. */
export interface Fairseq2FfnRule {
  /** `ffn_inner_dim`. Until 0.3 it was the product with the multiplier already. */
  readonly innerDim: number;
  /** `ffn_inner_dim_scale`. */
  readonly innerDimScale: number;
  /** `ffn_inner_dim_multiplier`, from 0.4 on; 1 before. */
  readonly innerDimMultiplier: number;
  /** `ffn_inner_dim_to_multiple` until 0.4, `ffn_inner_dim_multiple_of` from 0.5 on. */
  readonly multipleOf: number;
}

/**
 * The width by fairseq2's rule, which is the same in 0.2 to 0.8.1: `GLUFeedForwardNetwork` scales `inner_dim`,
 * cuts it off and rounds it up, and from 0.4 on `LLaMAFactory.create_ffn` multiplies it and cuts it off before.
 */
export function fairseq2IntermediateSize(rule: Fairseq2FfnRule): number {
  const { innerDim, innerDimScale, innerDimMultiplier, multipleOf } = rule;
  return roundUp(Math.trunc(Math.trunc(innerDim * innerDimMultiplier) * innerDimScale), multipleOf);
}

// A double has at most 17 significant digits; a multiplier has one or two before the point.
const MAX_DECIMALS = 17;
// An interval that holds no number of d - 1 decimals holds at most 9 of d, and with whole numbers the closest
// one is all that matters; the rest is room for rounding at both ends.
const MAX_CANDIDATES = 32;

/**
 * The shortest decimal `ffn_dim_multiplier` with which Meta's formula gives a width: 1, which is the same as
 * none, where it does; else the one with the fewest decimals. Where several are as short, it is the one closest
 * to `width / int(8 · dim / 3)`: the published 1.3 for 70B, where 1.2 gives the same width.
 */
export function shortestMultiplier(dim: number, multipleOf: number, width: number): number | undefined {
  if (referenceIntermediateSize(dim, multipleOf) === width) return 1;
  const base = unscaledWidth(dim);
  if (width <= 0 || width % multipleOf !== 0) return undefined;
  // What is cut off must come out as one of width - multipleOf + 1 … width.
  const target = width / base;
  const low = (width - multipleOf + 1) / base;
  const high = (width + 1) / base;
  for (let decimals = 0; decimals <= MAX_DECIMALS; decimals++) {
    const scale = 10 ** decimals;
    for (const numerator of candidates(low * scale, high * scale, target * scale)) {
      const multiplier = Number(`${numerator}e-${decimals}`);
      if (referenceIntermediateSize(dim, multipleOf, multiplier) === width) return multiplier;
    }
  }
  return undefined;
}

/** The whole numbers from just below `low` to just above `high` that are closest to `target`, closest first. */
function candidates(low: number, high: number, target: number): number[] {
  const first = Math.max(1, Math.floor(low), Math.round(target) - MAX_CANDIDATES / 2);
  const last = Math.min(Math.ceil(high), Math.round(target) + MAX_CANDIDATES / 2);
  const found: number[] = [];
  for (let numerator = first; numerator <= last; numerator++) {
    if (Number.isSafeInteger(numerator)) found.push(numerator);
    else break;
  }
  return found.sort((a, b) => Math.abs(a - target) - Math.abs(b - target));
}

/** `int(2 * hidden_dim / 3)` with `hidden_dim = 4 * dim`. */
function unscaledWidth(dim: number): number {
  return Math.trunc((2 * (4 * dim)) / 3);
}

function roundUp(width: number, multipleOf: number): number {
  return multipleOf * Math.ceil(width / multipleOf);
}
