import type { Copy, FileLayout, OutputFile } from "../copy/plan.ts";
import { compareCodePoints } from "../python/python_json.ts";
import { cutView, isWholeStorage, numel, type Tensor } from "../tensor/tensor.ts";
import { type SafetensorsDType, safetensorsDType } from "./dtype.ts";
import { LENGTH_BYTES, METADATA_NAME } from "./header.ts";
import { MAX_HEADER_BYTES } from "./limits.ts";

/** What the header's length is a multiple of, so that every tensor's bytes are aligned. */
const HEADER_ALIGNMENT = 8;

/** What transformers writes of its files: that the tensors are torch's. */
export const TORCH_METADATA: ReadonlyMap<string, string> = new Map([["format", "pt"]]);

interface Entry {
  readonly name: string;
  readonly tensor: Tensor;
  readonly dtype: SafetensorsDType;
}

/**
 * Lays out tensors as a safetensors file, byte for byte as the library does (0.4 to 0.8: `tensor.rs` `prepare` and
 * `Metadata`'s serializer): the tensors in descending order of their dtypes' alignment, then by name; the header
 * without space, padded with spaces to a multiple of 8 bytes.
 *
 * Limits: dtypes that the format has; a header of 100 MB. A scalar has no dimensions. With more than one text of
 * metadata, the library's own order is random; here it is the map's.
 *
 * @param tensors The tensors by name. Each is written on its own, whatever storage it shares.
 * @param metadata Texts about the file; none by default.
 * @throws {RangeError} If a tensor can't be in such a file.
 */
export function layoutSafetensors(
  name: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: ReadonlyMap<string, string>,
): Pick<OutputFile, "name" | keyof FileLayout> {
  const entries = [...tensors].map(([name, tensor]): Entry => {
    const dtype = safetensorsDType(tensor.dtype);
    if (dtype === undefined) {
      throw new RangeError(`Cannot lay out ${name}: safetensors has no dtype ${tensor.dtype.name}`);
    }
    if (name === METADATA_NAME) throw new RangeError(`Cannot lay out ${name}: no tensor can have this name`);
    return { name, tensor, dtype };
  });
  entries.sort((a, b) => b.dtype.rank - a.dtype.rank || compareCodePoints(a.name, b.name));

  const members: string[] = [];
  if (metadata !== undefined) {
    const texts = [...metadata].map(([key, text]) => `${quoted(key)}:${quoted(text)}`);
    members.push(`${quoted(METADATA_NAME)}:{${texts.join(",")}}`);
  }
  let end = 0;
  const places = entries.map(({ name, tensor, dtype }) => {
    const start = end;
    end += numel(tensor.shape) * tensor.dtype.itemBytes;
    members.push(
      `${quoted(name)}:{"dtype":"${dtype.name}","shape":[${tensor.shape}],"data_offsets":[${start},${end}]}`,
    );
    return start;
  });
  const head = headOf(`{${members.join(",")}}`);

  const copies: Copy[] = [];
  entries.forEach(({ name, tensor }, i) => {
    if (numel(tensor.shape) === 0) return;
    const { crc } = tensor.storage;
    copies.push({
      label: name,
      at: head.length + places[i]!,
      view: cutView(tensor),
      ...(crc !== undefined && isWholeStorage(tensor) ? { crc } : {}),
    });
  });
  return { name, size: head.length + end, copies, literals: [{ at: 0, bytes: head }] };
}

/** The header's length and the header itself. */
function headOf(header: string): Uint8Array {
  const text = new TextEncoder().encode(header);
  const length = Math.ceil(text.length / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
  if (length > MAX_HEADER_BYTES) {
    throw new RangeError(`Cannot lay out a header of ${length} bytes: more than ${MAX_HEADER_BYTES}`);
  }
  const head = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(text, LENGTH_BYTES);
  return head;
}

/**
 * A string as serde_json prints it. `JSON.stringify` escapes the same characters in the same way, but for lone
 * surrogates, which no Rust string has.
 */
function quoted(text: string): string {
  if (!text.isWellFormed()) throw new RangeError(`Cannot write ${JSON.stringify(text)}: it is no UTF-8 text`);
  return JSON.stringify(text);
}
