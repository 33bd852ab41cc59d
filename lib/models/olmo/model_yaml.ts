/** OLMo's configurations in fairseq2's `model.yaml` (0.8.0 and 0.8.1 `models/olmo/config.py`). */

import { PythonFloat } from "../../python/python_number.ts";
import type { YamlMapping, YamlValue } from "../../python/yaml_printer.ts";
import {
  anyNumber,
  boolean,
  type ConfigFields,
  nullable,
  oneOf,
  positiveInteger,
  positiveNumber,
  show,
  texts,
} from "../config_fields.ts";
import { listed } from "../../words.ts";
import type { FamilyModel, ModelYamlCodec, ModelYamlTarget } from "../family.ts";
import { constant, float, integer, number, type Row } from "../field_table.ts";
import { MAX_SEQUENCE_LENGTH } from "../limits.ts";
import type { ModelDescription, YarnScaling } from "../model_description.ts";
import { byTable, rows, token } from "../model_yaml_fields.ts";

/** What configurations call layers with a window and without. */
export const LAYER_TYPES = { sliding: "sliding_attention", full: "full_attention" } as const;

// Neither may be null. Only training looks at the one, and nothing but fairseq2's exporter at the other.
const endOf = ({ eosIds, padId, vocabSize }: FamilyModel) => eosIds?.[0] ?? padId ?? vocabSize - 1;
const pad: Row<"padId"> = {
  ...number("pad_idx", "padId", token),
  write: (model) => [["pad_idx", model.padId ?? endOf(model)]],
};
const end: Row<"eosIds"> = {
  keys: ["eosIds"],
  read: (fields) => ({ eosIds: [fields.get("eos_token_id", token)] }),
  write: (model) => [["eos_token_id", endOf(model)]],
};

const layerTypes: Row<"layerTypes"> = {
  keys: ["layerTypes"],
  read(fields) {
    const layerTypes = readLayerTypes(fields, rows.layers.read(fields).layers!);
    return layerTypes === undefined ? {} : { layerTypes };
  },
  write: ({ layerTypes }) => [["layer_types", layerTypes?.map((type) => LAYER_TYPES[type]) ?? null]],
};

const YARN = "yarn_scale_config";
const yarn: Row<"yarn"> = {
  keys: ["yarn"],
  read: (fields) => fields.values.get(YARN) === null ? {} : { yarn: readYarn(fields.nested(YARN)) },
  write: ({ yarn }) => [[YARN, yarn === undefined ? null : yarnFields(yarn)]],
};

const table = [
  rows.dim,
  rows.maxSeqLen,
  rows.vocabSize,
  pad,
  number("bos_token_id", "bosId", token, null),
  end,
  rows.tied,
  rows.layers,
  rows.heads,
  rows.kvHeads,
  rows.width,
  float("rms_norm_eps", "normEps"),
  rows.ropeTheta,
  rows.dropout,
  constant("init_std", null, nullable(anyNumber)),
  constant("init_std_scale", "layer", oneOf("none", "layer", "stack")),
  rows.shardEmbedDim,
  integer("sliding_window", "slidingWindow", MAX_SEQUENCE_LENGTH, null),
  layerTypes,
  yarn,
];

const { read, write } = byTable(() => table, { multipleOf: 1 });

/** The codec. Without a window, fairseq2 takes neither the layers' types nor YaRN (OLMo 2). */
export const olmoModelYaml: Pick<ModelYamlCodec, "read" | "write"> = {
  read(fields, generation) {
    const model = read(fields, generation);
    const { layerTypes: _, yarn: __, ...olmo2 } = model;
    return model.slidingWindow === undefined ? olmo2 : model;
  },
  write,
};

/** What fairseq2 can't do of a model, and which tokens it gets that it hasn't got. */
export function olmoNotes(model: ModelDescription, { shards, tokens }: ModelYamlTarget): string[] {
  const absent = [
    ...(tokens.eosIds === undefined ? ["eos_token_id"] : []),
    ...(tokens.padId === undefined ? ["pad_idx"] : []),
  ];
  return [
    ...(shards === 1 ? [] : [
      "fairseq2 0.8.1 can't compute OLMo models in several shards, whose norms of q and k it leaves whole; write one " +
      "with --shards 1",
    ]),
    ...(absent.length === 0 ? [] : [
      `fairseq2's OLMo must have ${listed(absent, "and")}, which the model hasn't got: model.yaml says ` +
      `${endOf({ ...model, eosIds: tokens.eosIds, padId: tokens.padId })}`,
    ]),
  ];
}

/**
 * Which layers of an OLMo 3 have the window. By default all but every fourth one, and but the last one, as fairseq2 has
 * it (0.8.1 `models/olmo/factory.py` `_generate_layer_types`); transformers' default gives the last one a window, too.
 */
export function layerTypesOf(
  { layerTypes, layers }: Pick<FamilyModel, "layerTypes" | "layers">,
): readonly ("sliding" | "full")[] {
  return layerTypes ?? Array.from(
    { length: layers },
    (_, layer) => (layer + 1) % 4 === 0 || layer === layers - 1 ? "full" : "sliding",
  );
}

/**
 * Reads which layers have the window.
 *
 * @throws {ConfigError} If there is a type that isn't known, or not one for each layer.
 */
export function readLayerTypes(fields: ConfigFields, layers: number): FamilyModel["layerTypes"] {
  const types = fields.optional("layer_types", texts);
  if (types === undefined) return undefined;
  const { sliding, full } = LAYER_TYPES;
  const other = types.find((type) => type !== sliding && type !== full);
  if (other !== undefined) {
    throw fields.error("layer_types", `expected ${show(sliding)} or ${show(full)}, got ${show(other)}`);
  }
  if (types.length !== layers) {
    throw fields.error("layer_types", `has ${types.length} types, where the model has ${layers} layers`);
  }
  return types.map((type) => type === sliding ? "sliding" : "full");
}

/** Reads `YaRNScaleConfig`, with its defaults. */
function readYarn(fields: ConfigFields): YarnScaling {
  const yarn: YarnScaling = {
    factor: fields.get("scale_factor", positiveNumber, 8),
    originalContextLength: fields.get("original_max_seq_len", positiveInteger(MAX_SEQUENCE_LENGTH), 8192),
    betaFast: fields.get("beta_fast", positiveNumber, 32),
    betaSlow: fields.get("beta_slow", positiveNumber, 1),
    mscale: fields.get("mscale", anyNumber, 1),
    mscaleAllDim: fields.get("mscale_all_dim", anyNumber, 0),
    truncate: fields.get("truncate", boolean, true),
  };
  fields.refuseOthers(yarnFields(yarn).keys());
  return yarn;
}

function yarnFields(yarn: YarnScaling): YamlMapping {
  return new Map<string, YamlValue>([
    ["scale_factor", new PythonFloat(yarn.factor)],
    ["original_max_seq_len", yarn.originalContextLength],
    ["beta_fast", new PythonFloat(yarn.betaFast)],
    ["beta_slow", new PythonFloat(yarn.betaSlow)],
    ["mscale", new PythonFloat(yarn.mscale)],
    ["mscale_all_dim", new PythonFloat(yarn.mscaleAllDim)],
    ["truncate", yarn.truncate],
  ]);
}
