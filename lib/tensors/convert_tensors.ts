/** Converting the tensors of any file or checkpoint to torch's format or safetensors, whatever the model. */

import type { CastType } from "../bytes/view.ts";
import type { Target } from "../convert/target.ts";
import { OptionError } from "../error.ts";
import { quantizationOf } from "../layouts/gguf/stored_tensor.ts";
import { listed } from "../words.ts";
import { openAllTensors } from "./open_tensors.ts";
import { checkSave, planSafetensors, planTorch, type SavePlan } from "./save.ts";
import { castTensors, dequantized, type NamedTensors, renameTensors, selectTensors } from "./steps.ts";

/** What to convert. */
export interface ConvertTensorsOptions {
  readonly input: string;
  readonly output: string;
  /** The dict of a torch file; see `OpenTensorsOptions`. */
  readonly key?: string;
  readonly from?: Target;
  readonly step?: number;
  /** Which tensors, by their names in the input; all by default. */
  readonly only?: readonly string[];
  /** Which of them to leave. */
  readonly drop?: readonly string[];
  /** New names by old ones. */
  readonly rename?: ReadonlyMap<string, string>;
  readonly dtype?: CastType;
  readonly maxShardSize?: number;
}

/** What is to be written, before anything is. */
export interface TensorConversion {
  readonly save: SavePlan;
  /** The tensors by their new names. */
  readonly tensors: NamedTensors;
  /** The names that they have in the input, in the same order. */
  readonly names: readonly string[];
}

/** The endings of torch's files. */
const TORCH = /\.(?:pt|pth|bin)$/;

/** The ending of safetensors files. */
const SAFETENSORS = /\.safetensors$/;

/**
 * The format that an output's name asks for.
 *
 * @throws {OptionError} If it asks for none.
 */
export function formatOf(output: string, isSplit = false): "torch" | "safetensors" {
  if (isSplit) {
    if (!TORCH.test(output) && !SAFETENSORS.test(output)) return "safetensors";
    throw new OptionError(
      `${output}: is to be a directory, since files are to be split; name it without an ending`,
    );
  }
  if (TORCH.test(output)) return "torch";
  if (SAFETENSORS.test(output)) return "safetensors";
  throw new OptionError(
    `${output}: says no format; name a file that ends in .safetensors, .pt, .pth or .bin` +
      (output.endsWith(".gguf") ? " (ckpt convert --to gguf makes GGUF of the models that it knows)" : ""),
  );
}

/**
 * Plans a conversion: reads tables of contents, and writes nothing.
 *
 * @throws {CheckpointError} If the input can't be read, or the output not be made.
 */
export async function planTensors(options: ConvertTensorsOptions): Promise<TensorConversion> {
  const { input, output, only, drop = [], rename, dtype, maxShardSize } = options;
  const format = formatOf(output, maxShardSize !== undefined);
  const opened = await openAllTensors(input, options);
  const { metadata } = opened;
  const notes = [...opened.notes];
  let tensors: NamedTensors = only === undefined ? opened.tensors : selectTensors(opened.tensors, only);
  if (drop.length > 0) {
    const dropped = selectTensors(tensors, drop);
    tensors = selectTensors(tensors, (name) => !dropped.has(name));
  }
  const names = [...tensors.keys()];
  if (rename !== undefined) tensors = renameTensors(tensors, rename);
  if (dtype !== undefined) tensors = castTensors(tensors, dtype);
  notes.push(...quantizedNotes(tensors));
  tensors = dequantized(tensors);
  const texts = [...metadata.keys()].filter((key) => key !== "format");
  if (format === "torch" && texts.length > 0) {
    notes.push(`left out: the metadata of the input (${listed(texts, "and")})`);
  }
  const planned = format === "torch" ? planTorch(output, tensors) : planSafetensors(output, tensors, {
    metadata: { format: "pt", ...Object.fromEntries(metadata) },
    maxShardSize,
  });
  checkSave(planned, output);
  return { save: { ...planned, notes: [...notes, ...planned.notes] }, tensors, names };
}

function quantizedNotes(tensors: NamedTensors): string[] {
  const counts = new Map<string, number>();
  for (const { dtype, description } of tensors.values()) {
    if (quantizationOf(description.dtype) !== undefined) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
  }
  if (counts.size === 0) return [];
  const kinds = [...counts].map(([name, count]) => `${count} of ${name}`).join(", ");
  return [`quantized tensors are carried over as the float32 numbers that they stand for: ${kinds}`];
}
