/**
 * The two orders of the rows of q and k, and the ways between them.
 *
 * RoPE turns pairs of a head's rows. Meta's code and fairseq2's have the two rows of a pair side by side; transformers
 * has the first rows of all pairs, then the second ones: row `2i + j` of a head is row `j · head_dim / 2 + i` there
 * (transformers 4.46.3 `convert_llama_weights_to_hf.py` `permute`; fairseq2 0.8.1 `models/llama/interop.py`).
 */

import { reorderRows } from "../bytes/view.ts";
import { type Tensor, tensorOfView, tensorView } from "../tensor/tensor.ts";

/** For each row of a head in the Hugging Face layout, the row that it is with pairs side by side. */
export function rowsForHuggingFace(headDim: number): number[] {
  const half = headDim / 2;
  return Array.from({ length: headDim }, (_, row) => 2 * (row % half) + Math.floor(row / half));
}

/** For each row of a head with pairs side by side, the row that it is in the Hugging Face layout. */
export function rowsFromHuggingFace(headDim: number): number[] {
  const half = headDim / 2;
  return Array.from({ length: headDim }, (_, row) => (row % 2) * half + Math.floor(row / 2));
}

/** A matrix with its rows in another order, the same in each head. */
export function reorderHeads(tensor: Tensor, order: readonly number[]): Tensor {
  const view = tensorView(tensor);
  const reordered = reorderRows(view, order);
  return reordered === view ? tensor : tensorOfView(tensor.dtype, tensor.shape, reordered);
}
