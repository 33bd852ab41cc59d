/**
 * An output file that is made part by part in memory: which parts are under construction, and when one is whole.
 */

import { viewBytes } from "../bytes/view.ts";
import type { KernelFile } from "../bytes/kernel_file.ts";
import type { DealtChunk } from "./chunks.ts";
import { type ChunkCrcs, copyCrc } from "./copy_engine.ts";
import { completeLiterals } from "./literals.ts";
import type { ChunkResult } from "./kernel.ts";
import type { FileLayout, Literal } from "./plan.ts";

/** The memory of parts, which is used again: as garbage it would pile up faster than it is collected. */
export class PartBuffers {
  readonly #free: ArrayBuffer[] = [];

  /** Some bytes, all zero. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const buffer = this.#free.pop();
    if (buffer === undefined || buffer.byteLength < length) return new Uint8Array(length);
    return new Uint8Array(buffer, 0, length).fill(0);
  }

  /** Takes back what isn't needed any more. */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    this.#free.push(buffer);
  }
}

/** The parts of one file. It is also what the kernel writes to. */
export class FileParts implements KernelFile {
  /** How many parts there are: one at least, of an empty file, too. */
  readonly count: number;
  readonly #layout: FileLayout;
  readonly #partBytes: number;
  /** Parts of which some bytes are there. */
  readonly #begun = new Map<number, Uint8Array<ArrayBuffer>>();
  /** By part: how many bytes of copies have yet to be written into it. */
  readonly #missing: number[];
  /** By part: how many copies have to be read whole before its literals are known. */
  readonly #unknown: number[];
  /** By copy: the parts that tell of its CRC-32. */
  readonly #tellers: Set<number>[];
  readonly #chunks: ChunkCrcs[];
  /** By copy: how many bytes of it have yet to be settled; `undefined` once its CRC-32 is known. */
  readonly #left: (number | undefined)[];
  readonly #crcs: number[];
  #knownCopies = 0;
  #literals: readonly Literal[] = [];
  #literalsFor = -1;
  /** Parts that are neither taken nor waiting for bytes: they may wait for checksums. */
  readonly #full = new Set<number>();

  readonly #buffers: PartBuffers;

  /**
   * @param partBytes The length of each part but the last one.
   * @param buffers Where the memory of parts comes from.
   */
  constructor(layout: FileLayout, partBytes: number, buffers: PartBuffers = new PartBuffers()) {
    this.#buffers = buffers;
    const { size, copies, digest } = layout;
    this.#layout = layout;
    this.#partBytes = partBytes;
    this.count = Math.max(1, Math.ceil(size / partBytes));
    this.#missing = Array(this.count).fill(0);
    this.#unknown = Array(this.count).fill(0);
    this.#chunks = copies.map(() => new Map());
    this.#left = copies.map(({ view }) => viewBytes(view));
    this.#crcs = copies.map(() => 0);
    const spots = (at: number, length: number) => [this.#partAt(at), this.#partAt(at + length - 1)];
    const ofAll = digest === undefined ? [] : [
      ...spots(digest.at, digest.prefix.length + DIGEST_DIGITS),
      ...digest.crcPlaces.flatMap((at) => spots(at, 4)),
    ];
    this.#tellers = copies.map(({ at, view, crcPlaces = [] }) => {
      for (let from = at, end = at + viewBytes(view); from < end;) {
        const part = this.#partAt(from);
        const to = Math.min(end, (part + 1) * partBytes);
        this.#missing[part]! += to - from;
        from = to;
      }
      const tellers = new Set([...crcPlaces.flatMap((place) => spots(place, 4)), ...ofAll]);
      for (const part of tellers) this.#unknown[part]!++;
      return tellers;
    });
    this.#missing.forEach((missing, part) => missing === 0 && this.#full.add(part));
  }

  /** How many parts take memory, but for those that wait for checksums alone. */
  get begun(): number {
    return [...this.#begun.keys()].filter((part) => !this.#full.has(part)).length;
  }

  #partAt(at: number): number {
    return Math.floor(at / this.#partBytes);
  }

  #part(part: number): Uint8Array<ArrayBuffer> {
    let bytes = this.#begun.get(part);
    if (bytes === undefined) {
      const start = part * this.#partBytes;
      bytes = this.#buffers.take(Math.min(this.#partBytes, this.#layout.size - start));
      this.#begun.set(part, bytes);
    }
    return bytes;
  }

  /** Writes bytes of a copy. */
  write(buffer: Uint8Array, position: number): void {
    for (let done = 0; done < buffer.length;) {
      const part = this.#partAt(position + done);
      const bytes = this.#part(part);
      const at = position + done - part * this.#partBytes;
      const length = Math.min(buffer.length - done, bytes.length - at);
      bytes.set(buffer.subarray(done, done + length), at);
      done += length;
      this.#missing[part]! -= length;
      if (this.#missing[part] === 0) this.#full.add(part);
    }
  }

  /** Is never asked to. */
  read(): number {
    throw new TypeError("Cannot read a file that is being made");
  }

  /** Does nothing: parts stay until they are taken. */
  close(): void {}

  /**
   * Notes what became of a chunk whose bytes were written.
   *
   * @throws {FormatError} If the bytes of a copy don't have the CRC-32 that the source itself states.
   */
  settle({ copy, firstRow, rows, view }: DealtChunk, { crc }: ChunkResult): void {
    const bytes = rows * view.rowBytes;
    this.#chunks[copy]!.set(firstRow, { crc, bytes });
    const left = this.#left[copy];
    if (left === undefined) return;
    this.#left[copy] = left - bytes;
    if (left > bytes) return;
    this.#left[copy] = undefined;
    this.#crcs[copy] = copyCrc(this.#layout.copies[copy]!, this.#chunks[copy]!);
    this.#chunks[copy]!.clear();
    this.#knownCopies++;
    for (const part of this.#tellers[copy]!) this.#unknown[part]!--;
  }

  /** Takes the parts that are whole now, each once. */
  *takeWhole(): Generator<readonly [part: number, bytes: Uint8Array<ArrayBuffer>]> {
    for (const part of this.#full) {
      if (this.#unknown[part]! > 0) continue;
      const bytes = this.#part(part);
      this.#begun.delete(part);
      this.#full.delete(part);
      this.#fillLiterals(bytes, part * this.#partBytes);
      yield [part, bytes];
    }
  }

  #fillLiterals(into: Uint8Array, start: number): void {
    const end = start + into.length;
    const overlaps = (each: Literal) => each.at < end && each.at + each.bytes.length > start;
    if (!this.#layout.literals.some(overlaps)) return;
    if (this.#literalsFor !== this.#knownCopies) {
      this.#literals = completeLiterals(this.#layout, this.#crcs);
      this.#literalsFor = this.#knownCopies;
    }
    for (const { at, bytes } of this.#literals.filter(overlaps)) {
      const from = Math.max(0, start - at);
      into.set(bytes.subarray(from, Math.min(bytes.length, end - at)), at + from - start);
    }
  }
}

/** How many digits of a hash follow the prefix of a {@linkcode ChecksumDigest}. */
const DIGEST_DIGITS = 20;
