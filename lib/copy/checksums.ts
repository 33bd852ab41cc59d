/**
 * The CRC-32 of runs of files: read in constant memory, by several workers where that pays.
 *
 * @module
 */

import { CancelledError } from "../error.ts";
import { combineCrc32 } from "./crc32.ts";
import { shareDescriptors } from "./descriptors.ts";
import type { Chunk } from "./kernel.ts";
import { bytes } from "../bytes/view.ts";
import { createLocalRunner, createShared, type Runner, startWorker } from "./worker_pool.ts";

/** A run of bytes of a file. */
export interface Run {
  /** The file. */
  readonly path: string;
  /** Where the run starts, in bytes. */
  readonly offset: number;
  /** The length of the run in bytes. */
  readonly length: number;
}

/** How to compute checksums. */
export interface ChecksumOptions {
  /** How many workers read; by default one for each core, and at most four. */
  readonly jobs?: number;
  /** Cancels the work. */
  readonly signal?: AbortSignal;
  /** Told of the bytes read so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** How much is read at a time, in bytes. */
const BLOCK_BYTES = 1024 * 1024;

/** About how much is dealt to a worker at a time, in bytes. */
const BATCH_BYTES = 32 * 1024 * 1024;

/** Below this many bytes, starting workers costs more than they save. */
const WORKERS_PAY_BYTES = 96 * 1024 * 1024;

/** The most workers started by default. */
const DEFAULT_JOBS = 4;

/** How often progress is reported, in milliseconds. */
const PROGRESS_MS = 100;

/**
 * Computes the CRC-32 of runs of files.
 *
 * @param runs The runs.
 * @param options How to do it.
 * @returns The CRC-32 of each, in their order.
 * @throws {FileError} If a file can't be read, or ends too early.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function checksums(runs: readonly Run[], options: ChecksumOptions = {}): Promise<number[]> {
  const { signal, onProgress } = options;
  if (signal?.aborted) throw new CancelledError("Cancelled");
  const crcs = runs.map(() => 0);
  const pending = deal(runs);
  const parts: {
    readonly index: number;
    readonly at: number;
    readonly length: number;
    readonly crc: number;
  }[] = [];
  const total = runs.reduce((sum, { length }) => sum + length, 0);
  const jobs = total < WORKERS_PAY_BYTES
    ? 1
    : Math.min(options.jobs ?? Math.min(DEFAULT_JOBS, navigator.hardwareConcurrency), pending.length);
  const { workers, filesEach } = shareDescriptors(jobs);
  const shared = createShared(filesEach);
  const cancel = () => Atomics.store(shared.cancelled, 0, 1);
  const runners: Runner[] = workers === 1
    ? [createLocalRunner(BLOCK_BYTES, shared)]
    : Array.from({ length: workers }, () => startWorker(BLOCK_BYTES, shared));
  const timer = onProgress === undefined
    ? undefined
    : setInterval(() => onProgress(Number(Atomics.load(shared.bytes, 0))), PROGRESS_MS);
  signal?.addEventListener("abort", cancel);
  try {
    await Promise.all(runners.map(async (runner) => {
      for (let batch = pending.shift(); batch !== undefined; batch = pending.shift()) {
        const results = await runner.run(batch.map(({ chunk }) => chunk));
        results.forEach(({ crc }, i) => {
          const { index, chunk } = batch![i]!;
          parts.push({ index, at: chunk.firstRow, length: chunk.rows, crc });
        });
      }
    }));
  } finally {
    clearInterval(timer);
    signal?.removeEventListener("abort", cancel);
    for (const runner of runners) runner.close();
  }
  onProgress?.(total);
  parts.sort((a, b) => a.at - b.at);
  for (const { index, length, crc } of parts) crcs[index] = combineCrc32(crcs[index]!, crc, length);
  return crcs;
}

interface Part {
  /** Which run it is of. */
  readonly index: number;
  readonly chunk: Chunk;
}

/** The runs in pieces, in batches of about the same size. */
function deal(runs: readonly Run[]): Part[][] {
  const batches: Part[][] = [];
  let [batch, size]: [Part[], number] = [[], 0];
  runs.forEach(({ path, offset, length }, index) => {
    const view = bytes(path, offset, length);
    for (let firstRow = 0; firstRow < length;) {
      const rows = Math.min(BATCH_BYTES - size, length - firstRow);
      batch.push({ index, chunk: { view, path: undefined, at: 0, firstRow, rows, group: 1 } });
      firstRow += rows;
      size += rows;
      if (size < BATCH_BYTES) continue;
      batches.push(batch);
      [batch, size] = [[], 0];
    }
  });
  if (batch.length > 0) batches.push(batch);
  return batches;
}
