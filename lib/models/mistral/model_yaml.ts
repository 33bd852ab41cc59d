/**
 * Mistral's configurations in fairseq2's `model.yaml` (0.3.0 `models/mistral/factory.py`, 0.4.5
 * `models/mistral/_config.py`, 0.8.1 `models/mistral/config.py`).
 */

import { MismatchError } from "../../error.ts";
import type { ModelYamlCodec, ModelYamlForm } from "../family.ts";
import { integer, type Row } from "../field_table.ts";
import { MAX_SEQUENCE_LENGTH } from "../limits.ts";
import type { ModelDescription } from "../model_description.ts";
import { byTable, normEpsNotes, rows, vocabulary } from "../model_yaml_fields.ts";
import { NORM_EPS, ROPE_THETA } from "./architectures.ts";

const slidingWindow: Row<"slidingWindow"> = {
  ...integer("attn_window_len", "slidingWindow", MAX_SEQUENCE_LENGTH),
  write: ({ slidingWindow, maxSeqLen }) => [["attn_window_len", slidingWindow ?? maxSeqLen]],
};

function table(form: ModelYamlForm) {
  const { dim, maxSeqLen, layers, heads, kvHeads, width, dropout } = rows;
  return [dim, maxSeqLen, ...vocabulary(form), slidingWindow, layers, heads, kvHeads, width, dropout];
}

const { read, write } = byTable(table, {
  multipleOf: 1,
  ropeTheta: ROPE_THETA,
  normEps: NORM_EPS,
  embeddingShardDim: 0,
  tied: false,
});

/** The codec. It writes no model in which RoPE turns otherwise than fairseq2's. */
export const mistralModelYaml: Pick<ModelYamlCodec, "read" | "write"> = {
  read,
  write(model, fields) {
    if (model.ropeTheta === ROPE_THETA) return write(model, fields);
    throw new MismatchError(
      `Cannot write model.yaml: fairseq2's Mistral has a rope_theta of ${ROPE_THETA} and no field for another, but the ` +
        `model has ${model.ropeTheta}`,
    );
  },
};

/** What no form can say of a model. */
export function mistralNotes(model: ModelDescription): string[] {
  const notes = normEpsNotes(model, NORM_EPS);
  if (model.slidingWindow === undefined) {
    notes.push(
      `fairseq2's Mistral always has a window: attn_window_len is ${model.maxSeqLen}, which is the whole context`,
    );
  }
  return notes;
}
