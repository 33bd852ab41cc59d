/** The tensors in what torch saved, wherever they are. */

import { FormatError } from "../error.ts";
import { FrozenSet, Global, type PickleValue, Reduction, Tuple } from "../pickle/mod.ts";
import { keyText } from "./key_text.ts";

interface PickledTensor {
  /** The keys on the way to it, joined with dots; items of lists by their number. Empty for the pickle's own value. */
  readonly name: string;
  /** The value that describes it, for a rebuilder; `undefined` for a tensor of a kind that can't be rebuilt. */
  readonly value: Reduction | undefined;
  /** What it is, where it can't be rebuilt. */
  readonly kind?: string;
}

/** How deep values may nest. CPython's pickler gives up at some 500 levels of containers; names get unreadable sooner. */
const MAX_DEPTH = 200;

/** How many values are looked at: a container that is in many places is looked at in each. 405B has 1,138 tensors. */
const MAX_VALUES = 2 ** 21;

/** How many tensors are found: one of a container in many places counts in each. */
const MAX_TENSORS = 2 ** 16;

/** How many characters their names have in all. Those of 405B have 54,000. */
const MAX_NAME_CHARACTERS = 2 ** 24;

/** The functions of torch's that make plain tensors. */
const PLAIN = /^torch\._utils\._rebuild_(?:tensor(?:_v[23])?|parameter)$/;

/** Those that make others. */
const OTHER = /^torch\.(?:_utils\._rebuild_|_tensor\._rebuild_)(?<kind>\w+)$/;

/**
 * Finds the tensors in a pickle, in its order: in dicts, lists and tuples, and in the attributes and items of objects.
 * A tensor that has attributes of its own counts as the plain tensor that it is.
 *
 * Limits: {@linkcode MAX_DEPTH} levels, {@linkcode MAX_VALUES} values, {@linkcode MAX_TENSORS} tensors, and
 * {@linkcode MAX_NAME_CHARACTERS} characters of their names.
 *
 * @throws {FormatError} If the values are past a limit, or contain themselves.
 */
export function pickledTensors(root: PickleValue, path: string): PickledTensor[] {
  const found: PickledTensor[] = [];
  const above = new Set<PickleValue>();
  let [count, characters] = [0, 0];
  const walk = (value: PickleValue, name: string, depth: number): void => {
    if (++count > MAX_VALUES) {
      throw new FormatError(`${path}: has more than ${MAX_VALUES} values in its containers`);
    }
    if (typeof value !== "object" || value === null) return;
    if (value instanceof Reduction) {
      const tensor = tensorOf(value);
      if (tensor !== undefined) {
        found.push({ name, ...tensor });
        characters += name.length;
        if (found.length > MAX_TENSORS || characters > MAX_NAME_CHARACTERS) {
          throw new FormatError(`${path}: has more tensors than any checkpoint, or longer names`);
        }
        return;
      }
    }
    const parts = partsOf(value);
    if (parts.length === 0) return;
    if (depth >= MAX_DEPTH) throw new FormatError(`${path}: nests more than ${MAX_DEPTH} levels deep`);
    if (above.has(value)) throw new FormatError(`${path}: ${name}: contains itself`);
    above.add(value);
    for (const [key, part] of parts) walk(part, name === "" ? key : `${name}.${key}`, depth + 1);
    above.delete(value);
  };
  walk(root, "", 0);
  return found;
}

/** A tensor in a file of torch's: as its reader rebuilt it, or what it is where it can't be rebuilt. */
export interface RebuiltTensor<T> extends Pick<PickledTensor, "name" | "kind"> {
  readonly tensor: T | undefined;
}

/** The {@linkcode pickledTensors} of a file, rebuilt by its reader. */
export function* rebuiltTensors<T>(
  file: { readonly root: PickleValue; tensor(value: PickleValue, name: string): T | undefined },
  path: string,
): Generator<RebuiltTensor<T>> {
  for (const { name, value, kind } of pickledTensors(file.root, path)) {
    const tensor = value && file.tensor(value, name);
    if (value !== undefined && tensor === undefined) {
      throw new FormatError(`${path}: ${name}: is no tensor after all`);
    }
    yield { name, tensor, ...(kind === undefined ? {} : { kind }) };
  }
}

/** What a call makes, if that is a tensor. */
function tensorOf(call: Reduction): Omit<PickledTensor, "name"> | undefined {
  const { callable, args: { items }, state } = call;
  if (!(callable instanceof Global)) return undefined;
  const name = callable.toString();
  if (PLAIN.test(name)) {
    // torch 2.13 torch/_utils.py: the last argument says that the tensor is to be conjugated or negated when read.
    const metadata = name.endsWith("_v2") ? items[6] : name.endsWith("_v3") ? items[7] : undefined;
    if (metadata instanceof Map && metadata.size > 0) {
      return { value: undefined, kind: "conjugated or negated" };
    }
    return { value: state === undefined ? call : new Reduction(callable, call.args) };
  }
  const kind = OTHER.exec(name)?.groups?.kind;
  if (kind === undefined) return undefined;
  // With attributes: the same calls, and the attributes behind.
  if (name === "torch._utils._rebuild_parameter_with_state" && items[0] instanceof Reduction) {
    return tensorOf(items[0]);
  }
  const [inner, , args] = items;
  if (name === "torch._tensor._rebuild_from_type_v2" && inner instanceof Global && args instanceof Tuple) {
    return tensorOf(new Reduction(inner, args)) ?? { value: undefined, kind };
  }
  return { value: undefined, kind };
}

/** The parts of a value by their keys. */
function partsOf(value: PickleValue & object): [key: string, value: PickleValue][] {
  const numbered = (items: Iterable<PickleValue>) =>
    Array.from(items, (item, i): [string, PickleValue] => [String(i), item]);
  const keyed = (map: ReadonlyMap<PickleValue, PickleValue>) =>
    Array.from(map, ([key, item]): [string, PickleValue] => [keyText(key), item]);
  if (value instanceof Map) return keyed(value);
  if (Array.isArray(value)) return numbered(value);
  if (value instanceof Tuple || value instanceof FrozenSet) return numbered(value.items);
  if (value instanceof Set) return numbered(value);
  if (!(value instanceof Reduction)) return [];
  const { callable, args, state, listItems, dictItems, setItems } = value;
  const isOrderedDict = callable instanceof Global && callable.toString() === "collections.OrderedDict";
  return [
    // Python 2 pickles an OrderedDict as a call with a list of pairs.
    ...(isOrderedDict ? pairsOf(args.items[0]) : []),
    ...keyed(dictItems),
    ...numbered(listItems),
    ...(setItems === undefined ? [] : numbered(setItems)),
    // An object's attributes; those of a state dict are about its layers' versions.
    ...(isOrderedDict || state === undefined ? [] : statesOf(state)),
  ];
}

function pairsOf(pairs: PickleValue | undefined): [string, PickleValue][] {
  if (!Array.isArray(pairs)) return [];
  return pairs.flatMap((pair): [string, PickleValue][] => {
    const [key, item] = Array.isArray(pair) ? pair : pair instanceof Tuple ? pair.items : [];
    return key === undefined || item === undefined ? [] : [[keyText(key), item]];
  });
}

/** What BUILD sets: attributes by name, those with and without slots apart in a tuple of two, or anything at all. */
function statesOf(state: PickleValue): [string, PickleValue][] {
  const states = state instanceof Tuple && state.items.length === 2 ? state.items : [state];
  return states.flatMap((each): [string, PickleValue][] => {
    if (each instanceof Map) return Array.from(each, ([key, item]) => [keyText(key), item]);
    return typeof each === "object" && each !== null ? [["state", each]] : [];
  });
}
