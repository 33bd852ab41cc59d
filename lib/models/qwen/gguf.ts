/** Qwen's metadata in GGUF files (llama.cpp's `src/models/qwen2.cpp` and `qwen3.cpp`, `conversion/qwen.py`). */

import type { GgufCodec } from "../family.ts";
import { readDecoderFields, refuseOtherFields, writeDecoderFields, writeHeadDim } from "../gguf_fields.ts";
import { qwenVersion, WHOSE } from "./config_json.ts";

/** llama.cpp's names for the code. */
const CODE = { 2: "qwen2", 3: "qwen3" } as const;

/** Qwen's codec. */
export const qwenGguf: GgufCodec = {
  architectures: Object.values(CODE),
  read(fields, tensors, architecture) {
    const model = readDecoderFields(fields, tensors, WHOSE);
    refuseOtherFields(fields);
    const is3 = architecture === CODE[3];
    return { ...model, qkvBias: !is3, qNorm: is3, kNorm: is3, multipleOf: 1, embeddingShardDim: 0 };
  },
  write: (model) => ({
    architecture: CODE[qwenVersion(model, "llama.cpp")],
    fields: new Map([...writeDecoderFields(model), ...writeHeadDim(model)]),
  }),
  notes: (model) =>
    qwenVersion(model, "llama.cpp") === 3 || model.headDim * model.heads === model.dim ? [] : [
      `llama.cpp can't load a Qwen 2.5 whose heads have other than dim / heads = ${
        model.dim / model.heads
      } rows, and ` +
      `these have ${model.headDim}`,
    ],
};
