/** LLaMA's metadata in GGUF files (llama.cpp's `src/models/llama.cpp`, `conversion/llama.py`). */

import { ConfigError } from "../config_error.ts";
import type { ConfigFields } from "../config_fields.ts";
import type { FamilyModel, GgufCodec, GgufDescription, GgufTensorFacts } from "../family.ts";
import { readDecoderFields, refuseOtherFields, writeDecoderFields, writeHeadDim } from "../gguf_fields.ts";
import type { ModelDescription, RopeScaling } from "../model_description.ts";
import { inferEmbeddingShardDim, inferMultipleOf, SCALING_3_1 } from "./architectures.ts";
import { WHOSE } from "./config_json.ts";
import { SCALING_UNTIL_0_3 } from "./model_yaml.ts";

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
  const ropeScaling = tensors.ropeFactors && scalingOf(tensors.ropeFactors, model, fields.file);
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
 * torch, which computes in single precision and divides a number by a tensor's as it multiplies by the reciprocal.
 */
function factorsOf(
  { headDim, ropeTheta }: Pick<ModelDescription, "headDim" | "ropeTheta">,
  { factor, lowFreqFactor, highFreqFactor, originalContextLength: length }: RopeScaling,
): Float32Array {
  const { fround } = Math;
  const over = (number: number, divisor: number) => fround(fround(1 / divisor) * fround(number));
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = over(1, fround(ropeTheta ** fround(2 * i / headDim)));
    const wavelength = over(2 * Math.PI, frequency);
    if (wavelength < length / highFreqFactor) return 1;
    if (wavelength > length / lowFreqFactor) return factor;
    const smooth = fround(
      fround(over(length, wavelength) - fround(lowFreqFactor)) / fround(highFreqFactor - lowFreqFactor),
    );
    return over(1, fround(fround(fround(1 - smooth) / fround(factor)) + smooth));
  });
}

/** The factors of LLaMA 3.1 and 3.2. */
const FACTORS = [8, 32];

/** Numbers that may differ in how two machines raise to a power differ by no more than this. */
const TOLERANCE = 1e-5;

/**
 * The numbers that give such factors: those that LLaMA 3.1 and 3.2 were published with, or that fairseq2 once had, but for
 * the factor, which is that of the slowest frequency, unless no frequency is slow enough. None where all factors are 1.
 */
function scalingOf(
  factors: Float32Array,
  model: Pick<ModelDescription, "headDim" | "ropeTheta">,
  file: string,
): RopeScaling | undefined {
  if (factors.length !== model.headDim / 2) {
    throw new ConfigError(
      file,
      "rope_freqs.weight",
      `has ${factors.length} numbers, but heads have ${model.headDim} rows`,
    );
  }
  if (factors.every((factor) => factor === 1)) return undefined;
  for (const factor of [factors.at(-1)!, ...FACTORS]) {
    for (const base of [SCALING_3_1, SCALING_UNTIL_0_3]) {
      const scaling = { ...base, factor };
      const expected = factorsOf(model, scaling);
      if (factors.every((factor, i) => Math.abs(factor / expected[i]! - 1) <= TOLERANCE)) return scaling;
    }
  }
  throw new ConfigError(
    file,
    "rope_freqs.weight",
    "scales RoPE by other numbers than LLaMA 3.1, 3.2 and fairseq2 do",
  );
}

/** LLaMA's codec. */
export const llamaGguf: GgufCodec = {
  architectures: [LLAMA_CODE],
  hasRopeFactors: true,
  read: readLlamaFields,
  write: writeLlamaFields,
};
