/**
 * The parameters of a Qwen model.
 *
 * The names are those of fairseq2's map (0.8.1 `models/qwen/interop.py`, the same since 0.5), what is split is what its
 * modules say (`models/qwen/factory.py`, `sharder.py`): biases with their matrices. The rows of q and k are in Hugging
 * Face's order already.
 */

import { bias, embedding, finalNorm, projection, shapes, weight } from "../decoder_parameters.ts";
import type { ParameterSpec } from "../family.ts";

const { norm, queries, queryRows, keys, keyRows, output, inner, outer } = shapes;

/** Of 2.5. */
const biased: Pick<ParameterSpec, "shardDim" | "isPresent"> = {
  shardDim: 0,
  isPresent: ({ qkvBias }) => qkvBias === true,
};

/** Of 3: over the rows of one head. */
const head: ParameterSpec["shape"] = ({ headDim }) => [headDim];

/** All kinds of parameters. */
export const qwenParameters: readonly ParameterSpec[] = [
  embedding(0),
  weight(["self_attn_layer_norm", "input_layernorm"], norm),
  weight(["self_attn.q_proj", "self_attn.q_proj"], queries, { shardDim: 0 }),
  bias(["self_attn.q_proj", "self_attn.q_proj"], queryRows, biased),
  weight(["self_attn.k_proj", "self_attn.k_proj"], keys, { shardDim: 0 }),
  bias(["self_attn.k_proj", "self_attn.k_proj"], keyRows, biased),
  weight(["self_attn.v_proj", "self_attn.v_proj"], keys, { shardDim: 0 }),
  bias(["self_attn.v_proj", "self_attn.v_proj"], keyRows, biased),
  weight(["self_attn.q_norm", "self_attn.q_norm"], head, { isPresent: ({ qNorm }) => qNorm === true }),
  weight(["self_attn.k_norm", "self_attn.k_norm"], head, { isPresent: ({ kNorm }) => kNorm === true }),
  weight(["self_attn.output_proj", "self_attn.o_proj"], output, { shardDim: 1 }),
  weight(["ffn_layer_norm", "post_attention_layernorm"], norm),
  weight(["ffn.gate_proj", "mlp.gate_proj"], inner, { shardDim: 0 }),
  weight(["ffn.inner_proj", "mlp.up_proj"], inner, { shardDim: 0 }),
  weight(["ffn.output_proj", "mlp.down_proj"], outer, { shardDim: 1 }),
  finalNorm(),
  projection(),
];
