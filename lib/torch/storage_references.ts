/** The storages that a pickle refers to, wherever in it they are. */

import { FrozenSet, Global, PersistentId, type PickleValue, Reduction, Tuple } from "../pickle/mod.ts";

export interface StorageReference {
  readonly key: string;
  /** The storage class, which stands for a dtype. */
  readonly type: Global;
  /** The number of items, as the pickle gives it. */
  readonly count: PickleValue;
}

/**
 * Finds what a pickle refers to.
 *
 * @param root What the pickle describes, which may be cyclic and nested to any depth.
 * @returns The first reference to each storage, by key, in the order of the pickle. What isn't a reference to a
 * storage is left out.
 */
export function storageReferences(root: PickleValue): Map<string, StorageReference> {
  const found = new Map<string, StorageReference>();
  const seen = new Set<object>();
  // The next one to look at is the last.
  const left: PickleValue[] = [root];
  while (left.length > 0) {
    const value = left.pop()!;
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    if (value instanceof PersistentId) {
      const reference = referenceOf(value);
      if (reference !== undefined && !found.has(reference.key)) found.set(reference.key, reference);
    }
    const parts = partsOf(value);
    for (let i = parts.length - 1; i >= 0; i--) left.push(parts[i]!);
  }
  return found;
}

function referenceOf({ id }: PersistentId): StorageReference | undefined {
  const [tag, type, key, , count = null] = id instanceof Tuple ? id.items : [];
  if (tag !== "storage" || !(type instanceof Global) || typeof key !== "string") return undefined;
  return { key, type, count };
}

/** The values that a value is made of, in the order of the pickle. */
function partsOf(value: PickleValue & object): readonly PickleValue[] {
  if (value instanceof Tuple) return value.items;
  if (Array.isArray(value)) return value;
  if (value instanceof Map) return [...value].flat();
  if (value instanceof Set) return [...value];
  if (value instanceof FrozenSet) return [...value.items];
  if (value instanceof PersistentId) return [value.id];
  if (value instanceof Reduction) {
    const { callable, args, kwargs, state, listItems, dictItems, setItems } = value;
    return [
      callable,
      args,
      ...(kwargs === undefined ? [] : [kwargs]),
      // An object has one kind of items, and its state comes after them.
      listItems,
      dictItems,
      ...(setItems === undefined ? [] : [setItems]),
      ...(state === undefined ? [] : [state]),
    ];
  }
  return [];
}
