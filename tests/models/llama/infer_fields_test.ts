import { assertEquals } from "@std/assert";
import {
  referenceIntermediateSize,
  shortestMultiplier,
} from "../../../lib/models/llama/intermediate_size.ts";
import {
  inferEmbeddingShardDim,
  inferMultipleOf,
  llamaArchitectures as architectures,
} from "../../../lib/models/llama/architectures.ts";

for (const { name, dim, intermediateSize, multipleOf, embeddingShardDim, ...rest } of architectures) {
  Deno.test(`inferMultipleOf() and inferEmbeddingShardDim() find what ${name} has`, () => {
    assertEquals(inferMultipleOf(dim, intermediateSize), multipleOf);
    assertEquals(inferEmbeddingShardDim(rest), embeddingShardDim);
  });
}

Deno.test("inferMultipleOf() finds a multiple with which a params.json can say the width", () => {
  assertEquals(inferMultipleOf(32, 88), 8);
  assertEquals(inferMultipleOf(1000, 2816), 256);
  assertEquals(inferMultipleOf(1000, 2817), 1);
  for (const [dim, width] of [[32, 88], [48, 130], [1000, 2817], [2048, 5632], [4096, 11007]] as const) {
    const multiple = inferMultipleOf(dim, width);
    assertEquals(referenceIntermediateSize(dim, multiple, shortestMultiplier(dim, multiple, width)), width);
  }
});

Deno.test("inferEmbeddingShardDim() tells LLaMA 3 by any of its marks", () => {
  const llama2 = { vocabSize: 32000, ropeTheta: 10000 };
  const ropeScaling = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 };
  assertEquals(inferEmbeddingShardDim(llama2), 1);
  assertEquals(inferEmbeddingShardDim({ ...llama2, ropeTheta: 1e6 }), 1); // Code Llama
  assertEquals(inferEmbeddingShardDim({ ...llama2, ropeTheta: 500000 }), 0);
  assertEquals(inferEmbeddingShardDim({ ...llama2, vocabSize: 128256 }), 0);
  assertEquals(inferEmbeddingShardDim({ ...llama2, ropeScaling }), 0);
});
