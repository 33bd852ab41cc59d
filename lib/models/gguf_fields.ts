/**
 * What the families' metadata in GGUF files have in common: llama.cpp has the same keys for the same things (gguf-py 0.19
 * `constants.py` `Keys`; llama.cpp's `conversion/base.py` writes them).
 */

import { PythonFloat } from "../python/python_number.ts";
import type { YamlValue } from "../python/yaml_printer.ts";
import { type ConfigFields, positiveInteger, positiveNumber, show, text } from "./config_fields.ts";
import type { FamilyModel, GgufTensorFacts } from "./family.ts";
import { MAX_DIM, MAX_HEADS, MAX_INTERMEDIATE_SIZE, MAX_LAYERS, MAX_SEQUENCE_LENGTH } from "./limits.ts";
import { headsProblem, type ModelDescription } from "./model_description.ts";

/** The rows of a head, and how many of them RoPE turns; all are one number, the dimension divided by the heads by default. */
const HEAD_DIM = ["attention.key_length", "attention.value_length", "rope.dimension_count"] as const;

/** Counts of what no family has. */
const NONE = ["expert_count", "expert_used_count"];

const HEADS_FIELDS = {
  heads: "attention.head_count",
  kvHeads: "attention.head_count_kv",
  headDim: HEAD_DIM[0],
} as const;

/** Reads the fields that all families have: `whose` code is to compute the model is said in messages. */
export function readDecoderFields(
  fields: ConfigFields,
  { vocabSize, tied }: GgufTensorFacts,
  whose: string,
  scalings: readonly string[] = [],
): Omit<FamilyModel, "multipleOf" | "embeddingShardDim"> {
  const count = (name: string, limit: number) => fields.get(name, positiveInteger(limit));
  const heads = count("attention.head_count", MAX_HEADS);
  const dim = count("embedding_length", MAX_DIM);
  const [rows = dim / heads, ...others] = HEAD_DIM.map((name) =>
    fields.optional(name, positiveInteger(MAX_DIM))
  );
  const read = {
    layers: count("block_count", MAX_LAYERS),
    maxSeqLen: count("context_length", MAX_SEQUENCE_LENGTH),
    dim,
    intermediateSize: count("feed_forward_length", MAX_INTERMEDIATE_SIZE),
    heads,
    kvHeads: fields.optional("attention.head_count_kv", positiveInteger(MAX_HEADS)) ?? heads,
    headDim: rows,
    // What llama.cpp takes where nothing is said.
    ropeTheta: fields.optional("rope.freq_base", positiveNumber) ?? 10000,
    normEps: fields.get("attention.layer_norm_rms_epsilon", positiveNumber),
    vocabSize,
    tied,
  };
  const unfit = headsProblem({ ...read, headDim: rows === dim / heads ? undefined : rows });
  if (unfit !== undefined) throw fields.error(HEADS_FIELDS[unfit.field], unfit.problem);
  others.forEach((other = rows, i) => {
    if (other === rows) return;
    throw fields.error(HEAD_DIM[i + 1]!, `expected ${rows}, all rows of a head, got ${other}`);
  });
  for (const name of NONE) {
    const value = fields.values.get(name) ?? 0;
    if (value !== 0) throw fields.error(name, `expected 0, got ${show(value)}: ${whose} have no experts`);
  }
  const scaling = fields.optional("rope.scaling.type", text) ?? "none";
  if (scaling === "none" || scalings.includes(scaling)) return read;
  throw fields.error("rope.scaling.type", `is ${show(scaling)}, which ${whose} haven't got`);
}

/** Refuses fields that aren't known: what they change in the model isn't known either. `more` are a family's own. */
export function refuseOtherFields(fields: ConfigFields, more: readonly string[] = []): void {
  fields.refuseOthers([
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.layer_norm_rms_epsilon",
    "rope.freq_base",
    "rope.scaling.type",
    "vocab_size",
    ...HEAD_DIM,
    ...NONE,
    ...more,
  ]);
}

/** Writes the fields that all families have. */
export function writeDecoderFields(model: ModelDescription): (readonly [string, YamlValue])[] {
  return [
    ["block_count", model.layers],
    ["context_length", model.maxSeqLen],
    ["embedding_length", model.dim],
    ["feed_forward_length", model.intermediateSize],
    ["attention.head_count", model.heads],
    ["attention.head_count_kv", model.kvHeads],
    ["rope.freq_base", new PythonFloat(model.ropeTheta)],
    ["attention.layer_norm_rms_epsilon", new PythonFloat(model.normEps)],
  ];
}

/** Writes the rows of a head, which OLMo alone leaves out. */
export function writeHeadDim({ headDim }: ModelDescription): (readonly [string, YamlValue])[] {
  return [["attention.key_length", headDim], ["attention.value_length", headDim]];
}
