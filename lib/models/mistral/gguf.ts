/** Mistral's metadata in GGUF files: llama.cpp computes it as a LLaMA. */

import type { GgufCodec } from "../family.ts";
import { readLlamaFields, writeLlamaFields } from "../llama/gguf.ts";

/** Mistral's codec. What is read is a LLaMA's: nothing in a file tells the two apart. */
export const mistralGguf: GgufCodec = {
  architectures: [],
  read: readLlamaFields,
  write: writeLlamaFields,
  notes: ({ slidingWindow, maxSeqLen }) =>
    slidingWindow === undefined || slidingWindow >= maxSeqLen ? [] : [
      `llama.cpp's LLaMA has no sliding window: past ${slidingWindow} tokens, where this model's window ends, it computes ` +
      "other logits than fairseq2",
    ],
};
