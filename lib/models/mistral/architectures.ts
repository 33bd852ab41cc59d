/**
 * The published Mistral architecture that fairseq2 has.
 *
 * @module
 */

import type { Architecture } from "../family.ts";
import { MISTRAL_TOKENS } from "./tokens.ts";

/** The base of the rotary frequencies in fairseq2, which no configuration of its says (`RotaryEncoder`, 0.2 to 0.8.1). */
export const ROPE_THETA = 10000;

/** The epsilon of the norms in fairseq2, which no configuration of its says (`RMSNorm`, 0.2 to 0.8.1). */
export const NORM_EPS = 1e-5;

/**
 * Mistral 7B, v0.1. Names and sizes are fairseq2's (0.3.0 `models/mistral/factory.py`, 0.8.1 `models/mistral/config.py`,
 * and `assets/cards/models/mistral.yaml`), which calls it `7b`, as it does a LLaMA.
 */
export const mistralArchitectures: readonly Architecture[] = Object.freeze([
  Object.freeze({
    family: "mistral",
    name: "mistral_7b",
    alias: "7b",
    cards: Object.freeze(["mistral_7b", "mistral_7b_instruct"]),
    dim: 4096,
    layers: 32,
    heads: 32,
    kvHeads: 8,
    headDim: 128,
    intermediateSize: 14336,
    vocabSize: 32000,
    multipleOf: 1,
    ropeTheta: ROPE_THETA,
    slidingWindow: 4096,
    normEps: NORM_EPS,
    maxSeqLen: 8192,
    embeddingShardDim: 0,
    tied: false,
    ...MISTRAL_TOKENS,
  }),
]);
