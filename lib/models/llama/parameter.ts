/**
 * The parameters of a LLaMA model: their names in the three layouts, their shapes, and how they are split.
 *
 * A parameter is a kind, and a layer where every layer has one. Kinds go by the names that fairseq2 has for the
 * modules, since its names are the canonical ones. The maps are those of fairseq2 (0.3.0 `models/llama/integ.py`
 * and `loader.py`, 0.8.1 `models/llama/interop.py`), which has the same ones in both directions.
 *
 * @module
 */

import { MAX_LAYERS } from "../limits.ts";
import { kvDim, type ModelShape } from "../model_description.ts";

/** A layout of names. */
export type Naming = "fairseq2" | "reference" | "huggingface";

/** What a parameter is. */
export type ParameterKind =
  | "embed"
  | "self_attn_layer_norm"
  | "self_attn.q_proj"
  | "self_attn.k_proj"
  | "self_attn.v_proj"
  | "self_attn.output_proj"
  | "ffn_layer_norm"
  | "ffn.gate_proj"
  | "ffn.inner_proj"
  | "ffn.output_proj"
  | "layer_norm"
  | "final_proj";

/** A parameter of a model. */
export interface Parameter {
  /** What it is. */
  readonly kind: ParameterKind;
  /** The layer that it belongs to, from 0, where it belongs to one. */
  readonly layer?: number;
}

/** What there is to know of a kind. */
export interface ParameterFacts {
  /** The kind. */
  readonly kind: ParameterKind;
  /** Whether each layer has one. */
  readonly perLayer: boolean;
  /** The names, with `{}` for the layer. */
  readonly names: Readonly<Record<Naming, string>>;
  /** The shape: rows and columns, or the length of a vector. */
  readonly shape: (shape: ModelShape) => readonly number[];
  /**
   * The dimension along which tensor parallelism splits it (fairseq2 0.3.0 `shard_transformer_decoder_model`, 0.8.1
   * `get_llama_shard_specs`), `"embedding"` where the model decides, or `undefined` where each shard has a copy.
   */
  readonly shardDim: 0 | 1 | "embedding" | undefined;
  /** Whether its rows are ordered for RoPE, and so differently in the Hugging Face layout. */
  readonly rotary: boolean;
}

type Shape = ParameterFacts["shape"];
const square: Shape = ({ dim }) => [dim, dim];
const keys: Shape = (shape) => [kvDim(shape), shape.dim];
const norm: Shape = ({ dim }) => [dim];
const widening: Shape = ({ dim, intermediateSize }) => [intermediateSize, dim];
const narrowing: Shape = ({ dim, intermediateSize }) => [dim, intermediateSize];
const tokens: Shape = ({ dim, vocabSize }) => [vocabSize, dim];

function facts(
  kind: ParameterKind,
  fairseq2: string,
  reference: string,
  huggingface: string,
  shape: Shape,
  shardDim: ParameterFacts["shardDim"],
  rotary = false,
): ParameterFacts {
  const names = { fairseq2, reference, huggingface };
  return Object.freeze({
    kind,
    perLayer: fairseq2.includes("{}"),
    names: Object.freeze(names),
    shape,
    shardDim,
    rotary,
  });
}

function layered(
  kind: ParameterKind,
  reference: string,
  huggingface: string,
  shape: Shape,
  shardDim: ParameterFacts["shardDim"],
  rotary = false,
): ParameterFacts {
  return facts(
    kind,
    `decoder.layers.{}.${kind}.weight`,
    `layers.{}.${reference}.weight`,
    `model.layers.{}.${huggingface}.weight`,
    shape,
    shardDim,
    rotary,
  );
}

/** All kinds, in the order of fairseq2's state dicts, which is the same from 0.3.0 to 0.8.1. */
export const parameterKinds: readonly ParameterFacts[] = Object.freeze([
  facts(
    "embed",
    "decoder_frontend.embed.weight",
    "tok_embeddings.weight",
    "model.embed_tokens.weight",
    tokens,
    "embedding",
  ),
  layered("self_attn_layer_norm", "attention_norm", "input_layernorm", norm, undefined),
  layered("self_attn.q_proj", "attention.wq", "self_attn.q_proj", square, 0, true),
  layered("self_attn.k_proj", "attention.wk", "self_attn.k_proj", keys, 0, true),
  layered("self_attn.v_proj", "attention.wv", "self_attn.v_proj", keys, 0),
  layered("self_attn.output_proj", "attention.wo", "self_attn.o_proj", square, 1),
  layered("ffn_layer_norm", "ffn_norm", "post_attention_layernorm", norm, undefined),
  layered("ffn.gate_proj", "feed_forward.w1", "mlp.gate_proj", widening, 0),
  layered("ffn.inner_proj", "feed_forward.w3", "mlp.up_proj", widening, 0),
  layered("ffn.output_proj", "feed_forward.w2", "mlp.down_proj", narrowing, 1),
  facts("layer_norm", "decoder.layer_norm.weight", "norm.weight", "model.norm.weight", norm, undefined),
  facts("final_proj", "final_proj.weight", "output.weight", "lm_head.weight", tokens, 0),
]);

const byKind: ReadonlyMap<ParameterKind, ParameterFacts> = new Map(
  parameterKinds.map((each) => [each.kind, each]),
);

const byName: Readonly<Record<Naming, ReadonlyMap<string, ParameterFacts>>> = {
  fairseq2: namesOf("fairseq2"),
  reference: namesOf("reference"),
  huggingface: namesOf("huggingface"),
};

function namesOf(layout: Naming): ReadonlyMap<string, ParameterFacts> {
  return new Map(parameterKinds.map((each) => [each.names[layout], each]));
}

/** What there is to know of a kind. */
export function factsOf(kind: ParameterKind): ParameterFacts {
  return byKind.get(kind)!;
}

/**
 * The parameter that a name stands for.
 *
 * Limits: layers are written as Python writes integers, without leading zeros, and stay below 4096.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseName } from "./parameter.ts";
 *
 * assertEquals(parseName("reference", "layers.3.feed_forward.w1.weight"), { kind: "ffn.gate_proj", layer: 3 });
 * assertEquals(parseName("reference", "layers.03.feed_forward.w1.weight"), undefined);
 * ```
 *
 * @param layout The layout of the name.
 * @param name The name, without wrappers.
 * @returns The parameter, or `undefined` where the layout has none of this name.
 */
export function parseName(layout: Naming, name: string): Parameter | undefined {
  const memo = parsedNames[layout];
  let parameter = memo.get(name);
  if (parameter === undefined) {
    parameter = parseNewName(layout, name);
    if (parameter !== undefined && memo.size < MAX_PARSED_NAMES) memo.set(name, parameter);
  }
  return parameter;
}

/** Names that were parsed before: shards have the same ones, and each is looked at several times. */
const parsedNames: Readonly<Record<Naming, Map<string, Parameter>>> = {
  fairseq2: new Map(),
  reference: new Map(),
  huggingface: new Map(),
};

/** More names than models have: 1,138 in 405B. */
const MAX_PARSED_NAMES = 10_000;

function parseNewName(layout: Naming, name: string): Parameter | undefined {
  const match = /^((?:\w+\.)+)(0|[1-9][0-9]{0,5})(\..*)$/s.exec(name);
  if (match === null) {
    const found = byName[layout].get(name);
    return found === undefined || found.perLayer ? undefined : { kind: found.kind };
  }
  const layer = Number(match[2]);
  const found = byName[layout].get(`${match[1]}{}${match[3]}`);
  return found === undefined || layer >= MAX_LAYERS ? undefined : { kind: found.kind, layer };
}

/**
 * The name of a parameter.
 *
 * @param layout The layout to name it in.
 * @param parameter The parameter.
 * @returns The name.
 * @throws {TypeError} If a parameter of a layer has no layer, or another has one.
 */
export function formatName(layout: Naming, { kind, layer }: Parameter): string {
  const { names, perLayer } = factsOf(kind);
  if (perLayer !== (layer !== undefined)) {
    throw new TypeError(
      `Cannot name ${kind}: ${perLayer ? "it needs a layer" : `it has no layer, got ${layer}`}`,
    );
  }
  return names[layout].replace("{}", String(layer));
}

/** The components that PyTorch's wrappers put into the names of what they wrap. */
const wrappers: ReadonlySet<string> = new Set([
  "module", // DistributedDataParallel
  "_orig_mod", // torch.compile
  "_fsdp_wrapped_module", // FullyShardedDataParallel
  "_checkpoint_wrapped_module", // activation checkpointing
]);

/**
 * A name without what wrappers put into it: `module.`, `_orig_mod.`, `_fsdp_wrapped_module.` and
 * `_checkpoint_wrapped_module.` as whole components, anywhere. No parameter of a LLaMA model has a component of
 * these names itself.
 *
 * @example Usage
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { stripWrappers } from "./parameter.ts";
 *
 * assertEquals(stripWrappers("module.decoder._orig_mod.layer_norm.weight"), "decoder.layer_norm.weight");
 * ```
 *
 * @param name The name.
 * @returns The name without them.
 */
export function stripWrappers(name: string): string {
  return name.split(".").filter((component) => !wrappers.has(component)).join(".");
}

/**
 * Whether a name is that of rotary frequencies, which some checkpoints carry along although all code computes them
 * anew: names with `rope.freqs` in Meta's LLaMA 1 and 2 (fairseq2 drops them, too), and `self_attn.rotary_emb.inv_freq` in
 * layers that transformers wrote before 4.31.
 *
 * @param layout The layout of the name.
 * @param name The name.
 */
export function isRotaryBuffer(layout: Naming, name: string): boolean {
  if (layout === "reference") return name.includes("rope.freqs");
  return layout === "huggingface" &&
    /^model\.layers\.(0|[1-9][0-9]*)\.self_attn\.rotary_emb\.inv_freq$/.test(name);
}

/**
 * The parameters of a model, in the order of fairseq2's state dicts. Whether the output projection is the
 * embedding once more makes no difference: fairseq2's state dicts have both.
 *
 * @param layers The number of layers.
 * @returns The parameters.
 */
export function expectedParameters({ layers }: Pick<ModelShape, "layers">): Parameter[] {
  const first = parameterKinds.findIndex(({ perLayer }) => perLayer);
  const last = parameterKinds.findLastIndex(({ perLayer }) => perLayer);
  const single = ({ kind }: ParameterFacts): Parameter => ({ kind });
  const repeated = Array.from(
    { length: layers },
    (_, layer) => parameterKinds.slice(first, last + 1).map(({ kind }) => ({ kind, layer })),
  );
  return [
    ...parameterKinds.slice(0, first).map(single),
    ...repeated.flat(),
    ...parameterKinds.slice(last + 1).map(single),
  ];
}

/**
 * The shape of a whole parameter.
 *
 * @param parameter The parameter.
 * @param shape The sizes of the model.
 * @returns Rows and columns, or the length of a vector.
 */
export function shapeOf({ kind }: Parameter, shape: ModelShape): readonly number[] {
  return factsOf(kind).shape(shape);
}

/**
 * The dimension along which tensor parallelism splits a parameter.
 *
 * @param parameter The parameter.
 * @param embeddingShardDim The dimension for the embedding: 1 in LLaMA 1 and 2, 0 from LLaMA 3 on.
 * @returns The dimension, or `undefined` where each shard has a copy.
 */
export function shardDimOf({ kind }: Parameter, embeddingShardDim: 0 | 1): 0 | 1 | undefined {
  const { shardDim } = factsOf(kind);
  return shardDim === "embedding" ? embeddingShardDim : shardDim;
}
