/** Names of tensors that differ only in the layer: `decoder.layers.3.ffn.gate_proj.weight`. */

/** A name without its layer. */
export interface LayerName {
  /** What stands before the layer, such as `decoder.layers.`; the whole name where it has none. */
  readonly before: string;
  /** The layer. */
  readonly layer: number | undefined;
  /** What stands behind it, such as `.ffn.gate_proj.weight`. */
  readonly after: string;
}

/** Splits a name at the first part of it that is a number. */
export function splitLayer(name: string): LayerName {
  const match = /^((?:[^.]+\.)*?)(0|[1-9]\d{0,5})(\..*)$/s.exec(name);
  if (match === null) return { before: name, layer: undefined, after: "" };
  const [, before = "", layer, after = ""] = match;
  return { before, layer: Number(layer), after };
}

/** Layers as ranges: `0–15`, `0–3,7`. */
export function layerRanges(layers: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const layer of layers.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === layer) last[1] = layer;
    else ranges.push([layer, layer]);
  }
  return ranges.map(([first, last]) => first === last ? String(first) : `${first}–${last}`).join(",");
}

/**
 * Items of which the same is to be said, those of all layers as one, in the order of the first of each.
 *
 * @param of An item's name, and what is said of it.
 */
export function foldLayers<T>(
  items: readonly T[],
  of: (item: T) => readonly [name: string, said: string],
): { readonly name: string; readonly items: readonly T[] }[] {
  const groups = new Map<string, { before: string; after: string; layers: number[]; items: T[] }>();
  for (const item of items) {
    const [name, said] = of(item);
    const { before, layer, after } = splitLayer(name);
    const key = JSON.stringify([before, layer !== undefined, after, said]);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, group = { before, after, layers: [], items: [] });
    if (layer !== undefined) group.layers.push(layer);
    group.items.push(item);
  }
  return [...groups.values()].map(({ before, after, layers, items }) => ({
    name: before + layerRanges(layers) + after,
    items,
  }));
}
