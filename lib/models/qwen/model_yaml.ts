/** Qwen's configurations in fairseq2's `model.yaml` (0.5.0 to 0.8.1 `models/qwen/config.py`). */

import type { YamlMapping } from "../../python/yaml_printer.ts";
import type { ConfigFields } from "../config_fields.ts";
import type { FamilyModel, ModelYamlFields } from "../family.ts";
import { flag, integer, readTable, type Row } from "../field_table.ts";
import { MAX_DIM } from "../limits.ts";
import type { ModelDescription } from "../model_description.ts";
import { rows, withHeadDim, writeModelYaml } from "../model_yaml_fields.ts";
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

/** Reads a configuration. */
export function readQwenConfig(fields: ConfigFields): FamilyModel {
  const read = withHeadDim(fields, readTable(fields, table));
  return { ...read, multipleOf: 1, normEps: NORM_EPS, embeddingShardDim: 0 };
}

/** Writes a configuration. */
export function writeQwenConfig(model: ModelDescription, fields: ModelYamlFields): YamlMapping {
  return writeModelYaml(model, fields, table);
}
