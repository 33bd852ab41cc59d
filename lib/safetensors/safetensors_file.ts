import { lookalike } from "../bytes/lookalike.ts";
import { bytes } from "../bytes/view.ts";
import type { ByteSource } from "../bytes/source.ts";
import { numel, type Tensor, tensorOfView } from "../tensor/tensor.ts";
import { SafetensorsError } from "./error.ts";
import { LENGTH_BYTES, parseHeader, parseHeaderLength } from "./header.ts";

/** An opened safetensors file. */
export interface SafetensorsFile {
  /** The path of the file. */
  readonly path: string;
  /** Texts about the file by name; transformers writes `format`. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The tensors by name, in the order in which they lie in the file. Each has a storage of its own. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** How much of a file's start tells what it is where it is none. */
const START_BYTES = 64;

async function readHeaderLength(source: ByteSource): Promise<number> {
  const { path, size } = source;
  try {
    return parseHeaderLength(await source.read(0, Math.min(LENGTH_BYTES, size)), size, path);
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error;
    const other = lookalike(await source.read(0, Math.min(START_BYTES, size)));
    throw other === undefined ? error : new SafetensorsError(path, error.problem, other);
  }
}

/**
 * Opens a safetensors file. Only its header is read.
 *
 * @example Usage
 * ```ts
 * import { openSafetensors } from "@ckpt/ckpt/safetensors";
 * import { FileSource } from "@ckpt/ckpt/sources";
 * import { assertEquals } from "@std/assert";
 *
 * using source = FileSource.open("fixtures/checkpoints/expected/fairseq2-0.8.1/qwen3_bf16_tied/hf/model.safetensors");
 * const { metadata, tensors } = await openSafetensors(source);
 * assertEquals(metadata.get("format"), "pt");
 * for (const [name, { dtype, shape }] of tensors) console.log(name, dtype.name, shape);
 * ```
 *
 * @throws {SafetensorsError} If it isn't what the format demands.
 * @throws {FileError} If it can't be read.
 */
export async function openSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const { path, size } = source;
  const length = await readHeaderLength(source);
  const dataAt = LENGTH_BYTES + length;
  const header = parseHeader(await source.read(LENGTH_BYTES, length), size - dataAt, path);
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, start }] of header.tensors) {
    const [rows = 1, ...inner] = shape;
    const view = bytes(path, dataAt + start, rows, numel(inner) * dtype.itemBytes);
    tensors.set(name, tensorOfView(dtype, shape, view));
  }
  return { path, metadata: header.metadata, tensors };
}
