/** What the families' tables of parameters are made of: their decoders have the same modules in fairseq2. */

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
  /** A number for each row of q. */
  queryRows: (model: ModelShape) => [qDim(model)],
  /** A number for each row of k. */
  keyRows: (model: ModelShape) => [kvDim(model)],
  /** From the heads to the model's dimension. */
  output: (model: ModelShape) => [model.dim, qDim(model)],
  /** Into the feed-forward network. */
  inner: ({ dim, intermediateSize }: ModelShape) => [intermediateSize, dim],
  /** Out of the feed-forward network. */
  outer: ({ dim, intermediateSize }: ModelShape) => [dim, intermediateSize],
} as const;

type Names = readonly [fairseq2: string, huggingface: string, reference?: string, gguf?: string];
type Facts = Pick<ParameterSpec, "shardDim" | "isPaired" | "isPresent">;

/** What llama.cpp calls the modules of a layer, unless a family says otherwise (gguf-py 0.19 `TENSOR_NAMES`). */
const GGUF_NAMES: Readonly<Record<string, string>> = {
  "self_attn_layer_norm": "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "self_attn.output_proj": "attn_output",
  "ffn_layer_norm": "ffn_norm",
  "ffn.gate_proj": "ffn_gate",
  "ffn.inner_proj": "ffn_up",
  "ffn.output_proj": "ffn_down",
};

/** Makes the weights, or the biases, of a module that every layer has. */
function inLayer(what: string) {
  return (
    [fairseq2, huggingface, reference, gguf = GGUF_NAMES[fairseq2]]: Names,
    shape: ParameterSpec["shape"],
    facts: Facts = {},
  ): ParameterSpec => ({
    names: {
      fairseq2: `decoder.layers.{}.${fairseq2}.${what}`,
      huggingface: `model.layers.{}.${huggingface}.${what}`,
      gguf: `blk.{}.${gguf}.${what}`,
      ...(reference !== undefined && { reference: `layers.{}.${reference}.${what}` }),
    },
    shape,
    ...facts,
  });
}

/** The weight of a module that every layer has, by its names in a layer; by default each shard has a copy. */
export const weight = inLayer("weight");

/** The bias of such a module. */
export const bias = inLayer("bias");

/** The embedding, with its name in the reference layout. */
export function embedding(shardDim: ParameterSpec["shardDim"], reference?: string): ParameterSpec {
  const names = {
    fairseq2: EMBEDDING,
    huggingface: "model.embed_tokens.weight",
    gguf: "token_embd.weight",
    reference,
  };
  return { names, shape: shapes.tokens, shardDim };
}

/** The norm behind the layers, with its name in the reference layout. */
export function finalNorm(reference?: string): ParameterSpec {
  const names = {
    fairseq2: "decoder.layer_norm.weight",
    huggingface: "model.norm.weight",
    gguf: "output_norm.weight",
    reference,
  };
  return { names, shape: shapes.norm };
}

/** The output projection, with its name in the reference layout. */
export function projection(reference?: string): ParameterSpec {
  const names = { fairseq2: PROJECTION, huggingface: "lm_head.weight", gguf: "output.weight", reference };
  return { names, shape: shapes.tokens, shardDim: 0 };
}
