/**
 * Real torch files, edited: their records are read, changed, and packed again as a stored zip. The zip code is
 * the tests' own and knows nothing of torch's layout, which readers must not depend on.
 */

import { crc32 } from "node:zlib";
import { join } from "../lib/deps.ts";
import { copyTree } from "./_temp.ts";
import { Global, type PickleValue, readPickle, Reduction, Tuple, writePickle } from "../lib/pickle/mod.ts";

/** Where the shared checkpoints are. */
export const CHECKPOINTS: string = join(import.meta.dirname!, "..", "fixtures", "checkpoints");

/** A dict of a pickle. */
export type Dict = Map<PickleValue, PickleValue>;

/** The records of a torch file by name, below the archive's folder. */
export class Records extends Map<string, Uint8Array> {
  /** What data.pkl holds. */
  get root(): PickleValue {
    return readPickle(this.get("data.pkl")!);
  }

  set root(value: PickleValue) {
    this.set("data.pkl", writePickle(value));
  }

  /** Changes what the file's dict has: the dict is the file's own, and what is returned replaces it. */
  edit(change: (root: Dict) => PickleValue | void): this {
    const root = this.root as Dict;
    this.root = change(root) ?? root;
    return this;
  }

  /** Changes the state dict, which is given as its items. */
  editState(change: (state: Dict) => Dict | void): this {
    return this.edit((root) => {
      const key = root.has("model") ? "model" : "_model";
      const state = new Map(itemsOf(root.get(key)!));
      root.set(key, change(state) ?? state);
    });
  }
}

/** The items of a dict, plain or ordered. */
export function itemsOf(dict: PickleValue): Dict {
  return dict instanceof Reduction ? dict.dictItems : dict as Dict;
}

/** A dict that is an `OrderedDict`. */
export function orderedDict(items: Iterable<[PickleValue, PickleValue]>): Reduction {
  const dict = new Reduction(new Global("collections", "OrderedDict"), new Tuple());
  for (const [key, value] of items) dict.dictItems.set(key, value);
  return dict;
}

/** The arguments of a tensor's rebuilding. */
export interface TensorArguments {
  storage: PickleValue;
  offset: PickleValue;
  shape: PickleValue;
  stride: PickleValue;
  requiresGrad: PickleValue;
}

/** A tensor like another, with some of the arguments of its rebuilding changed. */
export function changeTensor(tensor: PickleValue, change: Partial<TensorArguments>): Reduction {
  const { callable, args } = tensor as Reduction;
  const [storage, offset, shape, stride, requiresGrad, ...others] = args.items as PickleValue[];
  const all = { storage, offset, shape, stride, requiresGrad, ...change } as TensorArguments;
  return new Reduction(
    callable,
    new Tuple(all.storage, all.offset, all.shape, all.stride, all.requiresGrad, ...others),
  );
}

/** The items of a tensor's persistent id: tag, storage class, key, location, number of items. */
export function storageOf(tensor: PickleValue): readonly PickleValue[] {
  const { id } = (tensor as Reduction).args.items[0] as { id: Tuple };
  return id.items;
}

/** The records of a torch file. */
export function readRecords(path: string): Records {
  const file = Deno.readFileSync(path);
  const view = new DataView(file.buffer);
  const end = file.length - 22;
  if (view.getUint32(end, true) !== 0x06054b50) {
    throw new Error(`${path}: no zip file, or one with a comment`);
  }
  const records = new Records();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const [size, nameBytes, extraBytes, commentBytes, header] = [
      view.getUint32(at + 24, true),
      view.getUint16(at + 28, true),
      view.getUint16(at + 30, true),
      view.getUint16(at + 32, true),
      view.getUint32(at + 42, true),
    ];
    const name = new TextDecoder().decode(file.subarray(at + 46, at + 46 + nameBytes));
    const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
    records.set(name.slice(name.indexOf("/") + 1), file.slice(start, start + size));
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  return records;
}

/** What a zip file is to say of its records, where that isn't the truth. */
export interface Lies {
  /** The archive's folder. */
  readonly stem?: string;
  /** CRC-32s by the names of records. */
  readonly crcs?: Readonly<Record<string, number>>;
  /** Compression methods by the names of records. */
  readonly methods?: Readonly<Record<string, number>>;
}

/** Packs records as a zip file, stored, in the order that they have. */
export function packRecords(records: ReadonlyMap<string, Uint8Array>, lies: Lies = {}): Uint8Array {
  const { stem = "model", crcs = {}, methods = {} } = lies;
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const add = (list: Uint8Array[], bytes: Uint8Array) => {
    list.push(bytes);
    return bytes.length;
  };
  for (const [name, data] of records) {
    const path = new TextEncoder().encode(`${stem}/${name}`);
    const facts: [number, number][] = [
      [2, 20], // needs version 2.0
      [2, 0x0800], // names are UTF-8
      [2, methods[name] ?? 0],
      [4, 0], // time and date
      [4, crcs[name] ?? crc32(data)],
      [4, data.length],
      [4, data.length],
      [2, path.length],
      [2, 0], // extra field
    ];
    add(directory, numbers([4, 0x02014b50], [2, 20], ...facts, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]));
    add(directory, path);
    at += add(parts, numbers([4, 0x04034b50], ...facts)) + add(parts, path) + add(parts, data);
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const [count, none] = [records.size, 0];
  const end = numbers([4, 0x06054b50], [4, none], [2, count], [2, count], [4, size], [4, at], [2, none]);
  return concat([...parts, ...directory, end]);
}

/** Writes records as a file. */
export function writeRecords(path: string, records: ReadonlyMap<string, Uint8Array>, lies: Lies = {}): void {
  Deno.writeFileSync(path, packRecords(records, lies));
}

/** Reads a torch file's records, changes them, and writes them back. */
export function editFile(path: string, change: (records: Records) => void, lies: Lies = {}): void {
  const records = readRecords(path);
  change(records);
  writeRecords(path, records, lies);
}

function numbers(...fields: (readonly [bytes: number, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, [width]) => sum + width, 0));
  let at = 0;
  for (const [width, value] of fields) {
    for (let i = 0; i < width; i++) bytes[at + i] = (value >>> (8 * i)) & 0xff;
    at += width;
  }
  return bytes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A copy of a shared checkpoint in a directory of its own: `step_10` and `model.yaml`, as fairseq2 left them. */
export class CheckpointCopy {
  /** The directory. */
  readonly path: string;

  /** Copies a case such as `fairseq2-0.3.0/llama3_bf16`. */
  constructor(name: string, path: string) {
    copyTree(join(CHECKPOINTS, name), path);
    this.path = path;
  }

  /** The step directory. */
  get step(): string {
    return join(this.path, "step_10");
  }

  /** The path of a model's file. */
  file(name = "model.pt"): string {
    return join(this.step, name);
  }

  /** Changes the records of a model's file. */
  edit(change: (records: Records) => void, lies: Lies = {}, name = "model.pt"): this {
    editFile(this.file(name), change, lies);
    return this;
  }

  /** Changes the state dict in a model's file. */
  editState(change: (state: Dict) => Dict | void, name = "model.pt"): this {
    return this.edit((records) => records.editState(change), {}, name);
  }

  /** Changes the text of model.yaml, in which what is replaced has to be. */
  editYaml(from: string | RegExp, to: string): this {
    const path = join(this.path, "model.yaml");
    const text = Deno.readTextFileSync(path);
    if (typeof from === "string" ? !text.includes(from) : !from.test(text)) {
      throw new Error(`${path} has no ${from}`);
    }
    Deno.writeTextFileSync(path, text.replace(from, to));
    return this;
  }

  /** Removes model.yaml. */
  removeYaml(): this {
    Deno.removeSync(join(this.path, "model.yaml"));
    return this;
  }
}
