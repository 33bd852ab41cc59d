/** What Meta's `params.json` and Mistral's have in common. */

import { type ConfigFields, positiveInteger } from "./config_fields.ts";
import { float, headDimOf, type HeadsFields, integer, type Row } from "./field_table.ts";
import { MAX_DIM, MAX_HEADS, MAX_LAYERS } from "./limits.ts";
import type { ModelShape } from "./model_description.ts";

const heads = integer("n_heads", "heads", MAX_HEADS);
const kvHeads: Row<"kvHeads"> = {
  ...integer("n_kv_heads", "kvHeads", MAX_HEADS),
  read: (fields) => ({
    kvHeads: fields.optional("n_kv_heads", positiveInteger(MAX_HEADS)) ?? heads.read(fields).heads!,
  }),
};

/** The fields that both have. */
export const rows = {
  dim: integer("dim", "dim", MAX_DIM),
  layers: integer("n_layers", "layers", MAX_LAYERS),
  heads,
  kvHeads,
  normEps: float("norm_eps", "normEps"),
};

const HEADS_FIELDS: HeadsFields = { heads: "n_heads", kvHeads: "n_kv_heads", headDim: "head_dim" };

/**
 * The rows of a head, which are always the dimension divided by the heads.
 *
 * @throws {ConfigError} If the heads are impossible, or `head_dim` says something else.
 */
export function wholeHeadDim(
  fields: ConfigFields,
  { dim, heads, kvHeads }: Pick<ModelShape, "dim" | "heads" | "kvHeads">,
): number {
  const headDim = headDimOf(fields, { dim, heads, kvHeads }, HEADS_FIELDS);
  const said = fields.optional("head_dim", positiveInteger(MAX_DIM)) ?? headDim;
  if (said === headDim) return headDim;
  throw fields.error("head_dim", `expected dim / n_heads, which is ${headDim}, got ${said}`);
}

/** Refuses fields of other models, by what they say of the weights; `null`, `false` and -1 say that it hasn't got them. */
export function refuseForeign(fields: ConfigFields, foreign: ReadonlyMap<string, string>): void {
  for (const [name, what] of foreign) {
    const value = fields.values.get(name) ?? null;
    if (value !== null && value !== false && value !== -1) {
      throw fields.error(name, `says that this is ${what}, which can't be converted`);
    }
  }
}
