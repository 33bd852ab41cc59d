/**
 * A `model.yaml` that contradicts the weights, is none, or is a trap.
 */

import { FAMILIES } from "../models/_listed.ts";
import { join } from "../../lib/deps.ts";
import type { CheckpointCopy } from "../_torch_files.ts";
import { testBadInput } from "./_bad_input.ts";

const of0_3 = "fairseq2-0.3.0/llama3_bf16";
const of0_4 = "fairseq2-0.4.5/llama3_bf16_tp2";
const of0_8 = "fairseq2-0.8.1/llama3_fp32_tp2_fsdp2/checkpoints";

function yamlOf(copy: CheckpointCopy): string {
  return join(copy.path, "model.yaml");
}

const K = "decoder.layers.0.self_attn.k_proj.weight";
const GATE = "decoder.layers.0.ffn.gate_proj.weight";
const DIM = "decoder.layer_norm.weight";

/** What is changed in the file, and what is said of it then. */
const contradictions: readonly (readonly [from: string, to: string, problem: string])[] = [
  [
    "model_dim: 32",
    "model_dim: 64",
    `model_dim stands for a dimension of 64, but the weights have 32 (${DIM})`,
  ],
  [
    "num_layers: 2",
    "num_layers: 3",
    "num_layers stands for a number of layers of 3, but the weights have 2 (decoder.layers)",
  ],
  [
    "num_attn_heads: 4",
    "num_attn_heads: 8",
    `num_key_value_heads stands for a width of k and v of 8, but the weights have 16 (${K})`,
  ],
  [
    "num_key_value_heads: 2",
    "num_key_value_heads: 1",
    `num_key_value_heads stands for a width of k and v of 8, but the weights have 16 (${K})`,
  ],
  [
    "num_key_value_heads: 2",
    "num_key_value_heads: 4",
    `num_key_value_heads stands for a width of k and v of 32, but the weights have 16 (${K})`,
  ],
  [
    "ffn_inner_dim_scale: 0.6666666666666666",
    "ffn_inner_dim_scale: 1.0",
    `ffn_inner_dim stands for a feed-forward width of 192, but the weights have 128 (${GATE})`,
  ],
];

for (const name of [of0_3, of0_4, of0_8]) {
  for (const [from, to, problem] of contradictions) {
    testBadInput({
      what: `a model.yaml beside ${name} with ${to}`,
      case: name,
      spoil(copy) {
        copy.editYaml(from, to);
        return `${yamlOf(copy)}: ${problem}; no published architecture has these shapes`;
      },
    });
  }
}

for (
  const { name, from, to, field, problem } of [
    {
      name: of0_8,
      from: /$/,
      to: "  ffn_inner_dim_to_multiple: 8\n",
      field: "model_config.ffn_inner_dim_to_multiple",
      problem: "is a field of fairseq2 0.2-0.3 and 0.4, which has no model_config.vocab_size",
    },
    {
      name: of0_8,
      from: "num_attn_heads: 4",
      to: "num_attn_heads: 3",
      field: "model_config.num_attn_heads",
      problem: "3 heads don't divide a dimension of 32",
    },
    {
      name: of0_8,
      from: "shard_embed_dim: false",
      to: "shard_embed_dim: 0",
      field: "model_config.shard_embed_dim",
      problem: "expected true or false, got 0",
    },
    {
      name: of0_8,
      from: "model_family: llama",
      to: "model_family: gemma3n",
      field: "model_family",
      problem: `expected ${FAMILIES}, got "gemma3n"`,
    },
    {
      name: of0_4,
      from: /_set_:\n[^]*$/,
      to: "_set_: [model_dim, 32]\n",
      field: "model_config._set_",
      problem: "expected a mapping, got a sequence",
    },
    {
      name: of0_4,
      from: /_set_:\n[^]*$/,
      to: "_set_:\n",
      field: "model_config._set_",
      problem: "expected a mapping, got null",
    },
    {
      name: of0_8,
      from: /$/,
      to: "  _set_: llama3_2_1b\n",
      field: "model_config._set_",
      problem: 'expected a mapping, got "llama3_2_1b"',
    },
  ] as const
) {
  testBadInput({
    what: `a model.yaml beside ${name} with ${to.trim().split("\n").at(-1)}`,
    case: name,
    spoil(copy) {
      copy.editYaml(from, to);
      return `${yamlOf(copy)}: ${field}: ${problem}`;
    },
  });
}

testBadInput({
  what: "a model.yaml with a field that is misspelt",
  case: of0_8,
  spoil(copy) {
    copy.editYaml("num_layers: 2", "num_layer: 2");
    return `${yamlOf(copy)}: num_layers stands for a number of layers of 32, but the weights have 2 ` +
      "(decoder.layers); no published architecture has these shapes; unknown field left out: model_config.num_layer (2)";
  },
});

/** What a later fairseq2 might write. */
const novel: readonly (readonly [to: string, file: string])[] = [
  ["huggingface", "config.json"],
  ["meta", "params.json"],
];

for (const [to, file] of novel) {
  const problem = (value: string) =>
    `unknown field with the value ${value}, which may change what the model computes, as ${file} has to say; if it ` +
    "doesn't, give --ignore-config";
  for (
    const [ignored, field, options] of [
      [[], "rope_scale.mode", `${problem('"fast"')} rope_scale.mode --ignore-config novelty`],
      [["rope_scale.mode"], "novelty", `${problem("3")} novelty`],
    ] as const
  ) {
    testBadInput({
      what: `${field}, which no fairseq2 has, for ${to}`,
      case: of0_8,
      spoil(copy) {
        copy.editYaml("rope_scale:", "novelty: 3\n  rope_scale:\n    mode: fast");
        return {
          message: `${yamlOf(copy)}: model_config.${field}: ${options}`,
          options: ["--to", to, ...ignored.flatMap((each) => ["--ignore-config", each])],
        };
      },
    });
  }
}

for (const field of ["num_layers", "novelties", "model_config.novelty", "rope_scale"]) {
  testBadInput({
    what: `to ignore ${field}, which is no unknown field`,
    case: of0_8,
    spoil(copy) {
      copy.editYaml("rope_scale:", "novelty: 3\n  rope_scale:");
      return {
        message:
          `Can't ignore "${field}": only unknown fields of the model.yaml can be ignored, and it has novelty`,
        options: ["--ignore-config", field],
      };
    },
  });
}

testBadInput({
  what: "to ignore a field where none is unknown",
  case: of0_8,
  spoil: () => ({
    message: 'Can\'t ignore "novelty": only unknown fields of the model.yaml can be ignored, and it has none',
    options: ["--ignore-config=novelty"],
  }),
});

/** 9 levels of 9 aliases each stand for 9^9 values in a few hundred characters. */
function manyAliases(last: string): string {
  const levels = Array.from({ length: 9 }, (_, i) => {
    return `k${i}: &k${i} [${Array(9).fill(i === 0 ? "x" : `*k${i - 1}`).join(", ")}]\n`;
  });
  return levels.join("") + last;
}

const traps: readonly (readonly [what: string, text: string, problem: string])[] = [
  [
    "aliases of aliases",
    manyAliases("model_family: llama\n"),
    "expected at most 10000 values with aliases expanded, got more",
  ],
  [
    "aliases in a sequence that is its own item",
    "model_family: llama\nmodel_config: &a\n  num_layers: *a\n",
    "expected at most 32 levels, got more",
  ],
  [
    "very deep sequences",
    `model_config: ${"[".repeat(30_000)}${"]".repeat(30_000)}\n`,
    "expected at most 32 levels, got more",
  ],
  [
    "very deep mappings",
    `model_config: ${"{a: ".repeat(5000)}1${"}".repeat(5000)}\n`,
    "expected at most 32 levels, got more",
  ],
  ["a very long text", `name: ${"x".repeat(70_000)}\n`, "expected at most 65536 characters, got 70007"],
  [
    "more values than a configuration has",
    `name: [${"1,".repeat(20_000)}]\n`,
    "expected at most 10000 values with aliases expanded, got more",
  ],
  [
    "a key twice",
    "model_family: llama\nmodel_family: llama\n",
    "model_family: is there twice, for the second time at line 2",
  ],
  ["a text alone", "llama\n", 'expected a mapping, got "llama"'],
  ["nothing in it", "", "expected a mapping, got null"],
];

for (const [what, text, problem] of traps) {
  testBadInput({
    what: `a model.yaml with ${what}`,
    case: of0_8,
    spoil(copy) {
      Deno.writeTextFileSync(yamlOf(copy), text);
      return `${yamlOf(copy)}: ${problem}`;
    },
  });
}

testBadInput({
  what: "a model.yaml with aliases as keys",
  case: of0_8,
  spoil(copy) {
    Deno.writeTextFileSync(yamlOf(copy), manyAliases("? *k8\n: 1\n"));
    return `${
      yamlOf(copy)
    }: is no YAML at line 11: Cannot store mapping pair: nested arrays are not supported inside keys`;
  },
});

testBadInput({
  what: "a model.yaml of many megabytes",
  case: of0_8,
  spoil(copy) {
    Deno.truncateSync(yamlOf(copy), 2 * 1024 * 1024);
    return `${yamlOf(copy)}: has 2097152 bytes, which no model.yaml has; name the right file`;
  },
});
