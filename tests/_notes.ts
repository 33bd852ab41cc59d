/**
 * What conversions say of scaled RoPE, in which layouts and versions of fairseq2 differ.
 */

import { findArchitecture } from "../lib/models/mod.ts";

/** What is said where it goes into the reference layout: its `high_freq_factor`, and what can be given. */
export function referenceNote(high: number, give = "<model.yaml>", factor = 8): string {
  return `the reference layout's params.json can't say that RoPE is scaled (factor ${factor}, low 1, high ${high}): ` +
    `what reads it has to be told, ckpt with --model ${give}`;
}

/** What is said where a model is named whose files have the form of 0.2 and 0.3. */
export function formNote(name: string): string {
  return "RoPE is taken to be scaled by factor 8, low 1, high 5: the files have the form of fairseq2 0.2 and 0.3, which " +
    `scaled it so whatever the model; 0.4.0, which has the same form, took the published ${
      publishedScaling(name)
    }: ` +
    "if it trained the model, give its model.yaml with --model";
}

/** What is said where a model is named and nothing tells who trained it. */
export function unknownNote(name: string): string {
  return `RoPE is taken to be scaled as published, by ${
    publishedScaling(name)
  }; nothing tells which code trained the ` +
    "model, and fairseq2 0.2 and 0.3 scaled it by factor 8, low 1, high 5 whatever the model: if they did, give its " +
    "model.yaml with --model";
}

function publishedScaling(name: string): string {
  return `factor ${findArchitecture(name).ropeScaling!.factor}, low 1, high 4`;
}
