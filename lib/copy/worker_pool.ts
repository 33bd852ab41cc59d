/**
 * Workers that run kernels, and the same work on the calling thread where a worker wouldn't pay.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { crc32 } from "./crc32.ts";
import { hashRun, type Run } from "./hash_run.ts";
import { type Chunk, type ChunkResult, createKernel, type Kernel } from "./kernel.ts";
import { openKernelFile } from "../bytes/kernel_file.ts";
import { messageOf } from "../bytes/file_system.ts";
import { CancelledError, CheckpointError, FileError } from "../error.ts";

/** Runs chunks, one batch at a time. */
export interface Runner {
  /** Copies some chunks. */
  run(batch: readonly Chunk[]): Promise<ChunkResult[]>;
  /** The SHA-256 of a run, in hexadecimal. To be asked for when nothing else is under way. */
  hash(run: Run): Promise<string>;
  /** Frees the runner; after a failure it may be in the middle of a batch. */
  close(): void;
}

/** What runners share with the thread that commands them. */
export interface Shared {
  /** Bytes written so far. */
  readonly bytes: BigUint64Array<SharedArrayBuffer>;
  /** Not 0 once the work is cancelled. */
  readonly cancelled: Int32Array<SharedArrayBuffer>;
  /** How many files each runner may hold open. */
  readonly maxOpenFiles: Int32Array<SharedArrayBuffer>;
}

/** Makes the memory that runners share. */
export function createShared(filesEach = 64): Shared {
  return {
    bytes: new BigUint64Array(new SharedArrayBuffer(8)),
    cancelled: new Int32Array(new SharedArrayBuffer(4)),
    maxOpenFiles: new Int32Array(new SharedArrayBuffer(4)).fill(filesEach),
  };
}

/** What a worker is sent first. */
interface Setup {
  readonly blockBytes: number;
  readonly shared: Shared;
}

/** What a worker is asked to do: to copy some chunks, or to hash a run. */
type Job = readonly Chunk[] | Run;

/** What came of a job: of the chunks, or of the run. */
interface Outcome {
  readonly results: ChunkResult[];
  readonly hash: string;
}

/** What a worker answers. */
type Answer = Outcome | { readonly error: string; readonly isBug: boolean };

/** The main function of a worker. Closed like {@linkcode createKernel}. */
function workerMain(
  makeKernel: typeof createKernel,
  open: typeof openKernelFile,
  checksum: (bytes: Uint8Array, seed: number) => number,
  hash: typeof hashRun,
  crypto: () => Promise<{ readonly createHash: typeof createHash }>,
): void {
  let kernel: Kernel | undefined;
  let shared: Shared;
  let blockBytes: number;
  const onBlock = (bytes: number) => {
    if (Atomics.load(shared.cancelled, 0) !== 0) throw new Error("cancelled");
    Atomics.add(shared.bytes, 0, BigInt(bytes));
  };
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<Setup | Job>) => void;
    postMessage(answer: Answer): void;
  };
  scope.onmessage = async ({ data }) => {
    if ("shared" in data) {
      ({ shared, blockBytes } = data);
      kernel = makeKernel({ open, crc32: checksum }, blockBytes, shared.maxOpenFiles);
      return;
    }
    try {
      const isRun = "path" in data;
      scope.postMessage({
        hash: isRun ? await hash(data, (await crypto()).createHash, blockBytes, onBlock) : "",
        results: isRun ? [] : data.map((chunk) => kernel!.run(chunk, onBlock)),
      });
    } catch (error) {
      kernel!.close();
      // Failing calls throw plain errors with a path (kernel_file.ts); anything else is a mistake of ckpt's.
      const isBug = error instanceof TypeError || error instanceof RangeError ||
        error instanceof ReferenceError;
      scope.postMessage({ error: error instanceof Error ? error.message : String(error), isBug });
    }
  };
}

/**
 * Starts a worker. Its program is the source text of closed functions, so it loads no module of ckpt's and
 * needs no permission but to read and write the files that it copies.
 */
export function startWorker(blockBytes: number, shared: Shared): Runner {
  const program = `import { crc32 } from "node:zlib";\n` +
    `(${workerMain})(${createKernel}, ${openKernelFile}, crc32, ${hashRun}, () => import("node:crypto"));\n`;
  const url = "data:text/javascript," + encodeURIComponent(program);
  const worker = new Worker(url, { type: "module", name: "copy" });
  const waiting: { resolve(outcome: Outcome): void; reject(error: Error): void }[] = [];
  worker.onmessage = ({ data }: MessageEvent<Answer>) => {
    const { resolve, reject } = waiting.shift()!;
    if ("results" in data) resolve(data);
    else if (Atomics.load(shared.cancelled, 0) !== 0) reject(cancelled());
    else reject(data.isBug ? new Error(`A copy worker failed: ${data.error}`) : new FileError(data.error));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    for (const { reject } of waiting.splice(0)) reject(new Error(`A copy worker failed: ${event.message}`));
  };
  worker.postMessage({ blockBytes, shared } satisfies Setup);
  const ask = (job: Job): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      worker.postMessage(job);
    });
  return {
    run: async (batch) => (await ask(batch)).results,
    hash: async (run) => (await ask(run)).hash,
    close() {
      worker.terminate();
      for (const { reject } of waiting.splice(0)) reject(cancelled());
    },
  };
}

/** The time that a runner on the calling thread works before it lets other tasks have a turn. */
const TURN_MS = 20;

/** Makes a runner on the calling thread. */
export function createLocalRunner(blockBytes: number, shared: Shared): Runner {
  const kernel = createKernel({ open: openKernelFile, crc32 }, blockBytes, shared.maxOpenFiles);
  let turnEnds = performance.now() + TURN_MS;
  const onBlock = (bytes: number) => {
    if (Atomics.load(shared.cancelled, 0) !== 0) throw cancelled();
    Atomics.add(shared.bytes, 0, BigInt(bytes));
  };
  return {
    async run(batch) {
      const results: ChunkResult[] = [];
      for (const chunk of batch) {
        if (performance.now() > turnEnds) {
          await new Promise((resolve) => setTimeout(resolve, 0));
          turnEnds = performance.now() + TURN_MS;
        }
        try {
          results.push(kernel.run(chunk, onBlock));
        } catch (error) {
          throw readError(error);
        }
      }
      return results;
    },
    hash: (run) =>
      hashRun(run, createHash, blockBytes, onBlock).catch((error) => Promise.reject(readError(error))),
    close() {
      kernel.close();
    },
  };
}

/** Reads rows of views on the calling thread, for those who look at them there. */
export type Reader = Pick<Kernel, "fill"> & Disposable;

/** Opens a reader. It makes no checksums, which would take longer than reading does. */
export function openReader(blockBytes: number): Reader {
  const kernel = createKernel({ open: openKernelFile, crc32: () => 0 }, blockBytes);
  return {
    fill(...args) {
      try {
        kernel.fill(...args);
      } catch (error) {
        throw readError(error);
      }
    },
    [Symbol.dispose]: () => kernel.close(),
  };
}

/** What a failing call throws is a plain error with a path (kernel_file.ts); anything else is what it is. */
function readError(error: unknown): unknown {
  const isPlain = !(error instanceof CheckpointError || error instanceof TypeError ||
    error instanceof RangeError || error instanceof ReferenceError);
  return isPlain ? new FileError(messageOf(error)) : error;
}

function cancelled(): CancelledError {
  return new CancelledError("Cancelled");
}
