import { assert, assertEquals } from "@std/assert";
import { architectures } from "../../../lib/models/llama/architecture.ts";
import type { ModelShape } from "../../../lib/models/model_description.ts";
import {
  expectedParameters,
  factsOf,
  formatName,
  isRotaryBuffer,
  type Naming,
  parameterKinds,
  parseName,
  shapeOf,
  shardDimOf,
  stripWrappers,
} from "../../../lib/models/llama/parameter.ts";
import { assertError } from "../../convert/_assert_error.ts";

type Rows = [name: string, shape: number[]][];

/** The state dicts that fairseq2, its converter and transformers wrote, a list of rows for each file. */
const cases: ({ case: string } & Record<Naming, Rows[]>)[] = JSON.parse(
  Deno.readTextFileSync(new URL("../../../fixtures/llama/parameters.json", import.meta.url)),
);

const layouts: readonly Naming[] = ["fairseq2", "reference", "huggingface"];

function shapeOfCase(name: string): ModelShape {
  const isLlama2 = name.includes("llama2");
  return {
    dim: 32,
    layers: 2,
    heads: 4,
    kvHeads: isLlama2 ? 4 : 2,
    intermediateSize: isLlama2 ? 88 : 128,
    vocabSize: isLlama2 ? 40 : 50,
  };
}

Deno.test("expectedParameters() has the order of fairseq2's state dicts, and of its converter's", () => {
  let files = 0;
  for (const each of cases) {
    const expected = expectedParameters({ layers: 2 });
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
  const expected = expectedParameters({ layers: 2 });
  for (const each of cases) {
    for (const layout of layouts) {
      for (const rows of each[layout]) {
        const parameters = rows.map(([name]) => {
          const parameter = parseName(layout, stripWrappers(name));
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
    const shape = shapeOfCase(each.case);
    const embeddingShardDim = each.case.includes("llama2") ? 1 : 0;
    for (const layout of layouts) {
      const shards = each[layout].length;
      for (const [name, found] of each[layout].flat()) {
        const parameter = parseName(layout, stripWrappers(name))!;
        const dim = shards === 1 ? undefined : shardDimOf(parameter, embeddingShardDim);
        const expected = shapeOf(parameter, shape).map((size, i) => i === dim ? size / shards : size);
        assertEquals(found, expected, `${each.case} ${layout} ${name}`);
        if (dim !== undefined) sharded++;
      }
    }
  }
  assert(sharded > 200);
});

Deno.test("shardDimOf() splits the embedding as the model does", () => {
  assertEquals([shardDimOf({ kind: "embed" }, 0), shardDimOf({ kind: "embed" }, 1)], [0, 1]);
  assertEquals([shardDimOf({ kind: "final_proj" }, 1), shardDimOf({ kind: "layer_norm" }, 1)], [
    0,
    undefined,
  ]);
});

Deno.test("parameterKinds has the rows of q and k alone as rotary", () => {
  assertEquals(
    parameterKinds.filter(({ rotary }) => rotary).map(({ kind }) => kind),
    ["self_attn.q_proj", "self_attn.k_proj"],
  );
  assertEquals(factsOf("ffn.output_proj").shardDim, 1);
});

Deno.test("expectedParameters() counts the published parameters", () => {
  const count = (name: string) => {
    const architecture = architectures.find((each) => each.name === name)!;
    return expectedParameters(architecture)
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
  const q = (layer: string) => parseName("fairseq2", `decoder.layers.${layer}.self_attn.q_proj.weight`);
  assertEquals(q("0"), { kind: "self_attn.q_proj", layer: 0 });
  assertEquals(q("10"), { kind: "self_attn.q_proj", layer: 10 });
  assertEquals(q("4095"), { kind: "self_attn.q_proj", layer: 4095 });
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
      for (const parameter of expectedParameters({ layers: 1 })) {
        assertEquals(parseName(layout, formatName(other, parameter)), undefined);
      }
    }
    for (const { names } of parameterKinds) {
      const name = names[layout].replace("{}", "0");
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
        assertEquals(parseName(layout, wrong), undefined, wrong);
      }
      if (names[layout].includes("{}")) assertEquals(parseName(layout, names[layout]), undefined);
    }
  }
  assertEquals(parseName("reference", "__proto__"), undefined);
});

Deno.test("formatName() demands a layer just where there is one", () => {
  assertError(
    () => formatName("reference", { kind: "ffn.gate_proj" }),
    TypeError,
    "Cannot name ffn.gate_proj: it needs a layer",
  );
  assertError(
    () => formatName("reference", { kind: "embed", layer: 0 }),
    TypeError,
    "Cannot name embed: it has no layer, got 0",
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
    for (const parameter of expectedParameters({ layers: 1 })) {
      assert(!isRotaryBuffer(layout, formatName(layout, parameter)));
    }
  }
});
