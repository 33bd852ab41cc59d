/**
 * The parameters of a LLaMA model.
 *
 * The names are those of fairseq2's maps (0.3.0 `models/llama/integ.py` and `loader.py`, 0.8.1
 * `models/llama/interop.py`), which has the same ones in both directions. What is split is as in 0.3.0's
 * `shard_transformer_decoder_model` and 0.8.1's `get_llama_shard_specs`. The order is that of fairseq2's state dicts, the
 * same from 0.3.0 to 0.8.1.
 */

import { embedding, finalNorm, projection, shapes, weight } from "../decoder_parameters.ts";
import type { ParameterSpec } from "../family.ts";

const { norm, queries, keys, output, inner, outer } = shapes;

/** All kinds of parameters. */
export const llamaParameters: readonly ParameterSpec[] = [
  embedding("embedding", "tok_embeddings.weight"),
  weight(["self_attn_layer_norm", "input_layernorm", "attention_norm"], norm),
  weight(["self_attn.q_proj", "self_attn.q_proj", "attention.wq"], queries, { shardDim: 0, isPaired: true }),
  weight(["self_attn.k_proj", "self_attn.k_proj", "attention.wk"], keys, { shardDim: 0, isPaired: true }),
  weight(["self_attn.v_proj", "self_attn.v_proj", "attention.wv"], keys, { shardDim: 0 }),
  weight(["self_attn.output_proj", "self_attn.o_proj", "attention.wo"], output, { shardDim: 1 }),
  weight(["ffn_layer_norm", "post_attention_layernorm", "ffn_norm"], norm),
  weight(["ffn.gate_proj", "mlp.gate_proj", "feed_forward.w1"], inner, { shardDim: 0 }),
  weight(["ffn.inner_proj", "mlp.up_proj", "feed_forward.w3"], inner, { shardDim: 0 }),
  weight(["ffn.output_proj", "mlp.down_proj", "feed_forward.w2"], outer, { shardDim: 1 }),
  finalNorm("norm.weight"),
  projection("output.weight"),
];
