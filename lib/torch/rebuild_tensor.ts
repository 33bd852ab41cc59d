/**
 * Tensors out of a pickle's inert values: what torch's `_rebuild_…` functions would make, as descriptions, with
 * every number checked against the storage that it speaks of.
 */

import { bytes, type BytesView } from "../bytes/view.ts";
import { FormatError } from "../error.ts";
import { Global, PersistentId, type PickleValue, Reduction, Tuple } from "../pickle/mod.ts";
import { type DType, dtypes } from "../tensor/dtype.ts";
import { spannedItems, type Tensor } from "../tensor/tensor.ts";
import { dtypeOfStorageClass } from "./storage_type.ts";
import type { StoredStorage } from "./stored_storage.ts";

/** The most dimensions of a tensor (torch: `at::kDimVectorStaticSize` is smaller, but 64 is its hard limit). */
const MAX_DIMENSIONS = 64;

const PARAMETER = "torch._utils._rebuild_parameter";

/** A reference to a storage, as a persistent id gives it. */
interface StorageReference {
  /** The dtype that the storage class stands for, or `undefined` for an untyped storage. */
  readonly dtype: DType | undefined;
  readonly stored: StoredStorage;
}

/** Rebuilds the tensors of one file. */
export class TensorRebuilder {
  readonly #path: string;
  readonly #storages: ReadonlyMap<string, StoredStorage>;
  readonly #tensors = new Map<Reduction, Tensor>();
  readonly #dtypes = new Map<string, string>();
  /** Storages that are parts of others, by their own keys: torch had them up to 0.4. */
  readonly #parts: Map<string, StoredStorage> | undefined;

  /** Of the file at `path`; in torch's legacy format references to storages have one item more. */
  constructor(
    path: string,
    storages: ReadonlyMap<string, StoredStorage>,
    options: { readonly isLegacy?: boolean } = {},
  ) {
    this.#path = path;
    this.#storages = storages;
    this.#parts = options.isLegacy ? new Map() : undefined;
  }

  /** The tensor that a value describes, or `undefined` if it describes none. */
  rebuild(value: PickleValue, name: string): Tensor | undefined {
    if (!(value instanceof Reduction) || !(value.callable instanceof Global)) return undefined;
    const known = this.#tensors.get(value);
    if (known !== undefined) return known;
    const where = `${this.#path}: ${name}`;
    const tensor = this.#rebuild(value, value.callable, where, name);
    if (tensor === undefined) return undefined;
    if (value.state !== undefined || value.dictItems.size > 0 || value.listItems.length > 0) {
      throw new FormatError(`${where}: the tensor has attributes of its own, which ckpt doesn't carry over`);
    }
    this.#tensors.set(value, tensor);
    return tensor;
  }

  #rebuild(value: Reduction, callable: Global, where: string, name: string): Tensor | undefined {
    const { items } = value.args;
    switch (callable.toString()) {
      case "torch._utils._rebuild_tensor":
        return this.#tensor(items.slice(0, 4), undefined, false, where);
      case "torch._utils._rebuild_tensor_v2":
        checkMetadata(items[6], where);
        return this.#tensor(items.slice(0, 4), undefined, items[4], where);
      case "torch._utils._rebuild_tensor_v3":
        checkMetadata(items[7], where);
        return this.#tensor(items.slice(0, 4), dtypeArgument(items[6], where), items[4], where);
      case PARAMETER: {
        // Not of another parameter: torch never saves that, and a pickle could nest them without end.
        const data = items[0] ?? null;
        const tensor = isCall(data, PARAMETER) ? undefined : this.rebuild(data, name);
        if (tensor === undefined) {
          throw new FormatError(`${where}: the parameter holds no tensor that ckpt knows`);
        }
        return { ...tensor, isParameter: true, requiresGrad: items[1] === true };
      }
      case "torch._utils._rebuild_parameter_with_state":
        throw new FormatError(
          `${where}: the parameter has attributes of its own, which ckpt doesn't carry over`,
        );
      case "torch._utils._rebuild_qtensor":
      case "torch._utils._rebuild_sparse_tensor":
      case "torch._utils._rebuild_nested_tensor":
      case "torch._utils._rebuild_wrapper_subclass":
      case "torch._utils._rebuild_meta_tensor_no_storage":
      case "torch._utils._rebuild_device_tensor_from_numpy":
      case "torch._utils._rebuild_device_tensor_from_cpu_tensor":
      case "torch._tensor._rebuild_from_type_v2":
        throw new FormatError(
          `${where}: is not a plain tensor (${callable.name}), which ckpt doesn't convert; ` +
            "save dense tensors (tensor.to_dense(), .dequantize(), .full_tensor())",
        );
      default:
        return undefined;
    }
  }

  #tensor(
    args: readonly PickleValue[],
    dtype: DType | undefined,
    requiresGrad: PickleValue | undefined,
    where: string,
  ): Tensor {
    const reference = this.#storage(args[0], where);
    const itemType = dtype ?? reference.dtype;
    if (itemType === undefined) throw new FormatError(`${where}: the tensor doesn't say its dtype`);
    const storageOffset = integer(args[1], "storage offset", where);
    const shape = integers(args[2], "shape", where);
    const stride = integers(args[3], "strides", where);
    if (shape.length !== stride.length) {
      throw new FormatError(
        `${where}: the tensor has ${shape.length} dimensions but ${stride.length} strides`,
      );
    }
    const { storage, size } = reference.stored;
    // Checked in whole numbers of any size, since products of hostile sizes leave the safe integers.
    const items = shape.reduce((product, dimension) => product * BigInt(dimension), 1n);
    const end = spannedItems({ shape, stride, storageOffset }) * itemType.itemBytes;
    if (items * BigInt(itemType.itemBytes) > BigInt(Number.MAX_SAFE_INTEGER) || !(end <= size)) {
      throw new FormatError(
        `${where}: the tensor [${
          shape.join(", ")
        }] reaches past its storage of ${size} bytes; the file is damaged`,
      );
    }
    return {
      dtype: itemType,
      shape,
      stride,
      storageOffset,
      storage,
      requiresGrad: requiresGrad === true,
      isParameter: false,
    };
  }

  #storage(value: PickleValue | undefined, where: string): StorageReference {
    const id = value instanceof PersistentId ? value.id : undefined;
    const items = id instanceof Tuple ? id.items : [];
    const [tag, type, key, location, count, part = null] = items;
    if (
      tag !== "storage" || !(type instanceof Global) || typeof key !== "string" ||
      typeof location !== "string" || items.length !== (this.#parts === undefined ? 5 : 6)
    ) {
      throw new FormatError(`${where}: the tensor doesn't refer to a storage; the file is damaged`);
    }
    const stored = this.#storages.get(key);
    if (stored === undefined) {
      throw new FormatError(`${where}: its record data/${key} is missing; the file is damaged or incomplete`);
    }
    const dtype = storageDType(type, where);
    // torch saves a storage once, and refuses to if it is viewed as different types. An untyped storage counts as
    // one of bytes there (2.13 torch/serialization.py _save), so that types without a class of their own may share.
    const name = dtype?.name ?? "uint8";
    if ((this.#dtypes.get(key) ?? name) !== name) {
      throw new FormatError(
        `${where}: its storage data/${key} is used with two dtypes, which torch never saves`,
      );
    }
    this.#dtypes.set(key, name);
    const expected = integer(count, "storage size", where) * (dtype?.itemBytes ?? 1);
    if (expected !== stored.size) {
      throw new FormatError(
        `${where}: its record data/${key} has ${stored.size} bytes, but ${expected} are needed; the file is damaged`,
      );
    }
    return { dtype, stored: part === null ? stored : this.#part(part, stored, dtype?.itemBytes ?? 1, where) };
  }

  /** A storage that is a part of another: its own key, where in that one it starts, and its length, in items. */
  #part(value: PickleValue, whole: StoredStorage, itemBytes: number, where: string): StoredStorage {
    const [key, start, length] = value instanceof Tuple ? value.items : [];
    const { view } = whole.storage;
    if (typeof key !== "string" || this.#storages.has(key) || view.op !== "bytes") {
      throw new FormatError(`${where}: the tensor doesn't refer to a storage; the file is damaged`);
    }
    const offset = integer(start, "storage's start", where) * itemBytes;
    const size = integer(length, "storage size", where) * itemBytes;
    if (!(offset + size <= whole.size)) {
      throw new FormatError(
        `${where}: its storage reaches past the one that it is a part of; the file is damaged`,
      );
    }
    const storage = { view: bytes(view.path, view.offset + offset, size) };
    const known = this.#parts!.get(key);
    if (known === undefined) {
      const part = { key, headerAt: whole.headerAt, size, storage };
      this.#parts!.set(key, part);
      return part;
    }
    if (known.size !== size || (known.storage.view as BytesView).offset !== storage.view.offset) {
      throw new FormatError(`${where}: its storage ${key} is said to be in two places; the file is damaged`);
    }
    return known;
  }
}

function storageDType(type: Global, where: string): DType | undefined {
  const { module, name } = type;
  if (module === "torch.storage" && name === "UntypedStorage") return undefined;
  const dtype = module === "torch" || module === "torch.cuda" ? dtypeOfStorageClass(name) : undefined;
  if (dtype === undefined) throw new FormatError(`${where}: ckpt doesn't know the storage class ${type}`);
  return dtype;
}

function dtypeArgument(value: PickleValue | undefined, where: string): DType {
  const dtype = value instanceof Global && value.module === "torch" ? dtypes.get(value.name) : undefined;
  if (dtype === undefined) throw new FormatError(`${where}: ckpt doesn't know the tensor's dtype`);
  return dtype;
}

function checkMetadata(value: PickleValue | undefined, where: string): void {
  if (value === undefined || value === null || (value instanceof Map && value.size === 0)) return;
  throw new FormatError(`${where}: the tensor is lazily conjugated or negated; save it resolved`);
}

function integer(value: PickleValue | undefined, what: string, where: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new FormatError(`${where}: the tensor's ${what} can't be ${printable(value)}; the file is damaged`);
  }
  return value;
}

function integers(value: PickleValue | undefined, what: string, where: string): number[] {
  // torch.Size is pickled as a call of torch.Size with one tuple.
  const tuple = isCall(value, "torch.Size") ? value.args.items[0] : value;
  const items = tuple instanceof Tuple ? tuple.items : Array.isArray(tuple) ? tuple : undefined;
  if (items === undefined || items.length > MAX_DIMENSIONS) {
    throw new FormatError(`${where}: the tensor's ${what} can't be ${printable(value)}; the file is damaged`);
  }
  return items.map((item) => integer(item, what, where));
}

function isCall(value: PickleValue | undefined, name: string): value is Reduction {
  return value instanceof Reduction && value.callable instanceof Global && value.callable.toString() === name;
}

function printable(value: PickleValue | undefined): string {
  if (value === undefined || value === null) return "nothing";
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
    return String(value);
  }
  return `a ${typeof value === "string" ? "string" : value.constructor.name}`;
}
