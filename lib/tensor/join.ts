/** Joining tensors and taking them apart, as descriptions. */

import { combineCrc32 } from "../copy/crc32.ts";
import { concatColumns, concatRows, sliceColumns, sliceRows, type View, viewBytes } from "../bytes/view.ts";
import { isWholeStorage, numel, type Storage, type Tensor, tensorOfView, tensorView } from "./tensor.ts";

/**
 * Joins and splits tensors. What is made of pieces of the same storages twice has the same storage, so that tied
 * matrices stay tied when all their pieces were.
 */
export class TensorJoiner {
  readonly #storageIds = new Map<Storage, number>();
  readonly #views = new Map<Tensor, View>();
  readonly #made = new Map<string, { readonly parts: readonly Tensor[]; readonly tensor: Tensor }>();

  /**
   * Joins tensors along a dimension. A single one is given back as it is.
   *
   * @param parts At least one tensor; all have one dtype, and the same sizes in all other dimensions.
   * @param dimension 0 to stack rows, 1 to put matrices side by side.
   * @returns The whole.
   * @throws {RangeError} If the parts don't fit together.
   */
  join(parts: readonly Tensor[], dimension: 0 | 1): Tensor {
    const [first, ...others] = parts;
    if (first === undefined) throw new RangeError("Cannot join tensors: none given");
    if (others.length === 0) return first;
    for (const other of others) {
      if (!fits(first, other, dimension)) {
        throw new RangeError(
          `Cannot join a ${other.dtype.name} tensor [${
            other.shape.join(", ")
          }] to a ${first.dtype.name} one ` +
            `[${first.shape.join(", ")}] along dimension ${dimension}`,
        );
      }
    }
    return this.#remember(`join ${dimension}`, parts, () => {
      const shape = [...first.shape];
      shape[dimension] = parts.reduce((sum, part) => sum + part.shape[dimension]!, 0);
      const views = parts.map(tensorView);
      const view = dimension === 0 ? concatRows(views) : concatColumns(views);
      return tensorOfView(first.dtype, shape, view, dimension === 0 ? joinedCrc(parts) : undefined);
    });
  }

  /**
   * Takes one of several equal slices of a tensor.
   *
   * @param tensor The tensor; its size in the dimension is a multiple of `count`.
   * @param dimension 0 to slice rows, 1 to slice the columns of a matrix.
   * @param index Which slice, from 0.
   * @param count How many slices there are.
   * @returns The slice.
   * @throws {RangeError} If the tensor can't be divided like that.
   */
  slice(tensor: Tensor, dimension: 0 | 1, index: number, count: number): Tensor {
    if (count === 1) return tensor;
    const { dtype, shape } = tensor;
    const size = shape[dimension];
    if (size === undefined || size % count !== 0) {
      throw new RangeError(
        `Cannot divide a tensor [${shape.join(", ")}] by ${count} along dimension ${dimension}`,
      );
    }
    return this.#remember(`slice ${dimension} ${index} ${count}`, [tensor], () => {
      const part = size / count;
      const whole = this.#view(tensor);
      const inner = numel(shape.slice(dimension + 1)) * dtype.itemBytes;
      const view: View = dimension === 0
        ? sliceRows(whole, index * part, part)
        : sliceColumns(whole, index * part * inner, part * inner);
      return tensorOfView(dtype, shape.map((n, i) => i === dimension ? part : n), view);
    });
  }

  /** A tensor's view, the same object each time, by which slices of one tensor are known. */
  #view(tensor: Tensor): View {
    let view = this.#views.get(tensor);
    if (view === undefined) {
      view = tensorView(tensor);
      this.#views.set(tensor, view);
    }
    return view;
  }

  #remember(operation: string, parts: readonly Tensor[], make: () => Tensor): Tensor {
    const key = [operation, ...parts.map((part) => this.#identify(part))].join("|");
    const known = this.#made.get(key);
    // Two tensors over one storage stay two, as one tensor under two names stays one: torch saves them differently.
    if (known !== undefined && parts.every((part, i) => part === known.parts[i])) return known.tensor;
    const { requiresGrad, isParameter } = parts[0]!;
    const tensor: Tensor = { ...(known?.tensor ?? make()), requiresGrad, isParameter };
    if (known === undefined) this.#made.set(key, { parts, tensor });
    return tensor;
  }

  #identify({ storage, storageOffset, shape, stride, dtype }: Tensor): string {
    let id = this.#storageIds.get(storage);
    if (id === undefined) {
      id = this.#storageIds.size;
      this.#storageIds.set(storage, id);
    }
    return `${id}+${storageOffset}:${dtype.name}[${shape}]/[${stride}]`;
  }
}

function fits(a: Tensor, b: Tensor, dimension: number): boolean {
  return a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.length > dimension &&
    a.shape.every((size, i) => i === dimension || size === b.shape[i]);
}

/** The CRC-32 of tensors stacked, where that of each is known. */
function joinedCrc(parts: readonly Tensor[]): number | undefined {
  let crc = 0;
  for (const part of parts) {
    if (numel(part.shape) === 0) continue;
    if (part.storage.crc === undefined || !isWholeStorage(part)) return undefined;
    crc = combineCrc32(crc, part.storage.crc, viewBytes(part.storage.view));
  }
  return crc;
}
