/**
 * The golden files of `fixtures/torch`, and what a layout comes to.
 *
 * @module
 */

import { completeLiterals } from "../../lib/copy/literals.ts";
import { assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import { createKernel } from "../../lib/copy/kernel.ts";
import { openKernelFile } from "../../lib/bytes/kernel_file.ts";
import type { FileLayout } from "../../lib/copy/plan.ts";
import { type ByteSource, FileSource } from "../../lib/bytes/source.ts";
import { type View, viewBytes } from "../../lib/bytes/view.ts";
import { type PickleValue, Reduction } from "../../lib/pickle/mod.ts";
import type { Tensor } from "../../lib/tensor/tensor.ts";
import { openTorchFile, type TorchFile } from "../../lib/torch/torch_file.ts";

/** The versions of torch that wrote the files. */
export const versions = ["2.5.1", "2.13.0"] as const;

/** What torch says of a tensor. */
export interface ExpectedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: number[];
  readonly stride: number[];
  readonly storage_offset: number;
  /** Which storage, in the order of their first use. */
  readonly storage: number;
  readonly storage_bytes: number;
  readonly requires_grad: boolean;
  readonly is_parameter: boolean;
  /** The items in row-major order. */
  readonly bytes: string;
}

const folder = new URL("../../fixtures/torch/", import.meta.url);

/** The path of a golden file. */
export function fixturePath(name: string): string {
  return new URL(name, folder).pathname;
}

/** The value of a golden JSON file. */
export function readJson<T>(name: string): T {
  return JSON.parse(Deno.readTextFileSync(new URL(name, folder))) as T;
}

/** All cases of a version, with what torch says of their tensors. */
export function casesOf(version: string): [name: string, tensors: ExpectedTensor[]][] {
  return Object.entries(readJson<Record<string, ExpectedTensor[]>>(`${version}/expected.json`));
}

/** Opens a torch file, does something with it, and closes it. */
export async function withTorchFile<T>(path: string, run: (file: TorchFile) => T | Promise<T>): Promise<T> {
  using source = FileSource.open(path);
  return await run(await openTorchFile(source));
}

/** The tensors of a file's dict, or of the dict under its key `"model"`. */
export function stateOf(file: TorchFile): Map<string, Tensor> {
  const state = new Map<string, Tensor>();
  for (const [name, value] of itemsOf(itemsOf(file.root).get("model") ?? file.root)) {
    const tensor = file.tensor(value, String(name));
    if (tensor !== undefined) state.set(String(name), tensor);
  }
  return state;
}

/** The items of a dict or an `OrderedDict`. */
export function itemsOf(value: PickleValue): Map<PickleValue, PickleValue> {
  return value instanceof Map ? value : value instanceof Reduction ? value.dictItems : new Map();
}

/** The bytes of a view. */
export function readView(view: View): Uint8Array {
  const kernel = createKernel({ open: openKernelFile, crc32 }, 1 << 16);
  const into = new Uint8Array(viewBytes(view));
  kernel.fill(view, 0, view.rows, into);
  kernel.close();
  return into;
}

/** The file that a layout describes, laid over a base if one is given. Nothing may lie over anything else. */
export function render(layout: FileLayout, base?: Uint8Array): Uint8Array {
  const file = new Uint8Array(layout.size);
  if (base !== undefined) file.set(base.subarray(0, layout.size));
  const covered = new Uint8Array(layout.size);
  const put = (at: number, bytes: Uint8Array) => {
    for (let i = at; i < at + bytes.length; i++) {
      if (covered[i]!++ > 0) throw new Error(`Byte ${i} is written twice`);
    }
    file.set(bytes, at);
  };
  const crcs = layout.copies.map(({ at, view, crc }) => {
    const bytes = readView(view);
    put(at, bytes);
    if (crc !== undefined) assertEquals(crc, crc32(bytes));
    return crc32(bytes);
  });
  for (const { at, bytes } of completeLiterals(layout, crcs)) put(at, bytes);
  if (base === undefined) assertEquals(covered.indexOf(0), -1, "a byte is never written");
  return file;
}

/** A record as the tests' own walker of zip files finds it. */
export interface WalkedRecord {
  /** The full name. */
  readonly name: string;
  /** Where the local header starts. */
  readonly headerAt: number;
  /** Where the data starts. */
  readonly dataAt: number;
  /** The data. */
  readonly data: Uint8Array;
}

/**
 * Reads an archive of torch's from the front to the back, and asserts that it is exactly that: records without gaps
 * between them, with descriptors that have the CRC-32 of the data, then a directory that says the same, then the
 * three end records. It shares no code with the library.
 */
export function walkArchive(file: Uint8Array): WalkedRecord[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const text = (at: number, length: number) => new TextDecoder().decode(file.subarray(at, at + length));
  const directoryAt = view.getUint32(file.length - 6, true);
  const sizes = new Map<number, [size: number, crc: number, flags: number, name: string]>();
  let at = directoryAt;
  while (view.getUint32(at, true) === 0x02014b50) {
    const nameBytes = view.getUint16(at + 28, true);
    assertEquals(view.getUint16(at + 30, true) + view.getUint16(at + 32, true), 0);
    assertEquals([view.getUint16(at + 10, true), view.getUint32(at + 20, true)], [
      0,
      view.getUint32(at + 24, true),
    ]);
    sizes.set(view.getUint32(at + 42, true), [
      view.getUint32(at + 24, true),
      view.getUint32(at + 16, true),
      view.getUint16(at + 8, true),
      text(at + 46, nameBytes),
    ]);
    at += 46 + nameBytes;
  }
  assertEquals(file.length - at, 56 + 20 + 22);
  assertEquals([view.getUint32(at, true), view.getUint32(at + 56, true), view.getUint32(at + 76, true)], [
    0x06064b50,
    0x07064b50,
    0x06054b50,
  ]);
  assertEquals(Number(view.getBigUint64(at + 56 + 8, true)), at);
  for (
    const [count, length, start] of [
      [view.getBigUint64(at + 24, true), view.getBigUint64(at + 40, true), view.getBigUint64(at + 48, true)],
      [
        view.getUint16(at + 76 + 8, true),
        view.getUint32(at + 76 + 12, true),
        view.getUint32(at + 76 + 16, true),
      ],
    ]
  ) {
    assertEquals([Number(count), Number(length), Number(start)], [sizes.size, at - directoryAt, directoryAt]);
  }
  const records: WalkedRecord[] = [];
  for (let next = 0; next < directoryAt;) {
    assertEquals(view.getUint32(next, true), 0x04034b50, `no local header at ${next}`);
    const [size, crc, flags, name] = sizes.get(next)!;
    const nameBytes = view.getUint16(next + 26, true);
    const dataAt = next + 30 + nameBytes + view.getUint16(next + 28, true);
    assertEquals([view.getUint16(next + 6, true), text(next + 30, nameBytes)], [flags, name]);
    assertEquals(text(next + 30 + nameBytes, 2), "FB");
    assertEquals(view.getUint16(next + 32 + nameBytes, true), dataAt - next - 34 - nameBytes);
    const data = file.subarray(dataAt, dataAt + size);
    assertEquals([data.length, crc32(data)], [size, crc], name);
    records.push({ name, headerAt: next, dataAt, data });
    next = dataAt + size;
    if ((flags & 8) === 0) continue;
    assertEquals(
      [0, 4, 8, 12].map((offset) => view.getUint32(next + offset, true)),
      [0x08074b50, crc, size, size],
      name,
    );
    next += 16;
  }
  assertEquals(records.length, sizes.size);
  return records;
}

/** A record of an archive that is too big to keep. */
export interface BigRecord {
  /** The full name. */
  readonly name: string;
  readonly header_at: number;
  readonly data_at: number;
  readonly size: number;
  readonly crc: number;
  /** The local header. */
  readonly local: string;
  readonly descriptor: string;
  /** The data, but of storages that are all zeros. */
  readonly data: string | null;
}

/** An archive that is too big to keep. */
export interface BigArchive {
  readonly records: readonly BigRecord[];
  readonly directory_at: number;
  /** The directory and all that follows. */
  readonly end: string;
  readonly size: number;
  /** The archive, of which just the storages' data is left out and reads as zeros. */
  readonly source: ByteSource;
}

/** The archives past 4 GiB that a version of torch wrote. */
export function bigArchives(version: string): [name: string, archive: BigArchive][] {
  const archives = readJson<Record<string, Omit<BigArchive, "source">>>(`big.${version}.json`);
  return Object.entries(archives).map((
    [name, archive],
  ) => [name, { ...archive, source: bigSource(archive) }]);
}

function bigSource({ records, directory_at, end, size }: Omit<BigArchive, "source">): ByteSource {
  const pieces = [
    ...records.flatMap(({ header_at, local, data_at, size, data, descriptor }) => [
      { at: header_at, bytes: Uint8Array.fromHex(local) },
      { at: data_at, bytes: Uint8Array.fromHex(data ?? "") },
      { at: data_at + size, bytes: Uint8Array.fromHex(descriptor) },
    ]),
    { at: directory_at, bytes: Uint8Array.fromHex(end) },
  ];
  return {
    path: "file.pt",
    size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      for (const piece of pieces) {
        const from = Math.max(offset, piece.at);
        const to = Math.min(offset + length, piece.at + piece.bytes.length);
        if (from < to) bytes.set(piece.bytes.subarray(from - piece.at, to - piece.at), from - offset);
      }
      return Promise.resolve(bytes);
    },
  };
}
