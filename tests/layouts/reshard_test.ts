/**
 * Joins and splits of whole models, without files: the weights are in memory. What they are compared with is cut by
 * the dimensions that fairseq2's own sharder has (0.3.0 `shard_transformer_decoder_model`, 0.8.1
 * `models/llama/sharder.py`), written out here.
 */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { OptionError } from "../../lib/error.ts";
import type { TensorParallelShard } from "../../lib/layouts/checkpoint.ts";
import type { ModelDescription } from "../../lib/models/model_description.ts";
import { checkShardCount, differingReplicas, reshard } from "../../lib/layouts/reshard.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import type { Tensor } from "../../lib/tensor/tensor.ts";
import { Random } from "../copy/_random.ts";
import { chunkValues, layOut, MemoryFiles, randomValues, type Values } from "../_tensors.ts";
import { TempDir } from "../_temp.ts";

/** A model of LLaMA 2 7B's kind, with other sizes. */
function describe(sizes: Partial<ModelDescription>): ModelDescription {
  return {
    family: "llama",
    dim: 24,
    layers: 1,
    heads: 12,
    kvHeads: 12,
    headDim: 2,
    intermediateSize: 48,
    vocabSize: 36,
    multipleOf: 1,
    ropeTheta: 10000,
    normEps: 1e-5,
    maxSeqLen: 4096,
    embeddingShardDim: 1,
    tied: false,
    ...sizes,
  };
}

/** The parameters of a model: name, whole shape, and the dimension along which shards have parts of it. */
function parametersOf(model: ModelDescription): [string, number[], 0 | 1 | undefined][] {
  const { dim, heads, kvHeads, intermediateSize, vocabSize, layers, embeddingShardDim } = model;
  const kv = dim / heads * kvHeads;
  const all: [string, number[], 0 | 1 | undefined][] = [
    ["decoder_frontend.embed.weight", [vocabSize, dim], embeddingShardDim],
  ];
  for (let i = 0; i < layers; i++) {
    const layer = `decoder.layers.${i}`;
    all.push(
      [`${layer}.self_attn_layer_norm.weight`, [dim], undefined],
      [`${layer}.self_attn.q_proj.weight`, [dim, dim], 0],
      [`${layer}.self_attn.k_proj.weight`, [kv, dim], 0],
      [`${layer}.self_attn.v_proj.weight`, [kv, dim], 0],
      [`${layer}.self_attn.output_proj.weight`, [dim, dim], 1],
      [`${layer}.ffn_layer_norm.weight`, [dim], undefined],
      [`${layer}.ffn.gate_proj.weight`, [intermediateSize, dim], 0],
      [`${layer}.ffn.inner_proj.weight`, [intermediateSize, dim], 0],
      [`${layer}.ffn.output_proj.weight`, [dim, intermediateSize], 1],
    );
  }
  all.push(["decoder.layer_norm.weight", [dim], undefined], ["final_proj.weight", [vocabSize, dim], 0]);
  return all;
}

type Weights = ReadonlyMap<string, Values>;

/** A model's weights, cut for every number of shards that is asked for. */
class Model {
  readonly description: ModelDescription;
  readonly files = new MemoryFiles();
  readonly #whole: Weights;

  constructor(description: ModelDescription, random: Random, dtypes: readonly string[]) {
    this.description = description;
    this.#whole = new Map(
      parametersOf(description).map(([name, shape]) => {
        return [name, randomValues(random, dtypeOf(random.pick(dtypes)), shape)];
      }),
    );
  }

  /** The weights of each of some shards. */
  cut(count: number): Weights[] {
    const shards = Array.from({ length: count }, () => new Map<string, Values>());
    for (const [name, , dimension] of parametersOf(this.description)) {
      const whole = this.#whole.get(name)!;
      const parts = dimension === undefined ? undefined : chunkValues(whole, dimension, count);
      shards.forEach((shard, rank) => shard.set(name, parts?.[rank] ?? whole));
    }
    return shards;
  }

  /** The same as a checkpoint's shards. */
  shards(count: number): TensorParallelShard[] {
    return this.cut(count).map((weights, rank) => ({
      path: `shard ${rank}`,
      parameters: new Map([...weights].map(([name, values]) => [name, this.files.add(values)])),
    }));
  }

  /** Asserts that parameters are those of so many shards, in the model's order. */
  assertCut(actual: readonly ReadonlyMap<string, Tensor>[], count: number, what: string): void {
    const expected = this.cut(count);
    assertEquals(actual.length, count, what);
    actual.forEach((parameters, rank) => {
      assertEquals([...parameters.keys()], [...expected[rank]!.keys()], what);
      for (const [name, tensor] of parameters) {
        const { dtype, shape, bytes } = this.files.read(tensor);
        const values = expected[rank]!.get(name)!;
        assertStrictEquals(dtype, values.dtype, `${what}: ${name}`);
        assertEquals(shape, values.shape, `${what}: ${name}`);
        assertEquals(bytes, values.bytes, `${what}: ${name} of shard ${rank}`);
      }
    });
  }
}

/** A random model that can be split into any of some numbers of shards: its sizes are odd multiples of theirs. */
function randomModel(random: Random, counts: readonly number[]): ModelDescription {
  const unit = counts.reduce((a, b) => a * b);
  const odd = () => 2 * random.integer(0, 1) + 1;
  const kvHeads = unit;
  const heads = kvHeads * random.pick([1, 2, 3]);
  return describe({
    heads,
    kvHeads,
    dim: heads * 2,
    layers: random.integer(1, 2),
    intermediateSize: unit * odd(),
    vocabSize: unit * odd(),
    embeddingShardDim: random.pick([0, 1]),
  });
}

const FLOATS = ["float32", "float16", "bfloat16", "float64", "float8_e4m3fn"];

Deno.test("reshard() splits a model, and joins it to the same bytes, whatever its sizes and dtypes", () => {
  const random = new Random(1);
  for (let i = 0; i < 40; i++) {
    const count = random.integer(2, 9);
    const description = randomModel(random, [count]);
    const model = new Model(description, random, random.pick([FLOATS, ["bfloat16"]]));
    const what = `${i}: ${JSON.stringify(description)} in ${count}`;
    const split = reshard(model.shards(1), description, count);
    model.assertCut(split, count, what);
    const shards = split.map((parameters, rank) => ({ path: `shard ${rank}`, parameters }));
    model.assertCut(reshard(shards, description, 1), 1, `${what}, and joined`);
  }
});

Deno.test("reshard() makes any number of shards of any other", () => {
  const random = new Random(2);
  const counts = [1, 2, 3, 4, 6];
  for (const from of counts) {
    for (const to of counts) {
      const description = randomModel(random, [12]);
      const model = new Model(description, random, FLOATS);
      model.assertCut(reshard(model.shards(from), description, to), to, `${from} to ${to}`);
    }
  }
});

Deno.test("reshard() leaves shards as they are where the number is right", () => {
  const random = new Random(3);
  const description = describe({});
  const shards = new Model(description, random, FLOATS).shards(3);
  const same = reshard(shards, description, 3);
  assertEquals(same.length, 3);
  same.forEach((parameters, rank) => assertStrictEquals(parameters, shards[rank]!.parameters));
});

Deno.test("reshard() takes what every shard has a copy of from the first shard", () => {
  const random = new Random(4);
  const description = describe({});
  const model = new Model(description, random, FLOATS);
  const shards = model.shards(2);
  const norm = "decoder.layer_norm.weight";
  (shards[1]!.parameters as Map<string, Tensor>).set(
    norm,
    model.files.add(randomValues(random, dtypeOf("float32"), [description.dim])),
  );
  for (const count of [1, 3]) {
    for (const parameters of reshard(shards, description, count)) {
      assertStrictEquals(parameters.get(norm), shards[0]!.parameters.get(norm));
    }
  }
});

Deno.test("reshard() keeps tied matrices tied where they are cut alike", () => {
  const [embed, projection] = ["decoder_frontend.embed.weight", "final_proj.weight"];
  for (const embeddingShardDim of [0, 1] as const) {
    const description = describe({ embeddingShardDim, tied: true });
    const model = new Model(description, new Random(5), ["bfloat16"]);
    const [whole] = model.shards(1) as [TensorParallelShard];
    const tied: Tensor = { ...whole.parameters.get(embed)! };
    (whole.parameters as Map<string, Tensor>).set(projection, tied);
    const shards = reshard([whole], description, 2).map((parameters) => ({ path: "", parameters }));
    for (const { parameters } of shards) {
      const [a, b] = [parameters.get(embed)!, parameters.get(projection)!];
      assertEquals(a.storage === b.storage, embeddingShardDim === 0);
      assert(a !== b);
    }
    // Cut by columns and by rows, nothing says any longer that they were one; the values are still right.
    const [joined] = reshard(shards, description, 1) as [ReadonlyMap<string, Tensor>];
    const [a, b] = [joined.get(embed)!, joined.get(projection)!];
    assertEquals(a.storage === b.storage, embeddingShardDim === 0);
    assertEquals(model.files.read(a), model.files.read(b));
    assertEquals(model.files.read(a), model.files.read(tied));
  }
});

Deno.test("checkShardCount() allows numbers that divide all that is split", () => {
  const model = describe({ kvHeads: 6 });
  for (const count of [1, 2, 3, 6]) checkShardCount(model, count);
  checkShardCount(describe({ heads: 9, kvHeads: 9, dim: 18, intermediateSize: 9, vocabSize: 9 }), 9);
});

Deno.test("checkShardCount() says which size a number doesn't divide", () => {
  const cases: readonly (readonly [Partial<ModelDescription>, number, string])[] = [
    [{}, 5, "12 attention heads, which 5"],
    [{}, 24, "12 attention heads, which 24"],
    [{ kvHeads: 4 }, 3, "4 key and value heads, which 3"],
    [{ kvHeads: 4 }, 12, "4 key and value heads, which 12"],
    [{ intermediateSize: 50 }, 4, "50 feed-forward rows, which 4"],
    [{ vocabSize: 37 }, 2, "37 tokens of the vocabulary, which 2"],
    // An extended vocabulary is the usual reason.
    [{ vocabSize: 32001, embeddingShardDim: 0 }, 2, "32001 tokens of the vocabulary, which 2"],
  ];
  for (const [sizes, count, problem] of cases) {
    const error = assertThrows(() => checkShardCount(describe(sizes), count), OptionError);
    assertEquals(
      error.message,
      `Can't split the model into ${count} shards: it has ${problem} doesn't divide`,
    );
  }
});

Deno.test("differingReplicas() compares checksums where they are known", async () => {
  const random = new Random(6);
  const description = describe({ layers: 2 });
  const model = new Model(description, random, FLOATS);
  const shards = model.shards(3);
  assertEquals(await differingReplicas(shards, description), []);
  const change = (rank: number, name: string) => {
    const { dtype, shape } = shards[rank]!.parameters.get(name)!;
    const other = model.files.add(randomValues(random, dtype, shape));
    (shards[rank]!.parameters as Map<string, Tensor>).set(name, other);
  };
  change(1, "decoder.layers.1.self_attn.q_proj.weight"); // Each shard has its own part of it.
  assertEquals(await differingReplicas(shards, description), []);
  change(2, "decoder.layers.1.ffn_layer_norm.weight");
  change(1, "decoder.layer_norm.weight");
  assertEquals(await differingReplicas(shards, description), [
    "decoder.layers.1.ffn_layer_norm.weight",
    "decoder.layer_norm.weight",
  ]);
  assertEquals(await differingReplicas(shards.slice(0, 1), description), []);
});

Deno.test("differingReplicas() reads tensors whose checksums aren't known", async () => {
  using temp = new TempDir();
  const random = new Random(7);
  const norm = "decoder.layer_norm.weight";
  const values = randomValues(random, dtypeOf("float32"), [24]);
  const shardWith = (
    name: string,
    values: Values,
    options: Parameters<typeof layOut>[3],
  ): TensorParallelShard => {
    const { tensor, file } = layOut(temp.at(name), values, random, options);
    Deno.writeFileSync(temp.at(name), file);
    return { path: name, parameters: new Map([[norm, tensor]]) };
  };
  const shards = [shardWith("a", values, {}), shardWith("b", values, { before: 3, after: 1 })];
  assertEquals(await differingReplicas(shards, describe({})), []);
  for (const at of [0, 50, 95]) {
    const bytes = values.bytes.with(at, values.bytes[at]! ^ 1);
    const other = shardWith(`c${at}`, { ...values, bytes }, { withoutCrc: true });
    assertEquals(await differingReplicas([...shards, other], describe({})), [norm], `byte ${at}`);
  }
});
