/**
 * Finished files: what is recorded of each, and whether it still holds what it should. Neither a name nor a size is
 * trusted, since after a crash or a power cut a file may have both and other bytes.
 */

import { join } from "../deps.ts";
import { lstat, readIfThere, removeFile, replaceFile } from "../bytes/file_system.ts";
import { bytes, type View, viewBytes } from "../bytes/view.ts";
import { checksums } from "../copy/checksums.ts";
import type { CopyOptions, Finished } from "../copy/copy_engine.ts";
import { completeLiterals } from "../copy/literals.ts";
import { fingerprint, stampOf } from "../copy/fingerprint.ts";
import type { FileLayout, OutputFile, Plan } from "../copy/plan.ts";
import { FileError } from "../error.ts";

/** What files are made of. */
export interface Origin {
  /** The fingerprint of their plan. */
  readonly plan: string;
  /** The stamp of its sources. */
  readonly sources: string;
}

/** What is recorded of a finished file. */
interface FinishedRecord extends Origin, Finished {}

/** What a plan's files are made of, now. */
export function originOf(plan: Plan): Origin {
  return { plan: fingerprint(plan), sources: stampOf(plan) };
}

/** Where the record of a file is: all of them are in one directory, each for itself, so that tasks share nothing. */
function recordPath(sums: string, name: string): string {
  return join(sums, `${encodeURIComponent(name)}.json`);
}

/** Records what a finished file is made of and what it holds, in one step. */
export function writeRecord(sums: string, name: string, record: Origin & Finished, sync: boolean): void {
  replaceFile(recordPath(sums, name), JSON.stringify(record) + "\n", sync);
}

/** Forgets what is recorded of a file. */
export function removeRecord(sums: string, name: string): void {
  removeFile(recordPath(sums, name));
}

/** What is recorded of a file; `undefined` if nothing is, if it is of another origin, or if a crash left a part of it. */
function readRecord(sums: string, name: string, { plan, sources }: Origin): FinishedRecord | undefined {
  const text = readIfThere(recordPath(sums, name));
  try {
    const record = JSON.parse(text ?? "") as FinishedRecord;
    return record.plan === plan && record.sources === sources ? record : undefined;
  } catch {
    return undefined;
  }
}

export type ReadOptions = Pick<CopyOptions, "jobs" | "signal" | "onProgress">;

/** The CRC-32 of views, with progress. */
export async function readChecksums(
  views: readonly View[],
  totalFiles: number,
  options: ReadOptions,
): Promise<number[]> {
  if (views.length === 0) return [];
  const totalBytes = views.reduce((sum, view) => sum + viewBytes(view), 0);
  const onProgress = (bytes: number) =>
    options.onProgress?.({ bytes, totalBytes, files: 0, totalFiles, isComparing: true });
  return await checksums(views, { ...options, onProgress });
}

/**
 * Reads files of a plan, and finds those that aren't what they should be: by the checksums that were recorded of them.
 * Where there is no record, or the sources may have changed since, they are compared with what the sources give now.
 *
 * @param sums The directory of the records, where there is one.
 * @param origin What the files should be made of.
 * @returns By name, in what they differ.
 * @throws {FileError} If a file or a source can't be read.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function findDifferent(
  directory: string,
  files: readonly OutputFile[],
  sums: string | undefined,
  origin: Origin,
  options: ReadOptions,
): Promise<Map<string, string>> {
  const different = new Map<string, string>();
  const views: View[] = [];
  const checks: (readonly [name: string, count: number, check: (crcs: number[]) => string | undefined])[] =
    [];
  for (const file of files) {
    const path = join(directory, file.name);
    const record = sums === undefined ? undefined : readRecord(sums, file.name, origin);
    const info = lstat(path);
    const layout = info?.isFile ? layoutOfSize(file, info.size) : undefined;
    if (!info?.isFile) {
      different.set(file.name, "isn't a file");
    } else if (info.size !== (record ?? layout)?.size) {
      different.set(file.name, `has ${info.size} bytes, not ${(record ?? file).size}`);
    } else if (record !== undefined) {
      views.push(bytes(path, 0, info.size));
      checks.push([file.name, 1, ([crc]) => crc === record.crc ? undefined : otherCrc(crc!, record.crc)]);
    } else {
      const needed = viewsOf(layout!, path);
      views.push(...needed);
      checks.push([file.name, needed.length, (crcs) => compareWithPlan(layout!, path, crcs)]);
    }
  }
  const crcs = await readChecksums(views, checks.length, options);
  for (const [name, count, check] of checks) {
    const found = check(crcs.splice(0, count));
    if (found !== undefined) different.set(name, found);
  }
  return different;
}

function otherCrc(found: number, expected: number): string {
  const hex = (crc: number) => crc.toString(16).padStart(8, "0");
  return `has other bytes (CRC-32 ${hex(found)}, not ${hex(expected)})`;
}

/** Which of the ways to make a file gives this size. */
function layoutOfSize(file: OutputFile, size: number): FileLayout | undefined {
  if (size === file.size) return file;
  return size === file.overlay?.size ? file.overlay : undefined;
}

/** What has to be read to compare a file with its layout: what isn't known of the sources, and the file. */
function viewsOf({ copies }: FileLayout, path: string): View[] {
  const unknown = copies.filter(({ crc }) => crc === undefined);
  return [
    ...unknown.map(({ view }) => view),
    ...copies.map(({ at, view }) => bytes(path, at, viewBytes(view))),
  ];
}

function compareWithPlan(layout: FileLayout, path: string, crcs: number[]): string | undefined {
  const expected = layout.copies.map(({ crc }) => crc ?? crcs.shift()!);
  const differs = layout.copies.find((_, i) => crcs[i] !== expected[i]);
  if (differs !== undefined) return `isn't what the input gives now (${differs.label})`;
  return holdsLiterals(path, layout, expected) ? undefined : "isn't what the input gives now";
}

/**
 * Whether an output directory has all files of a plan by name and size, with what the plan itself writes as far as that
 * is known before anything is read: texts, and of torch's archives the directory with the checksums of all tensors.
 */
export function looksComplete({ files }: Plan, directory: string): boolean {
  return files.every((file) => {
    const path = join(directory, file.name);
    const info = lstat(path);
    const layout = info?.isFile ? layoutOfSize(file, info.size) : undefined;
    if (layout === undefined) return false;
    const crcs = layout.copies.map(({ crc }) => crc);
    return crcs.includes(undefined) || holdsLiterals(path, layout, crcs as number[]);
  });
}

function holdsLiterals(path: string, layout: FileLayout, crcs: readonly number[]): boolean {
  using file = Deno.openSync(path);
  return completeLiterals(layout, crcs).every(({ at, bytes }) => {
    const found = new Uint8Array(bytes.length);
    file.seekSync(at, Deno.SeekMode.Start);
    for (let filled = 0; filled < found.length;) {
      const count = file.readSync(found.subarray(filled));
      if (count === null) throw new FileError(`${path}: the file became shorter while it was read`);
      filled += count;
    }
    return found.every((byte, i) => byte === bytes[i]);
  });
}

/** The sizes in bytes of a plan's files in a directory, which are as planned for those that aren't there. */
export function sizesIn(directory: string, plan: Plan): { readonly name: string; readonly bytes: number }[] {
  return plan.files.map((file) => ({
    name: file.name,
    bytes: lstat(join(directory, file.name))?.size ?? file.size,
  }));
}
