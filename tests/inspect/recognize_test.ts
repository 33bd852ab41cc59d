import { assertEquals } from "@std/assert";
import type { ListedTensor } from "../../lib/inspect/listing.ts";
import { fairseq2Layout, identify, recognize } from "../../lib/inspect/recognize.ts";
import { llamaArchitectures as architectures } from "../../lib/models/llama/architectures.ts";
import { findArchitecture } from "../../lib/models/model_cards.ts";
import { familyOf } from "../../lib/models/families.ts";
import type { Naming } from "../../lib/models/family.ts";
import { llama } from "../../lib/models/llama/family.ts";
import { expectedParameters, formatName, shapeOf } from "../../lib/models/parameter.ts";
import type { PickleValue } from "../../lib/pickle/mod.ts";

function listed(names: Iterable<string>): ListedTensor[] {
  return [...names].map((name) => ({ name, dtype: "float32", shape: [1], bytes: 4, identity: name }));
}

/** All parameters of an architecture, by canonical names. */
function parametersOf(name: string): Map<string, { shape: readonly number[] }> {
  const model = findArchitecture(name, "llama");
  return new Map(
    expectedParameters(familyOf(model), model).map((
      each,
    ) => [formatName("fairseq2", each), { shape: shapeOf(each, model) }]),
  );
}

function namesOf(layout: Naming): string[] {
  return expectedParameters(llama, { ...findArchitecture("llama_7b"), layers: 2 }).map((each) =>
    formatName(layout, each)
  );
}

Deno.test("recognize() knows the names of each layout", () => {
  for (const layout of ["fairseq2", "reference", "huggingface"] as const) {
    const found = recognize({ tensors: listed(namesOf(layout)) })!;
    assertEquals([found.names, found.prefix, [...found.parameters.keys()]], [
      layout,
      "",
      namesOf("fairseq2"),
    ]);
  }
});

Deno.test("recognize() knows names under the keys and with the wrappers that fairseq2 writes", () => {
  for (const key of ["model", "_model", "weights"]) {
    const tensors = listed(namesOf("fairseq2").map((name) => `${key}.module.${name}`));
    const root = new Map<PickleValue, PickleValue>([["model_key", key]]);
    const found = recognize({ tensors, root })!;
    assertEquals([found.names, found.prefix, [...found.parameters.keys()]], [
      "fairseq2",
      `${key}.`,
      namesOf("fairseq2"),
    ]);
  }
  assertEquals(
    recognize({ tensors: listed(namesOf("fairseq2").map((name) => `weights.${name}`)) }),
    undefined,
  );
});

Deno.test("recognize() passes over rotary frequencies", () => {
  const found = recognize({ tensors: listed([...namesOf("reference"), "rope.freqs"]) })!;
  assertEquals([...found.parameters.keys()], namesOf("fairseq2"));
});

Deno.test("recognize() takes nothing else for a LLaMA model", () => {
  for (
    const names of [
      [],
      ["rope.freqs"],
      ["weight"],
      [...namesOf("reference"), "extra.weight"],
      [...namesOf("reference").slice(1), ...namesOf("fairseq2").slice(0, 1)],
      namesOf("huggingface").map((name) => name.replace("lm_head", "transformer.lm_head")),
    ]
  ) {
    assertEquals(recognize({ tensors: listed(names) }), undefined, names.join());
  }
});

Deno.test("fairseq2Layout() tells versions by the dict around the model", () => {
  const dict = (...keys: string[]) => new Map<PickleValue, PickleValue>(keys.map((key) => [key, true]));
  assertEquals(fairseq2Layout(dict("model", "model_key")), "fairseq2 0.2-0.3");
  assertEquals(fairseq2Layout(dict("_model", "model_key")), "fairseq2 0.2-0.3");
  assertEquals(fairseq2Layout(dict("model", "model_key", "fs2")), "fairseq2 0.4");
  assertEquals(fairseq2Layout(dict("final_proj.weight")), "fairseq2 0.5-0.8");
  assertEquals(fairseq2Layout(undefined), "fairseq2 0.5-0.8");
});

Deno.test("identify() names the architectures that shapes fit", () => {
  const found = architectures.map(({ name }) => [name, identify(parametersOf(name), [llama]).architecture]);
  const either = (...names: string[]) => names.map((name) => [name, names.join(" or ")]);
  assertEquals(Object.fromEntries(found), {
    ...Object.fromEntries(found.map(([name]) => [name, name])),
    ...Object.fromEntries([
      ...either("7b", "llama2_7b"),
      ...either("13b", "llama2_13b"),
      ...either("llama3_8b", "llama3_1_8b"),
      ...either("llama3_70b", "llama3_1_70b"),
    ]),
  });
});

Deno.test("identify() does without an output projection, and says nothing of other sizes", () => {
  const tied = parametersOf("llama3_2_1b");
  tied.delete("final_proj.weight");
  assertEquals(identify(tied, [llama]).architecture, "llama3_2_1b");
  const narrow = parametersOf("llama3_2_1b");
  narrow.set("decoder.layers.0.ffn.gate_proj.weight", { shape: [100, 2048] });
  assertEquals(identify(narrow, [llama]).architecture, null);
  assertEquals(identify(new Map(), [llama]).architecture, null);
});
