/**
 * The parameters of an OLMo model.
 *
 * The names are those of fairseq2's map (0.8.1 `models/olmo/interop.py`): norms come after the block that they are
 * named for. What is split is what its modules say (`models/olmo/factory.py`): not the norms of q and k. The rows of q
 * and k are in Hugging Face's order already.
 */

import { embedding, finalNorm, projection, shapes, weight } from "../decoder_parameters.ts";
import type { ParameterSpec } from "../family.ts";

const { norm, queries, queryRows, keys, keyRows, output, inner, outer } = shapes;

/** All kinds of parameters. */
export const olmoParameters: readonly ParameterSpec[] = [
  embedding("embedding"),
  weight(["self_attn.q_proj", "self_attn.q_proj"], queries, { shardDim: 0 }),
  weight(["self_attn.k_proj", "self_attn.k_proj"], keys, { shardDim: 0 }),
  weight(["self_attn.v_proj", "self_attn.v_proj"], keys, { shardDim: 0 }),
  weight(["self_attn.q_norm", "self_attn.q_norm"], queryRows),
  weight(["self_attn.k_norm", "self_attn.k_norm"], keyRows),
  weight(["self_attn.output_proj", "self_attn.o_proj"], output, { shardDim: 1 }),
  weight(["self_attn_layer_norm", "post_attention_layernorm", undefined, "post_attention_norm"], norm),
  weight(["ffn.gate_proj", "mlp.gate_proj"], inner, { shardDim: 0 }),
  weight(["ffn.inner_proj", "mlp.up_proj"], inner, { shardDim: 0 }),
  weight(["ffn.output_proj", "mlp.down_proj"], outer, { shardDim: 1 }),
  weight(["ffn_layer_norm", "post_feedforward_layernorm", undefined, "post_ffw_norm"], norm),
  finalNorm(),
  projection(),
];
