/** The pickle of a dict of tensors, as `torch.save` writes it. */

import { viewBytes } from "../bytes/view.ts";
import { Global, PersistentId, type PickleValue, Reduction, Tuple, writePickle } from "../pickle/mod.ts";
import type { Storage, Tensor } from "../tensor/tensor.ts";
import { storageClassOf } from "./storage_type.ts";

const REBUILD_V2 = new Global("torch._utils", "_rebuild_tensor_v2");
const REBUILD_V3 = new Global("torch._utils", "_rebuild_tensor_v3");
const REBUILD_PARAMETER = new Global("torch._utils", "_rebuild_parameter");
const ORDERED_DICT = new Global("collections", "OrderedDict");
const UNTYPED_STORAGE = new Global("torch.storage", "UntypedStorage");

/** A state dict in the order of its items. */
export type StateDict = ReadonlyMap<string, Tensor>;

/** Says what to pickle instead of a plain dict, which it is given. */
export type Wrapper = (dict: PickleValue) => PickleValue;

export interface PickledState {
  readonly pickle: Uint8Array;
  /** The storages by key, in the order in which the pickle names them. */
  readonly storages: ReadonlyMap<string, Storage>;
}

/**
 * The pickle that was written last, and all that it depends on. The tensor-parallel shards of a model mostly have the
 * very same one, which then need not be written again. To be passed along while the files of one checkpoint are laid out.
 */
export interface LastPickle {
  pickle?: Uint8Array;
  /** What it says; see {@linkcode factsOf}. */
  facts?: string;
  wrap?: Wrapper | undefined;
  /** Likewise of files that are laid over their sources, where the storages have other keys there. */
  overlay?: LastPickle;
}

/**
 * Pickles a dict of tensors as `torch.save` does, on the CPU.
 *
 * @param keyOf The key of a storage, by the number of storages before it.
 * @param wrap What to pickle instead of the dict itself.
 * @param last What was pickled last; this takes its place.
 */
export function pickleState(
  state: StateDict,
  keyOf: (storage: Storage, index: number) => string,
  wrap?: Wrapper,
  last: LastPickle = {},
): PickledState {
  const keys = new Map<Storage, string>();
  for (const { storage } of state.values()) {
    if (!keys.has(storage)) keys.set(storage, keyOf(storage, keys.size));
  }
  const facts = factsOf(state, keys);
  if (last.pickle === undefined || last.wrap !== wrap || last.facts !== facts) {
    const dict = dictOf(state, keys);
    last.pickle = writePickle(wrap === undefined ? dict : wrap(dict));
    last.facts = facts;
    last.wrap = wrap;
  }
  return { pickle: last.pickle, storages: new Map([...keys].map(([storage, key]) => [key, storage])) };
}

/** The dict as it is pickled. All that it reads of tensors must be among {@linkcode factsOf}. */
function dictOf(state: StateDict, keys: ReadonlyMap<Storage, string>): PickleValue {
  const values = new Map<Tensor, Reduction>();
  const dict = new Map<PickleValue, PickleValue>();
  for (const [name, tensor] of state) {
    let value = values.get(tensor);
    if (value === undefined) {
      const key = keys.get(tensor.storage)!;
      // A parameter is saved as its data, which never requires a gradient, and its own requires_grad.
      value = tensor.isParameter
        ? new Reduction(
          REBUILD_PARAMETER,
          new Tuple(rebuilt(tensor, key, false), tensor.requiresGrad, orderedDict()),
        )
        : rebuilt(tensor, key, tensor.requiresGrad);
      values.set(tensor, value);
    }
    dict.set(name, value);
  }
  return dict;
}

/** The call that rebuilds a tensor. */
function rebuilt(
  { dtype, shape, stride, storageOffset, storage }: Tensor,
  key: string,
  requiresGrad: boolean,
): Reduction {
  const className = storageClassOf(dtype);
  const size = viewBytes(storage.view);
  const id = new PersistentId(
    new Tuple(
      "storage",
      className === undefined ? UNTYPED_STORAGE : new Global("torch", className),
      key,
      "cpu",
      className === undefined ? size : size / dtype.itemBytes,
    ),
  );
  const args: PickleValue[] = [
    id,
    storageOffset,
    new Tuple(...shape),
    new Tuple(...stride),
    requiresGrad,
    orderedDict(),
  ];
  if (className === undefined) args.push(new Global("torch", dtype.name));
  return new Reduction(className === undefined ? REBUILD_V3 : REBUILD_V2, new Tuple(...args));
}

function orderedDict(): Reduction {
  return new Reduction(ORDERED_DICT, new Tuple());
}

/** All that the pickle of a dict says: two dicts have the same facts just if they have the same pickle. */
function factsOf(state: StateDict, keys: ReadonlyMap<Storage, string>): string {
  const numbers = new Map<Tensor, number>();
  return JSON.stringify(
    Array.from(state, ([name, tensor]) => {
      const number = numbers.get(tensor);
      if (number !== undefined) return [name, number];
      numbers.set(tensor, numbers.size);
      const { dtype, shape, stride, storageOffset, storage, requiresGrad, isParameter } = tensor;
      const facts = [dtype.name, storageOffset, requiresGrad, isParameter, shape, stride];
      return [name, keys.get(storage), viewBytes(storage.view), ...facts];
    }),
  );
}
