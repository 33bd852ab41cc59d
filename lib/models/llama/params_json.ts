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
import { boolean, ConfigFields, positiveInteger, positiveNumber } from "../config_fields.ts";
import type { Architecture, ParamsJsonForm } from "../family.ts";
import { MAX_DIM, MAX_HEADS, MAX_INTERMEDIATE_SIZE, MAX_LAYERS, MAX_VOCABULARY } from "../limits.ts";
import {
  describeScaling,
  headsProblem,
  isSameScaling,
  type ModelDescription,
  type RopeScaling,
} from "../model_description.ts";
import { SCALING_3_1 } from "./architectures.ts";
import { referenceIntermediateSize, shortestMultiplier } from "./intermediate_size.ts";

/** What a `params.json` says. */
export interface ReferenceParams extends
  Pick<
    ModelDescription,
    "dim" | "layers" | "heads" | "kvHeads" | "headDim" | "multipleOf" | "intermediateSize"
  > {
  /** `ffn_dim_multiplier`; 1 where there is none. */
  readonly ffnDimMultiplier: number;
  /** `rope_theta`; 10000 where there is none, as in LLaMA 1 and 2. */
  readonly ropeTheta: number;
  /** `norm_eps`. */
  readonly normEps: number;
  /** `vocab_size`, where the file says one: LLaMA 1 and 2 have -1, fairseq2's converter writes none. */
  readonly vocabSize?: number;
  /** Scaled RoPE, where the file has `use_scaled_rope`: the numbers are those in Meta's code. */
  readonly ropeScaling?: RopeScaling;
}

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
  const { dim, layers, heads, kvHeads, multipleOf, ropeTheta, normEps } = model;
  const isMeta = form === "meta";
  const params = new Map<string, PythonJsonValue>([["dim", dim], ["n_layers", layers], ["n_heads", heads]]);
  if (isMeta || kvHeads !== heads) params.set("n_kv_heads", kvHeads);
  if (isMeta) {
    params.set("vocab_size", model.vocabSize);
    setMultiplier(params, model);
    params.set("multiple_of", multipleOf);
    params.set("norm_eps", new PythonFloat(normEps));
    params.set("rope_theta", new PythonFloat(ropeTheta));
    if (model.ropeScaling !== undefined) params.set("use_scaled_rope", true);
  } else {
    params.set("multiple_of", multipleOf);
    setMultiplier(params, model);
    params.set("rope_theta", new PythonFloat(ropeTheta));
    params.set("norm_eps", new PythonFloat(normEps));
  }
  check(params, model, isMeta ? "" : "model");
  return isMeta ? params : new Map([["model", params]]);
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

function setMultiplier(
  params: Map<string, PythonJsonValue>,
  { dim, multipleOf, intermediateSize }: ModelDescription,
): void {
  const multiplier = shortestMultiplier(dim, multipleOf, intermediateSize);
  if (multiplier === undefined) {
    throw new MismatchError(
      `Cannot write params.json: no ffn_dim_multiplier gives a feed-forward width of ${intermediateSize} ` +
        `with dim ${dim} and multiple_of ${multipleOf}`,
    );
  }
  if (multiplier !== 1) params.set("ffn_dim_multiplier", new PythonFloat(multiplier));
}

/** Checks that fields say what they should. */
function check(params: ReadonlyMap<string, PythonJsonValue>, model: ModelDescription, path: string): void {
  const values = plainValue(params) as ReadonlyMap<string, unknown>;
  const read = readLlamaParams(new ConfigFields("params.json", path, values));
  for (
    const field of [
      "dim",
      "layers",
      "heads",
      "kvHeads",
      "multipleOf",
      "intermediateSize",
      "ropeTheta",
      "normEps",
    ] as const
  ) {
    if (read[field] !== model[field]) {
      throw new MismatchError(
        `Cannot write params.json: it would read back ${field} as ${read[field]}, not ${model[field]}`,
      );
    }
  }
}

/**
 * Fields of Meta's other models, by what they say of the weights. Their absence, `null`, `false` and -1 mean that
 * the model hasn't got them (llama-models 0.3.0 `llama3/args.py`, `llama4/args.py`).
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
  const kvHeads = fields.optional("n_kv_heads", positiveInteger(MAX_HEADS));
  const heads = fields.get("n_heads", positiveInteger(MAX_HEADS));
  const params = {
    dim: fields.get("dim", positiveInteger(MAX_DIM)),
    layers: fields.get("n_layers", positiveInteger(MAX_LAYERS)),
    heads,
    kvHeads: kvHeads ?? heads,
    multipleOf: fields.optional("multiple_of", positiveInteger(MAX_INTERMEDIATE_SIZE)) ?? 256, // ModelArgs, and the script
    ffnDimMultiplier: fields.optional("ffn_dim_multiplier", positiveNumber) ?? 1,
    ropeTheta: fields.optional("rope_theta", positiveNumber) ?? 10000, // what the script takes
    normEps: fields.get("norm_eps", positiveNumber),
  };
  checkForeignFields(fields);
  const unfit = headsProblem(params);
  if (unfit !== undefined) {
    throw fields.error(unfit.field === "heads" ? "n_heads" : "n_kv_heads", unfit.problem);
  }
  const headDim = params.dim / heads;
  const rows = fields.optional("head_dim", positiveInteger(MAX_DIM));
  if (rows !== undefined && rows !== headDim) {
    throw fields.error("head_dim", `expected dim / n_heads, which is ${headDim}, got ${rows}`);
  }
  const intermediateSize = referenceIntermediateSize(params.dim, params.multipleOf, params.ffnDimMultiplier);
  if (intermediateSize < 1 || intermediateSize > MAX_INTERMEDIATE_SIZE) {
    throw fields.error(
      "ffn_dim_multiplier",
      `gives a feed-forward width of ${intermediateSize}, past 1 to ${MAX_INTERMEDIATE_SIZE}`,
    );
  }
  const vocabSize = fields.values.get("vocab_size") === -1
    ? undefined
    : fields.optional("vocab_size", positiveInteger(MAX_VOCABULARY));
  const scaled = fields.optional("use_scaled_rope", boolean) ?? false;
  return {
    ...params,
    headDim,
    intermediateSize,
    ...(vocabSize !== undefined && { vocabSize }),
    ...(scaled && { ropeScaling: SCALING_3_1 }),
  };
}

function checkForeignFields(fields: ConfigFields): void {
  for (const [name, what] of foreignFields) {
    const value = fields.values.get(name) ?? null;
    if (value !== null && value !== false && value !== -1) {
      throw fields.error(name, `says that this is ${what}, which can't be converted`);
    }
  }
}
