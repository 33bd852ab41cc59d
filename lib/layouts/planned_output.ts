import type { SourceFile } from "../bytes/source.ts";
import type { OutputFile, PlannedTensor } from "../copy/plan.ts";
import { numel, type Tensor } from "../tensor/tensor.ts";

/** What an output layout makes of a checkpoint. */
export interface PlannedOutput {
  readonly files: readonly OutputFile[];
  /** Files that they are copied from besides the checkpoint's own. */
  readonly sources?: readonly SourceFile[];
  /** What a user should be told: what the layout can't say, and what was taken instead. */
  readonly notes: readonly string[];
}

/** A file with a text that the plan holds. */
export function textFile(name: string, text: string): OutputFile {
  const bytes = new TextEncoder().encode(text);
  return { name, size: bytes.length, tensors: [], copies: [], literals: [{ at: 0, bytes }] };
}

/** A tensor for a dry run. */
export function plannedTensor(from: string, to: string, tensor: Tensor): PlannedTensor {
  const { dtype, shape } = tensor;
  return { from, to, dtype: dtype.name, shape, bytes: tensorBytes(tensor) };
}

export function tensorBytes({ dtype, shape }: Tensor): number {
  return numel(shape) * dtype.itemBytes;
}

/** The dtypes in files, the one with the most items first. */
export function dtypesOf(files: readonly Pick<OutputFile, "tensors">[]): string[] {
  const counts = new Map<string, number>();
  for (const { dtype, shape } of files.flatMap(({ tensors }) => tensors)) {
    counts.set(dtype, (counts.get(dtype) ?? 0) + numel(shape));
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([name]) => name);
}
