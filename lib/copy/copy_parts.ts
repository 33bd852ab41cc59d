/**
 * Makes the files of a plan in memory, part by part and in order, for places that take files so: what is whole is handed
 * on, and no more is read than a few parts have room for.
 */

import { CancelledError } from "../error.ts";
import { openKernelFile } from "../bytes/kernel_file.ts";
import { isRemote } from "../bytes/remote.ts";
import { CastLosses } from "./cast_losses.ts";
import { dealInOrder, type DealtChunk } from "./chunks.ts";
import { checkUnchanged, type CopyOptions, type CopyResult, readRun } from "./copy_engine.ts";
import { combineCrc32, crc32 } from "./crc32.ts";
import type { ChunkResult } from "./kernel.ts";
import { trimMemory } from "./memory.ts";
import { FileParts, PartBuffers } from "./parts.ts";
import type { OutputFile, Plan } from "./plan.ts";
import { type Pool, withPool } from "./pool.ts";
import { badCrc, SourceCheck } from "./source_check.ts";
import { stridedRecords } from "./shared_records.ts";

/** How much is read at a time, in bytes. */
const BLOCK_BYTES = 512 * 1024;

/** About how much is dealt to a worker at a time, in bytes. */
const CHUNK_BYTES = 8 * 1024 * 1024;

/** The most chunks in a batch. */
const BATCH_CHUNKS = 64;

/** How much memory parts may take that are being made or handed on, in bytes. One of each is always allowed. */
const PARTS_BYTES = 48 * 1024 * 1024;

/** How much garbage what sends the parts may leave, in bytes. */
const GARBAGE_BYTES = 32 * 1024 * 1024;

/** A file to make, and who takes its parts. */
export interface PartedFile {
  /** The file. */
  readonly file: OutputFile;
  /** The length of each part but the last one, in bytes. */
  readonly partBytes: number;
  /** Whether the bytes of parts are kept; else they are written over once `put` is done. */
  readonly keeps?: boolean;
  /**
   * Takes a part of the file; parts come in no order.
   *
   * @param part Which one, counted from 0.
   * @param crc Its CRC-32.
   * @returns When its bytes aren't needed any more.
   */
  put(part: number, bytes: Uint8Array<ArrayBuffer>, crc: number): Promise<void>;
  /**
   * Told when all parts were taken.
   *
   * @param crc The CRC-32 of the whole file.
   */
  finish(crc: number): void;
}

/**
 * Makes files of a plan.
 *
 * @param parted The files to make, which may be some of the plan's.
 * @throws {FormatError} If a source's bytes don't have the checksum that the source itself states.
 * @throws {FileError} If a source can't be read, or changed; or what `put` throws, once nothing is under way any more.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function copyParts(
  plan: Plan,
  parted: readonly PartedFile[],
  options: Pick<CopyOptions, "jobs" | "onProgress" | "signal">,
): Promise<Pick<CopyResult, "losses">> {
  const { signal, onProgress } = options;
  if (signal?.aborted) throw new CancelledError("Cancelled");
  for (const source of plan.sources) checkUnchanged(source);
  const buffers = new PartBuffers();
  const files = parted.map(({ file, partBytes }) => new FileParts(file, partBytes, buffers));
  const crcs = files.map(({ count }) => Array<number>(count).fill(0));
  const left = files.map(({ count }) => count);
  const partBytes = Math.max(1, ...parted.map((each) => each.partBytes));
  const batches = dealInOrder(
    parted.map(({ file }, i) => ({ file, path: String(i), overlay: undefined })),
    CHUNK_BYTES,
    BATCH_CHUNKS,
  );
  const strided = stridedRecords(parted.flatMap(({ file }) => file.copies), plan.known);
  const totalBytes = [
    ...batches.flat(),
    ...strided.map(({ length }) => ({ rows: length, view: { rowBytes: 1 } })),
  ]
    .reduce((sum, { rows, view }) => sum + rows * view.rowBytes, 0);
  const losses = new CastLosses();
  const sourceCheck = new SourceCheck(plan.known);
  const putting = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let reading = 0;
  let finished = 0;
  let sent = 0;

  const report = (bytes: number, name?: string) =>
    onProgress?.({
      bytes,
      totalBytes,
      sent,
      files: finished,
      totalFiles: parted.length,
      ...(name === undefined ? {} : { finished: name }),
    });

  const copyWith = async (pool: Pool) => {
    const put = async (index: number, part: number, bytes: Uint8Array<ArrayBuffer>) => {
      const target = parted[index]!;
      const crc = crc32(bytes);
      crcs[index]![part] = crc;
      await target.put(part, bytes, crc);
      sent += bytes.length;
      if (!target.keeps) buffers.give(bytes);
      trimMemory(GARBAGE_BYTES);
      if (--left[index]! > 0) return;
      const { size, name } = target.file;
      const lengthOf = (i: number) => Math.min(target.partBytes, size - i * target.partBytes);
      target.finish(crcs[index]!.reduce((sum, each, i) => combineCrc32(sum, each, lengthOf(i)), 0));
      finished++;
      report(pool.bytes(), name);
    };
    const putWhole = (index: number) => {
      for (const [part, bytes] of files[index]!.takeWhole()) {
        const promise: Promise<void> = put(index, part, bytes)
          .catch((error) => void (failure ??= { error }))
          .finally(() => putting.delete(promise));
        putting.add(promise);
      }
    };
    const throwFailure = () => {
      if (failure !== undefined) throw failure.error;
    };
    /** Waits until there is room for what a batch makes. While nothing is under way there always is. */
    const room = async () => {
      for (;;) {
        throwFailure();
        const begun = files.reduce((sum, file) => sum + file.begun, 0);
        const made = (reading * CHUNK_BYTES) / partBytes; // By what is being read: one batch, or several from elsewhere.
        const isFull = (begun + putting.size + made + 1) * partBytes > PARTS_BYTES;
        if (!isFull || (putting.size === 0 && reading === 0)) return;
        await (putting.size > 0 ? Promise.race(putting) : new Promise((resolve) => setTimeout(resolve, 1)));
      }
    };
    const settle = (batch: readonly DealtChunk[], results: readonly ChunkResult[]) => {
      results.forEach((result, i) => {
        const chunk = batch[i]!;
        files[chunk.file]!.settle(chunk, result);
        sourceCheck.add(result.reads);
        losses.add(parted[chunk.file]!.file.copies[chunk.copy]!.label, result);
      });
      for (const file of new Set(batch.map(({ file }) => file))) putWhole(file);
    };
    try {
      for (const { path, offset, length, label, crc } of strided) {
        const found = await readRun({ op: "bytes", path, offset, rows: length, rowBytes: 1 }, pool);
        if (found !== crc) throw badCrc(path, label, crc, found);
      }
      files.forEach((_, index) => putWhole(index));
      await pool.each(batches, async (runner, batch) => {
        await room();
        reading++;
        try {
          settle(batch, await runner.run(batch));
        } finally {
          reading--;
        }
      });
      await Promise.all(putting);
      throwFailure();
    } finally {
      await Promise.allSettled(putting);
    }
    for (const source of plan.sources) checkUnchanged(source);
  };
  await withPool(
    {
      totalBytes,
      pieces: batches.length,
      blockBytes: BLOCK_BYTES,
      isRemote: plan.sources.some(({ path }) => isRemote(path)),
    },
    { ...options, onProgress: onProgress && report },
    copyWith,
    (path, write) => write ? files[Number(path)]! : openKernelFile(path, false),
  );
  return { losses: losses.list() };
}
