/**
 * Random models, with weights, in the canonical form.
 */

import { bytes } from "../../lib/bytes/view.ts";
import { FileSource } from "../../lib/bytes/source.ts";
import type { Parameters } from "../../lib/layouts/checkpoint.ts";
import type { ModelDescription, RopeScaling } from "../../lib/models/model_description.ts";
import { familyOf } from "../../lib/models/families.ts";
import { expectedParameters, formatName, shapeOf } from "../../lib/models/parameter.ts";
import { reshard } from "../../lib/layouts/reshard.ts";
import { type DType, dtypeOf } from "../../lib/tensor/dtype.ts";
import { numel, type Tensor, tensorOfView } from "../../lib/tensor/tensor.ts";
import type { Random } from "../copy/_random.ts";
import type { Opened } from "./_layouts.ts";

const scalings: readonly (RopeScaling | undefined)[] = [
  undefined,
  { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
  { factor: 8, lowFreqFactor: 1, highFreqFactor: 5, originalContextLength: 8192 },
  { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
  { factor: 1.5, lowFreqFactor: 0.25, highFreqFactor: 3.5, originalContextLength: 4096 },
];

/** A random model that can be split into up to 4 shards, but not into 3. */
export function randomModel(random: Random): ModelDescription {
  const kvHeads = random.pick([4, 8]);
  const heads = kvHeads * random.integer(1, 3);
  const dim = heads * random.pick([2, 4, 6]);
  const multipleOf = random.pick([4, 8, 12]);
  const ropeScaling = random.pick(scalings);
  const vocabSize = 4 * random.integer(2, 12);
  return {
    family: "llama",
    dim,
    layers: random.integer(1, 3),
    heads,
    kvHeads,
    headDim: dim / heads,
    intermediateSize: multipleOf * random.integer(1, 12),
    vocabSize,
    multipleOf,
    ropeTheta: random.pick([10000, 500000, 1e6, 12345.678]),
    ...(ropeScaling === undefined ? {} : { ropeScaling }),
    normEps: 1e-5,
    maxSeqLen: random.pick([2048, 4096, 8192, 131072]),
    embeddingShardDim: random.pick([0, 1]),
    tied: false,
    bosId: random.integer(0, vocabSize - 1),
    eosIds: Array.from({ length: random.integer(1, 3) }, () => random.integer(0, vocabSize - 1)),
  };
}

/**
 * A checkpoint of a model with random weights in a file: whole tensors, windows on a larger storage, transposed
 * matrices, and perhaps tied ones.
 */
export function randomCheckpoint(
  random: Random,
  model: ModelDescription,
  path: string,
  shards: number,
): Opened {
  const types = random.pick([["bfloat16"], ["float16"], ["float32"], ["float64"], ["float32", "bfloat16"]]);
  const parts: Uint8Array[] = [];
  let at = 0;
  const store = (items: number, dtype: DType) => {
    const part = random.bytes(items * dtype.itemBytes);
    parts.push(part);
    at += part.length;
    return { view: bytes(path, at - part.length, items, dtype.itemBytes) };
  };
  const make = (dtype: DType, shape: readonly number[]): Tensor => {
    const items = numel(shape);
    const kind = random.integer(0, 5);
    if (kind === 0 && shape.length === 2) {
      return {
        ...tensorOfView(dtype, shape, store(items, dtype).view),
        stride: [1, shape[0]!],
      };
    }
    if (kind === 1) {
      const storage = store(items + 5, dtype);
      return {
        ...tensorOfView(dtype, shape, bytes(path, 0, items, dtype.itemBytes)),
        storage,
        storageOffset: 3,
      };
    }
    return tensorOfView(dtype, shape, store(items, dtype).view);
  };
  const parameters = new Map<string, Tensor>();
  for (const each of expectedParameters(familyOf(model), model)) {
    parameters.set(formatName("fairseq2", each), make(dtypeOf(random.pick(types)), shapeOf(each, model)));
  }
  if (random.integer(0, 2) === 0) {
    parameters.set("final_proj.weight", parameters.get("decoder_frontend.embed.weight")!);
  }
  const content = new Uint8Array(at);
  let end = 0;
  for (const part of parts) {
    content.set(part, end);
    end += part.length;
  }
  Deno.writeFileSync(path, content);
  using source = FileSource.open(path);
  const split =
    (shards === 1 ? [parameters] : reshard([{ parameters, path }], model, shards)) as Parameters[];
  const checkpoint = {
    path,
    kind: "random",
    shards: split.map((parameters) => ({ parameters, path })),
    sources: [source.identity],
    known: [],
    notes: [],
  };
  return { checkpoint, model };
}
