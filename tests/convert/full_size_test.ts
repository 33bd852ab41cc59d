/**
 * Checkpoints of full size, as sparse files: which model they are, and what their params.json says.
 */

import { assertEquals } from "@std/assert";
import {
  describeConversion,
  type OutputFile,
  type ResolvedModel,
  resolveModel,
} from "../../lib/convert/mod.ts";
import { findArchitecture } from "../../lib/models/mod.ts";
import { MismatchError, OptionError, planConversion } from "../../mod.ts";
import { paramsJson } from "../../lib/layouts/reference/params_json.ts";
import { assertRejectsWith } from "../_assert_rejects.ts";
import { formNote, referenceNote } from "../_notes.ts";
import { TempDir } from "../_temp.ts";
import { assertError } from "./_assert_error.ts";
import { makeCheckpoint } from "../bench/make_checkpoint.ts";

interface Published {
  /** The architecture, and the model cards that have it. */
  readonly names: readonly string[];
  /** `params.json` as fairseq2 or Meta published it, without `{"model": …}`. */
  readonly params: string;
  /** The number of parameters, the output projection counted. */
  readonly parameters: number;
  /** Tensor-parallel shards, as published. */
  readonly shards: number;
  /** What the shapes alone say: the architecture, or all that they fit. */
  readonly shapesSay: string;
}

const published: readonly Published[] = [
  {
    names: ["7b", "llama_7b"],
    params: `"dim":4096,"n_layers":32,"n_heads":32,"multiple_of":256,"rope_theta":10000.0,"norm_eps":1e-05`,
    parameters: 6738415616,
    shards: 1,
    shapesSay: "7b",
  },
  {
    names: ["13b", "llama_13b"],
    params: `"dim":5120,"n_layers":40,"n_heads":40,"multiple_of":256,"rope_theta":10000.0,"norm_eps":1e-05`,
    parameters: 13015864320,
    shards: 2,
    shapesSay: "13b",
  },
  {
    names: ["33b", "llama_33b"],
    params: `"dim":6656,"n_layers":60,"n_heads":52,"multiple_of":256,"rope_theta":10000.0,"norm_eps":1e-05`,
    parameters: 32528943616,
    shards: 4,
    shapesSay: "33b",
  },
  {
    names: ["65b", "llama_65b"],
    params: `"dim":8192,"n_layers":80,"n_heads":64,"multiple_of":256,"rope_theta":10000.0,"norm_eps":1e-05`,
    parameters: 65285660672,
    shards: 8,
    shapesSay: "65b",
  },
  {
    names: ["llama2_7b", "llama2_7b_chat"],
    params: `"dim":4096,"n_layers":32,"n_heads":32,"multiple_of":256,"rope_theta":10000.0,"norm_eps":1e-05`,
    parameters: 6738415616,
    shards: 1,
    shapesSay: "7b",
  },
  {
    names: ["llama2_13b", "llama2_13b_chat"],
    params: `"dim":5120,"n_layers":40,"n_heads":40,"multiple_of":256,"rope_theta":10000.0,"norm_eps":1e-05`,
    parameters: 13015864320,
    shards: 2,
    shapesSay: "13b",
  },
  {
    names: ["llama2_70b", "llama2_70b_chat"],
    params:
      `"dim":8192,"n_layers":80,"n_heads":64,"n_kv_heads":8,"multiple_of":4096,"ffn_dim_multiplier":1.3,` +
      `"rope_theta":10000.0,"norm_eps":1e-05`,
    parameters: 68976648192,
    shards: 8,
    shapesSay: "llama2_70b",
  },
  {
    names: ["llama3_8b", "llama3_8b_instruct"],
    params:
      `"dim":4096,"n_layers":32,"n_heads":32,"n_kv_heads":8,"multiple_of":1024,"ffn_dim_multiplier":1.3,` +
      `"rope_theta":500000.0,"norm_eps":1e-05`,
    parameters: 8030261248,
    shards: 1,
    shapesSay: "llama3_8b and llama3_1_8b",
  },
  {
    names: ["llama3_70b", "llama3_70b_instruct"],
    params:
      `"dim":8192,"n_layers":80,"n_heads":64,"n_kv_heads":8,"multiple_of":4096,"ffn_dim_multiplier":1.3,` +
      `"rope_theta":500000.0,"norm_eps":1e-05`,
    parameters: 70553706496,
    shards: 8,
    shapesSay: "llama3_70b and llama3_1_70b",
  },
  {
    names: ["llama3_1_8b", "llama3_1_8b_instruct", "r1_distilled_llama3_1_8b_instruct"],
    params:
      `"dim":4096,"n_layers":32,"n_heads":32,"n_kv_heads":8,"multiple_of":1024,"ffn_dim_multiplier":1.3,` +
      `"rope_theta":500000.0,"norm_eps":1e-05`,
    parameters: 8030261248,
    shards: 1,
    shapesSay: "llama3_8b and llama3_1_8b",
  },
  {
    names: ["llama3_1_70b", "llama3_1_70b_instruct", "llama3_3_70b_instruct"],
    params:
      `"dim":8192,"n_layers":80,"n_heads":64,"n_kv_heads":8,"multiple_of":4096,"ffn_dim_multiplier":1.3,` +
      `"rope_theta":500000.0,"norm_eps":1e-05`,
    parameters: 70553706496,
    shards: 8,
    shapesSay: "llama3_70b and llama3_1_70b",
  },
  {
    names: ["llama3_1_405b", "llama3_1_405b_instruct"],
    params: `"dim":16384,"n_layers":126,"n_heads":128,"n_kv_heads":8,"multiple_of":4096,` +
      `"ffn_dim_multiplier":1.2,"rope_theta":500000.0,"norm_eps":1e-05`,
    parameters: 405853388800,
    shards: 8,
    shapesSay: "llama3_1_405b",
  },
  {
    names: ["llama3_2_1b", "llama3_2_1b_instruct"],
    params:
      `"dim":2048,"n_layers":16,"n_heads":32,"n_kv_heads":8,"multiple_of":256,"ffn_dim_multiplier":1.5,` +
      `"rope_theta":500000.0,"norm_eps":1e-05`,
    parameters: 1235814400 + 128256 * 2048,
    shards: 1,
    shapesSay: "llama3_2_1b",
  },
  {
    names: ["llama3_2_3b", "llama3_2_3b_instruct"],
    params: `"dim":3072,"n_layers":28,"n_heads":24,"n_kv_heads":8,"multiple_of":256,"rope_theta":500000.0,` +
      `"norm_eps":1e-05`,
    parameters: 3212749824 + 128256 * 3072,
    shards: 1,
    shapesSay: "llama3_2_3b",
  },
];

/** The params.json of a plan, without its white space. */
function paramsOf(files: readonly OutputFile[]): string {
  const file = files.find(({ name }) => name === "params.json")!;
  const [literal] = file.literals;
  return new TextDecoder().decode(literal!.bytes).replace(/\s+/g, "");
}

for (const { names, params, parameters, shards, shapesSay } of published) {
  Deno.test(`planConversion() knows ${names.join(", ")}`, async () => {
    using temp = new TempDir();
    makeCheckpoint({ model: names[0]!, shards, directory: temp.path });
    const paths = { input: temp.at("step_1"), output: temp.at("out") };
    const conversion = await planConversion(paths);
    assertEquals(paramsOf(conversion.plan.files), `{"model":{${params}}}`);
    const { architecture, notes, dtypes, files, ...described } = describeConversion(conversion, paths.output);
    assertEquals([architecture, described.parameters], [names[0], parameters]);
    const isScaled = findArchitecture(names[0]!, "llama").ropeScaling !== undefined;
    assertEquals([dtypes, notes], [["bfloat16"], isScaled ? [referenceNote(5)] : []]);
    assertEquals(files.map(({ name }) => name), [
      ...Array.from({ length: shards }, (_, i) => `consolidated.0${i}.pth`),
      "params.json",
    ]);

    // The same however the model is said.
    const { checkpoint, resolved: { model } } = conversion;
    const check = (resolved: ResolvedModel, architecture: string, notes: readonly string[] = []) => {
      assertEquals([resolved.architecture, resolved.notes], [architecture, notes]);
      assertEquals(paramsJson(resolved.model, "reference"), paramsJson(model, "reference"));
    };
    for (const name of names) check(resolveModel(checkpoint, name), names[0]!);
    check(resolveModel(checkpoint, temp.at("model.yaml")), names[0]!);
    const { modelYaml: _, ...bare } = checkpoint;
    for (const name of names) assertEquals(resolveModel(bare, name, "llama").architecture, names[0]);
    if (shapesSay.includes(" and ")) {
      assertError(
        () => resolveModel(bare),
        OptionError,
        `${paths.input}: the shapes fit ${shapesSay} and there is no model.yaml; say which with --model`,
      );
    } else check(resolveModel(bare), shapesSay, isScaled ? [formNote(names[0]!)] : []);
    assertEquals(temp.names(), ["model.yaml", "step_1"]);
  });
}

Deno.test("planConversion() takes 13b with the 32 layers that fairseq2 builds", async () => {
  using temp = new TempDir();
  makeCheckpoint({ model: "13b", layers: 32, directory: temp.path });
  const paths = { input: temp.at("step_1"), output: temp.at("out") };
  const params = `{"model":{"dim":5120,"n_layers":32,"n_heads":40,"multiple_of":256,"rope_theta":10000.0,` +
    `"norm_eps":1e-05}}`;
  for (const model of ["13b", "llama_13b", "llama2_13b_chat"]) {
    const conversion = await planConversion({ ...paths, model });
    assertEquals(paramsOf(conversion.plan.files), params);
    assertEquals(describeConversion(conversion, paths.output).notes, [`32 layers, where ${model} has 40`]);
  }
  const byYaml = await planConversion(paths);
  assertEquals(paramsOf(byYaml.plan.files), params);
  assertEquals(describeConversion(byYaml, paths.output).notes, []);
  Deno.removeSync(temp.at("model.yaml"));
  const byShapes = await planConversion(paths);
  assertEquals(paramsOf(byShapes.plan.files), params);
  assertEquals(describeConversion(byShapes, paths.output).architecture, "13b");
});

Deno.test("planConversion() refuses other layers than an architecture's", async () => {
  using temp = new TempDir();
  const [path] = makeCheckpoint({ model: "7b", layers: 31, directory: temp.path });
  const paths = { input: temp.at("step_1"), output: temp.at("out") };
  await assertRejectsWith(
    () => planConversion({ ...paths, model: "7b" }),
    MismatchError,
    `${path}: the weights are not those of 7b: decoder.layers.31.self_attn_layer_norm.weight is missing; ` +
      "decoder.layers.31.self_attn.q_proj.weight is missing; decoder.layers.31.self_attn.k_proj.weight is missing; " +
      "and 6 more; no published architecture has these shapes",
  );
});

Deno.test("planConversion() names the architecture that would fit", async () => {
  using temp = new TempDir();
  const [path] = makeCheckpoint({ model: "llama3_2_1b", directory: temp.path });
  const paths = { input: temp.at("step_1"), output: temp.at("out") };
  await assertRejectsWith(
    () => planConversion({ ...paths, model: "llama3_2_3b" }),
    MismatchError,
    `${path}: the weights are not those of llama3_2_3b: ` +
      "decoder_frontend.embed.weight is [128256, 2048], expected [128256, 3072]; " +
      "decoder.layers.0.self_attn_layer_norm.weight is [2048], expected [3072]; " +
      "decoder.layers.0.self_attn.q_proj.weight is [2048, 2048], expected [3072, 3072]; " +
      "and 252 more; the shapes fit llama3_2_1b",
  );
  const yaml = temp.at("model.yaml");
  Deno.writeTextFileSync(
    yaml,
    Deno.readTextFileSync(yaml).replace(/ffn_inner_dim: \d+/, "ffn_inner_dim: 9216"),
  );
  await assertRejectsWith(
    () => planConversion(paths),
    MismatchError,
    `${yaml}: ffn_inner_dim stands for a feed-forward width of 9216, but the weights have 8192 ` +
      "(decoder.layers.0.ffn.gate_proj.weight); the shapes fit llama3_2_1b",
  );
});
