/** What there is to know of a model besides its weights: sizes, and the numbers that its code needs. */

/** Scaled RoPE, as LLaMA 3.1 and later have it. The frequencies are stretched from one context length to another. */
export interface RopeScaling {
  /** How much the lowest frequencies are slowed down. */
  readonly factor: number;
  /** Frequencies with fewer turns in the original context than this are slowed down by the whole factor. */
  readonly lowFreqFactor: number;
  /** Frequencies with more turns in the original context than this stay as they are. */
  readonly highFreqFactor: number;
  /** The context length that the frequencies were made for, in tokens. */
  readonly originalContextLength: number;
}

/**
 * RoPE scaled by YaRN ("yet another RoPE extension", arXiv 2309.00071), as OLMo 3 has it: low frequencies are stretched,
 * high ones stay, and attention is scaled along.
 */
export interface YarnScaling {
  /** How much longer the context is than the one that the frequencies were made for. */
  readonly factor: number;
  /** The context length that the frequencies were made for, in tokens. */
  readonly originalContextLength: number;
  /** Frequencies with more turns in the original context than this stay as they are. */
  readonly betaFast: number;
  /** Frequencies with fewer turns in the original context than this are slowed down by the whole factor. */
  readonly betaSlow: number;
  /** How much attention is scaled along. */
  readonly mscale: number;
  /** What that is divided by; 0 for nothing. */
  readonly mscaleAllDim: number;
  /** Whether the bounds between the frequencies are rounded to whole dimensions. */
  readonly truncate: boolean;
}

/** Whether two models scale RoPE alike: by the same numbers, or both not at all. */
export function isSameScaling(a: RopeScaling | undefined, b: RopeScaling | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.factor === b.factor && a.lowFreqFactor === b.lowFreqFactor &&
    a.highFreqFactor === b.highFreqFactor && a.originalContextLength === b.originalContextLength;
}

/** How RoPE is scaled, for a message. */
export function describeScaling({ factor, lowFreqFactor, highFreqFactor }: RopeScaling): string {
  return `factor ${factor}, low ${lowFreqFactor}, high ${highFreqFactor}`;
}

/** The sizes that decide the shapes of all parameters. */
export interface ModelShape {
  /** The model's dimension. */
  readonly dim: number;
  /** The number of layers. */
  readonly layers: number;
  /** The number of attention heads. */
  readonly heads: number;
  /** The number of key and value heads. */
  readonly kvHeads: number;
  /** The rows of a head in q, k and v. */
  readonly headDim: number;
  /** The inner width of the feed-forward network, as it really is. */
  readonly intermediateSize: number;
  /** The rows of the embedding and of the output projection. */
  readonly vocabSize: number;
}

/** Tokens of a vocabulary that have a role of their own, where they are known. */
export interface SpecialTokens {
  /** The token that begins a sequence. */
  readonly bosId?: number;
  /** The tokens that end a sequence, never none: generation stops at each of them. */
  readonly eosIds?: readonly number[];
  /** The token that pads a sequence. */
  readonly padId?: number;
}

/** The sizes of a model, and all else that a configuration file of any layout says of it. */
export interface ModelDescription extends ModelShape, SpecialTokens {
  /** The name of its family. */
  readonly family: string;
  /** Whether q, k and v have biases, where the family leaves that open. */
  readonly qkvBias?: boolean;
  /** Whether q goes through a norm of its own, where the family leaves that open. */
  readonly qNorm?: boolean;
  /** The same for k. */
  readonly kNorm?: boolean;
  /** What the feed-forward width is rounded up to a multiple of; 1 where configurations state it as it is. */
  readonly multipleOf: number;
  /** The base of the rotary frequencies. */
  readonly ropeTheta: number;
  /** RoPE scaled as in LLaMA 3.1, where the model has it. */
  readonly ropeScaling?: RopeScaling;
  /** RoPE scaled by YaRN, where the model has it: in all layers. */
  readonly yarn?: YarnScaling;
  /** How many tokens back a token sees, itself included, where layers have a window. */
  readonly slidingWindow?: number;
  /** Which layers have the window; all have it by default, unless the family has a rule of its own. */
  readonly layerTypes?: readonly ("sliding" | "full")[];
  /** The epsilon of the RMS norms. */
  readonly normEps: number;
  /** The longest sequence, in tokens. */
  readonly maxSeqLen: number;
  /** The dimension along which tensor parallelism splits the embedding: 0 by rows, 1 by columns. */
  readonly embeddingShardDim: 0 | 1;
  /** Whether the embedding and the output projection are one matrix. */
  readonly tied: boolean;
}

/** The rows of q. */
export function qDim({ heads, headDim }: Pick<ModelShape, "heads" | "headDim">): number {
  return heads * headDim;
}

/** The rows of k and of v. */
export function kvDim({ kvHeads, headDim }: Pick<ModelShape, "kvHeads" | "headDim">): number {
  return kvHeads * headDim;
}

/**
 * What is wrong with the heads of a model, or `undefined`. Attention needs heads that divide the dimension, unless a
 * head has a size of its own; heads of equal pairs (RoPE turns pairs); and queries that divide among the key and value
 * heads (fairseq2's `StandardMultiheadAttention`, Meta's `ModelArgs`).
 */
export function headsProblem(
  { dim, heads, kvHeads, headDim }: Pick<ModelShape, "dim" | "heads" | "kvHeads"> & { headDim?: number },
): { readonly field: "heads" | "kvHeads" | "headDim"; readonly problem: string } | undefined {
  if (headDim === undefined && dim % heads !== 0) {
    return { field: "heads", problem: `${heads} heads don't divide a dimension of ${dim}` };
  }
  const rows = headDim ?? dim / heads;
  if (rows % 2 !== 0) {
    const field = headDim === undefined ? "heads" : "headDim";
    return { field, problem: `heads of ${rows} rows are odd, and RoPE needs pairs` };
  }
  if (heads % kvHeads !== 0) {
    return { field: "kvHeads", problem: `${kvHeads} key and value heads don't divide ${heads} heads` };
  }
  return undefined;
}
