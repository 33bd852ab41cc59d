import { ARCHITECTURES, FAMILIES } from "../../models/_listed.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../../lib/error.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import type { Generation } from "../../../lib/models/family.ts";
import { type ModelConfig, parseModelYaml } from "../../../lib/layouts/fairseq2/model_yaml.ts";
import { assertError } from "../../convert/_assert_error.ts";

const fixtures = new URL("../../../fixtures/", import.meta.url);

/** fairseq2's dataclass as a dict, with the fields of all versions. */
interface Fairseq2Config {
  model_dim: number;
  max_seq_len: number;
  vocab_size?: number;
  pad_idx?: number | null;
  vocab_info?: { size: number; bos_idx: number | null; eos_idx: number | null; pad_idx: number | null };
  tied_embeddings?: boolean;
  num_layers: number;
  num_attn_heads: number;
  num_key_value_heads: number;
  ffn_inner_dim: number;
  ffn_inner_dim_scale: number;
  ffn_inner_dim_multiplier?: number;
  ffn_inner_dim_multiple_of?: number;
  ffn_inner_dim_to_multiple?: number;
  rope_theta: number;
  use_scaled_rope: boolean;
  rope_scaling?: RopeScale;
  rope_scale?: RopeScale;
  shard_embed_dim?: boolean;
}

interface RopeScale {
  factor: number;
  frequency_factors: [number, number];
  original_context_length: number;
}

interface Described {
  config: Fairseq2Config;
  ffn_width: number;
}

interface Golden {
  default: Described;
  architectures: Record<string, Described>;
  cards: Record<string, Described>;
  model_yaml: (Described & { text: string })[];
}

const versions: Record<string, Generation> = { "0.3.0": "0.2-0.3", "0.4.5": "0.4", "0.8.1": "0.5+" };

function golden(version: string): Golden {
  return JSON.parse(Deno.readTextFileSync(new URL(`llama/fairseq2_${version}.json`, fixtures)));
}

/** What fairseq2 loaded, in our names. */
function expected({ config, ffn_width }: Described, generation: Generation): unknown {
  const scale = config.rope_scale ?? config.rope_scaling ??
    { factor: 8, frequency_factors: [1, 5], original_context_length: 8192 };
  const embeddingShardDim = config.shard_embed_dim ?? config.max_seq_len < 8192 ? 1 : 0;
  const { bos_idx, eos_idx } = config.vocab_info ?? { bos_idx: null, eos_idx: null };
  const padId = config.vocab_info === undefined ? config.pad_idx : config.vocab_info.pad_idx;
  return {
    generation,
    family: "llama",
    dim: config.model_dim,
    layers: config.num_layers,
    heads: config.num_attn_heads,
    kvHeads: config.num_key_value_heads,
    headDim: config.model_dim / config.num_attn_heads,
    vocabSize: config.vocab_size ?? config.vocab_info?.size,
    intermediateSize: ffn_width,
    multipleOf: config.ffn_inner_dim_multiple_of ?? config.ffn_inner_dim_to_multiple,
    ropeTheta: config.rope_theta,
    normEps: 1e-5,
    maxSeqLen: config.max_seq_len,
    embeddingShardDim,
    tied: config.tied_embeddings ?? false,
    ...(typeof bos_idx === "number" && { bosId: bos_idx }),
    ...(typeof eos_idx === "number" && { eosIds: [eos_idx] }),
    ...(typeof padId === "number" && { padId }),
    ...(config.use_scaled_rope && {
      ropeScaling: {
        factor: scale.factor,
        lowFreqFactor: scale.frequency_factors[0],
        highFreqFactor: scale.frequency_factors[1],
        originalContextLength: scale.original_context_length,
      },
    }),
  };
}

function withoutNames({ architecture: _a, base: _b, notes, unknownFields, ...config }: ModelConfig): unknown {
  assertEquals([notes, unknownFields], [[], []]);
  return config;
}

for (const [version, generation] of Object.entries(versions)) {
  Deno.test(`parseModelYaml() reads some files as fairseq2 ${version} does`, () => {
    const { model_yaml } = golden(version);
    assert(model_yaml.length >= 5);
    for (const each of model_yaml) {
      // What fits several generations needs the hint; what doesn't must not need it.
      const config = parseModelYaml(each.text, { generations: [generation] });
      assertEquals(withoutNames(config), expected(each, generation), each.text);
    }
  });

  Deno.test(`parseModelYaml() takes the architectures, cards and defaults of fairseq2 ${version}`, () => {
    const { architectures, cards, default: defaults } = golden(version);
    for (const [name, each] of Object.entries(architectures)) {
      const config = parseModelYaml(`model_family: llama\nmodel_arch: ${name}\n`, {
        generations: [generation],
      });
      assertEquals(withoutNames(config), expected(each, generation), name);
      assertEquals([config.architecture?.name, config.base], [name, undefined]);
    }
    assert(Object.keys(cards).length >= 20);
    for (const [name, each] of Object.entries(cards)) {
      const config = parseModelYaml(`base: ${name}\n`, { generations: [generation] });
      assertEquals(withoutNames(config), expected(each, generation), name);
      assertEquals(config.base?.name, name);
    }
    const config = parseModelYaml(`model_family: llama\n`, { generations: [generation] });
    const start = version === "0.4.5" ? architectures.llama3_1_8b! : defaults;
    assertEquals(withoutNames(config), expected(start, generation));
    assertEquals(config.architecture, undefined);
  });
}

const llama3 = {
  family: "llama",
  dim: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  vocabSize: 50,
  intermediateSize: 128,
  multipleOf: 8,
  ropeTheta: 500000,
  normEps: 1e-5,
  maxSeqLen: 131072,
  embeddingShardDim: 0,
  tied: false,
};
const published = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 };
const llama3_030 = {
  ...llama3,
  generation: "0.2-0.3",
  ropeScaling: { ...published, highFreqFactor: 5 },
  bosId: 48,
  eosIds: [49],
};
const llama2_030 = {
  ...llama3,
  generation: "0.2-0.3",
  kvHeads: 4,
  vocabSize: 40,
  intermediateSize: 88,
  ropeTheta: 10000,
  maxSeqLen: 4096,
  embeddingShardDim: 1,
  bosId: 1,
  eosIds: [2],
};
const llama3_045 = {
  ...llama3,
  generation: "0.4",
  ropeScaling: published,
  bosId: 48,
  eosIds: [49],
};
const { bosId: _bosId, eosIds: _eosIds, ...untokenized } = llama3_045;
const llama3_081 = { ...untokenized, generation: "0.5+" };

Deno.test("parseModelYaml() reads every model.yaml of the real checkpoints, without a hint", () => {
  const cases: Record<string, unknown> = {
    "fairseq2-0.3.0/llama3_bf16": llama3_030,
    "fairseq2-0.3.0/llama3_fp32_ddp": llama3_030,
    "fairseq2-0.3.0/llama3_bf16_tp2": { ...llama3_030, numShards: 2 },
    "fairseq2-0.3.0/llama2_fp16": llama2_030,
    "fairseq2-0.3.0/llama2_fp32_tp4": { ...llama2_030, numShards: 4 },
    "fairseq2-0.4.5/llama3_bf16": llama3_045,
    "fairseq2-0.4.5/llama3_bf16_tp2": { ...llama3_045, numShards: 2 },
    "fairseq2-0.8.1/llama3_bf16/checkpoints": llama3_081,
    "fairseq2-0.8.1/llama3_bf16_tied/checkpoints": { ...llama3_081, tied: true },
    "fairseq2-0.8.1/llama3_bf16_fsdp3/checkpoints": llama3_081,
    "fairseq2-0.8.1/llama3_fp32_tp2_fsdp2/checkpoints": llama3_081,
  };
  for (const [directory, config] of Object.entries(cases)) {
    const text = Deno.readTextFileSync(new URL(`checkpoints/${directory}/model.yaml`, fixtures));
    assertEquals(withoutNames(parseModelYaml(text)), config, directory);
  }
});

const head = "name: checkpoint\nmodel_family: llama\n";

Deno.test("parseModelYaml() tells the generation by fields that only one has, whatever the hint", () => {
  const cases: [config: string, generation: Generation][] = [
    ["{rope_scaling: {factor: 4.0}}", "0.4"],
    ["{ffn_inner_dim_multiplier: 1.5}", "0.4"],
    ["{vocab_info: {boh_idx: 3}}", "0.4"],
    ["{_set_: {vocab_info: {size: 40, eoh_idx: 3}}}", "0.4"],
    ["{vocab_info: {size: 40}}", "0.2-0.3"],
    ["{ffn_inner_dim_to_multiple: 64}", "0.2-0.3"],
    ["{num_layers: 3}", "0.2-0.3"],
    ["{vocab_size: 40}", "0.5+"],
    ["{pad_idx: 3}", "0.5+"],
    ["{tied_embeddings: true}", "0.5+"],
    ["{ffn_inner_dim_multiple_of: 8}", "0.5+"],
    ["{rope_scale: {factor: 2.0}}", "0.5+"],
    ["{init_std: 0.5}", "0.5+"],
    ["{init_std_scale: none}", "0.5+"],
    ["{shard_embed_dim: false}", "0.5+"],
    ["{_set_: {vocab_size: 40}}", "0.5+"],
    ["{_add_: {vocab_size: 40}}", "0.5+"],
  ];
  for (const [config, generation] of cases) {
    const text = `${head}model_config: ${config}\n`;
    assertEquals(parseModelYaml(text).generation, generation, config);
    const hints: Generation[] = generation === "0.5+"
      ? ["0.2-0.3", "0.4"]
      : generation === "0.4"
      ? ["0.2-0.3"]
      : [];
    for (const hint of hints) {
      assertEquals(parseModelYaml(text, { generations: [hint] }).generation, generation);
    }
  }
  const tokenizer = parseModelYaml(`${head}tokenizer_ref: checkpoint_tokenizer\n`, { generations: ["0.5+"] });
  assertEquals(tokenizer.generation, "0.2-0.3");
});

Deno.test("parseModelYaml() takes the hint where the fields leave a choice", () => {
  const generationOf = (config: string, generation: Generation) =>
    parseModelYaml(`${head}model_config: ${config}\n`, { generations: [generation] }).generation;
  assertEquals(generationOf("{num_layers: 3}", "0.5+"), "0.5+");
  assertEquals(generationOf("{vocab_info: {size: 40}}", "0.4"), "0.4");
  assertEquals(generationOf("{ffn_inner_dim_multiplier: 1.5}", "0.5+"), "0.5+");
  assertEquals(parseModelYaml("base: llama3_2_1b\n", { generations: ["0.4"] }).ropeScaling?.factor, 32);
});

Deno.test("parseModelYaml() takes the directive that 0.4 writes for a sign of 0.4, but for no proof", () => {
  for (const config of ["{_set_: {num_layers: 3}}", "{vocab_info: {_set_: {eos_idx: 3}}}"]) {
    const text = `${head}model_config: ${config}\n`;
    assertEquals(parseModelYaml(text).generation, "0.4");
    assertEquals(parseModelYaml(text, { generations: ["0.2-0.3"] }).generation, "0.2-0.3");
  }
  assertEquals(parseModelYaml(`${head}model_config: {_set_: {vocab_size: 3}}\n`).generation, "0.5+");
});

Deno.test("parseModelYaml() takes the oldest generation that the fields and the form of the files leave", () => {
  const generationOf = (config: string, generations: Generation[]) =>
    parseModelYaml(`${head}model_config: ${config}\n`, { generations }).generation;
  // The form of 0.3 is that of 0.4.0, too, which has a habit.
  assertEquals(generationOf("{num_layers: 3}", ["0.2-0.3", "0.4"]), "0.2-0.3");
  assertEquals(generationOf("{_set_: {num_layers: 3}}", ["0.2-0.3", "0.4"]), "0.4");
  // What a file has counts for more than how the weights are saved.
  assertEquals(generationOf("{vocab_size: 3}", ["0.2-0.3", "0.4"]), "0.5+");
  assertEquals(generationOf("{vocab_info: {size: 40}}", ["0.5+"]), "0.2-0.3");
});

Deno.test("parseModelYaml() says where nothing tells how RoPE is scaled", () => {
  const note = (factor: number) =>
    "model.yaml: nothing tells which fairseq2 it is of; RoPE is taken to be scaled by factor 8, low 1, high 5, as 0.2 " +
    `and 0.3 do it, where later versions take factor ${factor}, low 1, high 4: for those, give model_config.rope_scale`;
  const cases: [text: string, generations: Generation[] | undefined, notes: string[]][] = [
    ["base: llama3_1_8b\n", undefined, [note(8)]],
    ["base: llama3_2_1b\n", undefined, [note(32)]],
    [`${head}model_config: {use_scaled_rope: true}\n`, undefined, [note(8)]],
    // There is nothing to tell.
    ["base: llama3_8b\n", undefined, []],
    [`${head}model_config: {num_layers: 3}\n`, undefined, []],
    // The form of the files does, a habit, or a field.
    ["base: llama3_1_8b\n", ["0.2-0.3", "0.4"], []],
    ["base: llama3_1_8b\n", ["0.4"], []],
    ["base: llama3_1_8b\n", ["0.5+"], []],
    ["base: llama3_1_8b\nmodel_config: {_set_: {num_layers: 3}}\n", undefined, []],
    ["base: llama3_1_8b\nmodel_config: {vocab_info: {size: 40}}\n", undefined, []],
    ["base: llama3_1_8b\nmodel_config: {rope_scale: {factor: 8.0}}\n", undefined, []],
  ];
  for (const [text, generations, notes] of cases) {
    const options = generations === undefined ? {} : { generations };
    assertEquals(parseModelYaml(text, options).notes, notes, text);
  }
});

Deno.test("parseModelYaml() refuses fields that no generation has together", () => {
  const cases: [config: string, field: string, problem: string][] = [
    ["{vocab_info: {size: 40}, rope_scale: {}}", "rope_scale", "0.5+, which has no model_config.vocab_info"],
    ["{rope_scaling: {}, vocab_size: 3}", "vocab_size", "0.5+, which has no model_config.rope_scaling"],
    [
      "{vocab_size: 3, _set_: {rope_scaling: {}}}",
      "rope_scaling",
      "0.4, which has no model_config.vocab_size",
    ],
    [
      "{vocab_size: 3, ffn_inner_dim_to_multiple: 2}",
      "ffn_inner_dim_to_multiple",
      "0.2-0.3 and 0.4, which has no model_config.vocab_size",
    ],
  ];
  for (const [config, field, problem] of cases) {
    assertError(
      () => parseModelYaml(`${head}model_config: ${config}\n`),
      ConfigError,
      `model.yaml: model_config.${field}: is a field of fairseq2 ${problem}`,
    );
  }
});

Deno.test("parseModelYaml() takes model_type and the older keys of the configuration", () => {
  assertEquals(parseModelYaml("model_type: llama\n").layers, 32);
  const old = parseModelYaml(`${head}model_config:\n  _type_: x.y\n  num_layers: 3\n`);
  assertEquals(old.layers, 3);
  const text = `${head}model_config_overrides: {num_layers: 3}\nmodel_config: {num_layers: 4}\n`;
  assertEquals(parseModelYaml(text).layers, 3);
  assertError(
    () => parseModelYaml(`${head}model_config_override: {num_layers: a}\n`),
    ConfigError,
    'model.yaml: model_config_override.num_layers: expected a positive integer, got "a"',
  );
});

Deno.test("parseModelYaml() drops, adds and sets fields as the directives say", () => {
  const config = parseModelYaml(
    `${head}model_arch: llama3_8b\nmodel_config:\n  _del_: [num_layers, rope_theta]\n` +
      "  _add_: {num_layers: 5}\n  _set_: {dropout_p: 0.0}\n  vocab_info: {_set_: {bos_idx: null}}\n",
  );
  // rope_theta has the default of the dataclass again.
  assertEquals([config.layers, config.ropeTheta, config.bosId, config.eosIds], [5, 10000, undefined, [
    128001,
  ]]);
});

/** A whole configuration of each generation, for changes to be made to. */
const whole: Record<Generation, Record<string, unknown>> = {
  "0.2-0.3": {
    model_dim: 32,
    num_layers: 2,
    num_attn_heads: 4,
    num_key_value_heads: 2,
    vocab_info: { size: 50, unk_idx: null, bos_idx: 48, eos_idx: 49, pad_idx: null },
    ffn_inner_dim_to_multiple: 8,
  },
  "0.4": {
    model_dim: 32,
    num_layers: 2,
    num_attn_heads: 4,
    num_key_value_heads: 2,
    rope_scaling: { factor: 8, frequency_factors: [1, 4], original_context_length: 8192 },
  },
  "0.5+": {
    model_dim: 32,
    num_layers: 2,
    num_attn_heads: 4,
    num_key_value_heads: 2,
    vocab_size: 50,
    rope_scale: { factor: 8, frequency_factors: [1, 4], original_context_length: 8192 },
  },
};

Deno.test("parseModelYaml() names the field that is at fault", () => {
  const all: Generation[] = ["0.2-0.3", "0.4", "0.5+"];
  const old: Generation[] = ["0.2-0.3"];
  const middle: Generation[] = ["0.4"];
  const recent: Generation[] = ["0.5+"];
  const cases: [Generation[], Record<string, unknown>, field: string, problem: string][] = [
    [all, { num_layers: "two" }, "num_layers", 'expected a positive integer, got "two"'],
    [all, { num_layers: "2" }, "num_layers", 'expected a positive integer, got "2"'],
    [all, { num_layers: null }, "num_layers", "expected a positive integer, got null"],
    [all, { num_layers: true }, "num_layers", "expected a positive integer, got true"],
    [all, { num_layers: 2.5 }, "num_layers", "expected a positive integer, got 2.5"],
    [all, { num_layers: -2 }, "num_layers", "expected a positive integer, got -2"],
    [all, { num_layers: 4097 }, "num_layers", "expected at most 4096, got 4097"],
    [all, { num_layers: [2] }, "num_layers", "expected a positive integer, got a sequence"],
    [all, { num_layers: { a: 1 } }, "num_layers", "expected a positive integer, got a mapping"],
    [all, { model_dim: 0 }, "model_dim", "expected a positive integer, got 0"],
    [all, { model_dim: 1e300 }, "model_dim", "expected at most 1048576, got 1e+300"],
    [all, { num_attn_heads: 16385 }, "num_attn_heads", "expected at most 16384, got 16385"],
    [all, { num_attn_heads: 5 }, "num_attn_heads", "5 heads don't divide a dimension of 32"],
    [all, { num_attn_heads: 32 }, "num_attn_heads", "heads of 1 rows are odd, and RoPE needs pairs"],
    [all, { num_key_value_heads: 3 }, "num_key_value_heads", "3 key and value heads don't divide 4 heads"],
    [all, { max_seq_len: "long" }, "max_seq_len", 'expected a positive integer, got "long"'],
    [all, { ffn_inner_dim: 2 ** 24 + 1 }, "ffn_inner_dim", "expected at most 16777216, got 16777217"],
    [all, { ffn_inner_dim: 1 }, "ffn_inner_dim", "gives a feed-forward width of 0, past 1 to 16777216"],
    [all, { ffn_inner_dim_scale: 0 }, "ffn_inner_dim_scale", "expected a positive number, got 0"],
    [all, { rope_theta: "500000" }, "rope_theta", 'expected a positive number, got "500000"'],
    [all, { use_scaled_rope: 1 }, "use_scaled_rope", "expected true or false, got 1"],
    [all, { dropout_p: null }, "dropout_p", "expected a number, got null"],
    [all, { _set_: [1] }, "_set_", "expected a mapping, got a sequence"],
    [all, { _set_: "num_layers" }, "_set_", 'expected a mapping, got "num_layers"'],
    [all, { _set_: null }, "_set_", "expected a mapping, got null"],
    [all, { _add_: 3 }, "_add_", "expected a mapping, got 3"],
    [all, { _del_: "num_layers" }, "_del_", 'expected a sequence of texts, got "num_layers"'],
    [all, { _del_: [1] }, "_del_", "expected a sequence of texts, got a sequence"],
    [old, { vocab_info: 50 }, "vocab_info", "expected a mapping, got 50"],
    [old, { vocab_info: { size: -1 } }, "vocab_info.size", "expected a positive integer, got -1"],
    [
      old,
      { vocab_info: { bos_idx: "a" } },
      "vocab_info.bos_idx",
      'expected a non-negative integer or null, got "a"',
    ],
    [
      old,
      { vocab_info: { unk_idx: 0.5 } },
      "vocab_info.unk_idx",
      "expected a non-negative integer or null, got 0.5",
    ],
    [old, { vocab_info: { _set_: 1 } }, "vocab_info._set_", "expected a mapping, got 1"],
    [
      old,
      { ffn_inner_dim_to_multiple: 0 },
      "ffn_inner_dim_to_multiple",
      "expected a positive integer, got 0",
    ],
    [
      middle,
      { _set_: { vocab_info: { bos_idx: 1 } } },
      "vocab_info.size",
      "missing, expected a positive integer",
    ],
    [middle, { rope_scaling: null }, "rope_scaling", "expected a mapping, got null"],
    [middle, { rope_scaling: { factor: 0 } }, "rope_scaling.factor", "expected a positive number, got 0"],
    [
      middle,
      { ffn_inner_dim_multiplier: "1.5" },
      "ffn_inner_dim_multiplier",
      'expected a positive number, got "1.5"',
    ],
    [
      middle,
      { ffn_inner_dim_multiplier: 1e6 },
      "ffn_inner_dim",
      "gives a feed-forward width of 10922667008, past 1 to 16777216",
    ],
    [recent, { vocab_size: 2 ** 24 + 1 }, "vocab_size", "expected at most 16777216, got 16777217"],
    [recent, { pad_idx: -1 }, "pad_idx", "expected a non-negative integer or null, got -1"],
    [recent, { tied_embeddings: "no" }, "tied_embeddings", 'expected true or false, got "no"'],
    [recent, { shard_embed_dim: null }, "shard_embed_dim", "expected true or false, got null"],
    [recent, { init_std: "a" }, "init_std", 'expected a number or null, got "a"'],
    [recent, { init_std_scale: 1 }, "init_std_scale", "expected a text, got 1"],
    [
      recent,
      { ffn_inner_dim_multiple_of: 1.5 },
      "ffn_inner_dim_multiple_of",
      "expected a positive integer, got 1.5",
    ],
    [
      recent,
      { rope_scale: { frequency_factors: [1, 2, 3] } },
      "rope_scale.frequency_factors",
      "expected a sequence of two positive numbers, got a sequence",
    ],
    [
      recent,
      { use_scaled_rope: true, rope_scale: { frequency_factors: [4, 1] } },
      "rope_scale.frequency_factors",
      "expected a low and a higher one, got 4 and 1",
    ],
    [
      recent,
      { use_scaled_rope: true, rope_scale: { frequency_factors: [4, 4] } },
      "rope_scale.frequency_factors",
      "expected a low and a higher one, got 4 and 4",
    ],
    [
      recent,
      { rope_scale: { original_context_length: 0.5 } },
      "rope_scale.original_context_length",
      "expected a positive integer, got 0.5",
    ],
  ];
  for (const [generations, change, field, problem] of cases) {
    for (const generation of generations) {
      // JSON is YAML, too.
      const file = {
        name: "checkpoint",
        model_family: "llama",
        model_config: { ...whole[generation], ...change },
      };
      const error: ConfigError = assertThrows(() => parseModelYaml(JSON.stringify(file)), ConfigError);
      assertEquals(error.message, `model.yaml: model_config.${field}: ${problem}`);
      assertEquals(error.field, `model_config.${field}`);
    }
  }
});

Deno.test("parseModelYaml() finds the fields that no fairseq2 has, wherever they are", () => {
  const cases: [Generation, changes: Record<string, unknown>, fields: [name: string, value: string][]][] = [
    ["0.2-0.3", { num_layer: 2 }, [["num_layer", "2"]]],
    ["0.4", { num_layer: 2, "__proto__x": {} }, [["num_layer", "2"], ["__proto__x", "a mapping"]]],
    ["0.5+", { moe: { experts: 8, top_k: 2 } }, [["moe", "a mapping"]]],
    ["0.5+", { attn_window_len: "long" }, [["attn_window_len", '"long"']]],
    ["0.2-0.3", { vocab_info: { size: 50, max: 1 } }, [["vocab_info.max", "1"]]],
    ["0.4", { rope_scaling: { low: null } }, [["rope_scaling.low", "null"]]],
    ["0.5+", { rope_scale: { factor: 8, mode: [1] } }, [["rope_scale.mode", "a sequence"]]],
    ["0.5+", { _add_: { deep: 1 }, rope_scale: { _set_: { mode: 2 } } }, [["rope_scale.mode", "2"], [
      "deep",
      "1",
    ]]],
    // A field that another generation has, in a place where it has none.
    ["0.5+", { rope_scale: { eoh_idx: 3 } }, [["rope_scale.eoh_idx", "3"]]],
  ];
  for (const [generation, changes, fields] of cases) {
    const file = { model_family: "llama", model_config: { ...whole[generation], ...changes } };
    const config = parseModelYaml(JSON.stringify(file));
    assertEquals([config.generation, config.dim, config.layers], [generation, 32, 2]);
    assertEquals(
      new Set(config.unknownFields),
      new Set(fields.map(([name, value]) => ({
        file: "model.yaml",
        field: `model_config.${name}`,
        name,
        value,
      }))),
    );
  }
});

Deno.test("parseModelYaml() takes fields that no fairseq2 has for those of a later one, where nothing else tells", () => {
  const generationOf = (config: string, generations?: Generation[]) =>
    parseModelYaml(`${head}model_config: ${config}\n`, generations === undefined ? {} : { generations })
      .generation;
  assertEquals(generationOf("{novelty: 3}"), "0.5+");
  assertEquals(generationOf("{novelty: 3, ffn_inner_dim_multiplier: 1.5}"), "0.5+");
  assertEquals(generationOf("{novelty: 3, vocab_info: {size: 40}}"), "0.2-0.3");
  assertEquals(generationOf("{novelty: 3, rope_scaling: {}}"), "0.4");
  assertEquals(generationOf("{_set_: {novelty: 3}}"), "0.4");
  assertEquals(generationOf("{novelty: 3}", ["0.2-0.3", "0.4"]), "0.2-0.3");
  assertEquals(generationOf("{novelty: 3}", ["0.4"]), "0.4");
  const { ropeScaling, notes } = parseModelYaml("base: llama3_2_1b\nmodel_config: {novelty: 3}\n");
  assertEquals(ropeScaling?.factor, 32);
  assertEquals(notes, [
    "model.yaml: nothing tells which fairseq2 it is of; RoPE is taken to be scaled by factor 32, low 1, high 4, as " +
    "later versions do it, where 0.2 and 0.3 take factor 8, low 1, high 5: for those, give model_config.vocab_info",
  ]);
});

Deno.test("parseModelYaml() names fields outside the configuration, and the file", () => {
  const cases: [text: string, message: string][] = [
    ["model_config: 3\nmodel_family: llama\n", "model_config: expected a mapping, got 3"],
    ["model_config: null\nmodel_family: llama\n", "model_config: expected a mapping, got null"],
    ["name: checkpoint\n", "model_family: missing, expected a text"],
    ["model_family: gemma3n\n", `model_family: expected ${FAMILIES}, got "gemma3n"`],
    ["model_type: nllb\n", `model_type: expected ${FAMILIES}, got "nllb"`],
    ["model_family: 3\n", "model_family: expected a text, got 3"],
    ["base: llama3_8b\nmodel_family: qwen\n", 'base: llama3_8b is of the family "llama", not "qwen"'],
    ["model_arch: 7b\nmodel_family: qwen\n", 'model_arch: 7b is of the family "llama", not "qwen"'],
    [`${head}num_shards: 0\n`, "num_shards: expected a positive integer, got 0"],
    [`${head}num_shards: 5000\n`, "num_shards: expected at most 4096, got 5000"],
    [`${head}num_shards: null\n`, "num_shards: expected a positive integer, got null"],
    ["name: [a]\nmodel_family: llama\n", "name: expected a text or null, got a sequence"],
    ["base: 3\n", "base: expected a text or null, got 3"],
    [`${head}model_arch: {}\n`, "model_arch: expected a text or null, got a mapping"],
    ["- a\n", "expected a mapping, got a sequence"],
    ["", "expected a mapping, got null"],
    ["llama\n", 'expected a mapping, got "llama"'],
  ];
  for (const [text, message] of cases) {
    assertError(
      () => parseModelYaml(text, { file: "x/model.yaml" }),
      ConfigError,
      `x/model.yaml: ${message}`,
    );
  }
  assertError(
    () => parseModelYaml("base: llama3_2_1\n"),
    ConfigError,
    `model.yaml: base: Unknown model "llama3_2_1": did you mean llama3_2_1b or llama3_2_3b? ${ARCHITECTURES}`,
  );
  assertError(
    () => parseModelYaml(`${head}model_arch: gpt\n`),
    ConfigError,
    `model.yaml: model_arch: Unknown model "gpt": ${ARCHITECTURES}`,
  );
});

Deno.test("parseModelYaml() takes feed-forward widths up to the limits", () => {
  const width = (inner: number, multiple: number) =>
    parseModelYaml(
      `${head}model_config: {ffn_inner_dim: ${inner}, ffn_inner_dim_scale: 1.0, ffn_inner_dim_to_multiple: ${multiple}}\n`,
    ).intermediateSize;
  assertEquals([width(1, 1), width(2 ** 24, 1), width(1, 2 ** 24)], [1, 2 ** 24, 2 ** 24]);
  assertError(
    () => width(2 ** 24, 2 ** 24 - 1),
    ConfigError,
    "model.yaml: model_config.ffn_inner_dim: gives a feed-forward width of 33554430, past 1 to 16777216",
  );
});

Deno.test("parseModelYaml() refuses what is no YAML, or YAML that fairseq2 doesn't write", () => {
  const cases: [text: string, message: string][] = [
    [
      "a: [1, 2\n",
      "is no YAML at line 2: Cannot read flow collection: unexpected end of the stream within a flow collection",
    ],
    [
      "a: !!python/object:os.system 1\n",
      "is no YAML at line 1: Cannot resolve unknown tag !<tag:yaml.org,2002:python/object:os.system>",
    ],
    ["a: !custom {}\n", "is no YAML at line 1: Cannot resolve unknown tag !<!custom>"],
    ["a: !!binary aGk=\n", "is no YAML at line 1: Cannot resolve unknown tag !<tag:yaml.org,2002:binary>"],
    ["a: *b\n", 'is no YAML at line 1: Cannot read alias: unidentified alias "b"'],
    [
      "--- {a: 1}\n--- {a: 2}\n",
      "is no YAML at line 2: Found more than 1 document in the stream: expected a single document",
    ],
    [`${head}model_family: llama\n`, "model_family: is there twice, for the second time at line 3"],
    [`${head}num_shards: 2\n"name": x\ny: 3\n`, "name: is there twice, for the second time at line 4"],
    [
      `${head}model_config:\n  num_layers: 2\n  num_layers: 3\n`,
      "num_layers: is there twice, for the second time at line 5",
    ],
  ];
  for (const [text, message] of cases) {
    assertError(() => parseModelYaml(text), ConfigError, `model.yaml: ${message}`);
  }
  assert(new ConfigError("a", "b", "c") instanceof FormatError);
});

Deno.test("parseModelYaml() has no merge keys", () => {
  const { layers, unknownFields } = parseModelYaml(`${head}model_config:\n  <<: {num_layers: 3}\n`);
  assertEquals([layers, unknownFields.map(({ name }) => name)], [32, ["<<"]]);
});

Deno.test("parseModelYaml() takes a key that is special in JavaScript for a key", () => {
  const { layers, unknownFields } = parseModelYaml(`${head}model_config:\n  __proto__: {num_layers: 3}\n`);
  assertEquals([layers, unknownFields.map(({ name }) => name)], [32, ["__proto__"]]);
  assertEquals(parseModelYaml(`${head}__proto__: {num_shards: 3}\n`).numShards, undefined);
});

Deno.test("parseModelYaml() limits the text", () => {
  const padded = head.padEnd(65536, "\n");
  assertEquals(parseModelYaml(padded).layers, 32);
  assertError(
    () => parseModelYaml(`${padded}\n`),
    ConfigError,
    "model.yaml: expected at most 65536 characters, got 65537",
  );
});

Deno.test("parseModelYaml() counts aliases each time", () => {
  assertEquals(parseModelYaml(`${head}x: &x {num_layers: 3}\nmodel_config: *x\n`).layers, 3);
  // 9 levels of 9 aliases: 9^9 values, of a few hundred characters.
  const bomb = Array.from(
    { length: 9 },
    (_, i) => `a${i}: &a${i} [${Array(9).fill(i === 0 ? "x" : `*a${i - 1}`)}]\n`,
  );
  const tooMany = "model.yaml: expected at most 10000 values with aliases expanded, got more";
  assertError(() => parseModelYaml(bomb.join("") + head), ConfigError, tooMany);

  const items = (count: number) => `${head}x: [${Array(count).fill(1)}]\n`;
  // The mapping, its two texts and the sequence are values, too.
  assertEquals(parseModelYaml(items(9996)).layers, 32);
  assertError(() => parseModelYaml(items(9997)), ConfigError, tooMany);
});

Deno.test("parseModelYaml() limits the levels, and so cycles", () => {
  const tooDeep = "model.yaml: expected at most 32 levels, got more";
  assertEquals(parseModelYaml(`${head}x: ${"[".repeat(31)}${"]".repeat(31)}\n`).layers, 32);
  assertError(() => parseModelYaml(`${head}x: ${"[".repeat(32)}${"]".repeat(32)}\n`), ConfigError, tooDeep);
  assertError(() => parseModelYaml(`${head}x: &x [*x]\n`), ConfigError, tooDeep);
  // Past the parser's own stack.
  for (const text of ["[".repeat(60000), "- ".repeat(30000), "? ".repeat(30000), "{a: ".repeat(15000)]) {
    assertError(() => parseModelYaml(text), ConfigError, tooDeep);
  }
});
