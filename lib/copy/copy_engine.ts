/** The copy engine: makes the files of a plan in constant memory, with several workers. */

import { CancelledError, FileError } from "../error.ts";
import { type CastLoss, CastLosses } from "./cast_losses.ts";
import { dealBatches, type DealtChunk, type StartedFile } from "./chunks.ts";
import { combineCrc32, crc32 } from "./crc32.ts";
import { messageOf } from "../bytes/file_system.ts";
import { openKernelFile } from "../bytes/kernel_file.ts";
import { completeLiterals } from "./literals.ts";
import type { ChunkResult } from "./kernel.ts";
import { type Destination, startFiles } from "./start_files.ts";
import { type Copy, type FileLayout, isInPlace, type Literal, type Plan } from "./plan.ts";
import { isRemote as isRemotePath } from "../bytes/remote.ts";
import { FileSource, isUnchanged, type SourceFile } from "../bytes/source.ts";
import { stridedRecords } from "./shared_records.ts";
import { badCrc, SourceCheck } from "./source_check.ts";
import { type BytesView, viewBytes, viewPaths } from "../bytes/view.ts";
import { type Pool, withPool } from "./pool.ts";

/** How much is read at a time, in bytes. Measured: see docs/speed.md. */
const BLOCK_BYTES = 512 * 1024;

/** About how much is dealt to a worker at a time, in bytes: a few milliseconds' work. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/** The most chunks in a batch, so that thousands of small tensors are still dealt to all workers. */
const BATCH_CHUNKS = 64;

/** How far a copy has come. */
export interface CopyProgress {
  /** Bytes written so far. */
  readonly bytes: number;
  /** Bytes to write in all. */
  readonly totalBytes: number;
  /** Bytes sent to a store so far, where the output is in one. */
  readonly sent?: number;
  /** Files finished so far. */
  readonly files: number;
  /** Files to write in all. */
  readonly totalFiles: number;
  /** The file that was finished just now, if one was. */
  readonly finished?: string;
  /** Whether files that are there already are being read and compared, and none made: then the bytes are those. */
  readonly isComparing?: boolean;
}

/** How files are to be made. */
export interface CopyOptions {
  /** How many workers copy; by default two, or one on a single core. */
  readonly jobs?: number;
  /** Whether to clone sources where the file system can. True by default. */
  readonly clone?: boolean;
  /** Whether to read every file back once it is written, and compare checksums. */
  readonly verify?: boolean;
  /** Whether to flush every file to its device before it counts as finished. */
  readonly sync?: boolean;
  /** Called as the work proceeds. */
  readonly onProgress?: (progress: CopyProgress) => void;
  /** Cancels the work. */
  readonly signal?: AbortSignal;
}

/** What was done. */
export interface CopyResult {
  /** The names of the files that were made as clones. */
  readonly cloned: readonly string[];
  /** Tensors of which a cast made infinities, or with NaN in them, by name. */
  readonly losses: readonly CastLoss[];
}

/** What a finished file holds. */
export interface Finished {
  /** Its size in bytes, which for a clone is another than planned. */
  readonly size: number;
  /** The CRC-32 of all its bytes. */
  readonly crc: number;
}

interface Progressing {
  readonly target: StartedFile;
  readonly layout: FileLayout;
  /** By copy. */
  readonly parts: ChunkCrcs[];
  left: number;
}

/**
 * Makes files of a plan.
 *
 * @param destinations The files to make, which may be some of the plan's, and where.
 * @param finish Called with each file once all its bytes are at their place, flushed where that was asked for.
 * @param begin Called with the files once they are there, empty or as clones, and before anything is written into them.
 * @throws {FormatError} If a source's bytes don't have the checksum that the source itself states.
 * @throws {FileError} If a file can't be read or written, or a source changed.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function copyFiles(
  plan: Plan,
  destinations: readonly Destination[],
  finish: (destination: Destination, made: Finished) => void,
  options: CopyOptions = {},
  begin: (started: readonly StartedFile[]) => Promise<void> = () => Promise.resolve(),
): Promise<CopyResult> {
  const { clone = true, verify = false, sync = false, onProgress, signal } = options;
  if (signal?.aborted) throw new CancelledError("Cancelled");
  const sourceCheck = new SourceCheck(plan.known);
  const sources = new Map(plan.sources.map((source) => [source.path, source]));
  for (const source of plan.sources) checkUnchanged(source);
  const started = await startFiles(destinations, clone, signal);
  await begin(started);
  const cloned = started.filter(({ overlay }) => overlay !== undefined).map(({ file }) => file.name);

  const batches = dealBatches(started, CHUNK_BYTES, BATCH_CHUNKS);
  const chunks = batches.flat();
  const progressing = started.map((target): Progressing => {
    const layout = target.overlay ?? target.file;
    return { target, layout, parts: layout.copies.map(() => new Map()), left: 0 };
  });
  for (const chunk of chunks) progressing[chunk.file]!.left++;
  const strided = stridedRecords(progressing.flatMap(({ layout }) => layout.copies), plan.known);
  const stridedBytes = strided.reduce((sum, { length }) => sum + length, 0);
  const copyBytes = chunks.reduce((sum, chunk) => sum + chunk.rows * chunk.view.rowBytes, 0);
  const verifyBytes = verify ? progressing.reduce((sum, { layout }) => sum + layoutBytes(layout), 0) : 0;
  const totalBytes = stridedBytes + copyBytes + verifyBytes;

  const pieces = Math.max(batches.length, Math.ceil(verifyBytes / CHUNK_BYTES));
  const losses = new CastLosses();
  let files = 0;
  const report = (bytes: number, finished?: string) =>
    onProgress?.({
      bytes,
      totalBytes,
      files,
      totalFiles: destinations.length,
      ...(finished === undefined ? {} : { finished }),
    });

  const copyWith = async (pool: Pool) => {
    const complete = async (file: Progressing) => {
      const crcs = copyCrcs(file);
      const { target, layout } = file;
      for (
        const path of layout.copies.reduce((paths, copy) => viewPaths(copy.view, paths), new Set<string>())
      ) {
        const source = sources.get(path);
        if (source !== undefined) checkUnchanged(source);
      }
      const literals = completeLiterals(layout, crcs);
      writeLiterals(target.path, literals, sync);
      if (verify) await verifyFile(file, crcs, literals, pool);
      const crc = wholeCrc(target.path, layout, crcs);
      finish({ file: target.file, path: target.path }, { size: layout.size, crc });
      files++;
      report(pool.bytes(), target.file.name);
    };
    const settle = async (batch: readonly DealtChunk[], results: readonly ChunkResult[]) => {
      for (const [index, result] of results.entries()) {
        const chunk = batch[index]!;
        const file = progressing[chunk.file]!;
        const bytes = chunk.rows * chunk.view.rowBytes;
        file.parts[chunk.copy]!.set(chunk.firstRow, { crc: result.crc, bytes });
        sourceCheck.add(result.reads);
        losses.add(file.layout.copies[chunk.copy]!.label, result);
        if (--file.left === 0) await complete(file);
      }
    };
    for (const { path, offset, length, label, crc } of strided) {
      const view: BytesView = { op: "bytes", path, offset, rows: length, rowBytes: 1 };
      const found = await readRun(view, pool);
      if (found !== crc) throw badCrc(path, label, crc, found);
    }
    for (const file of progressing) {
      if (file.left === 0) await complete(file);
    }
    await pool.each(batches, async (runner, batch) => await settle(batch, await runner.run(batch)), 2);
  };
  const isRemote = plan.sources.some(({ path }) => isRemotePath(path));
  await withPool({ totalBytes, pieces, blockBytes: BLOCK_BYTES, isRemote }, {
    ...options,
    onProgress: onProgress && report,
  }, copyWith);
  return { cloned, losses: losses.list() };
}

/** The CRC-32 of every copy of a file. */
function copyCrcs({ layout, parts }: Progressing): number[] {
  return layout.copies.map((copy, index) => copyCrc(copy, parts[index]!));
}

/** What is known of chunks of a copy: the CRC-32 and length of each, by first row. */
export type ChunkCrcs = Map<number, { readonly crc: number; readonly bytes: number }>;

/**
 * The CRC-32 of a copy; one that needs no moving has the CRC-32 that the plan states.
 *
 * @throws {FormatError} If it isn't what the source itself states.
 */
export function copyCrc(copy: Copy, parts: ChunkCrcs): number {
  const chunks = [...parts].sort(([a], [b]) => a - b);
  if (chunks.length === 0) return copy.crc ?? 0;
  const crc = chunks.reduce((sum, [, chunk]) => combineCrc32(sum, chunk.crc, chunk.bytes), 0);
  if (copy.crc !== undefined && copy.crc !== crc) {
    const [path = ""] = viewPaths(copy.view);
    throw badCrc(path, copy.label, copy.crc, crc);
  }
  return crc;
}

function writeLiterals(path: string, literals: readonly Literal[], sync: boolean): void {
  try {
    using file = Deno.openSync(path, { write: true });
    for (const { at, bytes } of literals) {
      file.seekSync(at, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.byteLength;) done += file.writeSync(bytes.subarray(done));
    }
    if (sync) file.syncSync();
  } catch (error) {
    throw new FileError(`${path}: cannot write the file: ${messageOf(error)}`);
  }
}

/** How many bytes of a file are copied or lie in place. */
function layoutBytes({ copies }: FileLayout): number {
  return copies.reduce((sum, { view }) => sum + viewBytes(view), 0);
}

/** Reads a file back, and compares every copy with its CRC-32 and every literal with its bytes. */
async function verifyFile(
  { target, layout }: Progressing,
  crcs: readonly number[],
  literals: readonly Literal[],
  pool: Pool,
): Promise<void> {
  const { path, overlay } = target;
  const otherBytes = (what: string) =>
    new FileError(`${path}: ${what}: reading it back gives other bytes; the device may be failing`);
  for (const [index, copy] of layout.copies.entries()) {
    const length = viewBytes(copy.view);
    const crc = await readRun({ op: "bytes", path, offset: copy.at, rows: length, rowBytes: 1 }, pool);
    if (crc === crcs[index]) continue;
    const isInSource = overlay !== undefined && isInPlace(copy, overlay);
    throw isInSource ? badCrc(overlay.base, copy.label, crcs[index]!, crc) : otherBytes(copy.label);
  }
  using file = FileSource.open(path);
  for (const { at, bytes } of literals) {
    const found = await file.read(at, bytes.length);
    if (!found.every((byte, i) => byte === bytes[i])) throw otherBytes(`byte ${at}`);
  }
}

/** The CRC-32 of a run of a file, read by all workers. */
export async function readRun(view: BytesView, pool: Pool): Promise<number> {
  const { rows } = view;
  const starts = Array.from({ length: Math.ceil(rows / CHUNK_BYTES) }, (_, i) => i * CHUNK_BYTES);
  const crcs: number[] = [];
  const lengthAt = (firstRow: number) => Math.min(CHUNK_BYTES, rows - firstRow);
  await pool.each(starts, async (runner, firstRow) => {
    const chunk = { view, path: undefined, at: 0, firstRow, rows: lengthAt(firstRow), group: 1 };
    crcs[firstRow / CHUNK_BYTES] = (await runner.run([chunk]))[0]!.crc;
  });
  return starts.reduce((crc, firstRow, i) => combineCrc32(crc, crcs[i]!, lengthAt(firstRow)), 0);
}

/**
 * The CRC-32 of a whole file, put together from those of its copies. What lies between them is little, and is read: what
 * the plan wrote, and in a clone what came with it.
 */
function wholeCrc(path: string, { size, copies }: FileLayout, crcs: readonly number[]): number {
  const parts = copies.map(({ at, view }, i) => ({ at, length: viewBytes(view), crc: crcs[i]! }));
  parts.sort((a, b) => a.at - b.at);
  const file = openKernelFile(path, false);
  const block = new Uint8Array(64 * 1024);
  try {
    let [end, crc] = [0, 0];
    for (const part of [...parts, { at: size, length: 0, crc: 0 }]) {
      while (end < part.at) {
        const between = block.subarray(0, part.at - end);
        if (file.read(between, end) < between.length) throw new FileError(`${path}: the file became shorter`);
        crc = crc32(between, crc);
        end += between.length;
      }
      crc = combineCrc32(crc, part.crc, part.length);
      end = part.at + part.length;
    }
    return crc;
  } finally {
    file.close();
  }
}

/** Throws if a source isn't what it was when it was opened. */
export function checkUnchanged(source: SourceFile): void {
  let isSame: boolean;
  try {
    isSame = isUnchanged(source);
  } catch (error) {
    throw new FileError(`${source.path}: the file went away while it was read: ${messageOf(error)}`);
  }
  if (!isSame) {
    throw new FileError(
      `${source.path}: the file changed while it was read; wait until its writer is done, then run this again`,
    );
  }
}
