import { assertEquals } from "@std/assert";
import { type LlamaArchitecture, llamaArchitectures } from "../../../lib/models/llama/architectures.ts";
import { findArchitecture } from "../../../lib/models/model_cards.ts";

interface Fairseq2Config {
  model_dim: number;
  max_seq_len: number;
  vocab_size: number;
  pad_idx: number | null;
  tied_embeddings: boolean;
  num_layers: number;
  num_attn_heads: number;
  num_key_value_heads: number;
  ffn_inner_dim_multiplier: number;
  ffn_inner_dim_multiple_of: number;
  rope_theta: number;
  use_scaled_rope: boolean;
  rope_scale: { factor: number; frequency_factors: [number, number]; original_context_length: number };
  shard_embed_dim: boolean;
}

function read(name: string) {
  return JSON.parse(Deno.readTextFileSync(new URL(`../../../fixtures/llama/${name}`, import.meta.url)));
}

Deno.test("llamaArchitectures has what fairseq2 0.8.1 has, but for the layers of 13B and for 405B", () => {
  const golden: Record<string, { config: Fairseq2Config; ffn_width: number }> =
    read("fairseq2_0.8.1.json").architectures;
  assertEquals(
    llamaArchitectures.map(({ name }) => name).filter((name) => name !== "llama3_1_405b").sort(),
    Object.keys(golden).sort(),
  );
  for (const [name, { config, ffn_width }] of Object.entries(golden)) {
    const architecture = findArchitecture(name, "llama");
    const { factor, frequency_factors: [lowFreqFactor, highFreqFactor] } = config.rope_scale;
    const { cards: _cards, bosId: _bos, eosIds: _eos, normEps: _eps, inFairseq2: _built, ...facts } =
      architecture;
    assertEquals(facts, {
      family: "llama",
      name,
      dim: config.model_dim,
      layers: name.endsWith("13b") ? 40 : config.num_layers,
      heads: config.num_attn_heads,
      kvHeads: config.num_key_value_heads,
      headDim: config.model_dim / config.num_attn_heads,
      multipleOf: config.ffn_inner_dim_multiple_of,
      ffnDimMultiplier: config.ffn_inner_dim_multiplier,
      intermediateSize: ffn_width,
      ropeTheta: config.rope_theta,
      vocabSize: config.vocab_size,
      maxSeqLen: config.max_seq_len,
      embeddingShardDim: config.shard_embed_dim ? 1 : 0,
      tied: config.tied_embeddings,
      ...(config.pad_idx !== null && { padId: config.pad_idx }),
      ...(config.use_scaled_rope && {
        ropeScaling: {
          factor,
          lowFreqFactor,
          highFreqFactor,
          originalContextLength: config.rope_scale.original_context_length,
        },
      }),
    });
    const built = name.endsWith("13b") ? { layers: config.num_layers } : undefined;
    assertEquals(architecture.inFairseq2, built);
  }
});

Deno.test("llamaArchitectures has the tokens and the widths of fairseq2 0.3.0", () => {
  const golden: Record<
    string,
    { config: { vocab_info: { bos_idx: number; eos_idx: number } }; ffn_width: number }
  > = read("fairseq2_0.3.0.json").architectures;
  for (const [name, { config, ffn_width }] of Object.entries(golden)) {
    const { bosId, eosIds, intermediateSize } = findArchitecture(name, "llama");
    assertEquals({ bos_idx: bosId, eos_idx: eosIds![0], intermediateSize }, {
      bos_idx: config.vocab_info.bos_idx,
      eos_idx: config.vocab_info.eos_idx,
      intermediateSize: ffn_width,
    });
  }
});

Deno.test("llamaArchitectures has what Meta's package lists, 405B included", () => {
  const golden: Record<string, Record<string, number | boolean>> = read("meta_arch_args.json");
  const names: Record<string, string> = {
    "Llama-3-8B": "llama3_8b",
    "Llama-3-8B-Instruct": "llama3_8b_instruct",
    "Llama-3-70B": "llama3_70b",
    "Llama-3-70B-Instruct": "llama3_70b_instruct",
    "Llama3.1-8B": "llama3_1_8b",
    "Llama3.1-8B-Instruct": "llama3_1_8b_instruct",
    "Llama3.1-70B": "llama3_1_70b",
    "Llama3.1-70B-Instruct": "llama3_1_70b_instruct",
    "Llama3.1-405B:bf16-mp8": "llama3_1_405b",
    "Llama3.1-405B-Instruct:bf16-mp8": "llama3_1_405b_instruct",
    "Llama3.2-1B": "llama3_2_1b",
    "Llama3.2-1B-Instruct": "llama3_2_1b_instruct",
    "Llama3.2-3B": "llama3_2_3b",
    "Llama3.2-3B-Instruct": "llama3_2_3b_instruct",
    "Llama3.3-70B-Instruct": "llama3_3_70b_instruct",
  };
  assertEquals(Object.keys(names).sort(), Object.keys(golden).sort());
  for (const [meta, params] of Object.entries(golden)) {
    const architecture = findArchitecture(names[meta]!) as LlamaArchitecture;
    assertEquals({
      dim: architecture.dim,
      n_layers: architecture.layers,
      n_heads: architecture.heads,
      n_kv_heads: architecture.kvHeads,
      vocab_size: architecture.vocabSize,
      ffn_dim_multiplier: architecture.ffnDimMultiplier,
      multiple_of: architecture.multipleOf,
      norm_eps: architecture.normEps,
      rope_theta: architecture.ropeTheta,
      use_scaled_rope: architecture.ropeScaling !== undefined,
    }, params);
  }
});
