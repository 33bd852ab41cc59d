/**
 * `params.json`, which lies beside the weights in the reference layout and in Meta's own.
 *
 * fairseq2's converter nests it under `model` (0.3.0 `recipes/llama/convert_checkpoint.py`), Meta's is flat;
 * transformers' conversion script reads both.
 *
 * @module
 */

import { MismatchError } from "../../error.ts";
import { ConfigError } from "../../models/config_error.ts";
import {
  boolean,
  ConfigFields,
  mapping,
  oneLine,
  positiveInteger,
  positiveNumber,
  show,
} from "../../models/config_fields.ts";
import { referenceIntermediateSize, shortestMultiplier } from "../../models/llama/intermediate_size.ts";
import {
  MAX_CONFIG_CHARACTERS,
  MAX_DIM,
  MAX_HEADS,
  MAX_INTERMEDIATE_SIZE,
  MAX_LAYERS,
  MAX_VOCABULARY,
} from "../../models/limits.ts";
import { headsProblem, type ModelDescription, type RopeScaling } from "../../models/model_description.ts";
import { pythonJson, type PythonJsonValue } from "../../python/python_json.ts";
import { PythonFloat } from "../../python/python_number.ts";

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

/** What a `params.json` in the reference layout is made from. */
export type ReferenceWeights = Pick<
  ModelDescription,
  "dim" | "layers" | "heads" | "kvHeads" | "multipleOf" | "intermediateSize" | "ropeTheta" | "normEps"
>;

/** What `use_scaled_rope` stands for (llama-models 0.3.0 `llama3/model.py` `apply_scaling`). */
const META_SCALING: RopeScaling = {
  factor: 8,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalContextLength: 8192,
};

/**
 * The `params.json` of the reference layout, indented and with a newline at its end. `n_kv_heads` is there only
 * where it differs from `n_heads`, and `ffn_dim_multiplier` only where it isn't 1; it is the shortest decimal with
 * which Meta's formula gives the weights' real width. The text is read back before it is returned.
 *
 * @param weights The weights, as they really are.
 * @returns The text.
 * @throws {MismatchError} If no `ffn_dim_multiplier` gives the width.
 */
export function referenceParamsJson(weights: ReferenceWeights): string {
  const { dim, layers, heads, kvHeads, multipleOf, ropeTheta, normEps } = weights;
  const model = new Map<string, PythonJsonValue>([["dim", dim], ["n_layers", layers], ["n_heads", heads]]);
  if (kvHeads !== heads) model.set("n_kv_heads", kvHeads);
  model.set("multiple_of", multipleOf);
  setMultiplier(model, weights);
  model.set("rope_theta", new PythonFloat(ropeTheta));
  model.set("norm_eps", new PythonFloat(normEps));
  return checked(`${pythonJson(new Map([["model", model]]), { indent: 2 })}\n`, weights);
}

/**
 * The flat `params.json` that Meta's own loader takes (llama-models 0.3.0 `llama3/args.py`), indented and with a
 * newline at its end. It has no `max_seq_len` and no `max_batch_size`: the loader passes them itself, and Python
 * refuses the same argument twice.
 *
 * Where RoPE is scaled, `use_scaled_rope` is all that it can say; see {@linkcode isMetaScaling}.
 *
 * @param model The model, with the weights as they really are.
 * @returns The text.
 * @throws {MismatchError} If no `ffn_dim_multiplier` gives the width.
 */
export function metaParamsJson(
  model: ReferenceWeights & Pick<ModelDescription, "vocabSize" | "ropeScaling">,
): string {
  const params = new Map<string, PythonJsonValue>([
    ["dim", model.dim],
    ["n_layers", model.layers],
    ["n_heads", model.heads],
    ["n_kv_heads", model.kvHeads],
    ["vocab_size", model.vocabSize],
  ]);
  setMultiplier(params, model);
  params.set("multiple_of", model.multipleOf);
  params.set("norm_eps", new PythonFloat(model.normEps));
  params.set("rope_theta", new PythonFloat(model.ropeTheta));
  if (model.ropeScaling !== undefined) params.set("use_scaled_rope", true);
  return checked(`${pythonJson(params, { indent: 2 })}\n`, model);
}

/** Whether Meta's code scales RoPE by these numbers: a `params.json` can't give others. */
export function isMetaScaling(scaling: RopeScaling): boolean {
  return scaling.factor === META_SCALING.factor && scaling.lowFreqFactor === META_SCALING.lowFreqFactor &&
    scaling.highFreqFactor === META_SCALING.highFreqFactor &&
    scaling.originalContextLength === META_SCALING.originalContextLength;
}

function setMultiplier(
  params: Map<string, PythonJsonValue>,
  { dim, multipleOf, intermediateSize }: ReferenceWeights,
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

/** The text, once it has been read back and found to say what it should. */
function checked(text: string, weights: ReferenceWeights): string {
  const read = parseParamsJson(text);
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
    if (read[field] !== weights[field]) {
      throw new MismatchError(
        `Cannot write params.json: it would read back ${field} as ${read[field]}, not ${weights[field]}`,
      );
    }
  }
  return text;
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
 * Reads a `params.json`, nested under `model` or flat.
 *
 * Limits: 65536 characters. Fields that are not known are ignored, as Meta's loader ignores them; those of models
 * that this library doesn't convert are errors.
 *
 * @param text The text of the file.
 * @param file The file, as errors name it.
 * @returns What it says.
 * @throws {ConfigError} If it is no JSON, or a field is missing or isn't what it must be.
 */
export function parseParamsJson(text: string, file = "params.json"): ReferenceParams {
  if (text.length > MAX_CONFIG_CHARACTERS) {
    throw new ConfigError(
      file,
      "",
      `expected at most ${MAX_CONFIG_CHARACTERS} characters, got ${text.length}`,
    );
  }
  const top = parseObject(text, file);
  const fields = top.values.has("model") ? top.nested("model") : top;

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
    ...(scaled && { ropeScaling: META_SCALING }),
  };
}

function parseObject(text: string, file: string): ConfigFields {
  let value: unknown;
  try {
    value = JSON.parse(text, (_, item) => isObject(item) ? new Map(Object.entries(item)) : item);
  } catch (error) {
    throw new ConfigError(file, "", `is no JSON: ${oneLine((error as Error).message)}`);
  }
  const expected = mapping.expectation(value);
  if (expected !== undefined) throw new ConfigError(file, "", `expected ${expected}, got ${show(value)}`);
  return new ConfigFields(file, "", value as ReadonlyMap<string, unknown>);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Map);
}

function checkForeignFields(fields: ConfigFields): void {
  for (const [name, what] of foreignFields) {
    const value = fields.values.get(name) ?? null;
    if (value !== null && value !== false && value !== -1) {
      throw fields.error(name, `says that this is ${what}, which can't be converted`);
    }
  }
}
