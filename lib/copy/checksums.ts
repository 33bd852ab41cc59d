/**
 * The CRC-32 of views: read in constant memory, by several workers where that pays.
 *
 * @module
 */

import { CancelledError } from "../error.ts";
import { dealBatches, type DealtChunk } from "./chunks.ts";
import { combineCrc32 } from "./crc32.ts";
import { shareDescriptors } from "./descriptors.ts";
import { type View, viewBytes } from "../bytes/view.ts";
import { createLocalRunner, createShared, type Runner, startWorker } from "./worker_pool.ts";

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
 * Computes the CRC-32 of the bytes of views.
 *
 * @param views The views.
 * @param options How to do it.
 * @returns The CRC-32 of each, in their order.
 * @throws {FileError} If a file can't be read, or ends too early.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function checksums(views: readonly View[], options: ChecksumOptions = {}): Promise<number[]> {
  const { signal, onProgress } = options;
  if (signal?.aborted) throw new CancelledError("Cancelled");
  const crcs = views.map(() => 0);
  const pending = deal(views);
  const parts: { readonly chunk: DealtChunk; readonly crc: number }[] = [];
  const total = views.reduce((sum, view) => sum + viewBytes(view), 0);
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
        const results = await runner.run(batch);
        results.forEach(({ crc }, i) => parts.push({ chunk: batch![i]!, crc }));
      }
    }));
  } finally {
    clearInterval(timer);
    signal?.removeEventListener("abort", cancel);
    for (const runner of runners) runner.close();
  }
  onProgress?.(total);
  parts.sort((a, b) => a.chunk.firstRow - b.chunk.firstRow);
  for (const { chunk: { copy, rows, view }, crc } of parts) {
    crcs[copy] = combineCrc32(crcs[copy]!, crc, rows * view.rowBytes);
  }
  return crcs;
}

/** The views in pieces, in batches of about the same size. */
function deal(views: readonly View[]): DealtChunk[][] {
  const copies = views.map((view) => ({ label: "", at: 0, view }));
  return dealBatches([{ file: { copies }, path: undefined, overlay: undefined }], BATCH_BYTES, Infinity);
}
