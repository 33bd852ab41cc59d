/** Where a tensor is in a model: in which layer, and as which of the tensors that each layer has. */

/** The place of a tensor, by its name alone. */
export interface Place {
  /** The name with `*` for the layer: one kind of tensor has the same in each layer. */
  readonly kind: string;
  /** The number of the layer, where it is in one. */
  readonly layer: number | undefined;
  /** The part of the layer, such as `self_attn` or `ffn_norm`; outside of layers the name without `.weight`. */
  readonly part: string;
}

/** Finds the place of a tensor: the first number between the dots of its name is its layer. */
export function placeOf(name: string): Place {
  const keys = name.split(".");
  const at = keys.findIndex((key) => /^\d{1,6}$/.test(key));
  if (at < 0) return { kind: name, layer: undefined, part: withoutWeight(name) };
  const kind = [...keys.slice(0, at), "*", ...keys.slice(at + 1)].join(".");
  return { kind, layer: Number(keys[at]), part: keys[at + 1] ?? kind };
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
