import type { Architecture } from "./family.ts";

/** The sizes of a model: its dimension, layers, heads, key and value heads, and feed-forward width. */
export type Sizes = readonly [
  dim: number,
  layers: number,
  heads: number,
  kvHeads: number,
  intermediateSize: number,
];

/** What architectures of a kind share, or what sets one apart. */
export type ArchitectureFacts =
  & Omit<
    Architecture,
    "name" | "cards" | "dim" | "layers" | "heads" | "kvHeads" | "intermediateSize" | "headDim"
  >
  & { readonly headDim?: number };

/** A row in a family's table of architectures. Spaces part the names of the cards. */
export function architecture<T extends ArchitectureFacts>(
  name: string,
  cards: string,
  facts: T,
  [dim, layers, heads, kvHeads, intermediateSize]: Sizes,
): Architecture & T {
  const sizes = { dim, layers, heads, kvHeads, intermediateSize, headDim: dim / heads };
  return Object.freeze({ name, cards: Object.freeze(cards.match(/\S+/g) ?? []), ...sizes, ...facts });
}
