/**
 * The pool: who reads every byte, whatever for. Copying, checksums and hashes share its number of workers, its budget of
 * open files, its progress and its way to stop.
 */

import { CancelledError, FileError } from "../error.ts";
import type { KernelIo } from "./kernel.ts";
import { shareDescriptors } from "./descriptors.ts";
import { createRemoteRunner, REMOTE_LANES } from "./remote_runner.ts";
import { createLocalRunner, createShared, type Runner, startWorker } from "./worker_pool.ts";

/** How bytes are read. */
export interface ReadOptions {
  /** How many workers read; by default two, or one on a single core. */
  readonly jobs?: number;
  /** Cancels the work. */
  readonly signal?: AbortSignal;
  /** Told of the bytes read so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** How much work there is. */
export interface PoolSize {
  /** How many bytes are to be read or written. */
  readonly totalBytes: number;
  /** Into how many pieces they can be shared out. */
  readonly pieces: number;
  /** How much is read at a time, in bytes. */
  readonly blockBytes: number;
  /** Whether some of it is read from other machines. */
  readonly isRemote?: boolean;
}

/** Workers, or the calling thread where these wouldn't pay. */
export interface Pool {
  /** The bytes that were read or written so far. */
  bytes(): number;
  /**
   * Gives items to workers as these become free. Where a file can't be read or written, no more are given out, and those
   * under way are finished.
   *
   * @param ahead How many items each worker has at a time, so that none waits for this thread.
   */
  each<T>(
    items: Iterable<T>,
    work: (runner: Runner, item: T) => Promise<void>,
    ahead?: number,
  ): Promise<void>;
}

/** Below this many bytes, starting workers costs more than they save. Measured: see docs/speed.md. */
const WORKERS_PAY_BYTES = 96 * 1024 * 1024;

/**
 * The most workers started by default. Writing takes most of a worker's time, and the kernel lets one write at a time into
 * a file; each further worker takes 13 to 16 MB. Measured: see docs/speed.md.
 */
const DEFAULT_JOBS = 2;

/** How often progress is reported, in milliseconds. */
const PROGRESS_MS = 100;

/**
 * Does work with a pool, which is gone when it is done.
 *
 * @param open How files are opened, where that isn't by their paths; then the calling thread does all.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function withPool<T>(
  { totalBytes, pieces, blockBytes, isRemote = false }: PoolSize,
  { jobs = Math.min(DEFAULT_JOBS, navigator.hardwareConcurrency), signal, onProgress }: ReadOptions,
  work: (pool: Pool) => Promise<T>,
  open?: KernelIo["open"],
): Promise<T> {
  const throwIfCancelled = () => {
    if (signal?.aborted) throw new CancelledError("Cancelled");
  };
  throwIfCancelled();
  const { workers, filesEach } = shareDescriptors(
    isRemote || totalBytes < WORKERS_PAY_BYTES || open !== undefined
      ? 1
      : Math.min(jobs, Math.max(1, pieces)),
  );
  const shared = createShared(filesEach);
  const cancel = () => Atomics.store(shared.cancelled, 0, 1);
  const bytes = () => Number(Atomics.load(shared.bytes, 0));
  const timer = onProgress && setInterval(() => onProgress(bytes()), PROGRESS_MS);
  signal?.addEventListener("abort", cancel);
  const runners = isRemote
    ? [createRemoteRunner(blockBytes, shared, open)]
    : workers === 1
    ? [createLocalRunner(blockBytes, shared, open)]
    : Array.from({ length: workers }, () => startWorker(blockBytes, shared));
  const each: Pool["each"] = async (items, work, ahead = 1) => {
    const queue = items[Symbol.iterator]();
    const lanes = isRemote
      ? Array<Runner>(REMOTE_LANES).fill(runners[0]!)
      : workers === 1
      ? runners
      : runners.flatMap((runner) => Array(ahead).fill(runner) as Runner[]);
    let failure: FileError | undefined;
    await Promise.all(lanes.map(async (runner) => {
      while (failure === undefined) {
        throwIfCancelled();
        const { done, value } = queue.next();
        if (done) break;
        try {
          await work(runner, value);
        } catch (error) {
          if (!(error instanceof FileError)) throw error;
          failure ??= error; // The others finish what they are at: the disk may be full, and files are kept.
        }
      }
    }));
    throwIfCancelled();
    if (failure !== undefined) throw failure;
  };
  try {
    return await work({ bytes, each });
  } catch (error) {
    cancel();
    throw error;
  } finally {
    clearInterval(timer);
    signal?.removeEventListener("abort", cancel);
    for (const runner of runners) runner.close();
  }
}
