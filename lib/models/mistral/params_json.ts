/**
 * Mistral's own `params.json`, which is flat.
 *
 * The fields are those of mistral_inference (1.6.0 `args.py`, `TransformerArgs`), in the order of the published
 * Mistral 7B v0.1.
 */

import { MismatchError } from "../../error.ts";
import type { PythonJsonValue } from "../../python/python_json.ts";
import { type ConfigFields, positiveInteger } from "../config_fields.ts";
import type { DescribedReference, ParamsJsonForm, ReferenceFiles } from "../family.ts";
import { float, integer, readTable, type Row, writeTable } from "../field_table.ts";
import { fitArchitectures } from "../fit_architecture.ts";
import { MAX_DIM, MAX_INTERMEDIATE_SIZE, MAX_SEQUENCE_LENGTH, MAX_VOCABULARY } from "../limits.ts";
import type { ModelDescription } from "../model_description.ts";
import { refuseForeign, rows, wholeHeadDim } from "../params_json_fields.ts";
import { ROPE_THETA } from "./architectures.ts";

/** The base of the rotary frequencies that Mistral's code has taken for models without a window. */
const ROPE_THETA_WITHOUT_WINDOW = 1e6;

/** The context length where nothing says one (transformers' `convert_mistral_weights_to_hf.py`). */
const USUAL_CONTEXT_LENGTH = 32768;

const length = positiveInteger(MAX_SEQUENCE_LENGTH);
const slidingWindow: Row<"slidingWindow"> = {
  keys: ["slidingWindow"],
  read(fields) {
    const window = fields.optional("sliding_window", length) ?? fields.optional("_sliding_window", length);
    return window === undefined ? {} : { slidingWindow: window };
  },
  write: ({ slidingWindow }) => slidingWindow === undefined ? [] : [["sliding_window", slidingWindow]],
};
const vocabSize = integer("vocab_size", "vocabSize", MAX_VOCABULARY);
const ropeTheta = float("rope_theta", "ropeTheta", null);
const headDim = integer("head_dim", "headDim", MAX_DIM, null);
const hiddenDim = integer("hidden_dim", "intermediateSize", MAX_INTERMEDIATE_SIZE);
const { dim, layers, heads, kvHeads, normEps } = rows;

/** What is written, in the order of the published file; what is read of a model is said by all but the rotation. */
const shape = [dim, layers, headDim, hiddenDim, heads, kvHeads, normEps, slidingWindow];

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
  refuseForeign(fields, foreignFields);
  const read = readTable(fields, shape);
  const notes: string[] = [];
  const said = vocabSize.read(fields).vocabSize;
  const window = read.slidingWindow;
  if (said !== observed.vocabSize) {
    notes.push(`a vocabulary of ${observed.vocabSize}, where ${file} has ${said}`);
  }
  let { ropeTheta: theta } = ropeTheta.read(fields);
  if (theta === undefined) {
    theta = window === undefined ? ROPE_THETA_WITHOUT_WINDOW : ROPE_THETA;
    notes.push(
      `${file} says no rope_theta; ${theta} is taken, as for Mistral's models ${
        window === undefined ? "without" : "with"
      } a window`,
    );
  }
  const published = fitArchitectures(observed).map(({ architecture }) => architecture)
    .find((each) => each.slidingWindow === window && each.ropeTheta === theta);
  const maxSeqLen = fields.optional("max_seq_len", length) ?? published?.maxSeqLen;
  if (maxSeqLen === undefined) notes.push(`${file} says no context length; ${USUAL_CONTEXT_LENGTH} is taken`);
  return {
    model: {
      ...read,
      headDim: wholeHeadDim(fields, read),
      vocabSize: observed.vocabSize,
      multipleOf: 1,
      ropeTheta: theta,
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
  return form === "meta" ? undefined : writeTable(model, [...shape, vocabSize, ropeTheta]);
}
