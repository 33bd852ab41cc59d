/** Checks that what was read from the sources is what their own checksums promise. */

import { FormatError } from "../error.ts";
import { combineCrc32 } from "./crc32.ts";
import type { ReadRun } from "./kernel.ts";
import type { KnownCrc } from "./plan.ts";

interface Entry {
  readonly known: KnownCrc;
  readonly runs: Map<number, ReadRun>;
}

/**
 * Collects runs that were read, and compares a source's record with its CRC-32 as soon as runs cover it. A
 * record that is only read in part (some of its rows go elsewhere) can't be checked, and isn't.
 */
export class SourceCheck {
  readonly #byPath = new Map<string, Entry[]>();

  /** Prepares to check the records given. */
  constructor(known: readonly KnownCrc[]) {
    for (const record of known) {
      const entries = this.#byPath.get(record.path) ?? [];
      entries.push({ known: record, runs: new Map() });
      this.#byPath.set(record.path, entries);
    }
    for (const entries of this.#byPath.values()) entries.sort((a, b) => a.known.offset - b.known.offset);
  }

  /**
   * Adds runs that were read.
   *
   * @throws {FormatError} If they complete a record whose CRC-32 is another.
   */
  add(reads: readonly ReadRun[]): void {
    for (const run of reads) {
      const entry = this.#find(run);
      if (entry === undefined) continue;
      // The same run is read again where several outputs take columns of it; once is enough.
      const seen = entry.runs.get(run.offset);
      if (seen !== undefined && seen.length >= run.length) continue;
      entry.runs.set(run.offset, run);
      this.#check(entry);
    }
  }

  #find(run: ReadRun): Entry | undefined {
    const entries = this.#byPath.get(run.path);
    if (entries === undefined) return undefined;
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (entries[middle]!.known.offset <= run.offset) low = middle + 1;
      else high = middle;
    }
    const entry = entries[low - 1];
    if (entry === undefined) return undefined;
    const { offset, length } = entry.known;
    return run.offset + run.length <= offset + length ? entry : undefined;
  }

  #check({ known, runs }: Entry): void {
    let at = known.offset;
    let crc = 0;
    const end = known.offset + known.length;
    while (at < end) {
      const run = runs.get(at);
      if (run === undefined) return;
      crc = combineCrc32(crc, run.crc, run.length);
      at += run.length;
    }
    if (crc !== known.crc) throw badCrc(known.path, known.label, known.crc, crc);
    runs.clear();
  }
}

/** The error for bytes that don't have the CRC-32 that they should have. */
export function badCrc(path: string, label: string, expected: number, found: number): FormatError {
  const hex = (crc: number) => crc.toString(16).padStart(8, "0");
  return new FormatError(
    `${path}: ${label}: the bytes are damaged (CRC-32 ${hex(found)}, expected ${hex(expected)}); ` +
      "get the file again from where it was written",
  );
}
