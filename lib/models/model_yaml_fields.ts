/**
 * What the families' configurations in `model.yaml` have in common: fairseq2 has the same names for the same things.
 *
 * @module
 */

import { type ConfigFields, positiveInteger } from "./config_fields.ts";
import { MAX_DIM, MAX_HEADS, MAX_LAYERS } from "./limits.ts";
import { headsProblem, type ModelShape } from "./model_description.ts";

const HEADS_FIELDS = {
  heads: "num_attn_heads",
  kvHeads: "num_key_value_heads",
  headDim: "head_dim",
} as const;

/**
 * Reads the dimension, the layers and the heads.
 *
 * @param fields The configuration's fields.
 * @param headDim The rows of a head, where the configuration says it.
 * @throws {ConfigError} If a field isn't what it must be, or heads are impossible.
 */
export function readHeads(
  fields: ConfigFields,
  headDim?: number,
): Pick<ModelShape, "dim" | "layers" | "heads" | "kvHeads" | "headDim"> {
  const shape = {
    dim: fields.get("model_dim", positiveInteger(MAX_DIM)),
    layers: fields.get("num_layers", positiveInteger(MAX_LAYERS)),
    heads: fields.get("num_attn_heads", positiveInteger(MAX_HEADS)),
    kvHeads: fields.get("num_key_value_heads", positiveInteger(MAX_HEADS)),
  };
  const unfit = headsProblem({ ...shape, ...(headDim !== undefined && { headDim }) });
  if (unfit !== undefined) throw fields.error(HEADS_FIELDS[unfit.field], unfit.problem);
  return { ...shape, headDim: headDim ?? shape.dim / shape.heads };
}

/** What there is to say where fairseq2's code has an epsilon of its own for the norms, and no field for another. */
export function normEpsNotes({ normEps }: { readonly normEps: number }, fixed: number): string[] {
  if (normEps === fixed) return [];
  return [
    `fairseq2 can't set the epsilon of its norms: it takes ${fixed}, where the model has ${normEps}`,
  ];
}
