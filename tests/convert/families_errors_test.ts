/**
 * What can be wrong with a checkpoint of each family: it is refused before anything is written, and the message says
 * what, where, and what to do.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { CheckpointError } from "../../lib/error.ts";
import { type ConvertOptions, planConversion } from "../../mod.ts";
import { ckpt } from "../_ckpt.ts";
import { readState, saveState, type State } from "../_native.ts";
import { TempDir } from "../_temp.ts";
import type { Values } from "../_tensors.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { type FamilyCase, familyCases, filesOf } from "./_families.ts";

const LLAMA = join(CHECKPOINTS, "fairseq2-0.8.1", "llama3_bf16", "checkpoints");

/** A change of model.yaml or config.json: fields to set, or to take away where they are `undefined`. */
type Fields = Readonly<Record<string, unknown>>;

interface Scenario {
  /** What is wrong. */
  readonly wrong: string;
  /** The checkpoint that is changed: a case, or `"llama"`. */
  readonly of: string;
  /** Whether the input is the Hugging Face directory that belongs to the case. */
  readonly fromHuggingFace?: boolean;
  /** What is changed in its state dict. */
  readonly state?: (state: Map<string, Values>) => void;
  /** What is changed in model.yaml or config.json. */
  readonly fields?: Fields;
  /** Another `model_family` for model.yaml. */
  readonly family?: string;
  /** How it is converted; to Hugging Face by default, or to fairseq2's native layout from there. */
  readonly options?: Partial<ConvertOptions>;
  /** What the message has to say, each of these. */
  readonly says: readonly (string | RegExp)[];
}

const LAYER = "decoder.layers.1.";

function drop(...names: string[]): Scenario["state"] {
  return (state) => names.forEach((name) => assert(state.delete(name), name));
}

/** Gives a tensor the first rows of another. */
function add(name: string, from: string, rows: number): Scenario["state"] {
  return (state) => {
    const { dtype, shape, bytes } = state.get(from)!;
    const size = [rows, ...shape.slice(1)];
    state.set(name, { dtype, shape: size, bytes: bytes.slice(0, bytes.length / shape[0]! * rows) });
  };
}

/** A vector of some length, of what another matrix begins with. */
function vector(name: string, length: number): Scenario["state"] {
  return (state) => {
    const { dtype, bytes } = state.get("decoder_frontend.embed.weight")!;
    state.set(name, { dtype, shape: [length], bytes: bytes.slice(0, length * dtype.itemBytes) });
  };
}

const weights: readonly Scenario[] = [
  {
    wrong: "a bias that is missing",
    of: "qwen25_bf16",
    state: drop(`${LAYER}self_attn.k_proj.bias`),
    says: [
      /sdp_00\.pt: the weights are not those of .*model\.yaml: decoder\.layers\.1\.self_attn\.k_proj\.bias is missing;/,
    ],
  },
  {
    wrong: "a bias of another length",
    of: "qwen25_bf16",
    state: add(`${LAYER}self_attn.q_proj.bias`, `${LAYER}self_attn.q_proj.bias`, 16),
    says: [`${LAYER}self_attn.q_proj.bias is [16], expected [32]`],
  },
  {
    wrong: "a bias that model.yaml says isn't there",
    of: "qwen3_fp32_fsdp2",
    state: vector(`${LAYER}self_attn.q_proj.bias`, 32),
    says: [`${LAYER}self_attn.q_proj.bias`],
  },
  {
    wrong: "a bias that the family hasn't got",
    of: "qwen25_bf16",
    state: vector(`${LAYER}self_attn.output_proj.bias`, 32),
    says: [`${LAYER}self_attn.output_proj.bias`, /is no parameter of .*Qwen/],
  },
  {
    wrong: "a bias in a Mistral",
    of: "mistral_bf16",
    state: vector(`${LAYER}self_attn.q_proj.bias`, 32),
    says: [`${LAYER}self_attn.q_proj.bias`, "Mistral"],
  },
  {
    wrong: "a q_norm in a LLaMA",
    of: "llama",
    state: vector(`${LAYER}self_attn.q_norm.weight`, 8),
    says: [`${LAYER}self_attn.q_norm.weight: is no parameter of a fairseq2 LLaMA model`],
  },
  {
    wrong: "a q_norm in a Mistral",
    of: "mistral_bf16",
    state: vector(`${LAYER}self_attn.q_norm.weight`, 8),
    says: [`${LAYER}self_attn.q_norm.weight: is no parameter of a fairseq2 Mistral model`],
  },
  {
    wrong: "a q_norm in a Qwen 2.5",
    of: "qwen25_bf16",
    state: vector(`${LAYER}self_attn.q_norm.weight`, 8),
    says: ["model.yaml", `${LAYER}self_attn.q_norm.weight is one too many`],
  },
  {
    wrong: "a q_norm that is missing",
    of: "qwen3_bf16_tied",
    state: drop(`${LAYER}self_attn.q_norm.weight`),
    says: [`${LAYER}self_attn.q_norm.weight is missing`],
  },
  {
    wrong: "a q_norm over the whole projection in a Qwen",
    of: "qwen3_bf16_tied",
    state: vector(`${LAYER}self_attn.q_norm.weight`, 64),
    says: [`${LAYER}self_attn.q_norm.weight is [64], expected [16]`],
  },
  {
    wrong: "a k_norm of one head in an OLMo",
    of: "olmo2_bf16",
    state: vector(`${LAYER}self_attn.k_norm.weight`, 8),
    says: [`${LAYER}self_attn.k_norm.weight is [8], expected [32]`],
  },
  {
    wrong: "a k_norm that is missing in an OLMo",
    of: "olmo2_bf16",
    state: drop(`${LAYER}self_attn.k_norm.weight`),
    says: [`${LAYER}self_attn.k_norm.weight is missing`],
  },
  {
    wrong: "a norm that is missing in a Mistral",
    of: "mistral_bf16",
    state: drop(`${LAYER}ffn_layer_norm.weight`),
    says: [`${LAYER}ffn_layer_norm.weight is missing`],
  },
  {
    wrong: "an output projection that is missing, though model.yaml says that it isn't tied",
    of: "olmo2_bf16",
    state: drop("final_proj.weight"),
    says: ["sdp_00.pt: the model lacks final_proj.weight; the checkpoint is incomplete"],
  },
];

const modelYaml: readonly Scenario[] = [
  {
    wrong: "heads that don't divide the model's dimension",
    of: "qwen25_bf16",
    fields: { num_attn_heads: 5 },
    says: ["model.yaml: model_config.num_attn_heads: 5 heads don't divide a dimension of 32"],
  },
  {
    wrong: "heads that don't divide the dimension of a Mistral",
    of: "mistral_bf16",
    fields: { num_attn_heads: 3, num_key_value_heads: 3 },
    says: ["model.yaml: model_config.num_attn_heads: 3 heads don't divide a dimension of 32"],
  },
  {
    wrong: "heads that don't divide the dimension of a LLaMA",
    of: "llama",
    fields: { num_attn_heads: 3, num_key_value_heads: 3 },
    says: ["model.yaml: model_config.num_attn_heads: 3 heads don't divide a dimension of 32"],
  },
  {
    wrong: "heads that the key and value heads don't divide",
    of: "olmo2_bf16",
    fields: { num_key_value_heads: 3 },
    says: ["model.yaml: model_config.num_key_value_heads: 3 key and value heads don't divide 4 heads"],
  },
  {
    wrong: "heads of an odd size, which RoPE can't turn",
    of: "qwen3_bf16_tied",
    fields: { head_dim: 15 },
    says: ["model.yaml", "head_dim", "15"],
  },
  {
    wrong: "heads of another size than the weights'",
    of: "qwen3_bf16_tied",
    fields: { head_dim: 8 },
    says: ["head_dim"],
  },
  {
    wrong: "biases and norms at once, for which Hugging Face has no class",
    of: "qwen3_bf16_tied",
    state: (state) => {
      for (const layer of [0, 1]) {
        for (const [name, length] of [["q", 64], ["k", 32], ["v", 32]] as const) {
          vector(`decoder.layers.${layer}.self_attn.${name}_proj.bias`, length)!(state);
        }
      }
    },
    fields: { qkv_proj_bias: true },
    says: ["qkv_proj_bias", "q_norm", "Hugging Face"],
  },
  {
    wrong: "one norm of two",
    of: "qwen3_bf16_tied",
    state: drop(...[0, 1].map((layer) => `decoder.layers.${layer}.self_attn.k_norm.weight`)),
    fields: { k_norm: false },
    says: ["k_norm"],
  },
  {
    wrong: "a layer's type too few",
    of: "olmo3_bf16",
    fields: { layer_types: ["sliding_attention", "sliding_attention", "full_attention"] },
    says: ["model.yaml", "layer_types", "3", "4"],
  },
  {
    wrong: "a type of layers that fairseq2 hasn't got",
    of: "olmo3_bf16",
    fields: {
      layer_types: ["sliding_attention", "chunked_attention", "sliding_attention", "full_attention"],
    },
    says: ["model.yaml", "layer_types", "chunked_attention"],
  },
  {
    wrong: "a field of YaRN that fairseq2 hasn't got",
    of: "olmo3_bf16",
    fields: { yarn_scale_config: { scale_factor: 8.0, attention_factor: 1.2 } },
    says: ["model.yaml", "yarn_scale_config", "attention_factor"],
  },
  {
    wrong: "YaRN by nothing",
    of: "olmo3_bf16",
    fields: { yarn_scale_config: { scale_factor: 0.0 } },
    says: ["model.yaml", "yarn_scale_config", "scale_factor"],
  },
  { wrong: "a window of nothing", of: "olmo3_bf16", fields: { sliding_window: 0 }, says: ["sliding_window"] },
  {
    wrong: "no window, which fairseq2's Mistral can't be without",
    of: "mistral_bf16",
    fields: { attn_window_len: null },
    says: ["model.yaml", "attn_window_len"],
  },
  {
    wrong: "a field of another family",
    of: "qwen25_bf16",
    fields: { attn_window_len: 4096 },
    says: ["model.yaml", "attn_window_len"],
  },
];

const contradictions: readonly Scenario[] = [
  {
    wrong: "a family that ckpt doesn't know",
    of: "qwen25_bf16",
    family: "gemma3n",
    says: ["gemma3n", "qwen"],
  },
  {
    wrong: "a model.yaml of LLaMA's beside a Qwen's weights",
    of: "qwen25_bf16",
    family: "llama",
    fields: { head_dim: undefined, qkv_proj_bias: undefined, q_norm: undefined, k_norm: undefined },
    says: ["q_proj.bias"],
  },
  {
    wrong: "a model.yaml of Mistral's beside an OLMo's weights",
    of: "olmo2_bf16",
    family: "mistral",
    fields: Object.fromEntries(
      "bos_token_id eos_token_id tied_embeddings rms_norm_eps rope_theta init_std init_std_scale shard_embed_dim"
        .split(" ").concat("sliding_window", "layer_types", "yarn_scale_config").map((
          name,
        ) => [name, undefined]),
    ),
    says: ["q_norm"],
  },
  {
    wrong: "an architecture of another family",
    of: "mistral_bf16",
    options: { model: "qwen3_0.6b" },
    says: ["qwen3_0.6b"],
  },
];

const targets: readonly Scenario[] = [
  {
    wrong: "Meta's layout for a Mistral",
    of: "mistral_bf16",
    options: { to: "meta" },
    says: ["The meta layout has no Mistral models; write Mistral's own (--to reference)"],
  },
  {
    wrong: "the reference layout for a Qwen",
    of: "qwen25_bf16",
    options: { to: "reference" },
    says: ["Qwen", /huggingface/],
  },
  {
    wrong: "Meta's layout for a Qwen",
    of: "qwen25_bf16",
    options: { to: "meta" },
    says: ["Qwen", /huggingface/],
  },
  {
    wrong: "the reference layout for an OLMo",
    of: "olmo2_bf16",
    options: { to: "reference" },
    says: ["OLMo", /huggingface/],
  },
  {
    wrong: "a fairseq2 that had no Qwen",
    of: "qwen25_bf16",
    options: { to: "fairseq2", layout: "legacy" },
    says: ["Qwen", "native"],
  },
  {
    wrong: "shards that don't divide the key and value heads",
    of: "qwen25_bf16",
    options: { to: "fairseq2", layout: "native", shards: 4 },
    says: ["4 shards", /key-value heads|key and value heads/],
  },
];

const configJson: readonly Scenario[] = ([
  {
    wrong: "a family that ckpt doesn't know",
    of: "qwen25_bf16",
    fields: { model_type: "gemma3_text" },
    says: ["gemma3_text"],
  },
  {
    wrong: "a model for something else",
    of: "qwen25_bf16",
    fields: { architectures: ["Qwen2ForSequenceClassification"] },
    says: ["Qwen2ForSequenceClassification", "Qwen2ForCausalLM"],
  },
  {
    wrong: "the weights of another class",
    of: "qwen25_bf16",
    fields: { model_type: "qwen3", architectures: ["Qwen3ForCausalLM"], head_dim: 8 },
    says: ["k_proj.bias"],
  },
  {
    wrong: "a RoPE that isn't known",
    of: "olmo3_bf16",
    fields: {
      rope_scaling: { rope_type: "spiral", factor: 2.0 },
      rope_parameters: undefined,
      rope_theta: 500000.0,
    },
    says: [
      'config.json: rope_scaling: is of the kind "spiral", but fairseq2\'s OLMo models have "yarn" alone',
    ],
  },
  {
    wrong: "a RoPE that isn't known in a Mistral",
    of: "mistral_bf16",
    fields: { rope_parameters: { rope_type: "spiral", rope_theta: 10000.0, factor: 2.0 } },
    says: ['config.json: rope_parameters: is of the kind "spiral", but fairseq2\'s Mistral models'],
  },
  {
    wrong: "a RoPE that isn't known in a Qwen",
    of: "qwen3_fp32_fsdp2",
    fields: { rope_scaling: { rope_type: "spiral", factor: 2.0 } },
    says: ["config.json: rope_scaling: is of the kind \"spiral\", but fairseq2's Qwen models don't scale it"],
  },
  {
    wrong: "YaRN in a Qwen",
    of: "qwen25_bf16",
    fields: { rope_scaling: { rope_type: "yarn", factor: 4.0, original_max_position_embeddings: 32768 } },
    says: ["rope_scaling", "yarn", "Qwen"],
  },
  {
    wrong: "another theta in a Mistral, which fairseq2 can't set",
    of: "mistral_bf16",
    fields: { rope_theta: 1000000.0 },
    says: ["rope_theta", "1000000"],
  },
  {
    wrong: "a window in a Qwen",
    of: "qwen25_bf16",
    fields: { use_sliding_window: true, sliding_window: 16, max_window_layers: 1 },
    says: [/sliding_window/],
  },
  {
    wrong: "biases in an OLMo",
    of: "olmo2_bf16",
    fields: { attention_bias: true },
    says: ["attention_bias", "bias"],
  },
  {
    wrong: "heads of a size of their own in a Mistral",
    of: "mistral_bf16",
    fields: { head_dim: 16 },
    says: ["head_dim", "8", "16"],
  },
  {
    wrong: "another activation",
    of: "mistral_bf16",
    fields: { hidden_act: "gelu" },
    says: ["hidden_act", "gelu"],
  },
  {
    wrong: "angles that differ between layers of different types",
    of: "olmo3_fp32_plain_rope",
    fields: {
      rope_parameters: {
        full_attention: { rope_theta: 20000.0, rope_type: "default" },
        sliding_attention: { rope_theta: 10000.0, rope_type: "default" },
      },
    },
    says: ["rope_parameters", "sliding_attention"],
  },
  {
    wrong: "a layer's type too few",
    of: "olmo3_bf16",
    fields: { layer_types: ["sliding_attention", "full_attention"] },
    says: ["layer_types", "2", "4"],
  },
  {
    wrong: "sliding layers without a window",
    of: "olmo3_bf16",
    fields: { sliding_window: null },
    says: ["sliding_window"],
  },
  {
    wrong: "heads that don't divide",
    of: "olmo2_bf16",
    fields: { num_attention_heads: 5 },
    says: ["num_attention_heads"],
  },
  {
    wrong: "quantized weights",
    of: "qwen3_fp32_fsdp2",
    fields: { quantization_config: { quant_method: "awq" } },
    says: ["quantization_config", "awq"],
  },
  {
    wrong: "heads of which a part turns",
    of: "qwen3_fp32_fsdp2",
    fields: { partial_rotary_factor: 0.5 },
    says: ["partial_rotary_factor", "0.5"],
  },
] satisfies Scenario[]).map((each): Scenario => ({ ...each, fromHuggingFace: true }));

/** The case of a name, where there is its family. */
function caseOf(name: string): FamilyCase | undefined {
  return familyCases.find((each) => each.name === name);
}

/** JSON is YAML, but for model.yaml's first lines. */
function writeModelYaml(from: string, to: string, { fields, family }: Scenario): void {
  const lines = Deno.readTextFileSync(join(from, "model.yaml")).trimEnd().split("\n");
  const changed = new Map(Object.entries(fields ?? {}));
  const kept: string[] = [];
  let isDropped = false;
  for (const line of lines) {
    const name = /^ {2}(\w+):/.exec(line)?.[1];
    if (name !== undefined || !line.startsWith("  ")) isDropped = name !== undefined && changed.has(name);
    if (!isDropped) kept.push(line.startsWith("model_family:") && family ? `model_family: ${family}` : line);
  }
  for (const [name, value] of changed) {
    if (value !== undefined) kept.push(`  ${name}: ${JSON.stringify(value)}`);
  }
  Deno.writeTextFileSync(join(to, "model.yaml"), `${kept.join("\n")}\n`);
}

async function makeInput(scenario: Scenario, temp: TempDir): Promise<string> {
  const { of, state: change, fields } = scenario;
  if (scenario.fromHuggingFace === true) {
    const { config, weights } = filesOf(caseOf(of)!);
    Deno.mkdirSync(temp.at("in"));
    Deno.copyFileSync(weights, temp.at("in/model.safetensors"));
    const changed = { ...JSON.parse(Deno.readTextFileSync(config)), ...fields };
    Deno.writeTextFileSync(temp.at("in/config.json"), JSON.stringify(changed));
    return temp.at("in");
  }
  const root = of === "llama" ? LLAMA : filesOf(caseOf(of)!).root;
  const rank = join("model", "pp_00", "tp_00");
  for (const { name } of Deno.readDirSync(join(root, "step_10", rank))) {
    const state: State = await readState(join(root, "step_10", rank, name));
    const changed = new Map(state);
    // The first FSDP shard's names are the checkpoint's.
    if (name === "sdp_00.pt") change?.(changed);
    saveState(temp.at(`in/step_10/${rank}/${name}`), changed);
  }
  writeModelYaml(root, temp.at("in"), scenario);
  return temp.at("in/step_10");
}

function checkMessage(message: string, says: Scenario["says"]): void {
  for (const part of says) {
    assert(typeof part === "string" ? message.includes(part) : part.test(message), `${part}: ${message}`);
  }
  assert(!message.includes("\n") && message.length < 600, message);
}

const scenarios = [...weights, ...modelYaml, ...contradictions, ...targets, ...configJson]
  .filter(({ of }) => of === "llama" || caseOf(of) !== undefined);

for (const scenario of scenarios) {
  const { of, wrong, fromHuggingFace = false } = scenario;
  Deno.test(`planConversion() refuses ${wrong} (${of}${fromHuggingFace ? " in Hugging Face's layout" : ""})`, async () => {
    using temp = new TempDir();
    const input = await makeInput(scenario, temp);
    const defaults = fromHuggingFace
      ? { to: "fairseq2", layout: "native" } as const
      : { to: "huggingface" } as const;
    const error = await assertRejects(
      () => planConversion({ input, output: temp.at("out"), ...defaults, ...scenario.options }),
      CheckpointError,
    );
    checkMessage(error.message, scenario.says);
    assertEquals(temp.names(), ["in"]);
  });
}

Deno.test("ckpt llama convert_checkpoint names ckpt convert for other families", async () => {
  using temp = new TempDir();
  const { step } = filesOf(familyCases[0]!);
  const { code, stderr } = await ckpt(["llama", "convert_checkpoint", step, temp.at("out")]);
  assertEquals(code === 0, false);
  checkMessage(stderr.trim().split("\n")[0]!, ["ckpt convert"]);
  assertEquals(temp.names(), []);
});

Deno.test("ckpt inspect and ckpt verify take a model of a family that they don't know", async () => {
  using temp = new TempDir();
  const input = await makeInput({
    wrong: "",
    of: familyCases[0]!.name,
    family: "gemma3n",
    state: vector("decoder.layers.0.altup.router.weight", 4),
    says: [],
  }, temp);
  for (const command of ["inspect", "verify"]) {
    const { code, stdout, stderr } = await ckpt([command, input]);
    assertEquals(code, 0, stderr);
    if (command === "inspect") assert(stdout.includes("altup"), stdout);
  }
});
