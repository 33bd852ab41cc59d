/** GGUF files, which llama.cpp, Ollama and others read: the weights, and all else in front of them. */

import { castTypes, type TargetFormat } from "../../bytes/view.ts";
import type { OutputFile } from "../../copy/plan.ts";
import { OptionError } from "../../error.ts";
import { ggmlBytes, ggmlTypeOf } from "../../gguf/ggml_types.ts";
import { type GgufTensor, layoutGguf } from "../../gguf/layout.ts";
import { splitGguf } from "../../gguf/split.ts";
import type { GgufMetadata } from "../../gguf/value.ts";
import { familyOf } from "../../models/families.ts";
import { PROJECTION } from "../../models/family.ts";
import type { ModelDescription } from "../../models/model_description.ts";
import { expectedParameters, formatName } from "../../models/parameter.ts";
import { isWholeStorage, numel, type Tensor, tensorView } from "../../tensor/tensor.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { dtypesOf, type PlannedOutput } from "../planned_output.ts";
import { castView } from "../cast.ts";
import { reshard } from "../reshard.ts";
import { ggufMetadata, noTokenizer, ROPE_FACTORS } from "./metadata.ts";

/** How to write a GGUF file. */
export interface GgufOptions {
  /** The model's name, for people. */
  readonly name: string;
  /** Whether the output projection is the embedding: then it is left out, where llama.cpp's code takes that. */
  readonly tied: boolean;
  /** What the matrices are converted to; their own dtype by default. */
  readonly dtype?: TargetFormat;
  /** The bytes of a file's tensors at most; all are in one file by default. */
  readonly maxShardSize?: number;
  /** The fields of the model's `generation_config.json`. */
  readonly generation: ReadonlyMap<string, unknown>;
  /** What other metadata say of the model, which goes along. */
  readonly general?: GgufMetadata;
  /** What the metadata say of the tokenizer, where there is one. */
  readonly tokenizer?: GgufMetadata;
}

/** The name of the file; those of several begin like it. */
const NAME = "model.gguf";

/**
 * The GGUF files of a model, as llama.cpp's converter writes them: vectors are float32 in all, a matrix whose rows aren't
 * whole blocks of a quantization is float16.
 *
 * @throws {OptionError} If llama.cpp has no such model, or the weights can't be converted to the dtype.
 */
export function ggufFiles(
  checkpoint: Checkpoint,
  model: ModelDescription,
  { name, tied, dtype, maxShardSize, generation, general, tokenizer }: GgufOptions,
): PlannedOutput {
  const family = familyOf(model);
  const description = family.gguf.write(model);
  const [parameters] = reshard(checkpoint.shards, model, 1);
  const notes = family.gguf.notes?.(model) ?? [];
  const unblocked: string[] = [];
  const from = new Map<string, string>();
  const tensors: GgufTensor[] = [];
  const { ropeFactors } = description;
  if (ropeFactors !== undefined) {
    const bytes = new Uint8Array(ropeFactors.buffer);
    tensors.push({
      name: ROPE_FACTORS,
      type: ggmlTypeOf("float32"),
      shape: [ropeFactors.length],
      data: bytes,
    });
  }
  for (const each of expectedParameters(family, model)) {
    const canonical = formatName("fairseq2", each);
    if (canonical === PROJECTION && tied && !family.gguf.isNeverTied) continue;
    const to = formatName("gguf", each);
    const made = ggufTensor(to, parameters!.get(canonical)!, dtype, canonical);
    if (made.type.format === "float16" && dtype === "q8_0") unblocked.push(to);
    tensors.push(made);
    from.set(to, canonical);
  }
  if (unblocked.length > 0) {
    const more = unblocked.length > 1 ? ` and ${unblocked.length - 1} more` : "";
    notes.push(
      `${unblocked[0]}${more}: rows aren't whole blocks of q8_0, so float16 is written, as llama.cpp does`,
    );
  }
  const planned = tensors.map(({ name: to, type, shape }) => ({
    from: from.get(to) ?? "RoPE's scaling",
    to,
    dtype: type.format!,
    shape,
    bytes: ggmlBytes(type, shape)!,
  }));
  const metadata = ggufMetadata({
    name,
    description,
    parameters: tensors.reduce((sum, { shape }) => sum + numel(shape), 0),
    format: dtype ?? dtypesOf([{ tensors: planned }])[0]!,
    generation,
    general,
  });
  const parts = splitGguf(
    NAME,
    new Map([...metadata, ...tokenizer ?? noTokenizer(description, model.vocabSize)]),
    tensors,
    maxShardSize,
  );
  const files = parts.map(({ name, metadata, tensors }): OutputFile => {
    const names = new Set(tensors.map(({ name }) => name));
    return { ...layoutGguf(name, metadata, tensors), tensors: planned.filter(({ to }) => names.has(to)) };
  });
  return { files, notes };
}

/** A parameter as a file has it. */
function ggufTensor(
  name: string,
  tensor: Tensor,
  wanted: TargetFormat | undefined,
  canonical: string,
): GgufTensor {
  const { shape, dtype, storage } = tensor;
  const from = castTypes.find((type) => type === dtype.name);
  if (from === undefined) {
    throw new OptionError(
      `Can't write ${canonical} as GGUF: it is ${dtype.name}; convert it to float32 first`,
    );
  }
  const to = formatOf(shape, wanted ?? from);
  const type = ggmlTypeOf(to);
  const data = castView(tensorView(tensor), from, to, canonical);
  return {
    name,
    type,
    shape,
    data,
    ...(to === from && storage.crc !== undefined && isWholeStorage(tensor) && { crc: storage.crc }),
  };
}

/** The format of a tensor: llama.cpp computes with vectors in float32 alone, and takes no part of a block. */
function formatOf(shape: readonly number[], wanted: TargetFormat): TargetFormat {
  if (shape.length < 2) return "float32";
  return ggmlBytes(ggmlTypeOf(wanted), shape) === undefined ? "float16" : wanted;
}
