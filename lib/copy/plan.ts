/** A plan: every byte of every output file, described before anything is written. */

import type { SourceFile } from "../bytes/source.ts";
import type { View } from "../bytes/view.ts";

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
  /** Everything else. What tells of checksums is left zero, until `completeLiterals()` fills it in. */
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
