/** Tensors that are read when they are asked for, and new ones. */

import type { SourceFile } from "../bytes/source.ts";
import { memory, viewPaths } from "../bytes/view.ts";
import { checkUnchanged } from "../copy/copy_engine.ts";
import type { KnownCrc } from "../copy/plan.ts";
import { OptionError } from "../error.ts";
import { quantizationOf } from "../layouts/gguf/stored_tensor.ts";
import { dtypeOf } from "../tensor/dtype.ts";
import {
  type ReadOptions,
  readTensorBytes,
  readTensorValues,
  type TensorValues,
} from "../tensor/read_values.ts";
import { bytesOf, numel, type Tensor, tensorOfView } from "../tensor/tensor.ts";
import type { StoredTensors } from "../torch/torch_file.ts";
import { castTo } from "./cast_to.ts";

/** The files that a tensor's bytes lie in, and what is known of them. */
export interface TensorOrigin {
  /** The files, as they were when they were opened. */
  readonly sources: readonly SourceFile[];
  /** What they say of their own checksums. */
  readonly known: readonly KnownCrc[];
  /** The torch file that the tensor is in, where it is in one. */
  readonly file?: StoredTensors;
}

/**
 * A tensor of which only the description is in memory: its dtype and shape, and where its bytes lie. It is never changed;
 * what is made of it, renamed or cast, is another one.
 */
export class LazyTensor {
  /** What it is, with strides and storage as in torch. Tensors that share a storage have the same object there. */
  readonly description: Tensor;
  /** Where it comes from. */
  readonly origin: TensorOrigin;

  /** Makes a tensor; {@linkcode openTensors} and {@linkcode tensorOf} do. */
  constructor(description: Tensor, origin: TensorOrigin) {
    this.description = description;
    this.origin = origin;
  }

  /** The type of its items, by torch's name, such as `"bfloat16"`; of quantized ones ggml's, such as `"Q8_0"`. */
  get dtype(): string {
    return this.description.dtype.name;
  }

  /** The sizes of its dimensions; none for a scalar. */
  get shape(): readonly number[] {
    return this.description.shape;
  }

  /** The size of its items in bytes. */
  get byteLength(): number {
    return bytesOf(this.description);
  }

  /**
   * Reads its values, in row-major order, as the typed array of its dtype. `bfloat16` and `float16` become `Float32Array`,
   * which holds them exactly, unless `widen` is false; `bool` is a `Uint8Array` of 0 and 1; quantized numbers become the
   * `Float32Array` that they stand for.
   *
   * Limits: 2 GiB at a time; `rows` reads a part.
   *
   * @example Usage
   * ```ts
   * import { openTensors } from "@ckpt/ckpt";
   * import { assertEquals } from "@std/assert";
   *
   * const tensors = await openTensors("fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10");
   * const norm = tensors.get("decoder.layer_norm.weight")!;
   * assertEquals(await norm.read({ rows: [1, 3] }), new Float32Array([1.0859375, 1.015625]));
   * ```
   *
   * @param options Which rows, and whether to widen.
   * @returns The values.
   * @throws {OptionError} If there is no typed array for its dtype (8-bit floats, complex numbers): take {@linkcode bytes}.
   * @throws {RangeError} If it is larger than 2 GiB, or hasn't got these rows.
   * @throws {FileError} If its file can't be read, or changed since it was opened.
   */
  // deno-lint-ignore require-await -- Asynchronous for files that lie elsewhere.
  async read(options: ReadOptions = {}): Promise<TensorValues> {
    const { description } = this;
    const isQuantized = quantizationOf(description.dtype) !== undefined;
    const tensor = isQuantized ? castTo(description, "float32", "the tensor") : description;
    if (!READABLE.has(tensor.dtype.name)) {
      throw new OptionError(`Can't read ${tensor.dtype.name} as a typed array; take its bytes()`);
    }
    const values = readTensorValues(tensor, options);
    this.#checkSources();
    return values;
  }

  /**
   * Reads its bytes as they are, in row-major order and little-endian.
   *
   * Limits: 2 GiB at a time; `rows` reads a part.
   *
   * @example Usage
   * ```ts
   * import { tensorOf } from "@ckpt/ckpt";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals(await tensorOf(new Int16Array([1, 2])).bytes(), new Uint8Array([1, 0, 2, 0]));
   * ```
   *
   * @param options Which rows.
   * @returns The bytes.
   * @throws {RangeError} If it is larger than 2 GiB, or hasn't got these rows.
   * @throws {FileError} If its file can't be read, or changed since it was opened.
   */
  // deno-lint-ignore require-await -- Asynchronous for files that lie elsewhere.
  async bytes(options: Pick<ReadOptions, "rows"> = {}): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = readTensorBytes(this.description, options);
    this.#checkSources();
    return bytes;
  }

  #checkSources(): void {
    const paths = viewPaths(this.description.storage.view);
    for (const source of this.origin.sources) if (paths.has(source.path)) checkUnchanged(source);
  }
}

/** What {@linkcode LazyTensor.read} can give. */
const READABLE: ReadonlySet<string> = new Set([
  ...["float64", "float32", "float16", "bfloat16", "bool"],
  ...["int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"],
]);

/** The dtypes of typed arrays. */
const arrayDTypes: ReadonlyMap<object, string> = new Map<object, string>([
  [Float64Array, "float64"],
  [Float32Array, "float32"],
  [Float16Array, "float16"],
  [BigInt64Array, "int64"],
  [BigUint64Array, "uint64"],
  [Int32Array, "int32"],
  [Uint32Array, "uint32"],
  [Int16Array, "int16"],
  [Uint16Array, "uint16"],
  [Int8Array, "int8"],
  [Uint8Array, "uint8"],
]);

/**
 * Makes a new tensor, whose items are copied now. It is held in memory, and no larger than an array can be.
 *
 * @example Usage
 * ```ts
 * import { tensorOf } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const tensor = tensorOf(new Float32Array([1, 2, 3, 4, 5, 6]), [2, 3]);
 * assertEquals([tensor.dtype, tensor.shape], ["float32", [2, 3]]);
 * assertEquals(await tensor.read({ rows: [1, 2] }), new Float32Array([4, 5, 6]));
 * ```
 *
 * @param values The items, in row-major order.
 * @param shape The sizes of the dimensions; by default one, with all items.
 * @param dtype torch's name of another dtype that the array's bytes are the items of: `"bfloat16"` for a `Uint16Array` of
 * bits, `"bool"` for a `Uint8Array`. By default that of the array.
 * @returns The tensor.
 * @throws {OptionError} If the items don't make such a tensor.
 */
export function tensorOf(
  values: TensorValues,
  shape: readonly number[] = [values.length],
  dtype: string | undefined = arrayDTypes.get(values.constructor),
): LazyTensor {
  if (dtype === undefined) throw new OptionError("Can't make a tensor of this array: give its dtype");
  let type;
  try {
    type = dtypeOf(dtype);
  } catch {
    throw new OptionError(
      `Can't make a tensor of dtype ${JSON.stringify(dtype)}: torch has none of this name`,
    );
  }
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new OptionError(`Can't make a tensor of shape [${shape.join(", ")}]`);
  }
  const expected = numel(shape) * type.itemBytes;
  if (values.byteLength !== expected) {
    throw new OptionError(
      `Can't make a ${dtype} tensor of shape [${shape.join(", ")}], which has ${expected} bytes: ` +
        `the array has ${values.byteLength}`,
    );
  }
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return new LazyTensor(tensorOfView(type, shape, memory(bytes, type.itemBytes)), { sources: [], known: [] });
}
