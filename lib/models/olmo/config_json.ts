/**
 * OLMo's `config.json` (transformers' `Olmo2Config` and `Olmo3Config`, 4.57 and 5.x).
 *
 * YaRN in all layers, as fairseq2 has it in OLMo 3, transformers 5 alone can compute: 4.57 has it in layers without a
 * window only.
 */

import type { PythonJsonValue } from "../../python/python_json.ts";
import { PythonFloat } from "../../python/python_number.ts";
import { anyNumber, boolean, ConfigFields, positiveInteger, positiveNumber } from "../config_fields.ts";
import {
  checkHeadDim,
  readDecoder,
  readRope,
  readRopeMapping,
  refuseBiases,
  type Rope,
  writeDecoder,
} from "../config_json_fields.ts";
import type { ConfigJsonOptions, FamilyModel } from "../family.ts";
import { MAX_SEQUENCE_LENGTH } from "../limits.ts";
import type { ModelDescription, YarnScaling } from "../model_description.ts";
import { LAYER_TYPES, layerTypesOf, readLayerTypes } from "./model_yaml.ts";

/** Whose code is to compute what is read. */
export const WHOSE = "fairseq2's OLMo models";

/** The `model_type` of OLMo 2. */
const TYPE_2 = "olmo2";

/** The `model_type` of OLMo 3. */
const TYPE_3 = "olmo3";

/** The values of `model_type`, with their classes. */
export const OLMO_TYPES: ReadonlyMap<string, readonly string[]> = new Map([
  [TYPE_2, ["Olmo2ForCausalLM"]],
  [TYPE_3, ["Olmo3ForCausalLM"]],
]);

/**
 * Reads the fields of an OLMo model. Biases, heads of a size of their own, and RoPE that differs between layers are
 * errors, since fairseq2 hasn't got them.
 */
export function readOlmoJson(fields: ConfigFields, notes: string[]): FamilyModel {
  const defaults = { maxSeqLen: 2048, normEps: 1e-5, eosIds: [50279], padId: 1 };
  const model = readDecoder(fields, WHOSE, defaults);
  checkHeadDim(fields, model, `${WHOSE} have no heads of another size`);
  refuseBiases(fields, WHOSE, ["attention_bias"]);
  const common = { ...model, multipleOf: 1, embeddingShardDim: 1 } as const;
  if (fields.values.get("model_type") === TYPE_2) {
    return { ...common, ropeTheta: readRope(fields, WHOSE, [], 10000).ropeTheta };
  }
  const layerTypes = readLayerTypes(fields, model.layers) ?? usualLayerTypes(model.layers);
  const hasSliding = layerTypes.includes("sliding");
  const window = fields.values.has("sliding_window")
    ? fields.optional("sliding_window", positiveInteger(MAX_SEQUENCE_LENGTH))
    : 4096;
  if (window === undefined && hasSliding) {
    throw fields.error("sliding_window", "is null, but layer_types has layers with a window");
  }
  const { ropeTheta, scaling } = readRopeOfLayers(fields, hasSliding, notes);
  return {
    ...common,
    ropeTheta,
    // Without a window, fairseq2 has no YaRN either; a window that no layer has makes no difference.
    slidingWindow: window ?? model.maxSeqLen,
    layerTypes,
    ...(scaling !== undefined && { yarn: readYarn(scaling, model.maxSeqLen) }),
  };
}

/** What transformers takes where a `config.json` says no types. */
export function usualLayerTypes(layers: number): ("sliding" | "full")[] {
  return Array.from({ length: layers }, (_, layer) => (layer + 1) % 4 === 0 ? "full" : "sliding");
}

/** transformers' default for OLMo 3. */
const THETA = 500000;

/**
 * Reads how RoPE turns in an OLMo 3: `rope_parameters` for each type of layers (5.13 and later); `rope_parameters` for
 * all of them (5.0 to 5.12); or `rope_theta`, and `rope_scaling`, which is that of layers without a window alone.
 */
function readRopeOfLayers(fields: ConfigFields, hasSliding: boolean, notes: string[]): Rope {
  const parameters = fields.values.get("rope_parameters");
  const isNested = parameters instanceof Map &&
    Object.values(LAYER_TYPES).some((type) => parameters.has(type));
  if (!isNested) {
    const rope = readRope(fields, WHOSE, ["yarn"], THETA);
    if (rope.scaling !== undefined && rope.scaling.path === "rope_scaling" && hasSliding) {
      notes.push(
        "config.json has YaRN in layers without a window alone, fairseq2 has it in all: there the logits will be others, as " +
          "they are where fairseq2 loads the published model itself",
      );
    }
    return rope;
  }
  const nested = fields.nested("rope_parameters");
  const of = (type: string, more: ReadonlyMap<string, unknown> = new Map()) => {
    const { file, path, values } = nested.nested(type);
    return readRopeMapping(
      new ConfigFields(file, path, new Map([...values, ...more])),
      WHOSE,
      ["yarn"],
      THETA,
    );
  };
  // The order of transformers 5.x `Olmo3Config.convert_rope_params_to_dict`.
  const scaling = fields.values.get("rope_scaling");
  const full = of(LAYER_TYPES.full, scaling instanceof Map ? scaling : undefined);
  if (!hasSliding) return full;
  const sliding = of(LAYER_TYPES.sliding);
  if (!isSameRope(full, sliding)) {
    throw fields.error(
      "rope_parameters",
      `differs between ${LAYER_TYPES.full} and ${LAYER_TYPES.sliding}, but ${WHOSE} turn all layers alike`,
    );
  }
  return full;
}

function isSameRope(a: Rope, b: Rope): boolean {
  const facts = ({ ropeTheta, scaling }: Rope) =>
    JSON.stringify([ropeTheta, scaling === undefined ? null : readYarn(scaling, 0)]);
  return facts(a) === facts(b);
}

/** Reads YaRN (transformers 5.x `_compute_yarn_parameters`). */
function readYarn(fields: ConfigFields, maxSeqLen: number): YarnScaling {
  const factor = fields.get("factor", positiveNumber);
  const mscale = fields.optional("mscale", anyNumber) ?? 0;
  const mscaleAllDim = fields.optional("mscale_all_dim", anyNumber) ?? 0;
  const attentionFactor = fields.optional("attention_factor", positiveNumber);
  const isStated = mscale !== 0 && mscaleAllDim !== 0;
  return {
    factor,
    originalContextLength:
      fields.optional("original_max_position_embeddings", positiveInteger(MAX_SEQUENCE_LENGTH)) ?? maxSeqLen,
    betaFast: fields.optional("beta_fast", positiveNumber) ?? 32,
    betaSlow: fields.optional("beta_slow", positiveNumber) ?? 1,
    ...(attentionFactor === undefined
      ? (isStated ? { mscale, mscaleAllDim } : { mscale: 1, mscaleAllDim: 0 })
      : scalesOf(attentionFactor, factor, (problem) => fields.error("attention_factor", problem))),
    truncate: fields.optional("truncate", boolean) ?? true,
  };
}

function scaleOf(factor: number, mscale: number): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}

/** How much attention is scaled along with YaRN (fairseq2 0.8.1 `models/olmo/yarn_rope.py`). */
export function attentionFactorOf({ factor, mscale, mscaleAllDim }: YarnScaling): number {
  if (mscale !== 0 && mscaleAllDim !== 0) return scaleOf(factor, mscale) / scaleOf(factor, mscaleAllDim);
  return scaleOf(factor, mscale === 0 ? 1 : mscale);
}

/** A double has at most 17 significant digits. */
const MAX_DIGITS = 17;

/**
 * The two scales of which fairseq2 makes a factor: the shortest decimal that gives it, in the precision that the factor
 * was stored with.
 */
export function scalesOf(
  attentionFactor: number,
  factor: number,
  error: (problem: string) => Error,
  stored: (value: number) => number = (value) => value,
): Pick<YarnScaling, "mscale" | "mscaleAllDim"> {
  if (attentionFactor === 1) return { mscale: 1, mscaleAllDim: factor <= 1 ? 0 : 1 };
  if (factor <= 1) {
    throw error(`expected 1, as it is with a factor of ${factor}, got ${attentionFactor}`);
  }
  const exact = (attentionFactor - 1) / (0.1 * Math.log(factor));
  for (let digits = 1; digits < MAX_DIGITS; digits++) {
    const mscale = Number(exact.toPrecision(digits));
    if (stored(scaleOf(factor, mscale)) === stored(attentionFactor)) return { mscale, mscaleAllDim: 0 };
  }
  return { mscale: exact, mscaleAllDim: 0 };
}

/** Writes the fields of an OLMo model: that of OLMo 3's class where layers may have a window. */
export function writeOlmoJson(
  model: ModelDescription,
  options: ConfigJsonOptions,
): Record<string, PythonJsonValue> {
  const { slidingWindow, yarn, ropeTheta } = model;
  const type = slidingWindow === undefined ? TYPE_2 : TYPE_3;
  const { head_dim: _, ...fields } = writeDecoder(model, options, OLMO_TYPES.get(type)![0]!, type);
  const common = { ...fields, attention_bias: false };
  if (slidingWindow === undefined) return { ...common, rope_scaling: null };
  const rope = yarn === undefined
    ? { rope_theta: new PythonFloat(ropeTheta), rope_type: "default" }
    : yarnJson(yarn, ropeTheta);
  return {
    ...common,
    layer_types: layerTypesOf(model).map((type) => LAYER_TYPES[type]),
    sliding_window: slidingWindow,
    // 5.13 and later read it for each type. 5.0 to 5.12 have one rotation for all layers, and take `rope_scaling`. 4.57
    // would leave YaRN out of layers with a window without a word: no theta makes it fail instead.
    rope_parameters: { [LAYER_TYPES.full]: rope, [LAYER_TYPES.sliding]: rope },
    rope_scaling: yarn === undefined ? null : rope,
    ...(yarn !== undefined && { rope_theta: null }),
  };
}

function yarnJson(yarn: YarnScaling, theta: number): Record<string, PythonJsonValue> {
  return {
    // transformers takes no `mscale` without `mscale_all_dim`, as fairseq2 does.
    attention_factor: new PythonFloat(attentionFactorOf(yarn)),
    beta_fast: new PythonFloat(yarn.betaFast),
    beta_slow: new PythonFloat(yarn.betaSlow),
    factor: new PythonFloat(yarn.factor),
    original_max_position_embeddings: yarn.originalContextLength,
    rope_theta: new PythonFloat(theta),
    rope_type: "yarn",
    ...(!yarn.truncate && { truncate: false }),
  };
}

/** What versions of transformers can't compute of a model that is written. */
export function olmoJsonNotes({ yarn }: ModelDescription): string[] {
  if (yarn === undefined) return [];
  const notes = [
    "fairseq2 has YaRN in all layers of OLMo 3, which transformers 5 computes; earlier versions can't, and fail to load it",
  ];
  if (!yarn.truncate) {
    notes.push("transformers 5.13 to 5.23 don't look at YaRN's truncate, and compute other logits");
  }
  return notes;
}
