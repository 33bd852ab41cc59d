/**
 * Mistral's own `params.json`, which is flat.
 *
 * The fields are those of mistral_inference (1.6.0 `args.py`, `TransformerArgs`), in the order of the published
 * Mistral 7B v0.1.
 */

import { MismatchError } from "../../error.ts";
import type { PythonJsonValue } from "../../python/python_json.ts";
import { PythonFloat } from "../../python/python_number.ts";
import { type ConfigFields, positiveInteger, positiveNumber } from "../config_fields.ts";
import type { DescribedReference, ParamsJsonForm, ReferenceFiles } from "../family.ts";
import { fitArchitectures } from "../fit_architecture.ts";
import {
  MAX_DIM,
  MAX_HEADS,
  MAX_INTERMEDIATE_SIZE,
  MAX_LAYERS,
  MAX_SEQUENCE_LENGTH,
  MAX_VOCABULARY,
} from "../limits.ts";
import { headsProblem, type ModelDescription } from "../model_description.ts";
import { ROPE_THETA } from "./architectures.ts";

/** The base of the rotary frequencies that Mistral's code has taken for models without a window. */
const ROPE_THETA_WITHOUT_WINDOW = 1e6;

/** The context length where nothing says one (transformers' `convert_mistral_weights_to_hf.py`). */
const USUAL_CONTEXT_LENGTH = 32768;

/** The fields that name a head's numbers, for messages. */
const HEADS_FIELDS = { heads: "n_heads", kvHeads: "n_kv_heads", headDim: "head_dim" } as const;

/** Fields of Mistral's other models, by what they say of the weights. */
const foreignFields: ReadonlyMap<string, string> = new Map([
  ["moe", "a mixture of experts"],
  ["lora", "weights with adapters"],
  ["vision_encoder", "a vision model"],
  ["quantization", "quantized weights"],
  ["yarn", "a model with scaled RoPE"],
]);

/**
 * Describes the model of a directory with a `params.json` of Mistral's.
 *
 * Where it says no `rope_theta`, that depends on the window, as in Mistral's code of December 2023: 10000 with one, as
 * published with 7B v0.1, and 1000000 without.
 *
 * @throws {ConfigError} If a field isn't what it must be, or is one of another kind of model.
 * @throws {MismatchError} If there are several files.
 */
export function describeMistralParams(
  fields: ConfigFields,
  { shards, observed }: ReferenceFiles,
): DescribedReference {
  const { file } = fields;
  if (shards > 1) {
    throw new MismatchError(`${file}: is of a Mistral model, which is in one file, but there are ${shards}`);
  }
  for (const [name, what] of foreignFields) {
    if ((fields.values.get(name) ?? null) !== null) {
      throw fields.error(name, `says that this is ${what}, which can't be converted`);
    }
  }
  const heads = fields.get("n_heads", positiveInteger(MAX_HEADS));
  const shape = {
    dim: fields.get("dim", positiveInteger(MAX_DIM)),
    layers: fields.get("n_layers", positiveInteger(MAX_LAYERS)),
    heads,
    kvHeads: fields.optional("n_kv_heads", positiveInteger(MAX_HEADS)) ?? heads,
    intermediateSize: fields.get("hidden_dim", positiveInteger(MAX_INTERMEDIATE_SIZE)),
  };
  const unfit = headsProblem(shape);
  if (unfit !== undefined) throw fields.error(HEADS_FIELDS[unfit.field], unfit.problem);
  const headDim = fields.optional("head_dim", positiveInteger(MAX_DIM)) ?? shape.dim / heads;
  if (headDim !== shape.dim / heads) {
    throw fields.error("head_dim", `expected dim / n_heads, which is ${shape.dim / heads}, got ${headDim}`);
  }
  const notes: string[] = [];
  const said = fields.get("vocab_size", positiveInteger(MAX_VOCABULARY));
  const { vocabSize } = observed;
  if (said !== vocabSize) notes.push(`a vocabulary of ${vocabSize}, where ${file} has ${said}`);

  const length = positiveInteger(MAX_SEQUENCE_LENGTH);
  const slidingWindow = fields.optional("sliding_window", length) ??
    fields.optional("_sliding_window", length);
  let ropeTheta = fields.optional("rope_theta", positiveNumber);
  if (ropeTheta === undefined) {
    ropeTheta = slidingWindow === undefined ? ROPE_THETA_WITHOUT_WINDOW : ROPE_THETA;
    notes.push(
      `${file} says no rope_theta; ${ropeTheta} is taken, as for Mistral's models ${
        slidingWindow === undefined ? "without" : "with"
      } a window`,
    );
  }
  const normEps = fields.get("norm_eps", positiveNumber);
  const published = fitArchitectures(observed).map(({ architecture }) => architecture)
    .find((each) => each.slidingWindow === slidingWindow && each.ropeTheta === ropeTheta);
  const maxSeqLen = fields.optional("max_seq_len", length) ?? published?.maxSeqLen;
  if (maxSeqLen === undefined) notes.push(`${file} says no context length; ${USUAL_CONTEXT_LENGTH} is taken`);
  return {
    model: {
      ...shape,
      headDim,
      vocabSize,
      multipleOf: 1,
      ropeTheta,
      ...(slidingWindow !== undefined && { slidingWindow }),
      normEps,
      maxSeqLen: maxSeqLen ?? USUAL_CONTEXT_LENGTH,
      embeddingShardDim: 0,
      tied: false,
    },
    notes,
  };
}

/**
 * The `params.json` of a model; there is none in Meta's form.
 *
 * `rope_theta` is always there. Mistral 7B v0.1 was published without, but Mistral's code has taken 1000000 for it since
 * mistral_inference 1.0 (`transformer.py`), where that model needs 10000.
 */
export function writeMistralParams(
  model: ModelDescription,
  form: ParamsJsonForm,
): PythonJsonValue | undefined {
  if (form === "meta") return undefined;
  const { slidingWindow } = model;
  return new Map<string, PythonJsonValue>([
    ["dim", model.dim],
    ["n_layers", model.layers],
    ["head_dim", model.headDim],
    ["hidden_dim", model.intermediateSize],
    ["n_heads", model.heads],
    ["n_kv_heads", model.kvHeads],
    ["norm_eps", new PythonFloat(model.normEps)],
    ...(slidingWindow === undefined ? [] : [["sliding_window", slidingWindow] as const]),
    ["vocab_size", model.vocabSize],
    ["rope_theta", new PythonFloat(model.ropeTheta)],
  ]);
}
