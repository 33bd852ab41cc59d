/** OLMo's metadata in GGUF files (llama.cpp's `src/models/olmo2.cpp`, `conversion/olmo.py`). */

import { PythonFloat } from "../../python/python_number.ts";
import type { YamlValue } from "../../python/yaml_printer.ts";
import { type ConfigFields, positiveInteger, positiveNumber, show } from "../config_fields.ts";
import type { FamilyModel, GgufCodec } from "../family.ts";
import { readDecoderFields, refuseOtherFields, writeDecoderFields } from "../gguf_fields.ts";
import { MAX_SEQUENCE_LENGTH } from "../limits.ts";
import type { ModelDescription, YarnScaling } from "../model_description.ts";
import { attentionFactorOf, scalesOf, usualLayerTypes, WHOSE } from "./config_json.ts";
import { layerTypesOf } from "./model_yaml.ts";

const YARN = {
  factor: "rope.scaling.factor",
  originalContextLength: "rope.scaling.original_context_length",
  attentionFactor: "rope.scaling.yarn_attn_factor",
  betaFast: "rope.scaling.yarn_beta_fast",
  betaSlow: "rope.scaling.yarn_beta_slow",
} as const;

/** The base in layers with a window. */
const WINDOW_THETA = "rope.freq_base_swa";
const WINDOW = "attention.sliding_window";
const PATTERN = "attention.sliding_window_pattern";

function writeYarn(yarn: YarnScaling): (readonly [string, YamlValue])[] {
  return [
    ["rope.scaling.type", "yarn"],
    [YARN.factor, new PythonFloat(yarn.factor)],
    [YARN.originalContextLength, yarn.originalContextLength],
    [YARN.attentionFactor, new PythonFloat(attentionFactorOf(yarn))],
    [YARN.betaFast, new PythonFloat(yarn.betaFast)],
    [YARN.betaSlow, new PythonFloat(yarn.betaSlow)],
  ];
}

function writeOlmo3(model: ModelDescription): (readonly [string, YamlValue])[] {
  const { slidingWindow, ropeTheta, yarn } = model;
  if (slidingWindow === undefined) return [];
  return [
    ...yarn === undefined ? [] : writeYarn(yarn),
    [WINDOW_THETA, new PythonFloat(ropeTheta)],
    [WINDOW, slidingWindow],
    [PATTERN, layerTypesOf(model).map((type) => type === "sliding")],
  ];
}

function readYarn(fields: ConfigFields): YarnScaling {
  const factor = fields.get(YARN.factor, positiveNumber);
  const attentionFactor = fields.optional(YARN.attentionFactor, positiveNumber);
  return {
    factor,
    originalContextLength: fields.get(YARN.originalContextLength, positiveInteger(MAX_SEQUENCE_LENGTH)),
    betaFast: fields.optional(YARN.betaFast, positiveNumber) ?? 32,
    betaSlow: fields.optional(YARN.betaSlow, positiveNumber) ?? 1,
    ...(attentionFactor === undefined
      ? { mscale: 1, mscaleAllDim: 0 }
      : scalesOf(attentionFactor, factor, (problem) =>
        fields.error(YARN.attentionFactor, problem), Math.fround)),
    truncate: true,
  };
}

/** Which layers have the window; every fourth hasn't where nothing is said, as llama.cpp takes it. */
function readPattern(fields: ConfigFields, layers: number): NonNullable<FamilyModel["layerTypes"]> {
  const pattern = fields.values.get(PATTERN);
  if (pattern === undefined) return usualLayerTypes(layers);
  if (
    !Array.isArray(pattern) || pattern.length !== layers ||
    pattern.some((value) => typeof value !== "boolean")
  ) {
    throw fields.error(PATTERN, `expected true or false for each of ${layers} layers, got ${show(pattern)}`);
  }
  return pattern.map((hasWindow) => hasWindow ? "sliding" : "full");
}

/** OLMo's codec. */
export const olmoGguf: GgufCodec = {
  architectures: ["olmo2"],
  read(fields, tensors) {
    const model = readDecoderFields(fields, tensors, WHOSE, ["yarn"]);
    const isYarn = fields.values.get("rope.scaling.type") === "yarn";
    // Without a type llama.cpp scales all frequencies by the factor.
    refuseOtherFields(fields, [...(isYarn ? Object.values(YARN) : []), WINDOW, WINDOW_THETA, PATTERN]);
    if (model.headDim !== model.dim / model.heads) {
      throw fields.error(
        "attention.key_length",
        `is ${model.headDim}, but ${WHOSE} have no heads of another size`,
      );
    }
    const common = { ...model, multipleOf: 1, embeddingShardDim: 1 } as const;
    const slidingWindow = fields.optional(WINDOW, positiveInteger(MAX_SEQUENCE_LENGTH));
    if (slidingWindow === undefined) {
      if (isYarn) {
        throw fields.error("rope.scaling.type", `is "yarn", which ${WHOSE} have with a window alone`);
      }
      return common;
    }
    const theta = fields.optional(WINDOW_THETA, positiveNumber) ?? model.ropeTheta;
    if (theta !== model.ropeTheta) {
      throw fields.error(
        WINDOW_THETA,
        `is ${theta}, but ${WHOSE} turn all layers alike, by ${model.ropeTheta}`,
      );
    }
    return {
      ...common,
      slidingWindow,
      layerTypes: readPattern(fields, model.layers),
      ...(isYarn && { yarn: readYarn(fields) }),
    };
  },
  write: (model) => ({
    architecture: "olmo2",
    fields: new Map([...writeDecoderFields(model), ...writeOlmo3(model)]),
  }),
  isNeverTied: true,
  notes({ yarn, slidingWindow, layers, layerTypes }) {
    const types = layerTypesOf({ layers, layerTypes });
    if (yarn === undefined || slidingWindow === undefined || !types.includes("sliding")) return [];
    return [
      "llama.cpp has YaRN in layers without a window alone, fairseq2 has it in all: it computes other logits",
      ...yarn.truncate ? [] : ["GGUF can't say that YaRN's bounds aren't rounded (truncate)"],
    ];
  },
};
