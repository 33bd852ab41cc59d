/** Files whose table alone says what tensors they hold, without a pickle: those of safetensors, and GGUF. */

import { alignUp } from "../gguf/layout.ts";
import type { GgufFile } from "../gguf/read.ts";
import { storedTensor } from "../layouts/gguf/stored_tensor.ts";
import type { SafetensorsFile } from "../safetensors/safetensors_file.ts";
import { bytesOf, type Tensor } from "../tensor/tensor.ts";
import { type InspectedGguf, inspectGguf } from "./gguf_metadata.ts";

/** A tensor as a table says it. */
interface TableTensor {
  /** Its type, by the format's own name for it or torch's. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** The size of its items in bytes; where the type isn't known, the room up to the next tensor. */
  readonly bytes: number;
  /** The tensor itself, where its type is known. */
  readonly tensor: Tensor | undefined;
}

/** What such a file's table says. */
export interface TableFile {
  readonly format: "safetensors" | "gguf";
  /** Who wrote the file, for people. */
  readonly writer: string;
  readonly tensors: ReadonlyMap<string, TableTensor>;
  /** Bytes behind the last tensor, of which the table says nothing. */
  readonly bytesBehind: number;
  /** The texts that a safetensors file says of itself, by name. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** What a GGUF file says besides. */
  readonly gguf?: InspectedGguf;
}

/** The table of a safetensors file, whose tensors fill it. */
export function safetensorsTable({ tensors, metadata }: SafetensorsFile): TableFile {
  const format = metadata.get("format");
  return {
    format: "safetensors",
    writer: format === undefined ? "safetensors" : `safetensors, from ${format === "pt" ? "torch" : format}`,
    tensors: new Map(Array.from(tensors, ([name, tensor]) => {
      const { dtype, shape } = tensor;
      return [name, { dtype: dtype.name, shape, bytes: bytesOf(tensor), tensor }];
    })),
    bytesBehind: 0,
    metadata,
  };
}

/** The table of a GGUF file of so many bytes. */
export function ggufTable(file: GgufFile, size: number): TableFile {
  const { path, version, alignment, tensors } = file;
  const last = tensors.at(-1);
  const end = last?.bytes === undefined ? size : alignUp(last.offset + last.bytes, alignment);
  return {
    format: "gguf",
    writer: `GGUF, version ${version}`,
    tensors: new Map(tensors.map((info, i) => {
      const { name, type, shape, offset, bytes = (tensors[i + 1]?.offset ?? size) - offset } = info;
      return [name, { dtype: type.name, shape, bytes, tensor: storedTensor(info, path) }];
    })),
    bytesBehind: Math.max(0, size - end),
    gguf: inspectGguf(file),
  };
}
