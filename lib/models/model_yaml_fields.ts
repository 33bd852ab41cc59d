/**
 * What the families' configurations in `model.yaml` have in common: fairseq2 has the same names for the same things.
 *
 * @module
 */

import type { YamlMapping, YamlValue } from "../python/yaml_printer.ts";
import { type ConfigFields, nonNegativeInteger, positiveInteger } from "./config_fields.ts";
import type { FamilyModel, Generation, ModelYamlForm } from "./family.ts";
import { MAX_DIM, MAX_HEADS, MAX_LAYERS, MAX_VOCABULARY } from "./limits.ts";
import {
  headsProblem,
  type ModelDescription,
  type ModelShape,
  type SpecialTokens,
} from "./model_description.ts";

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

/**
 * Reads the vocabulary. From 0.5 on, the tokenizer alone knows how a sequence begins and ends.
 *
 * @param fields The configuration's fields.
 * @param generation The versions of fairseq2 that it is of.
 * @returns Its size and the special tokens that are said.
 * @throws {ConfigError} If a field isn't what it must be.
 */
export function readVocabulary(
  fields: ConfigFields,
  generation: Generation,
): Pick<FamilyModel, "vocabSize" | "bosId" | "eosIds" | "padId"> {
  const id = nonNegativeInteger(MAX_VOCABULARY);
  if (generation === "0.5+") {
    const padId = fields.optional("pad_idx", id);
    return {
      vocabSize: fields.get("vocab_size", positiveInteger(MAX_VOCABULARY)),
      ...(padId !== undefined && { padId }),
    };
  }
  const info = fields.nested("vocab_info");
  for (const name of ["unk_idx", "boh_idx", "eoh_idx"]) info.optional(name, id);
  const [bosId, eosId, padId] = ["bos_idx", "eos_idx", "pad_idx"].map((name) => info.optional(name, id));
  return {
    vocabSize: info.get("size", positiveInteger(MAX_VOCABULARY)),
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosIds: [eosId] }),
    ...(padId !== undefined && { padId }),
  };
}

/** The fields that say a vocabulary in a form of `model.yaml`. */
export function vocabularyFields(
  { vocabSize }: Pick<ModelDescription, "vocabSize">,
  { bosId, eosIds, padId }: SpecialTokens,
  form: ModelYamlForm,
): [string, YamlValue][] {
  if (form === "0.5+") return [["vocab_size", vocabSize], ["pad_idx", padId ?? null]];
  // SentencePiece's unknown token is the first one, where a sequence begins with the second; tiktoken has none.
  const info: YamlMapping = new Map<string, YamlValue>([
    ["size", vocabSize],
    ["unk_idx", bosId === 1 ? 0 : null],
    ["bos_idx", bosId ?? null],
    ["eos_idx", eosIds?.[0] ?? null],
    ["pad_idx", padId ?? null],
    ...(form === "0.4" ? [["boh_idx", null], ["eoh_idx", null]] as const : []),
  ]);
  return [["vocab_info", info]];
}
