/**
 * Small checkpoints of all families but LLaMA, by fairseq2 0.8.1 itself, and what others make of them.
 */

import { join } from "../../lib/deps.ts";
import { findFamily } from "../../lib/models/families.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const FIXTURES = join(CHECKPOINTS, "..");
const FAMILIES = join(FIXTURES, "families");
const SHARED = "fairseq2-0.8.1";

/** A checkpoint that fairseq2 wrote. */
export interface FamilyCase {
  readonly name: string;
  /** fairseq2's name for the family. */
  readonly family: "qwen" | "mistral" | "olmo";
  /** transformers' class. */
  readonly class: string;
  /** Numbers of tensor-parallel shards that divide its sizes. */
  readonly shards: readonly number[];
  /** Whether the embedding is the output projection. */
  readonly tied: boolean;
  /** What transformers can't do with it: before 5.0, or since 5.13. */
  readonly limit?: "yarn" | "truncate";
}

function kase(
  name: string,
  family: FamilyCase["family"],
  kind: string,
  shards: readonly number[],
  limit?: FamilyCase["limit"],
): FamilyCase {
  const tied = name.includes("_tied");
  return { name, family, class: kind, shards, tied, ...(limit !== undefined && { limit }) };
}

/** All cases. fairseq2 splits no tied matrices. */
const allCases: readonly FamilyCase[] = [
  kase("qwen25_bf16", "qwen", "Qwen2", [1, 2]),
  kase("qwen25_bf16_tied_fsdp3", "qwen", "Qwen2", [1]),
  kase("qwen25_fp32_tp2", "qwen", "Qwen2", [1, 2]),
  kase("qwen3_bf16_tied", "qwen", "Qwen3", [1]),
  kase("qwen3_fp32_fsdp2", "qwen", "Qwen3", [1, 2]),
  kase("mistral_bf16", "mistral", "Mistral", [1, 2]),
  kase("olmo2_bf16", "olmo", "Olmo2", [1, 2]),
  kase("olmo2_fp32_gqa_fsdp2", "olmo", "Olmo2", [1, 2]),
  kase("olmo3_bf16", "olmo", "Olmo3", [1, 2], "yarn"),
  kase("qwen25_fp16_head_dim_tp2", "qwen", "Qwen2", [1, 2]),
  kase("qwen3_bf16_no_head_dim", "qwen", "Qwen3", [1, 2]),
  kase("mistral_fp32_tp2_fsdp2", "mistral", "Mistral", [1, 2, 4]),
  kase("olmo2_bf16_tied", "olmo", "Olmo2", [1]),
  kase("olmo2_fp32_unused_yarn", "olmo", "Olmo2", [1, 2]),
  kase("olmo3_fp32_plain_rope", "olmo", "Olmo3", [1, 2]),
  kase("olmo3_fp32_yarn_fsdp2", "olmo", "Olmo3", [1], "yarn"),
  kase("olmo3_bf16_yarn_mscale", "olmo", "Olmo3", [1], "yarn"),
  kase("olmo3_fp32_yarn_no_truncate", "olmo", "Olmo3", [1], "truncate"),
];

/** The cases of the families that there are. */
export const familyCases = allCases.filter(({ family }) => findFamily(family) !== undefined);

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Where a case's files are. */
export interface FamilyFiles {
  /** The directory with model.yaml and the step. */
  readonly root: string;
  /** The step. */
  readonly step: string;
  /** Tokens, and the logits that fairseq2 computed. */
  readonly logits: string;
  /** What fairseq2's own converter made of the weights. */
  readonly weights: string;
  /** The config.json with which transformers computes the same. */
  readonly config: string;
}

/** The files of a case. */
export function filesOf({ name }: FamilyCase): FamilyFiles {
  const own = join(FAMILIES, name);
  const isOwn = isFile(join(own, "logits.pt"));
  const root = isOwn ? join(own, "checkpoints") : join(CHECKPOINTS, SHARED, name, "checkpoints");
  const expected = isOwn ? own : join(CHECKPOINTS, "expected", SHARED, name);
  const weights = join(own, "model.safetensors");
  return {
    root,
    step: join(root, "step_10"),
    logits: join(expected, "logits.pt"),
    weights: isFile(weights) ? weights : join(expected, "hf", "model.safetensors"),
    config: join(own, "config.json"),
  };
}

/** The dtype of a case, by torch's name. */
export function dtypeOfCase({ name }: FamilyCase): string {
  return name.includes("_bf16") ? "bfloat16" : name.includes("_fp16") ? "float16" : "float32";
}

/** Names and shapes of parameters, with `N` for the layer, and the dimension that is split in the third place. */
export type Row = readonly [name: string, shape: readonly number[], dim?: 0 | 1 | null];

/** What `fixtures/families/parameters.json` says of an architecture. */
export interface ArchitectureFacts {
  readonly layers: number;
  readonly parameters: number;
  readonly class: string;
  readonly fairseq2: readonly Row[];
  readonly huggingface: readonly Row[];
}

interface ParameterFacts {
  readonly architectures: Readonly<Record<string, Readonly<Record<string, ArchitectureFacts>>>>;
  readonly sharded: readonly {
    readonly family: string;
    readonly config: Readonly<Record<string, unknown>>;
    readonly ranks: Readonly<Record<string, { readonly rows: readonly Row[] } | { readonly error: string }>>;
  }[];
}

const facts: ParameterFacts = JSON.parse(Deno.readTextFileSync(join(FAMILIES, "parameters.json")));

/** fairseq2's architectures by family, with the names and shapes that fairseq2 and transformers give them. */
export const architectureFacts = facts.architectures;

/** What fairseq2 0.8.1 has of each architecture of a family: the fields of `model_config`. */
export const architectureConfigs: Readonly<
  Record<string, { readonly architectures: Readonly<Record<string, Readonly<Record<string, unknown>>>> }>
> = JSON.parse(Deno.readTextFileSync(join(FAMILIES, "fairseq2_0.8.1.json"))).families;

/** How fairseq2 itself splits a family's parameters: the dimension by the name, with `N` for the layer. */
export function shardDims(family: string): Record<string, 0 | 1> {
  const dims: Record<string, 0 | 1> = {};
  for (const { family: of, config, ranks } of facts.sharded) {
    const two = ranks["2"]!;
    if (of !== family || config.shard_embed_dim === false || "error" in two) continue;
    for (const [name, , dim] of two.rows) {
      if (dim !== null && dim !== undefined) dims[name.replace(/layers\.\d+\./, "layers.N.")] = dim;
    }
  }
  return dims;
}
