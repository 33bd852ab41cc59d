/** LLaMA's metadata in GGUF files (llama.cpp's `src/models/llama.cpp`, `conversion/llama.py`). */

import { ConfigError } from "../config_error.ts";
import type { ConfigFields } from "../config_fields.ts";
import type { FamilyModel, GgufCodec, GgufDescription, GgufTensorFacts } from "../family.ts";
import { readDecoderFields, refuseOtherFields, writeDecoderFields, writeHeadDim } from "../gguf_fields.ts";
import type { ModelDescription, RopeScaling } from "../model_description.ts";
import { inferEmbeddingShardDim, inferMultipleOf, SCALING_3_1 } from "./architectures.ts";
import { WHOSE } from "./config_json.ts";

/** llama.cpp's name for the code, which is Mistral's, too. */
export const LLAMA_CODE = "llama";

/** Reads a LLaMA model's fields. */
export function readLlamaFields(fields: ConfigFields, tensors: GgufTensorFacts): FamilyModel {
  const model = readDecoderFields(fields, tensors, WHOSE);
  refuseOtherFields(fields);
  if (model.headDim !== model.dim / model.heads) {
    throw fields.error(
      "attention.key_length",
      `expected embedding_length / attention.head_count, which is ${
        model.dim / model.heads
      }, got ${model.headDim}; ` +
        "neither fairseq2 nor Meta's code has heads of another size",
    );
  }
  const { ropeFactors = new Float32Array() } = tensors;
  const ropeScaling = ropeFactors.every((factor) => factor === 1)
    ? undefined
    : scalingOf(ropeFactors, model, fields.file);
  return {
    ...model,
    ...(ropeScaling !== undefined && { ropeScaling }),
    multipleOf: inferMultipleOf(model.dim, model.intermediateSize),
    embeddingShardDim: inferEmbeddingShardDim({ ...model, ropeScaling }),
  };
}

/** Writes the fields of a model that llama.cpp computes as a LLaMA. */
export function writeLlamaFields(model: ModelDescription): GgufDescription {
  const { ropeScaling } = model;
  return {
    architecture: LLAMA_CODE,
    fields: new Map([
      ...writeDecoderFields(model),
      ...writeHeadDim(model),
      ["vocab_size", model.vocabSize],
      ["rope.dimension_count", model.headDim],
    ]),
    ...(ropeScaling !== undefined && { ropeFactors: factorsOf(model, ropeScaling) }),
  };
}

/**
 * By what each frequency of RoPE is divided (llama.cpp's `conversion/llama.py` `generate_extra_tensors`), in the steps of
 * torch, which computes in single precision.
 */
function factorsOf(
  { headDim, ropeTheta }: Pick<ModelDescription, "headDim" | "ropeTheta">,
  { factor, lowFreqFactor, highFreqFactor, originalContextLength }: RopeScaling,
): Float32Array {
  const { fround } = Math;
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = fround(1 / fround(ropeTheta ** fround(2 * i / headDim)));
    const wavelength = fround(fround(2 * Math.PI) / frequency);
    if (wavelength < fround(originalContextLength / highFreqFactor)) return 1;
    if (wavelength > fround(originalContextLength / lowFreqFactor)) return factor;
    const turns = fround(originalContextLength / wavelength);
    const smooth = fround(fround(turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor));
    return fround(1 / fround(fround(fround(1 - smooth) / factor) + smooth));
  });
}

/** Numbers that may differ in how two machines raise to a power differ by no more than this. */
const TOLERANCE = 1e-5;

/**
 * The numbers that give such factors: those that LLaMA 3.1 and 3.2 were published with, but for the factor, which is that of the
 * slowest frequency.
 */
function scalingOf(
  factors: Float32Array,
  model: Pick<ModelDescription, "headDim" | "ropeTheta">,
  file: string,
): RopeScaling {
  if (factors.length !== model.headDim / 2) {
    throw new ConfigError(
      file,
      "rope_freqs.weight",
      `has ${factors.length} numbers, but heads have ${model.headDim} rows`,
    );
  }
  const scaling = { ...SCALING_3_1, factor: factors.at(-1)! };
  const expected = factorsOf(model, scaling);
  if (factors.every((factor, i) => Math.abs(factor / expected[i]! - 1) <= TOLERANCE)) return scaling;
  throw new ConfigError(
    file,
    "rope_freqs.weight",
    "scales RoPE by other numbers than those of LLaMA 3.1 and 3.2",
  );
}

/** LLaMA's codec. */
export const llamaGguf: GgufCodec = {
  architectures: [LLAMA_CODE],
  hasRopeFactors: true,
  read: readLlamaFields,
  write: writeLlamaFields,
};
