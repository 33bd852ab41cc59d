/** Tensors split over several safetensors files, as transformers and huggingface_hub do it. */

import { OptionError } from "../../error.ts";
import { numel, type Tensor } from "../../tensor/tensor.ts";
import { pythonJson } from "../../python/python_json.ts";
import { tensorBytes } from "../planned_output.ts";

/** The size of a file's tensors at most, in bytes, where none is given: "5GB", that of transformers 4.x. */
export const DEFAULT_MAX_SHARD_SIZE = 5_000_000_000;

/** Units are powers of ten (huggingface_hub `serialization/_base.py` `SIZE_UNITS`), and with an "i" of 1024. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ...["KB", "MB", "GB", "TB"].map((unit, i) => [unit, 1000 ** (i + 1)] as const),
  ...["KIB", "MIB", "GIB", "TIB"].map((unit, i) => [unit, 1024 ** (i + 1)] as const),
]);

/**
 * Reads the size of a file, such as `"5GB"`.
 *
 * @param text The size: a number, and `KB`, `MB`, `GB` or `TB` (powers of ten), or `KiB` to `TiB`; in any case.
 * @returns The size in bytes, rounded down.
 * @throws {OptionError} If it isn't such a size, or less than a byte.
 */
export function parseShardSize(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]i?b)\s*$/i.exec(text);
  const size = match === null ? 0 : Math.trunc(Number(match[1]) * UNITS.get(match[2]!.toUpperCase())!);
  if (size < 1 || !Number.isSafeInteger(size)) {
    throw new OptionError(
      `Can't read the size ${JSON.stringify(text)}: give a number and KB, MB, GB or TB, as in 5GB or 5GiB`,
    );
  }
  return size;
}

/** A file of weights. */
interface WeightShard {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/**
 * Splits tensors over files. The rule is huggingface_hub's (0.24 to 2.4 `split_state_dict_into_shards_factory`): in
 * the order given, a new file begins where the next tensor would be too much for the last one, and a tensor that is
 * too large by itself gets a file of its own, in front of the one that is being filled.
 *
 * @param maxBytes The bytes of a file's tensors at most.
 * @returns The files: `model.safetensors` alone, or `model-00001-of-0000n.safetensors` and so on.
 */
export function splitWeights(tensors: ReadonlyMap<string, Tensor>, maxBytes: number): WeightShard[] {
  const shards: Map<string, Tensor>[] = [];
  let current = new Map<string, Tensor>();
  let currentBytes = 0;
  for (const [name, tensor] of tensors) {
    const bytes = tensorBytes(tensor);
    if (bytes > maxBytes) {
      shards.push(new Map([[name, tensor]]));
      continue;
    }
    if (currentBytes + bytes > maxBytes) {
      shards.push(current);
      current = new Map();
      currentBytes = 0;
    }
    current.set(name, tensor);
    currentBytes += bytes;
  }
  if (current.size > 0) shards.push(current);
  const digits = (count: number) => String(count).padStart(5, "0");
  return shards.map((tensors, i) => ({
    name: shards.length === 1
      ? "model.safetensors"
      : `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`,
    tensors,
  }));
}

/**
 * The `model.safetensors.index.json` that says which file has which tensor, as transformers prints it. It has
 * `total_parameters` as in transformers 4.50 and later; earlier ones read `total_size` alone and don't mind it.
 */
export function weightIndexJson(shards: readonly WeightShard[]): string {
  const tensors = shards.flatMap(({ tensors }) => [...tensors.values()]);
  const sum = (of: (tensor: Tensor) => number) => tensors.reduce((total, tensor) => total + of(tensor), 0);
  const index = {
    metadata: {
      total_parameters: sum(({ shape }) => numel(shape)),
      total_size: sum(tensorBytes),
    },
    weight_map: new Map(shards.flatMap(({ name, tensors }) => [...tensors.keys()].map((key) => [key, name]))),
  };
  return `${pythonJson(index, { indent: 2, sortKeys: true })}\n`;
}
