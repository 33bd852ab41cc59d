/**
 * Archives with anything wrong in them, built byte by byte.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import type { ByteSource } from "../../lib/bytes/source.ts";
import { type PickleValue, writePickle } from "../../lib/pickle/mod.ts";
import { layoutArchive } from "../../lib/torch/archive_layout.ts";
import { render } from "./_fixtures.ts";

/** A record of an archive, and what is told of it. What isn't given is as it should be. */
export interface ZipRecord {
  /** The name in the directory. */
  readonly name: string;
  /** The data. */
  readonly data: Uint8Array;
  /** What the directory says. */
  readonly directory?: Partial<ZipFacts>;
  /** What the local header says. */
  readonly local?: Partial<ZipFacts> & { readonly name?: string; readonly signature?: number };
  /** Whether there is no entry in the directory. */
  readonly isHidden?: boolean;
}

/** What the directory and the local header say of a record. */
export interface ZipFacts {
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly extra: Uint8Array;
  readonly attributes: number;
  readonly headerAt: number;
  /** What only the directory says: who made it, on which disk it lies, and a comment. */
  readonly made: number;
  readonly disk: number;
  readonly comment: Uint8Array;
}

/** What is wrong with the end of an archive. */
export interface ZipEnd {
  /** What lies before the first record. Offsets count it. */
  readonly prefix?: Uint8Array;
  /** Whether offsets don't count the prefix. */
  readonly isShifted?: boolean;
  /** What lies between the records and the directory. */
  readonly gap?: Uint8Array;
  /** What lies between the directory and the end records. */
  readonly beforeEnd?: Uint8Array;
  /** What lies behind the end. */
  readonly suffix?: Uint8Array;
  /** What the end record says. */
  readonly end?: {
    readonly count?: number;
    readonly length?: number;
    readonly at?: number;
    readonly comment?: Uint8Array;
  };
  /** What the zip64 end record says; `false` for none. */
  readonly zip64?: false | {
    readonly count?: number;
    readonly length?: number;
    readonly at?: number;
    readonly locator?: number;
  };
}

/** Numbers of so many bytes, little-endian. */
export function le(...fields: (readonly [value: number, bytes: number] | Uint8Array)[]): Uint8Array {
  const parts = fields.map((field) => {
    if (field instanceof Uint8Array) return field;
    const [value, bytes] = field;
    const view = new DataView(new ArrayBuffer(Math.max(8, bytes)));
    view.setBigUint64(0, BigInt(value), true);
    return new Uint8Array(view.buffer, 0, bytes);
  });
  return concat(...parts);
}

/** Bytes put together. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The bytes of a text. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** Builds a zip file. */
export function buildZip(records: readonly ZipRecord[], end: ZipEnd = {}): Uint8Array<ArrayBuffer> {
  const { prefix = new Uint8Array(0), isShifted = false, gap = new Uint8Array(0) } = end;
  const { beforeEnd = new Uint8Array(0), suffix = new Uint8Array(0), zip64 = {} } = end;
  const parts: Uint8Array[] = [prefix];
  const directory: Uint8Array[] = [];
  let at = prefix.length;
  let count = 0;
  for (const { name, data, directory: stated = {}, local = {}, isHidden = false } of records) {
    const facts: ZipFacts = {
      flags: 0x0800,
      method: 0,
      crc: crc32(data),
      compressedSize: data.length,
      size: data.length,
      extra: new Uint8Array(0),
      attributes: 0,
      made: 0,
      disk: 0,
      comment: new Uint8Array(0),
      headerAt: at - (isShifted ? prefix.length : 0),
    };
    const here = { ...facts, name, signature: 0x04034b50, ...local };
    const header = le(
      [here.signature, 4],
      [0, 2],
      [here.flags, 2],
      [here.method, 2],
      [0, 4],
      [here.crc, 4],
      [here.compressedSize, 4],
      [here.size, 4],
      [text(here.name).length, 2],
      [here.extra.length, 2],
      text(here.name),
      here.extra,
    );
    parts.push(header, data);
    at += header.length + data.length;
    if (isHidden) continue;
    const there = { ...facts, ...stated };
    directory.push(le(
      [0x02014b50, 4],
      [there.made, 2],
      [0, 2],
      [there.flags, 2],
      [there.method, 2],
      [0, 4],
      [there.crc, 4],
      [there.compressedSize, 4],
      [there.size, 4],
      [text(name).length, 2],
      [there.extra.length, 2],
      [there.comment.length, 2],
      [there.disk, 2],
      [0, 2],
      [there.attributes, 4],
      [there.headerAt, 4],
      text(name),
      there.extra,
      there.comment,
    ));
    count++;
  }
  parts.push(gap);
  at += gap.length;
  const table = concat(...directory);
  parts.push(table, beforeEnd);
  const shift = isShifted ? prefix.length : 0;
  const endAt = at + table.length + beforeEnd.length;
  if (zip64 !== false) {
    parts.push(le(
      [0x06064b50, 4],
      [44, 8],
      [0, 12],
      [zip64.count ?? count, 8],
      [zip64.count ?? count, 8],
      [zip64.length ?? table.length, 8],
      [zip64.at ?? at - shift, 8],
      [0x07064b50, 4],
      [0, 4],
      [zip64.locator ?? endAt - shift, 8],
      [1, 4],
    ));
  }
  const { comment = new Uint8Array(0) } = end.end ?? {};
  parts.push(
    le(
      [0x06054b50, 4],
      [0, 4],
      [end.end?.count ?? count, 2],
      [end.end?.count ?? count, 2],
      [end.end?.length ?? table.length, 4],
      [end.end?.at ?? at - shift, 4],
      [comment.length, 2],
      comment,
    ),
    suffix,
  );
  return concat(...parts);
}

/** A torch file with this value as its pickle, and storages by key. */
export function torchFile(
  root: PickleValue | Uint8Array,
  storages: Record<string, Uint8Array> = {},
): Uint8Array {
  return render(layoutArchive([
    { name: "data.pkl", bytes: root instanceof Uint8Array ? root : writePickle(root) },
    { name: "byteorder", bytes: text("little") },
    ...Object.entries(storages).map(([key, bytes]) => ({ name: `data/${key}`, bytes })),
    { name: "version", bytes: text("3\n") },
  ], { stem: "model" }));
}

/** Bytes in memory as a source named `file.pt`. Reads outside of them are errors that nothing expects. */
export function memorySource(bytes: Uint8Array, reads?: [offset: number, length: number][]): ByteSource {
  return {
    path: "file.pt",
    size: bytes.length,
    read(offset, length) {
      if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
        throw new Error(`Cannot read ${length} bytes at ${offset} of ${bytes.length}`);
      }
      reads?.push([offset, length]);
      return Promise.resolve(bytes.slice(offset, offset + length) as Uint8Array<ArrayBuffer>);
    },
  };
}
