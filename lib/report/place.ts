/** Where a tensor is in a model: in which layer, and as which of the tensors that each layer has. */

import { splitLayer } from "../inspect/layer_names.ts";

/** The place of a tensor, by its name alone. */
export interface Place {
  /** The name with `*` for the layer: one kind of tensor has the same in each layer. */
  readonly kind: string;
  /** The number of the layer, where it is in one. */
  readonly layer: number | undefined;
  /** The part of the layer, such as `self_attn` or `ffn_norm`; outside of layers the name without `.weight`. */
  readonly part: string;
}

/** Finds the place of a tensor. */
export function placeOf(name: string): Place {
  const { before, layer, after } = splitLayer(name);
  if (layer === undefined) return { kind: name, layer, part: withoutWeight(name) };
  return { kind: `${before}*${after}`, layer, part: after.split(".", 2)[1]! };
}

/** Short labels for kinds: without what they all have before the layer, and without `.weight`, unless two would be one. */
export function kindLabels(kinds: readonly string[]): Map<string, string> {
  const stacks = new Set(kinds.filter(hasLayer).map((kind) => kind.slice(0, kind.indexOf("*") + 1)));
  const [stack = ""] = stacks;
  const short = (kind: string) =>
    withoutWeight(stacks.size === 1 && hasLayer(kind) ? kind.slice(stack.length + 1) : kind);
  const shorts = kinds.map(short);
  const isOne = new Set(shorts).size === kinds.length && !shorts.includes("");
  return new Map(kinds.map((kind, i) => [kind, isOne ? shorts[i]! : kind]));
}

function hasLayer(kind: string): boolean {
  return kind.includes("*");
}

/** A name without `.weight` at its end, which most have. */
export function withoutWeight(name: string): string {
  return name.endsWith(".weight") ? name.slice(0, -".weight".length) : name;
}
