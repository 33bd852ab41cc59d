import { assertEquals } from "@std/assert";
import { ggufMetadata } from "../../../lib/layouts/gguf/metadata.ts";

function made(generation: Readonly<Record<string, unknown>>, format = "bfloat16") {
  return ggufMetadata({
    name: "a model",
    description: { architecture: "llama", fields: new Map() },
    parameters: 1000,
    format,
    generation: new Map(Object.entries(generation)),
  });
}

Deno.test("ggufMetadata() says how a model samples, in the types of gguf-py's writer", () => {
  const sampling = (generation: Readonly<Record<string, unknown>>) =>
    [...made(generation)].filter(([key]) => key.startsWith("general.sampling."));
  assertEquals(
    sampling({ top_k: 20, temperature: 0.5, mirostat: 2, repetition_penalty: 1, top_p: null, min_p: "0" }),
    [
      ["general.sampling.top_k", { type: "int32", value: 20 }],
      ["general.sampling.temp", { type: "float32", value: 0.5 }],
      ["general.sampling.penalty_repeat", { type: "float32", value: 1 }],
      ["general.sampling.mirostat", { type: "int32", value: 2 }],
    ],
  );
  assertEquals(sampling({ top_k: 2 ** 31 }), []);
  assertEquals(sampling({ top_k: 0.5 }), []);
});

Deno.test("ggufMetadata() names a file by its numbers' type, as llama.h does", () => {
  const types = ["float32", "float16", "q8_0", "bfloat16"].map((format) =>
    made({}, format).get("general.file_type")
  );
  assertEquals(types, [0, 1, 7, 32].map((value) => ({ type: "uint32", value })));
});
