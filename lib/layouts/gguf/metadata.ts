/** What a GGUF file's metadata say of a model, besides its tokenizer. */

import { type GgufMetadata, type GgufValue, shortestDecimal } from "../../gguf/value.ts";
import { ConfigError } from "../../models/config_error.ts";
import type { GgufDescription } from "../../models/family.ts";
import { PythonFloat } from "../../python/python_number.ts";
import type { YamlValue } from "../../python/yaml_printer.ts";
import { sizeLabel } from "./size_label.ts";

/** By what RoPE's frequencies are divided: no parameter, but a tensor. */
export const ROPE_FACTORS = "rope_freqs.weight";

/** What `general.file_type` calls files by the type of most of their numbers (llama.cpp `include/llama.h` `llama_ftype`). */
const FILE_TYPES: ReadonlyMap<string, number> = new Map([
  ["float32", 0],
  ["float16", 1],
  ["q8_0", 7],
  ["bfloat16", 32],
]);

/** The version of the formats of quantized numbers (`ggml.h` `GGML_QNT_VERSION`). */
const QUANTIZATION_VERSION = 2;

/** How a model samples: fields of `generation_config.json`, as the keys of `general.sampling` have them. */
const SAMPLING: readonly (readonly [key: string, fields: readonly string[], type: "int32" | "float32"])[] = [
  ["top_k", ["top_k"], "int32"],
  ["top_p", ["top_p"], "float32"],
  ["min_p", ["min_p"], "float32"],
  ["xtc_probability", ["xtc_probability"], "float32"],
  ["xtc_threshold", ["xtc_threshold"], "float32"],
  ["temp", ["temperature"], "float32"],
  ["penalty_last_n", ["penalty_last_n"], "int32"],
  ["penalty_repeat", ["penalty_repeat", "repetition_penalty"], "float32"],
  ["mirostat", ["mirostat"], "int32"],
  ["mirostat_tau", ["mirostat_tau"], "float32"],
  ["mirostat_eta", ["mirostat_eta"], "float32"],
];

/** The keys under `general.` that are of a file, not of its model: they are made anew. */
const OF_FILE = ["architecture", "type", "alignment", "file_type", "quantization_version", "size_label"];

/** What metadata say of a model for people, and how it samples. */
export function generalOf(metadata: GgufMetadata): GgufMetadata {
  const prefix = "general.";
  return new Map(
    [...metadata].filter(([key]) => key.startsWith(prefix) && !OF_FILE.includes(key.slice(prefix.length))),
  );
}

/** What there is to say of a file. */
export interface GgufFacts {
  /** The model's name, for people. */
  readonly name: string;
  /** What llama.cpp is told of the model. */
  readonly description: GgufDescription;
  /** The number of numbers in all tensors. */
  readonly parameters: number;
  /** The format of most of them. */
  readonly format: string;
  /** The fields of the model's `generation_config.json`. */
  readonly generation: ReadonlyMap<string, unknown>;
  /** What other metadata say of the model, which goes along. */
  readonly general?: GgufMetadata;
}

/** The metadata, in the order of llama.cpp's converter (0.3.36 of llama-cpp-python, `conversion/base.py`). */
export function ggufMetadata(facts: GgufFacts): Map<string, GgufValue> {
  const { name, description: { architecture, fields }, parameters, format, generation, general = [] } = facts;
  return new Map<string, GgufValue>([
    ["general.architecture", string(architecture)],
    ["general.type", string("model")],
    ...samplingOf(generation),
    ["general.name", string(name)],
    ...general,
    ["general.size_label", string(sizeLabel(parameters))],
    ...[...fields].map(([key, value]) => [`${architecture}.${key}`, valueOf(value)] as const),
    ["general.file_type", { type: "uint32", value: FILE_TYPES.get(format)! }],
    ["general.quantization_version", { type: "uint32", value: QUANTIZATION_VERSION }],
  ]);
}

/** The metadata that stand for a tokenizer where there is none: then llama.cpp takes the vocabulary's size from its key. */
export function noTokenizer({ architecture }: GgufDescription, vocabSize: number): GgufMetadata {
  return new Map<string, GgufValue>([
    [`${architecture}.vocab_size`, { type: "uint32", value: vocabSize }],
    ["tokenizer.ggml.model", string("none")],
  ]);
}

function samplingOf(generation: ReadonlyMap<string, unknown>): (readonly [string, GgufValue])[] {
  return SAMPLING.flatMap(([key, fields, type]) => {
    const value = fields.map((field) => generation.get(field) ?? null).find((value) => value !== null);
    if (typeof value !== "number") return [];
    if (type === "int32" && !(Number.isInteger(value) && Math.abs(value) < 2 ** 31)) return [];
    return [[`general.sampling.${key}`, { type, value }] as const];
  });
}

function string(value: string): GgufValue {
  return { type: "string", value };
}

function valueOf(value: YamlValue): GgufValue {
  if (typeof value === "string") return string(value);
  if (typeof value === "number") return { type: "uint32", value };
  if (value instanceof PythonFloat) return { type: "float32", value: value.value };
  if (Array.isArray(value)) return { type: "array", items: "bool", values: value.map(Boolean) };
  throw new TypeError(`Cannot write a field of ${typeof value}`);
}

/** The fields of a model, by their names without its code's: as JSON would say them. */
export function fieldsOf(metadata: GgufMetadata, architecture: string): Map<string, unknown> {
  const prefix = `${architecture}.`;
  const fields = new Map<string, unknown>();
  for (const [key, value] of metadata) {
    if (key.startsWith(prefix)) fields.set(key.slice(prefix.length), plain(value));
  }
  return fields;
}

/** The names of fields that are no whole numbers. */
const FLOAT =
  /\.(?:freq_base(?:_swa)?|layer_norm_rms_epsilon|factor|yarn_(?:attn_factor|beta_fast|beta_slow))$/;

/**
 * Checks the types of the numbers in a model's fields, which are all known: llama.cpp takes `uint32` and `float32` alone
 * (`src/llama-model-loader.cpp`).
 *
 * @throws {ConfigError} If it refuses one.
 */
export function checkTypes(path: string, metadata: GgufMetadata, architecture: string): void {
  for (const [key, { type }] of metadata) {
    if (!key.startsWith(`${architecture}.`)) continue;
    const number = FLOAT.test(key) ? "float32" : "uint32";
    if (["array", "string", "bool", number].includes(type)) continue;
    throw new ConfigError(path, key, `is a ${type}, where llama.cpp takes a ${number}`);
  }
}

function plain(value: GgufValue): unknown {
  if (value.type === "array") return Array.from<unknown>(value.values);
  if (value.type === "float32") return shortestDecimal(value.value);
  return typeof value.value === "bigint" ? Number(value.value) : value.value;
}
