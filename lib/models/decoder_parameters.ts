/**
 * What the families' tables of parameters are made of: their decoders have the same modules in fairseq2.
 *
 * @module
 */

import { EMBEDDING, type ParameterSpec, PROJECTION } from "./family.ts";
import { kvDim, type ModelShape, qDim } from "./model_description.ts";

/** The shapes that parameters have. */
export const shapes = {
  /** A row for each token. */
  tokens: ({ dim, vocabSize }: ModelShape) => [vocabSize, dim],
  /** The weights of a norm over the model's dimension. */
  norm: ({ dim }: ModelShape) => [dim],
  /** From the model's dimension to the heads. */
  queries: (model: ModelShape) => [qDim(model), model.dim],
  /** From the model's dimension to the key and value heads. */
  keys: (model: ModelShape) => [kvDim(model), model.dim],
  /** From the heads to the model's dimension. */
  output: (model: ModelShape) => [model.dim, qDim(model)],
  /** Into the feed-forward network. */
  inner: ({ dim, intermediateSize }: ModelShape) => [intermediateSize, dim],
  /** Out of the feed-forward network. */
  outer: ({ dim, intermediateSize }: ModelShape) => [dim, intermediateSize],
} as const;

/**
 * The weight of a module that every layer has.
 *
 * @param names The module's names in a layer: fairseq2's, Hugging Face's, and that of the reference layout.
 * @param shape The whole shape.
 * @param facts What else there is to know; by default each shard has a copy.
 */
export function weight(
  [fairseq2, huggingface, reference]: readonly [string, string, string?],
  shape: ParameterSpec["shape"],
  facts: Pick<ParameterSpec, "shardDim" | "isPaired" | "isPresent"> = {},
): ParameterSpec {
  return {
    names: {
      fairseq2: `decoder.layers.{}.${fairseq2}.weight`,
      huggingface: `model.layers.{}.${huggingface}.weight`,
      ...(reference !== undefined && { reference: `layers.{}.${reference}.weight` }),
    },
    shape,
    ...facts,
  };
}

/** The embedding, with its name in the reference layout. */
export function embedding(shardDim: ParameterSpec["shardDim"], reference?: string): ParameterSpec {
  return {
    names: { fairseq2: EMBEDDING, huggingface: "model.embed_tokens.weight", reference },
    shape: shapes.tokens,
    shardDim,
  };
}

/** The norm behind the layers, with its name in the reference layout. */
export function finalNorm(reference?: string): ParameterSpec {
  return {
    names: { fairseq2: "decoder.layer_norm.weight", huggingface: "model.norm.weight", reference },
    shape: shapes.norm,
  };
}

/** The output projection, with its name in the reference layout. */
export function projection(reference?: string): ParameterSpec {
  return {
    names: { fairseq2: PROJECTION, huggingface: "lm_head.weight", reference },
    shape: shapes.tokens,
    shardDim: 0,
  };
}
