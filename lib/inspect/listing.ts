/** What one file of tensors holds, as far as its table of contents tells. */

import type { ByteSource } from "../bytes/source.ts";
import type { Global, PickleValue } from "../pickle/mod.ts";
import { bytesOf } from "../tensor/tensor.ts";
import { isAllowedGlobal } from "../torch/allowed_globals.ts";
import type { Archive } from "../torch/archive.ts";
import { outlineTorchFile, type TensorOutline } from "../torch/torch_file.ts";
import { someOf } from "../words.ts";
import { openTable } from "./file_format.ts";
import type { InspectedGguf } from "./gguf_metadata.ts";
import { rebuiltTensors } from "./pickled_tensors.ts";
import type { TableFile } from "./table_file.ts";

/** How many names a note has. */
export const NAMED = 3;

/** The formats of files. */
export type FileFormat = "torch" | "torch-legacy" | "safetensors" | "gguf";

export interface ListedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Equal for tensors that are the same one under two names: the same items of the same storage. */
  readonly identity: string;
}

export interface FileListing {
  readonly path: string;
  readonly size: number;
  readonly format: FileFormat;
  readonly writer: string;
  readonly tensors: readonly ListedTensor[];
  /** What the file holds, as inert values, if it is torch's. */
  readonly root?: PickleValue;
  /** What it says besides its tensors, if it is a GGUF file. */
  readonly gguf?: InspectedGguf;
  readonly notes: readonly string[];
}

/**
 * Lists the tensors in a file. Only its table of contents is read, and nothing that it names is run: a file that
 * torch's `weights_only=True` refuses is listed, with a note that says so.
 *
 * @throws {FormatError} If it is neither torch's nor one of safetensors or GGUF, or is damaged.
 */
export async function listFile(source: ByteSource): Promise<FileListing> {
  const table = await openTable(source);
  return table === undefined ? await listTorch(source) : listTable(source, table);
}

function listTable({ path, size }: ByteSource, { format, writer, tensors, gguf }: TableFile): FileListing {
  return {
    path,
    size,
    format,
    writer,
    tensors: Array.from(
      tensors,
      ([name, { dtype, shape, bytes }]) => ({ name, dtype, shape, bytes, identity: name }),
    ),
    ...(gguf === undefined ? {} : { gguf }),
    notes: [],
  };
}

async function listTorch(source: ByteSource): Promise<FileListing> {
  const { path } = source;
  const refused = new Map<string, Global>();
  const outline = await outlineTorchFile(source, (global) => {
    if (!isAllowedGlobal(global.module, global.name)) refused.set(global.toString(), global);
  });
  const storages = new Map<object, number>();
  const tensors: ListedTensor[] = [];
  const others: string[] = [];
  for (const { name, tensor, kind } of rebuiltTensors(outline, path)) {
    if (tensor === undefined) {
      others.push(`${name} is no plain tensor (${kind})`);
      continue;
    }
    if (!storages.has(tensor.storage)) storages.set(tensor.storage, storages.size);
    tensors.push(listTensor(name, tensor, String(storages.get(tensor.storage))));
  }
  return {
    path,
    size: source.size,
    format: outline.archive.isLegacy ? "torch-legacy" : "torch",
    writer: describeWriter(outline.archive),
    tensors,
    root: outline.root,
    notes: [
      ...(refused.size === 0
        ? []
        : [`torch's weights_only refuses it: it names ${someOf([...refused.keys()], NAMED)}`]),
      ...(others.length === 0 ? [] : [`left out: ${someOf(others, NAMED)}`]),
    ],
  };
}

/** A tensor as it is listed; `storage` stands for what it lies in. */
export function listTensor(name: string, tensor: TensorOutline, storage: string): ListedTensor {
  const { dtype, shape, stride, storageOffset } = tensor;
  return {
    name,
    dtype: dtype.name,
    shape,
    bytes: bytesOf(tensor),
    identity: `${storage}+${storageOffset}:${dtype.name}[${shape}]/[${stride}]`,
  };
}

/**
 * Who wrote a torch file, as far as the names of its records tell: torch 2.1 added `byteorder` and
 * `.data/serialization_id`, 2.7 `.format_version` and `.storage_alignment`.
 */
function describeWriter({ isLegacy, records }: Archive): string {
  if (isLegacy) return "torch, legacy format (before 1.6)";
  if (records.has(".format_version") || records.has(".storage_alignment")) {
    return "torch zip, torch 2.7 or later";
  }
  return records.has("byteorder") ? "torch zip, torch 2.1 to 2.6" : "torch zip, torch 1.6 to 2.0";
}
