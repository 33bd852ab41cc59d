/** Which published architecture some weights have, by their shapes. */

import type { Architecture, ObservedShape } from "./family.ts";
import { kvDim, qDim } from "./model_description.ts";

/** An architecture that weights have, but perhaps for the vocabulary. */
export interface ArchitectureFit {
  readonly architecture: Architecture;
  /** How the vocabulary of the weights compares to the published one. Tokenizers get extended. */
  readonly vocabulary: "same" | "larger" | "smaller";
}

/**
 * The architectures that fit some weights in all but the vocabulary, those with the same vocabulary first and the
 * order of the table kept otherwise.
 *
 * Shapes can't tell all rows apart. `7b` and `llama2_7b`, `13b` and `llama2_13b` differ in the context length
 * alone; `llama3_8b` and `llama3_1_8b`, `llama3_70b` and `llama3_1_70b` in scaled RoPE, too, which no reference
 * `params.json` says ({@linkcode haveSameParams}). `llama2_70b` and `llama3_70b` differ in the vocabulary and in
 * `rope_theta`, so an extended vocabulary leaves them both.
 */
export function fitArchitectures(observed: ObservedShape): ArchitectureFit[] {
  const fits = observed.family.architectures
    .filter((architecture) => fitsAllButVocabulary(architecture, observed))
    .map((architecture) => ({
      architecture,
      vocabulary: compareVocabulary(observed.vocabSize, architecture.vocabSize),
    }));
  return [
    ...fits.filter(({ vocabulary }) => vocabulary === "same"),
    ...fits.filter(({ vocabulary }) => vocabulary !== "same"),
  ];
}

/**
 * The fits that are worth asking about: those with the very vocabulary where there are any, else those that an
 * extended vocabulary explains where there are any, else all.
 */
export function likelyFits(fits: readonly ArchitectureFit[]): readonly ArchitectureFit[] {
  for (const wanted of ["same", "larger"] as const) {
    const likely = fits.filter(({ vocabulary }) => vocabulary === wanted);
    if (likely.length > 0) return likely;
  }
  return fits;
}

/**
 * Whether two architectures give the same reference `params.json`, so that it doesn't matter which of them some
 * weights have as long as the output is in the reference layout.
 */
export function haveSameParams(a: Architecture, b: Architecture): boolean {
  return a.family === b.family && a.dim === b.dim && a.heads === b.heads && a.kvHeads === b.kvHeads &&
    a.multipleOf === b.multipleOf &&
    a.intermediateSize === b.intermediateSize && a.ropeTheta === b.ropeTheta && a.normEps === b.normEps;
}

function fitsAllButVocabulary(architecture: Architecture, observed: ObservedShape): boolean {
  return observed.family.parameters.every(({ names, isPresent }) =>
    (isPresent?.(architecture) ?? true) === observed.kinds.has(names.fairseq2)
  ) && architecture.dim === observed.dim && qDim(architecture) === observed.qDim &&
    kvDim(architecture) === observed.kvDim &&
    hasSize(architecture, "layers", observed.layers) &&
    hasSize(architecture, "intermediateSize", observed.intermediateSize);
}

/** Whether a size is an architecture's: the published one, or that which fairseq2 has for it. */
export function hasSize(
  architecture: Architecture,
  size: "layers" | "intermediateSize",
  value: number,
): boolean {
  return value === architecture[size] || value === architecture.inFairseq2?.[size];
}

function compareVocabulary(observed: number, published: number): ArchitectureFit["vocabulary"] {
  if (observed === published) return "same";
  return observed > published ? "larger" : "smaller";
}
