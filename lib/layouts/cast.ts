/** Weights converted to another dtype, as a pure function. */

import {
  cast,
  type CastType,
  castTypes,
  formatBlocks,
  MAX_ROW_BYTES,
  type NumberFormat,
  type TargetFormat,
  type View,
} from "../bytes/view.ts";
import { FormatError, OptionError } from "../error.ts";
import { dtypeOf } from "../tensor/dtype.ts";
import { type Storage, type Tensor, tensorOfView, tensorView } from "../tensor/tensor.ts";
import type { TensorParallelShard } from "./checkpoint.ts";

/**
 * A tensor's view in another format.
 *
 * @throws {FormatError} If its rows are longer than any that are converted; those of a model aren't.
 */
export function castView(view: View, from: NumberFormat, to: TargetFormat, name: string): View {
  const [{ items, bytes }, target] = [formatBlocks[from], formatBlocks[to]];
  const numbers = view.rowBytes / bytes * items;
  const longest = Math.max(view.rowBytes, numbers / target.items * target.bytes);
  if (from !== to && longest > MAX_ROW_BYTES) {
    throw new FormatError(
      `${name}: has rows of ${numbers} numbers, which are too long to convert from ${from} to ${to}`,
    );
  }
  return cast(view, from, to);
}

/**
 * A tensor in another dtype.
 *
 * @returns The tensor; it is the same where it has that dtype.
 * @throws {OptionError} If its dtype can't be converted.
 * @throws {FormatError} If its rows are too long.
 */
export function castTensor(tensor: Tensor, to: CastType, name: string): Tensor {
  const from = castTypes.find((type) => type === tensor.dtype.name);
  if (from === to) return tensor;
  if (from === undefined) {
    throw new OptionError(
      `Can't convert the weights to ${to}: ${name} is ${tensor.dtype.name}, and only ${
        castTypes.join(", ")
      } can be converted`,
    );
  }
  const { shape, requiresGrad, isParameter } = tensor;
  const made = tensorOfView(dtypeOf(to), shape, castView(tensorView(tensor), from, to, name));
  return { ...made, requiresGrad, isParameter };
}

/**
 * Shards in another dtype. What is one tensor under two names stays one.
 *
 * @param to The dtype; their own by default.
 * @returns The shards; those that have the dtype are the same.
 * @throws {OptionError} If a tensor's dtype can't be converted.
 */
export function castShards(
  shards: readonly TensorParallelShard[],
  to: CastType | undefined,
): readonly TensorParallelShard[] {
  if (to === undefined) return shards;
  return shards.map((shard) => {
    const made = new Map<Storage, { readonly of: Tensor; readonly tensor: Tensor }[]>();
    const castOnce = (of: Tensor, name: string): Tensor => {
      const others = made.get(of.storage) ?? [];
      const before = others.find((other) => isSamePlace(other.of, of));
      if (before?.of === of) return before.tensor;
      const { requiresGrad, isParameter } = of;
      const tensor = before === undefined
        ? castTensor(of, to, name)
        : { ...before.tensor, requiresGrad, isParameter };
      made.set(of.storage, [...others, { of, tensor }]);
      return tensor;
    };
    const parameters = new Map(
      [...shard.parameters].map(([name, tensor]) => [name, castOnce(tensor, name)]),
    );
    const isSame = [...shard.parameters].every(([name, tensor]) => parameters.get(name) === tensor);
    return isSame ? shard : { path: shard.path, parameters };
  });
}

/** Whether two tensors are the same items of one storage. */
export function isSamePlace(a: Tensor, b: Tensor): boolean {
  return a.storage === b.storage && a.storageOffset === b.storageOffset && a.dtype === b.dtype &&
    String(a.shape) === String(b.shape) && String(a.stride) === String(b.stride);
}
