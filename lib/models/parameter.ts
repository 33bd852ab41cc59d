/** The parameters of a model: their names, their shapes, and how they are split. */

import type { Family, Naming, ParameterSpec } from "./family.ts";
import { MAX_LAYERS } from "./limits.ts";
import type { ModelDescription } from "./model_description.ts";

export interface Parameter {
  readonly spec: ParameterSpec;
  /** The layer that it belongs to, from 0, where it belongs to one. */
  readonly layer?: number;
}

type Index = Readonly<Record<Naming, ReadonlyMap<string, ParameterSpec>>>;

const indexes = new WeakMap<Family, Index>();

function indexOf(family: Family): Index {
  let index = indexes.get(family);
  if (index === undefined) {
    const by = (naming: Naming) =>
      new Map(family.parameters.flatMap((spec) => {
        const name = spec.names[naming];
        return name === undefined ? [] : [[name, spec] as const];
      }));
    index = {
      fairseq2: by("fairseq2"),
      reference: by("reference"),
      huggingface: by("huggingface"),
      gguf: by("gguf"),
    };
    indexes.set(family, index);
  }
  return index;
}

/**
 * The parameter that a name stands for.
 *
 * Limits: the name is without wrappers; layers are written as Python writes integers, without leading zeros, and stay
 * below 4096.
 */
export function parseName(family: Family, naming: Naming, name: string): Parameter | undefined {
  const specs = indexOf(family)[naming];
  const match = /^((?:\w+\.)+)(0|[1-9][0-9]{0,5})(\..*)$/s.exec(name);
  if (match === null) {
    const spec = specs.get(name);
    return spec === undefined || isInLayers(spec) ? undefined : { spec };
  }
  const layer = Number(match[2]);
  const spec = specs.get(`${match[1]}{}${match[3]}`);
  return spec === undefined || layer >= MAX_LAYERS ? undefined : { spec, layer };
}

/**
 * The name of a parameter.
 *
 * @throws {TypeError} If a parameter of a layer has no layer, or another has one, or it has no such name.
 */
export function formatName(naming: Naming, { spec, layer }: Parameter): string {
  const { names } = spec;
  const name = names[naming];
  if (name === undefined) throw new TypeError(`Cannot name ${names.fairseq2}: it has no ${naming} name`);
  if (isInLayers(spec) !== (layer !== undefined)) {
    throw new TypeError(
      `Cannot name ${names.fairseq2}: ${
        layer === undefined ? "it needs a layer" : `it has no layer, got ${layer}`
      }`,
    );
  }
  return name.replace("{}", String(layer));
}

/** Whether every layer has a parameter of a kind. */
export function isInLayers({ names }: ParameterSpec): boolean {
  return names.fairseq2.includes("{}");
}

/** The number of layers that parameters of these canonical names belong to: the last one's number and one. */
export function countLayers(names: Iterable<string>): number {
  let layers = 0;
  for (const name of names) {
    const layer = /^decoder\.layers\.([0-9]{1,6})\./.exec(name)?.[1];
    if (layer !== undefined) layers = Math.max(layers, Number(layer) + 1);
  }
  return layers;
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
 * `_checkpoint_wrapped_module.` as whole components, anywhere. No parameter of a model has a component of these names
 * itself.
 */
export function stripWrappers(name: string): string {
  if (!name.includes("mod")) return name; // All of them have it; 9,000 names of a 405B don't.
  return name.split(".").filter((component) => !wrappers.has(component)).join(".");
}

/**
 * Whether a name is that of rotary frequencies, which some checkpoints carry along although all code computes them
 * anew: names with `rope.freqs` in Meta's LLaMA 1 and 2 (fairseq2 drops them, too), and `self_attn.rotary_emb.inv_freq` in
 * layers that transformers wrote before 4.31.
 */
export function isRotaryBuffer(naming: Naming, name: string): boolean {
  if (naming === "reference") return name.includes("rope.freqs");
  return naming === "huggingface" &&
    /^model\.layers\.(0|[1-9][0-9]*)\.self_attn\.rotary_emb\.inv_freq$/.test(name);
}

/**
 * The parameters of a model, in the order of fairseq2's state dicts. Whether the output projection is the
 * embedding once more makes no difference: fairseq2's state dicts have both.
 */
export function expectedParameters(family: Family, model: ModelDescription): Parameter[] {
  const specs = family.parameters.filter(({ isPresent }) => isPresent?.(model) ?? true);
  const first = specs.findIndex(isInLayers);
  const last = specs.findLastIndex(isInLayers);
  const ofLayer = specs.slice(first, last + 1);
  const single = (spec: ParameterSpec): Parameter => ({ spec });
  return [
    ...specs.slice(0, first).map(single),
    ...Array.from({ length: model.layers }, (_, layer) => ofLayer.map((spec) => ({ spec, layer }))).flat(),
    ...specs.slice(last + 1).map(single),
  ];
}

/** The shape of a whole parameter. */
export function shapeOf({ spec }: Parameter, model: ModelDescription): readonly number[] {
  return spec.shape(model);
}

/** The dimension along which tensor parallelism splits a parameter; `undefined` where each shard has a copy. */
export function shardDimOf({ spec }: Parameter, embeddingShardDim: 0 | 1): 0 | 1 | undefined {
  return spec.shardDim === "embedding" ? embeddingShardDim : spec.shardDim;
}
