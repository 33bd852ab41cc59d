/**
 * A plan: every byte of every output file, described before anything is written.
 *
 * @module
 */

import type { SourceFile } from "../bytes/source.ts";
import { createHash } from "node:crypto";
import type { View } from "../bytes/view.ts";
import { completeLiterals } from "./literals.ts";

/** Bytes that the plan itself holds. */
export interface Literal {
  /** Where they go, in bytes from the start of the output file. */
  readonly at: number;
  /** The bytes. */
  readonly bytes: Uint8Array;
}

/** Bytes gathered from source files. */
export interface Copy {
  /** What they are, for people: a record's or tensor's name. */
  readonly label: string;
  /** Where they go, in bytes from the start of the output file. */
  readonly at: number;
  /** The bytes. */
  readonly view: View;
  /** Their CRC-32, where it is known before they are read. */
  readonly crc?: number;
  /** Where in the output file's literals their CRC-32 goes, as four bytes, the lowest first. */
  readonly crcPlaces?: readonly number[];
}

/** A text of a literal that tells of checksums: torch's `.data/serialization_id`, which nothing reads. */
export interface ChecksumDigest {
  /** Where it goes, in bytes from the start of the output file. */
  readonly at: number;
  /** What it begins with; 20 digits of a hash over the CRC-32s follow. */
  readonly prefix: string;
  /** The CRC-32s, in order; `null` where that of the next copy goes that has any bytes. */
  readonly crcs: readonly (number | null)[];
  /** Where its own CRC-32 goes. */
  readonly crcPlaces: readonly number[];
}

/** One way to make an output file. */
export interface FileLayout {
  /** The size of the file in bytes. */
  readonly size: number;
  /** What is gathered from source files. */
  readonly copies: readonly Copy[];
  /** Everything else. What tells of checksums is left zero, until {@linkcode completeLiterals} fills it in. */
  readonly literals: readonly Literal[];
  /** What tells of all checksums, where there is such a thing. */
  readonly digest?: ChecksumDigest;
}

/** An output file that is laid over one of its sources. */
export interface Overlay extends FileLayout {
  /**
   * The source. After the output was made as a copy of it, a copy that is a plain run of this file at its own
   * place is there already and need not be moved.
   */
  readonly base: string;
}

/** A tensor that an output file holds, for people. */
export interface PlannedTensor {
  /** What it is called in the input: its canonical name, where layouts have names of their own for it. */
  readonly from: string;
  /** What it is called in the output. */
  readonly to: string;
  /** Its dtype, by torch's name. */
  readonly dtype: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** Its size in bytes. */
  readonly bytes: number;
}

/** An output file. */
export interface OutputFile extends FileLayout {
  /** Its name below the output directory, with `/` between the parts. */
  readonly name: string;
  /** The tensors in it; none in a file of text. */
  readonly tensors: readonly PlannedTensor[];
  /** Another way to make it, which is better where the file system can share blocks between files. */
  readonly overlay?: Overlay;
}

/** A run of bytes of a source file whose CRC-32 is known, so that reading it can be checked. */
export interface KnownCrc {
  /** What it is, for people. */
  readonly label: string;
  /** The file. */
  readonly path: string;
  /** Where the run starts, in bytes. */
  readonly offset: number;
  /** The length of the run in bytes. */
  readonly length: number;
  /** Its CRC-32. */
  readonly crc: number;
}

/** What is to be written, and from what: plain data, which can be cloned, sent and stored. */
export interface Plan {
  /** The files to write. */
  readonly files: readonly OutputFile[];
  /** The files to read. */
  readonly sources: readonly SourceFile[];
  /** What is known of the sources' checksums: of a source either all that is read, or nothing. */
  readonly known: readonly KnownCrc[];
}

/**
 * Whether a copy's bytes are at their place once the output was made as a copy of the overlay's base. One whose
 * CRC-32 isn't known has to be read all the same.
 */
export function isInPlace(copy: Copy, overlay: Overlay): boolean {
  const { view, crc } = copy;
  return crc !== undefined && view.op === "bytes" && view.path === overlay.base && view.offset === copy.at;
}

/**
 * Hashes a plan. Two plans with the same fingerprint write the same files, on whatever machine and from whatever
 * directory they are made, as long as the sources' bytes are the same. Of those it knows what the sources say of
 * themselves: their tables of contents, which for torch's archives hold the CRC-32 of every tensor. Where they hold
 * none, {@linkcode stampOf} tells more.
 *
 * @param plan The plan.
 * @returns 64 hexadecimal digits (SHA-256).
 */
export function fingerprint(plan: Plan): string {
  const hash = createHash("sha256");
  const paths = new Map(plan.sources.map(({ path, realPath }) => [path, realPath]));
  const real = (path: string) => paths.get(path) ?? path;
  hash.update(JSON.stringify(plan.sources.map(({ realPath, size, contents }) => [realPath, size, contents])));
  for (const file of plan.files) {
    hash.update(`\n${JSON.stringify(file.name)}\n`);
    // What lies over its source follows from that and the names of its tensors.
    if (file.overlay !== undefined) {
      hash.update(JSON.stringify([real(file.overlay.base), file.tensors]));
      continue;
    }
    for (const { at, view } of file.copies) {
      // Most views are plain runs, and there may be tens of thousands.
      const what = view.op === "bytes"
        ? `${real(view.path)}\0${view.offset} ${view.rows} ${view.rowBytes}`
        : JSON.stringify(view, (key, value) => key === "path" ? real(value) : value);
      hash.update(`${at} ${what}\n`);
    }
    for (const { at, bytes } of completeLiterals(file, file.copies.map((copy) => copy.crc ?? 0))) {
      hash.update(`${at} ${bytes.length}\n`);
      hash.update(bytes);
    }
  }
  return hash.digest("hex");
}

/** How long ago a source must have changed last, in milliseconds: Deno tells a ctime to the second, and clocks differ. */
const SETTLED = 2000;

/**
 * Hashes what the file system tells of the sources whose checksums nobody knows (safetensors, torch's format before
 * 1.6): while this is the same, so are their bytes. It changes without them, too, by `touch` or `chmod`; then only
 * reading them tells. The device is left out, since machines that share a file system number it differently.
 *
 * A source that changed just now may change once more and have the same times: of such a one it is never the same.
 *
 * @param plan The plan.
 * @param now The time, in milliseconds since 1970.
 * @returns 64 hexadecimal digits (SHA-256).
 */
export function stampOf({ sources, known }: Plan, now = Date.now()): string {
  const checked = new Set(known.map(({ path }) => path));
  const unchecked = sources.filter(({ path }) => !checked.has(path));
  const stamps: unknown[] = unchecked.map(({ mtime, ctime, ino }) => [mtime, ctime, ino]);
  if (unchecked.some(({ ctime }) => ctime === null || ctime > now - SETTLED)) {
    stamps.push(crypto.randomUUID());
  }
  return createHash("sha256").update(JSON.stringify(stamps)).digest("hex");
}
