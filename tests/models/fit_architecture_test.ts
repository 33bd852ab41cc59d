import { assert, assertEquals } from "@std/assert";
import { familyOf } from "../../lib/models/families.ts";
import type { Architecture } from "../../lib/models/family.ts";
import { llamaArchitectures as architectures } from "../../lib/models/llama/architectures.ts";
import { findArchitecture } from "../../lib/models/model_cards.ts";
import { fitArchitectures, haveSameParams, likelyFits } from "../../lib/models/fit_architecture.ts";
import type { ObservedShape } from "../../lib/models/family.ts";
import { kvDim, qDim } from "../../lib/models/model_description.ts";
import { paramsJson } from "../../lib/layouts/reference/params_json.ts";

function observed(architecture: Architecture, changes: Partial<ObservedShape> = {}): ObservedShape {
  const { dim, layers, intermediateSize, vocabSize } = architecture;
  return {
    family: familyOf(architecture),
    kinds: new Set(familyOf(architecture).parameters.map(({ names }) => names.fairseq2)),
    dim,
    layers,
    intermediateSize,
    vocabSize,
    qDim: qDim(architecture),
    kvDim: kvDim(architecture),
    embeddingShardDim: undefined,
    ...changes,
  };
}

function names(shape: ObservedShape): string[] {
  return fitArchitectures(shape).map(({ architecture, vocabulary }) => `${architecture.name} ${vocabulary}`);
}

Deno.test("fitArchitectures() finds every architecture by its own shapes, and its doubles", () => {
  const found = Object.fromEntries(
    architectures.map((each) => [each.name, names(observed(each)).join(", ")]),
  );
  assertEquals(found, {
    "7b": "7b same, llama2_7b same",
    "13b": "13b same, llama2_13b same",
    "33b": "33b same",
    "65b": "65b same",
    llama2_7b: "7b same, llama2_7b same",
    llama2_13b: "13b same, llama2_13b same",
    llama2_70b: "llama2_70b same, llama3_70b smaller, llama3_1_70b smaller",
    llama3_8b: "llama3_8b same, llama3_1_8b same",
    llama3_70b: "llama3_70b same, llama3_1_70b same, llama2_70b larger",
    llama3_1_8b: "llama3_8b same, llama3_1_8b same",
    llama3_1_70b: "llama3_70b same, llama3_1_70b same, llama2_70b larger",
    llama3_1_405b: "llama3_1_405b same",
    llama3_2_1b: "llama3_2_1b same",
    llama3_2_3b: "llama3_2_3b same",
  });
});

Deno.test("fitArchitectures() takes any vocabulary and says how it compares", () => {
  const architecture = findArchitecture("llama3_2_1b");
  assertEquals(names(observed(architecture, { vocabSize: 128264 })), ["llama3_2_1b larger"]);
  assertEquals(names(observed(architecture, { vocabSize: 32000 })), ["llama3_2_1b smaller"]);
});

Deno.test("fitArchitectures() takes the 32 layers that fairseq2 gives 13B", () => {
  const fits = fitArchitectures(observed(findArchitecture("13b"), { layers: 32 }));
  assertEquals(fits.map(({ architecture }) => architecture.name), ["13b", "llama2_13b"]);
});

Deno.test("fitArchitectures() finds nothing where any other size differs", () => {
  for (const architecture of architectures) {
    for (const field of ["dim", "layers", "qDim", "kvDim", "intermediateSize"] as const) {
      for (const step of [-1, 1]) {
        const shape = observed(architecture);
        assertEquals(names({ ...shape, [field]: shape[field] + step }), [], `${architecture.name} ${field}`);
      }
    }
  }
});

Deno.test("likelyFits() prefers the same vocabulary, then an extended one", () => {
  const likely = (vocabSize: number) =>
    likelyFits(fitArchitectures(observed(findArchitecture("llama3_70b"), { vocabSize })))
      .map(({ architecture }) => architecture.name);
  assertEquals(likely(128256), ["llama3_70b", "llama3_1_70b"]);
  assertEquals(likely(32000), ["llama2_70b"]);
  assertEquals(likely(32016), ["llama2_70b"]);
  assertEquals(likely(130000), ["llama2_70b", "llama3_70b", "llama3_1_70b"]);
  assertEquals(likely(100), ["llama2_70b", "llama3_70b", "llama3_1_70b"]);
  assertEquals(likelyFits([]), []);
});

Deno.test("haveSameParams() is true just where params.json is the same for the same layers", () => {
  let same = 0;
  for (const a of architectures) {
    for (const b of architectures) {
      const sameText =
        paramsJson({ ...a, layers: 1 }, "reference") === paramsJson({ ...b, layers: 1 }, "reference");
      assertEquals(haveSameParams(a, b), sameText, `${a.name} ${b.name}`);
      if (sameText && a !== b) same++;
    }
  }
  assertEquals(same, 8); // four pairs, both ways
  assert(haveSameParams(findArchitecture("llama3_8b"), findArchitecture("llama3_1_8b")));
  assert(!haveSameParams(findArchitecture("llama2_70b"), findArchitecture("llama3_70b")));
});
