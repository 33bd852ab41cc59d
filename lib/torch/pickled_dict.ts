/** Dicts in what torch saved, in all forms that Python gives them. */

import { KeyGuard } from "../key_guard.ts";
import { Global, type PickleValue, Reduction, Tuple } from "../pickle/mod.ts";

/** The items of a dict, in its order. */
export type PickledDict = ReadonlyMap<PickleValue, PickleValue>;

/**
 * The items of a dict, plain or ordered. Attributes, such as a state dict's `_metadata`, don't count.
 *
 * Python 3 pickles an `OrderedDict` as an empty one and its items; Python 2 as a call with a list of pairs, which torch's
 * `weights_only=True` reads as well.
 */
export function dictOf(value: PickleValue | undefined): PickledDict | undefined {
  if (value instanceof Map) return value;
  const isOrdered = value instanceof Reduction && value.callable instanceof Global &&
    value.callable.toString() === "collections.OrderedDict";
  if (!isOrdered) return undefined;
  const [pairs] = value.args.items;
  if (pairs === undefined) return value.dictItems;
  // `OrderedDict.__new__` takes no items from its arguments.
  if (!Array.isArray(pairs) || value.kind !== "call") return undefined;
  const items = new Map<PickleValue, PickleValue>();
  const guard = new KeyGuard();
  for (const pair of pairs) {
    const [key, item, ...more] = Array.isArray(pair) ? pair : pair instanceof Tuple ? pair.items : [];
    if (key === undefined || item === undefined || more.length > 0 || typeof key !== "string") {
      return undefined;
    }
    if (!guard.allows(items, key)) return undefined;
    items.set(key, item);
  }
  for (const [key, item] of value.dictItems) items.set(key, item);
  return items;
}
