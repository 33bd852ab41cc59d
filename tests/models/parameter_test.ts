import { assert, assertEquals } from "@std/assert";
import type { Naming } from "../../lib/models/family.ts";
import { llama } from "../../lib/models/llama/family.ts";
import { findArchitecture } from "../../lib/models/model_cards.ts";
import type { ModelDescription } from "../../lib/models/model_description.ts";
import {
  countLayers,
  expectedParameters,
  formatName,
  isRotaryBuffer,
  type Parameter,
  parseName,
  shapeOf,
  shardDimOf,
  stripWrappers,
} from "../../lib/models/parameter.ts";
import { assertError } from "../convert/_assert_error.ts";

type Rows = [name: string, shape: number[]][];

/** The state dicts that fairseq2, its converter and transformers wrote, a list of rows for each file. */
const cases: ({ case: string } & Record<Naming, Rows[]>)[] = JSON.parse(
  Deno.readTextFileSync(new URL("../../fixtures/llama/parameters.json", import.meta.url)),
);

const layouts: readonly Naming[] = ["fairseq2", "reference", "huggingface"];

function modelOfCase(name: string): ModelDescription {
  const isLlama2 = name.includes("llama2");
  return {
    ...findArchitecture("llama_7b"),
    dim: 32,
    layers: 2,
    heads: 4,
    kvHeads: isLlama2 ? 4 : 2,
    headDim: 8,
    intermediateSize: isLlama2 ? 88 : 128,
    vocabSize: isLlama2 ? 40 : 50,
  };
}

Deno.test("expectedParameters() has the order of fairseq2's state dicts, and of its converter's", () => {
  let files = 0;
  for (const each of cases) {
    const expected = expectedParameters(llama, modelOfCase(each.case));
    for (const layout of ["fairseq2", "reference"] as const) {
      for (const rows of each[layout]) {
        const names = rows.map(([name]) => stripWrappers(name));
        assertEquals(names, expected.map((parameter) => formatName(layout, parameter)), each.case);
        files++;
      }
    }
  }
  assertEquals(files, 30);
});

Deno.test("parseName() and formatName() know the names of all three layouts, and no others are there", () => {
  for (const each of cases) {
    const expected = expectedParameters(llama, modelOfCase(each.case));
    for (const layout of layouts) {
      for (const rows of each[layout]) {
        const parameters = rows.map(([name]) => {
          const parameter = parseName(llama, layout, stripWrappers(name));
          if (parameter === undefined) throw new Error(name);
          assertEquals(formatName(layout, parameter), stripWrappers(name));
          return parameter;
        });
        const order = parameters.map((parameter) => formatName("fairseq2", parameter)).sort();
        assertEquals(order, expected.map((parameter) => formatName("fairseq2", parameter)).sort(), each.case);
      }
    }
  }
});

Deno.test("shapeOf() and shardDimOf() give the shapes in the files, whole and sharded", () => {
  let sharded = 0;
  for (const each of cases) {
    const model = modelOfCase(each.case);
    const embeddingShardDim = each.case.includes("llama2") ? 1 : 0;
    for (const layout of layouts) {
      const shards = each[layout].length;
      for (const [name, found] of each[layout].flat()) {
        const parameter = parseName(llama, layout, stripWrappers(name))!;
        const dim = shards === 1 ? undefined : shardDimOf(parameter, embeddingShardDim);
        const expected = shapeOf(parameter, model).map((size, i) => i === dim ? size / shards : size);
        assertEquals(found, expected, `${each.case} ${layout} ${name}`);
        if (dim !== undefined) sharded++;
      }
    }
  }
  assert(sharded > 200);
});

Deno.test("shardDimOf() splits the embedding as the model does", () => {
  const dimension = (name: string, embedding: 0 | 1) =>
    shardDimOf(parseName(llama, "reference", name)!, embedding);
  assertEquals([dimension("tok_embeddings.weight", 0), dimension("tok_embeddings.weight", 1)], [0, 1]);
  assertEquals([dimension("output.weight", 1), dimension("norm.weight", 1)], [0, undefined]);
});

Deno.test("the rows of q and k alone are paired for RoPE in LLaMA", () => {
  assertEquals(
    llama.parameters.filter(({ isPaired }) => isPaired).map(({ names }) => names.reference),
    ["layers.{}.attention.wq.weight", "layers.{}.attention.wk.weight"],
  );
});

Deno.test("expectedParameters() counts the published parameters", () => {
  const count = (name: string) => {
    const architecture = findArchitecture(name, "llama");
    return expectedParameters(llama, architecture)
      .reduce((sum, parameter) => sum + shapeOf(parameter, architecture).reduce((a, b) => a * b, 1), 0);
  };
  // As Hugging Face lists them. The 1B and 3B models tie their embeddings, which count once there.
  assertEquals(count("7b"), 6_738_415_616);
  assertEquals(count("llama2_13b"), 13_015_864_320);
  assertEquals(count("llama2_70b"), 68_976_648_192);
  assertEquals(count("llama3_1_8b"), 8_030_261_248);
  assertEquals(count("llama3_1_70b"), 70_553_706_496);
  assertEquals(count("llama3_1_405b"), 405_853_388_800);
  assertEquals(count("llama3_2_1b"), 1_235_814_400 + 128256 * 2048);
  assertEquals(count("llama3_2_3b"), 3_212_749_824 + 128256 * 3072);
});

Deno.test("parseName() takes layers as Python writes them, and only so many", () => {
  const spec = llama.parameters.find(({ names }) => names.reference?.includes("attention.wq"))!;
  const q = (layer: string) =>
    parseName(llama, "fairseq2", `decoder.layers.${layer}.self_attn.q_proj.weight`);
  assertEquals(q("0"), { spec, layer: 0 });
  assertEquals(q("10"), { spec, layer: 10 });
  assertEquals(q("4095"), { spec, layer: 4095 });
  for (
    const layer of [
      "4096",
      "00",
      "01",
      "-1",
      "+1",
      " 1",
      "1 ",
      "1e1",
      "1.0",
      "{}",
      "",
      "x",
      "9".repeat(400),
      "١",
    ]
  ) {
    assertEquals(q(layer), undefined, layer);
  }
});

Deno.test("parseName() refuses names that are not of the layout", () => {
  for (const layout of layouts) {
    for (const other of layouts) {
      if (other === layout) continue;
      for (const parameter of expectedParameters(llama, modelOfCase(""))) {
        assertEquals(parseName(llama, layout, formatName(other, parameter)), undefined);
      }
    }
    for (const { names } of llama.parameters) {
      const name = names[layout]!.replace("{}", "0");
      for (
        const wrong of [
          `${name} `,
          ` ${name}`,
          `x.${name}`,
          `${name}.x`,
          `${name}\n`,
          name.replace(".weight", ".bias"),
        ]
      ) {
        assertEquals(parseName(llama, layout, wrong), undefined, wrong);
      }
      if (name !== names[layout]) assertEquals(parseName(llama, layout, names[layout]!), undefined);
    }
  }
  assertEquals(parseName(llama, "reference", "__proto__"), undefined);
});

Deno.test("formatName() demands a layer just where there is one, and a name", () => {
  const [{ spec: embedding }, { spec: norm }] = expectedParameters(llama, modelOfCase("")) as [
    Parameter,
    Parameter,
  ];
  assertError(
    () => formatName("reference", { spec: norm }),
    TypeError,
    "Cannot name decoder.layers.{}.self_attn_layer_norm.weight: it needs a layer",
  );
  assertError(
    () => formatName("reference", { spec: embedding, layer: 0 }),
    TypeError,
    "Cannot name decoder_frontend.embed.weight: it has no layer, got 0",
  );
  const { reference: _, ...names } = norm.names;
  assertError(
    () => formatName("reference", { spec: { ...norm, names }, layer: 0 }),
    TypeError,
    "Cannot name decoder.layers.{}.self_attn_layer_norm.weight: it has no reference name",
  );
});

Deno.test("countLayers() counts up to the last layer that a name has", () => {
  assertEquals(countLayers(["decoder.layer_norm.weight", "layers.3.ffn_norm.weight"]), 0);
  assertEquals(
    countLayers(["decoder.layers.11.ffn.x", "decoder.layers.2.y", "decoder.layers.1234567.z"]),
    12,
  );
});

Deno.test("stripWrappers() drops what wrappers add, as whole components, anywhere", () => {
  const plain = "decoder.layers.0.self_attn.q_proj.weight";
  for (
    const wrapped of [
      plain,
      `module.${plain}`,
      `_orig_mod.${plain}`,
      "module.decoder._orig_mod.layers.0.self_attn.q_proj.weight",
      "_fsdp_wrapped_module.decoder.layers.0._fsdp_wrapped_module._checkpoint_wrapped_module.self_attn.q_proj.weight",
      "module.module.decoder.layers.0.self_attn.q_proj._orig_mod.weight",
    ]
  ) {
    assertEquals(stripWrappers(wrapped), plain);
  }
  for (const name of ["modules.a", "a.module_b", "my_orig_mod.a", "", "a..b"]) {
    assertEquals(stripWrappers(name), name);
  }
});

Deno.test("isRotaryBuffer() knows the frequencies that Meta and transformers saved", () => {
  assert(isRotaryBuffer("reference", "rope.freqs"));
  assert(isRotaryBuffer("reference", "layers.0.attention.inner_attention.rope.freqs"));
  assert(isRotaryBuffer("huggingface", "model.layers.12.self_attn.rotary_emb.inv_freq"));
  assert(!isRotaryBuffer("huggingface", "model.layers.x.self_attn.rotary_emb.inv_freq"));
  assert(!isRotaryBuffer("huggingface", "rope.freqs"));
  assert(!isRotaryBuffer("fairseq2", "rope.freqs"));
  for (const layout of layouts) {
    for (const parameter of expectedParameters(llama, modelOfCase(""))) {
      assert(!isRotaryBuffer(layout, formatName(layout, parameter)));
    }
  }
});
