/** Mistral's metadata in GGUF files: llama.cpp computes it as a LLaMA. */

import type { GgufCodec } from "../family.ts";
import { LLAMA_CODE, readLlamaFields, writeLlamaFields } from "../llama/gguf.ts";

/** Mistral's codec. Nothing in a file tells a Mistral from a LLaMA, as which it is read unless a Mistral is named. */
export const mistralGguf: GgufCodec = {
  architectures: [LLAMA_CODE],
  read: readLlamaFields,
  write: writeLlamaFields,
  notes: ({ slidingWindow, maxSeqLen }) =>
    slidingWindow === undefined || slidingWindow >= maxSeqLen ? [] : [
      `llama.cpp's LLaMA has no sliding window: past ${slidingWindow} tokens, where this model's window ends, it computes ` +
      "other logits than fairseq2",
    ],
};
