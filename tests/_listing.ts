/**
 * All tensors in what torch saved, wherever they are, as ckpt finds them and as torch does.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type PickleValue, Tuple } from "../lib/pickle/mod.ts";
import { FileSource } from "../lib/bytes/source.ts";
import { CheckpointError } from "../lib/error.ts";
import { readTensorBytes } from "../lib/tensor/read_values.ts";
import { numel, type Tensor } from "../lib/tensor/tensor.ts";
import { dictOf } from "../lib/torch/pickled_dict.ts";
import { openTorchFile, type TorchFile } from "../lib/torch/torch_file.ts";

/** Calls a function for each tensor, with the keys that lead to it. What holds itself is visited once. */
export function visitTensors(file: TorchFile, visit: (tensor: Tensor, path: string) => void): void {
  const seen = new Set<PickleValue>();
  const left: [value: PickleValue, path: readonly string[]][] = [[file.root, []]];
  while (left.length > 0) {
    const [value, path] = left.pop()!;
    const tensor = file.tensor(value, path.join(".") || "the root");
    if (tensor !== undefined) {
      visit(tensor, JSON.stringify(path));
      continue;
    }
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    const items = itemsOf(value);
    for (let i = items.length - 1; i >= 0; i--) {
      const [key, item] = items[i]!;
      left.push([item, [...path, key]]);
    }
  }
}

function itemsOf(value: PickleValue & object): (readonly [key: string, value: PickleValue])[] {
  if (value instanceof Tuple || Array.isArray(value)) {
    return [...(value instanceof Tuple ? value.items : value)].map((item, i) => [`#${i}`, item]);
  }
  const dict = dictOf(value);
  if (dict === undefined) return [];
  return [...dict].flatMap(([key, item]) =>
    typeof key === "string"
      ? [[key, item] as const]
      : typeof key === "number"
      ? [[`#${key}`, item] as const]
      : []
  );
}

/** What there is to know of a tensor: `[path, dtype, shape, SHA-256 of the bytes in row-major order]`. */
export type TensorLine = readonly [path: string, dtype: string, shape: readonly number[], hash: string];

/** What became of a file. */
export interface Listing {
  /** The tensors, in order. */
  readonly tensors?: readonly TensorLine[];
  /** Why there are none. */
  readonly error?: string;
}

/** Lists the tensors in a file as ckpt finds them. */
export async function listTensors(path: string, largest = 2 ** 28): Promise<Listing> {
  try {
    using source = FileSource.open(path);
    const file = await openTorchFile(source);
    const tensors: TensorLine[] = [];
    visitTensors(file, (tensor, at) => {
      const { dtype, shape } = tensor;
      const isLarge = numel(shape) * dtype.itemBytes > largest;
      const hash = isLarge ? "large" : createHash("sha256").update(readTensorBytes(tensor)).digest("hex");
      tensors.push([at, dtype.name, shape, hash]);
    });
    return { tensors };
  } catch (error) {
    if (error instanceof CheckpointError) return { error: error.message };
    throw error;
  }
}

/** The Python program that lists the tensors in files as torch finds them: a line of JSON for each. */
export const LISTING_PROGRAM = `
import hashlib, json, sys, torch, warnings
warnings.simplefilter("ignore")

def visit(value, path, seen, found):
    if isinstance(value, torch.Tensor):
        shape = list(value.shape)
        if value.numel() * value.element_size() > 2**28:
            found.append([json.dumps(path, separators=(",", ":"), ensure_ascii=False), str(value.dtype)[6:], shape, "large"])
            return
        data = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b""
        found.append([json.dumps(path, separators=(",", ":"), ensure_ascii=False), str(value.dtype)[6:], shape,
                      hashlib.sha256(data).hexdigest()])
    elif isinstance(value, (dict, list, tuple)):
        if id(value) in seen and len(value):
            return
        seen[id(value)] = value
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if type(key) in (int, str):
                visit(item, path + [key if type(key) is str else f"#{key}"], seen, found)

for path in json.load(open(sys.argv[1])):
    try:
        found = []
        visit(torch.load(path, map_location="cpu", weights_only=True), [], {}, found)
        print(json.dumps({"tensors": found}))
    except BaseException as error:
        print(json.dumps({"error": f"{type(error).__name__}: {str(error)[:200]}"}))
    sys.stdout.flush()
`;
