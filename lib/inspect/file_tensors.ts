/** The tensors of one file, whatever its format, with the places of their bytes. */

import type { OpenSource } from "../bytes/source.ts";
import { bytesOf, isExpanded, type Tensor } from "../tensor/tensor.ts";
import type { TorchOpener } from "../torch/torch_file.ts";
import { openTable } from "./file_format.ts";
import { type RebuiltTensor, rebuiltTensors } from "./pickled_tensors.ts";

/** The most bytes that a tensor may have which is larger than its storage. It could be of any size. */
export const MAX_EXPANDED_BYTES: number = 64 * 1024 * 1024;

/** Whether a tensor repeats the items of its storage beyond what is read of one. */
export function isTooExpanded(tensor: Tensor): boolean {
  return isExpanded(tensor) && bytesOf(tensor) > MAX_EXPANDED_BYTES;
}

/** The tensors of a file by name, those that aren't plain too. A name that is there already gets a number. */
export async function fileTensors(
  source: OpenSource,
  openTorch: TorchOpener,
): Promise<ReadonlyMap<string, Omit<RebuiltTensor<Tensor>, "name">>> {
  const table = await openTable(source);
  if (table !== undefined) {
    return new Map([...table.tensors].map(([name, { tensor, dtype }]) => [name, { tensor, kind: dtype }]));
  }
  const tensors = new Map<string, Omit<RebuiltTensor<Tensor>, "name">>();
  for (const { name, ...each } of rebuiltTensors(await openTorch(source), source.path)) {
    tensors.set(tensors.has(name) ? `${name} (${tensors.size})` : name, each);
  }
  return tensors;
}
