import { assert } from "@std/assert";
import { FileSource } from "../lib/bytes/mod.ts";
import { openTorchFile } from "../lib/torch/mod.ts";
import { readTensorBytes } from "../lib/convert/mod.ts";

/** All that makes a tensor of a saved dict what it is. */
export interface TensorFacts {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly storageOffset: number;
  /** The number of the storage, by first use. */
  readonly storage: number;
  readonly requiresGrad: boolean;
  readonly isParameter: boolean;
  /** The values, in row-major order. */
  readonly bytes: string;
}

/** The tensors of a file that holds a plain dict of them, in its order. */
export async function stateFacts(path: string): Promise<TensorFacts[]> {
  using source = FileSource.open(path);
  const file = await openTorchFile(source);
  if (!(file.root instanceof Map)) throw new Error(`${path} holds no plain dict`);
  const storages: unknown[] = [];
  const facts: TensorFacts[] = [];
  for (const [name, value] of file.root) {
    const tensor = file.tensor(value, String(name));
    if (tensor === undefined) throw new Error(`${path}: ${name} is no tensor`);
    if (!storages.includes(tensor.storage)) storages.push(tensor.storage);
    const { dtype, shape, stride, storageOffset, requiresGrad, isParameter } = tensor;
    facts.push({
      name: String(name),
      dtype: dtype.name,
      shape,
      stride,
      storageOffset,
      storage: storages.indexOf(tensor.storage),
      requiresGrad,
      isParameter,
      bytes: readTensorBytes(tensor).toBase64(),
    });
  }
  return facts;
}

/** Asserts that two files have the same bytes, and names the first that differs. */
export function assertSameFile(actual: string, expected: string): void {
  const [a, b] = [Deno.readFileSync(actual), Deno.readFileSync(expected)];
  const at = a.findIndex((byte, i) => byte !== b[i]);
  assert(
    a.length === b.length && at < 0,
    `${actual} (${a.length}) and ${expected} (${b.length}) differ at ${at}`,
  );
}

/**
 * Asserts that two torch files have the same bytes, but for the first 20 digits of the serialization id, which
 * stand for the records' names, and the CRC-32 of its record.
 */
export function assertSameTorchFile(actual: string, expected: string): void {
  const [a, b] = [Deno.readFileSync(actual), Deno.readFileSync(expected)];
  const mayDiffer = new Set<number>();
  const allow = (at: number, length: number) => {
    for (let i = 0; i < length; i++) mayDiffer.add(at + i);
  };
  const name = new TextEncoder().encode("/.data/serialization_id");
  const text = new TextDecoder("latin1").decode(b);
  const needle = new TextDecoder("latin1").decode(name);
  const [local, central] = [text.indexOf(needle), text.lastIndexOf(needle)];
  if (local < 0 || local === central) throw new Error(`${expected} has no serialization id`);
  // The local header begins with PK\3\4, and states the lengths of the name and of the padding after it.
  const header = text.lastIndexOf("PK\x03\x04", local);
  const lengths = new DataView(b.buffer, header + 26, 4);
  const data = header + 30 + lengths.getUint16(0, true) + lengths.getUint16(2, true);
  allow(data, 20);
  allow(data + 40 + 4, 4); // The descriptor, after its signature.
  allow(text.lastIndexOf("PK\x01\x02", central) + 16, 4);
  const at = a.findIndex((byte, i) => byte !== b[i] && !mayDiffer.has(i));
  assert(
    a.length === b.length && at < 0,
    `${actual} (${a.length}) and ${expected} (${b.length}) differ at ${at}`,
  );
}
