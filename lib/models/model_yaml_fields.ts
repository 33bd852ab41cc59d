/**
 * What the families' configurations in `model.yaml` have in common: fairseq2 has the same names for the same things.
 */

import { PythonFloat } from "../python/python_number.ts";
import type { YamlValue } from "../python/yaml_printer.ts";
import { anyNumber, boolean, nonNegativeInteger, positiveInteger } from "./config_fields.ts";
import type { FamilyModel, ModelYamlCodec, ModelYamlForm } from "./family.ts";
import {
  constant,
  flag,
  float,
  headDimOf,
  type HeadsFields,
  integer,
  number,
  type Row,
  writeTable,
} from "./field_table.ts";
import {
  MAX_DIM,
  MAX_HEADS,
  MAX_INTERMEDIATE_SIZE,
  MAX_LAYERS,
  MAX_SEQUENCE_LENGTH,
  MAX_VOCABULARY,
} from "./limits.ts";
import { tokensOf } from "./special_tokens.ts";

/** A token's number. */
export const token = nonNegativeInteger(MAX_VOCABULARY);

const shardEmbedDim: Row<"embeddingShardDim"> = {
  keys: ["embeddingShardDim"],
  read: (fields) => ({ embeddingShardDim: fields.get("shard_embed_dim", boolean) ? 1 : 0 }),
  write: ({ embeddingShardDim }) => [["shard_embed_dim", embeddingShardDim === 1]],
};

/** The fields that several families have. */
export const rows = {
  dim: integer("model_dim", "dim", MAX_DIM),
  layers: integer("num_layers", "layers", MAX_LAYERS),
  heads: integer("num_attn_heads", "heads", MAX_HEADS),
  kvHeads: integer("num_key_value_heads", "kvHeads", MAX_HEADS),
  width: integer("ffn_inner_dim", "intermediateSize", MAX_INTERMEDIATE_SIZE),
  vocabSize: integer("vocab_size", "vocabSize", MAX_VOCABULARY),
  maxSeqLen: integer("max_seq_len", "maxSeqLen", MAX_SEQUENCE_LENGTH),
  ropeTheta: float("rope_theta", "ropeTheta"),
  tied: flag("tied_embeddings", "tied"),
  shardEmbedDim,
  /** 0: no other layout says one. */
  dropout: constant("dropout_p", new PythonFloat(0), anyNumber),
};

const HEADS_FIELDS: HeadsFields = {
  heads: "num_attn_heads",
  kvHeads: "num_key_value_heads",
  headDim: "head_dim",
};

/** What there is to say where fairseq2's code has an epsilon of its own for the norms, and no field for another. */
export function normEpsNotes({ normEps }: { readonly normEps: number }, fixed: number): string[] {
  return normEps === fixed
    ? []
    : [`fairseq2 can't set the epsilon of its norms: it takes ${fixed}, where the model has ${normEps}`];
}

/** The vocabulary, in a form of `model.yaml`. From 0.5 on, the tokenizer alone knows how a sequence begins and ends. */
export function vocabulary(form: ModelYamlForm): readonly Row<"vocabSize" | "bosId" | "eosIds" | "padId">[] {
  return form === "0.5+" ? [rows.vocabSize, number("pad_idx", "padId", token, null)] : [{
    keys: ["vocabSize", "bosId", "eosIds", "padId"],
    read(fields) {
      const info = fields.nested("vocab_info");
      for (const name of ["unk_idx", "boh_idx", "eoh_idx"]) info.optional(name, token);
      const vocabSize = info.get("size", positiveInteger(MAX_VOCABULARY));
      const [bosId, eosId, padId] = ["bos_idx", "eos_idx", "pad_idx"].map((name) =>
        info.optional(name, token)
      );
      const eosIds = eosId === undefined ? undefined : [eosId];
      return { vocabSize, ...tokensOf({ bosId, eosIds, padId }) };
    },
    write({ vocabSize, bosId, eosIds, padId }) {
      // SentencePiece's unknown token is the first one, where a sequence begins with the second; tiktoken has none.
      const info = new Map<string, YamlValue>([
        ["size", vocabSize],
        ["unk_idx", bosId === 1 ? 0 : null],
        ["bos_idx", bosId ?? null],
        ["eos_idx", eosIds?.[0] ?? null],
        ["pad_idx", padId ?? null],
        ...(form === "0.4" ? [["boh_idx", null], ["eoh_idx", null]] as const : []),
      ]);
      return [["vocab_info", info]];
    },
  }];
}

/**
 * A configuration that is read and written by the table of its form. What no field says is `fixed` in fairseq2's code.
 * What is said of tied matrices and tokens is written instead of the model's own.
 */
export function byTable<K extends keyof FamilyModel>(
  table: (form: ModelYamlForm) => readonly Row<K>[],
  fixed: Omit<FamilyModel, K | "headDim">,
): Pick<ModelYamlCodec, "read" | "write"> {
  return {
    read(fields, generation) {
      const read = table(generation).map((row) => row.read(fields));
      const model: FamilyModel = Object.assign({}, ...read, fixed);
      return { ...model, headDim: headDimOf(fields, model, HEADS_FIELDS) };
    },
    write: (model, { form, tied, tokens: { bosId, eosIds, padId } }) =>
      writeTable({ ...model, tied, bosId, eosIds, padId }, table(form)),
  };
}
