/**
 * LLaMA's `params.json`, which lies beside the weights in the reference layout and in Meta's own.
 *
 * fairseq2's converter nests it under `model` (0.3.0 `recipes/llama/convert_checkpoint.py`), Meta's is flat;
 * transformers' conversion script reads both.
 */

import { MismatchError } from "../../error.ts";
import { plainValue } from "../../python/plain_value.ts";
import type { PythonJsonValue } from "../../python/python_json.ts";
import { PythonFloat } from "../../python/python_number.ts";
import { boolean, ConfigFields, positiveNumber } from "../config_fields.ts";
import type { Architecture, FamilyModel, ParamsJsonForm } from "../family.ts";
import { float, integer, readTable, type Row, writeTable } from "../field_table.ts";
import { MAX_INTERMEDIATE_SIZE, MAX_VOCABULARY } from "../limits.ts";
import {
  describeScaling,
  isSameScaling,
  type ModelDescription,
  type RopeScaling,
} from "../model_description.ts";
import { refuseForeign, rows, wholeHeadDim } from "../params_json_fields.ts";
import { SCALING_3_1 } from "./architectures.ts";
import { referenceIntermediateSize, shortestMultiplier } from "./intermediate_size.ts";

const { dim, layers, heads, kvHeads, normEps } = rows;

/** 256 is what `ModelArgs` and transformers' script take, 10000 what the script takes: as in LLaMA 1 and 2. */
const multipleOf = integer("multiple_of", "multipleOf", MAX_INTERMEDIATE_SIZE, 256);
const ropeTheta = float("rope_theta", "ropeTheta", 10000);

const width: Row<"intermediateSize"> = {
  keys: ["intermediateSize"],
  read(fields) {
    const multiplier = fields.optional("ffn_dim_multiplier", positiveNumber) ?? 1;
    const multiple = multipleOf.read(fields).multipleOf!;
    const intermediateSize = referenceIntermediateSize(dim.read(fields).dim!, multiple, multiplier);
    if (intermediateSize >= 1 && intermediateSize <= MAX_INTERMEDIATE_SIZE) return { intermediateSize };
    throw fields.error(
      "ffn_dim_multiplier",
      `gives a feed-forward width of ${intermediateSize}, past 1 to ${MAX_INTERMEDIATE_SIZE}`,
    );
  },
  write({ dim, multipleOf, intermediateSize }) {
    const multiplier = shortestMultiplier(dim, multipleOf, intermediateSize);
    if (multiplier === undefined) {
      throw new MismatchError(
        `Cannot write params.json: no ffn_dim_multiplier gives a feed-forward width of ${intermediateSize} ` +
          `with dim ${dim} and multiple_of ${multipleOf}`,
      );
    }
    return multiplier === 1 ? [] : [["ffn_dim_multiplier", new PythonFloat(multiplier)]];
  },
};

/** LLaMA 1 and 2 have -1, fairseq2's converter writes none. */
const said = integer("vocab_size", "vocabSize", MAX_VOCABULARY, null);
const vocabSize: Row<"vocabSize"> = {
  ...said,
  read: (fields) => fields.values.get("vocab_size") === -1 ? {} : said.read(fields),
};

/** The numbers are those in Meta's code. */
const scaled: Row<"ropeScaling"> = {
  keys: ["ropeScaling"],
  read: (fields) => fields.optional("use_scaled_rope", boolean) ? { ropeScaling: SCALING_3_1 } : {},
  write: ({ ropeScaling }) => ropeScaling === undefined ? [] : [["use_scaled_rope", true]],
};

const common = [heads, dim, layers, kvHeads, multipleOf, width, ropeTheta, normEps];
const whereOther: Row<"kvHeads"> = {
  ...kvHeads,
  write: (model) => model.kvHeads === model.heads ? [] : kvHeads.write(model),
};
const tables = {
  reference: [dim, layers, heads, whereOther, multipleOf, width, ropeTheta, normEps],
  meta: [dim, layers, heads, kvHeads, vocabSize, width, multipleOf, normEps, ropeTheta, scaled],
};

/** What a `params.json` says. */
export type ReferenceParams =
  & Pick<FamilyModel, (typeof common)[number]["keys"][number] | "headDim" | "ropeScaling">
  & { readonly vocabSize?: number };

/**
 * The `params.json` of a model. What is written is read back before it is returned.
 *
 * In the reference layout's form, which is nested, `n_kv_heads` is there only where it differs from `n_heads`. In Meta's
 * flat one, which its own loader takes (llama-models 0.3.0 `llama3/args.py`), there is no `max_seq_len` and no
 * `max_batch_size`: the loader passes them itself, and Python refuses the same argument twice. Where RoPE is scaled,
 * `use_scaled_rope` is all that it can say; see {@linkcode isMetaScaling}.
 *
 * `ffn_dim_multiplier` is there only where it isn't 1; it is the shortest decimal with which Meta's formula gives the
 * weights' real width.
 *
 * @throws {MismatchError} If no `ffn_dim_multiplier` gives the width.
 */
export function writeLlamaParams(model: ModelDescription, form: ParamsJsonForm): PythonJsonValue {
  const params = writeTable(model, tables[form]);
  check(params, model, form === "meta" ? "" : "model");
  return form === "meta" ? params : new Map([["model", params]]);
}

/** Whether Meta's code scales RoPE by these numbers: a `params.json` can't give others. */
export function isMetaScaling(scaling: RopeScaling): boolean {
  return isSameScaling(scaling, SCALING_3_1);
}

/** What is lost of how RoPE is scaled: the reference layout's form has no field for it, Meta's but one. */
export function llamaParamsNotes(
  { ropeScaling }: ModelDescription,
  form: ParamsJsonForm,
  architecture: Architecture | undefined,
): string[] {
  if (ropeScaling === undefined) return [];
  const scaling = describeScaling(ropeScaling);
  if (form === "reference") {
    const isPublished = architecture !== undefined && isSameScaling(ropeScaling, architecture.ropeScaling);
    return [
      `the reference layout's params.json can't say that RoPE is scaled (${scaling}): what reads it has to be told, ` +
      `ckpt with --model ${isPublished ? architecture.name : "<model.yaml>"}`,
    ];
  }
  if (isMetaScaling(ropeScaling)) return [];
  // torchtune has a factor for each model, and the other numbers as in Meta's code (0.6.1 `Llama3ScaledRoPE`).
  const others = isMetaScaling({ ...ropeScaling, factor: SCALING_3_1.factor }) ? "" : " and torchtune";
  return [
    `Meta's params.json can't say how RoPE is scaled (${scaling}, original length ` +
    `${ropeScaling.originalContextLength}): Meta's loader${others} will compute with ` +
    `${describeScaling(SCALING_3_1)} and 8192, and give logits that differ`,
  ];
}

/** Checks that fields say what they should. */
function check(params: ReadonlyMap<string, PythonJsonValue>, model: ModelDescription, path: string): void {
  const values = plainValue(params) as ReadonlyMap<string, unknown>;
  const read = readLlamaParams(new ConfigFields("params.json", path, values));
  for (const field of new Set(common.flatMap(({ keys }) => keys))) {
    if (read[field] !== model[field]) {
      throw new MismatchError(
        `Cannot write params.json: it would read back ${field} as ${read[field]}, not ${model[field]}`,
      );
    }
  }
}

/**
 * Fields of Meta's other models, by what they say of the weights (llama-models 0.3.0 `llama3/args.py`,
 * `llama4/args.py`).
 */
const foreignFields: ReadonlyMap<string, string> = new Map([
  ["quantization_args", "quantized weights"],
  ["lora_args", "weights with adapters"],
  ["vision_chunk_size", "a vision model"],
  ["vision_num_cross_attention_layers", "a vision model"],
  ["vision_model", "a vision model"],
  ["vision_args", "a vision model"],
  ["moe_args", "a mixture of experts"],
  ["ffn_exp", "a LLaMA 4 model"],
  ["use_qk_norm", "a LLaMA 4 model"],
  ["nope_layer_interval", "a LLaMA 4 model"],
  ["attention_chunk_size", "a LLaMA 4 model"],
]);

/**
 * Reads the fields of a `params.json`.
 *
 * Fields that are not known are ignored, as Meta's loader ignores them; those of models that this library doesn't convert
 * are errors.
 *
 * @throws {ConfigError} If a field is missing or isn't what it must be.
 */
export function readLlamaParams(fields: ConfigFields): ReferenceParams {
  refuseForeign(fields, foreignFields);
  const params = readTable(fields, [...common, vocabSize, scaled]);
  return { ...params, headDim: wholeHeadDim(fields, params) };
}
