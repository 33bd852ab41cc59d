/** Qwen's configurations in fairseq2's `model.yaml` (0.5.0 to 0.8.1 `models/qwen/config.py`). */

import { flag, integer, type Row } from "../field_table.ts";
import { MAX_DIM } from "../limits.ts";
import { byTable, rows } from "../model_yaml_fields.ts";
import { NORM_EPS } from "./architectures.ts";

/** The field that says the rows of a head. */
export const HEAD_DIM = "head_dim";

const headDim: Row<"headDim"> = {
  ...integer(HEAD_DIM, "headDim", MAX_DIM, null),
  // Qwen 3 says it even where it is what is taken for null.
  write: ({ dim, heads, headDim, qNorm }) => [[HEAD_DIM, headDim === dim / heads && !qNorm ? null : headDim]],
};

const table = [
  rows.dim,
  rows.maxSeqLen,
  rows.vocabSize,
  rows.tied,
  rows.layers,
  rows.heads,
  rows.kvHeads,
  headDim,
  flag("qkv_proj_bias", "qkvBias"),
  flag("q_norm", "qNorm"),
  flag("k_norm", "kNorm"),
  rows.width,
  rows.ropeTheta,
  rows.dropout,
];

export const qwenModelYaml = byTable(() => table, { multipleOf: 1, normEps: NORM_EPS, embeddingShardDim: 0 });
