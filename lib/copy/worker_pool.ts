/** Workers that run kernels, and the same work on the calling thread where a worker wouldn't pay. */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type ComparedRows, type Comparer, createComparer, type PairDifference } from "./compare_rows.ts";
import { crc32 } from "./crc32.ts";
import { hashViews } from "./hash_views.ts";
import { type Chunk, type ChunkResult, createKernel, type Kernel, type KernelIo } from "./kernel.ts";
import { type CountedRows, type Counter, createCounter, type RowCounts } from "./count_rows.ts";
import { createMeasurer } from "./measurer.ts";
import { createMover, type MovedRows, type Mover, pieceEnd, type RowMovement } from "./movement_rows.ts";
import { createNumberKinds } from "./numbers.ts";
import { createQuantizer } from "./quantizer.ts";
import type { View } from "../bytes/view.ts";
import { openKernelFile } from "../bytes/kernel_file.ts";
import { messageOf } from "../bytes/file_system.ts";
import { CancelledError, CheckpointError, FileError } from "../error.ts";

/** Does one thing after the other. */
export interface Runner {
  /** Copies some chunks. */
  run(batch: readonly Chunk[]): Promise<ChunkResult[]>;
  /** Compares some rows of views. */
  compare(batch: readonly ComparedRows[]): Promise<PairDifference[]>;
  /** Counts the numbers of some rows of views. */
  count(batch: readonly CountedRows[]): Promise<RowCounts[]>;
  /** Measures how far some rows of views are apart. */
  move(batch: readonly MovedRows[]): Promise<RowMovement[]>;
  /** The SHA-256 of views, in hexadecimal. To be asked for when nothing else is under way. */
  hash(views: readonly View[]): Promise<string>;
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

/** What a worker is asked to do: to copy some chunks, to compare, count or measure some rows, or to hash views. */
interface Job {
  readonly chunks: readonly Chunk[];
  readonly compared: readonly ComparedRows[];
  readonly counted: readonly CountedRows[];
  readonly moved: readonly MovedRows[];
  readonly hashed: readonly View[] | undefined;
}

/** What came of a job. */
interface Outcome {
  readonly results: ChunkResult[];
  readonly differences: PairDifference[];
  readonly counts: RowCounts[];
  readonly movements: RowMovement[];
  readonly hash: string;
}

/** What a worker answers. */
type Answer = Outcome | { readonly error: string; readonly isBug: boolean };

/** What a worker's program is made of: closed functions, and what the system gives. */
interface Parts {
  readonly createKernel: typeof createKernel;
  readonly createComparer: typeof createComparer;
  readonly createCounter: typeof createCounter;
  readonly createMover: typeof createMover;
  readonly createMeasurer: typeof createMeasurer;
  readonly pieceEnd: typeof pieceEnd;
  readonly createNumberKinds: typeof createNumberKinds;
  readonly createQuantizer: typeof createQuantizer;
  readonly hashViews: typeof hashViews;
  readonly open: typeof openKernelFile;
  readonly crc32: (bytes: Uint8Array, seed: number) => number;
  readonly compareBytes: (a: Uint8Array, b: Uint8Array) => number;
  readonly crypto: () => Promise<{ readonly createHash: typeof createHash }>;
}

/** The main function of a worker. Closed like {@linkcode createKernel}. */
function workerMain(parts: Parts): void {
  let kernel: Kernel | undefined;
  let comparer: Comparer | undefined;
  let counter: Counter | undefined;
  let mover: Mover | undefined;
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
      kernel = parts.createKernel(parts, blockBytes, shared.maxOpenFiles);
      comparer = parts.createComparer(kernel.fill, parts.compareBytes, parts.createNumberKinds, blockBytes);
      counter = parts.createCounter(kernel.fill, parts.createNumberKinds, blockBytes);
      mover = parts.createMover(
        kernel.fill,
        parts.createNumberKinds,
        parts.createMeasurer,
        parts.pieceEnd,
        blockBytes,
      );
      return;
    }
    const { chunks, compared, counted, moved, hashed } = data;
    try {
      scope.postMessage({
        results: chunks.map((chunk) => kernel!.run(chunk, onBlock)),
        differences: compared.map((rows) => comparer!.compare(rows, onBlock)),
        counts: counted.map((rows) => counter!.count(rows, onBlock)),
        movements: moved.map((rows) => mover!.move(rows, onBlock)),
        hash: hashed === undefined ? "" : await parts.hashViews(
          hashed,
          (await parts.crypto()).createHash,
          kernel!.fill,
          blockBytes,
          onBlock,
        ),
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
  const program = `import { crc32 } from "node:zlib";
import { Buffer } from "node:buffer";
(${workerMain})({
  createKernel: ${createKernel},
  createComparer: ${createComparer},
  createCounter: ${createCounter},
  createMover: ${createMover},
  createMeasurer: ${createMeasurer},
  pieceEnd: ${pieceEnd},
  createNumberKinds: ${createNumberKinds},
  createQuantizer: ${createQuantizer},
  hashViews: ${hashViews},
  open: ${openKernelFile},
  crc32,
  compareBytes: Buffer.compare,
  crypto: () => import("node:crypto"),
});
`;
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
  const ask = (job: Partial<Job>): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      worker.postMessage(
        { chunks: [], compared: [], counted: [], moved: [], hashed: undefined, ...job } satisfies Job,
      );
    });
  return {
    run: async (chunks) => (await ask({ chunks })).results,
    compare: async (compared) => (await ask({ compared })).differences,
    count: async (counted) => (await ask({ counted })).counts,
    move: async (moved) => (await ask({ moved })).movements,
    hash: async (hashed) => (await ask({ hashed })).hash,
    close() {
      worker.terminate();
      for (const { reject } of waiting.splice(0)) reject(cancelled());
    },
  };
}

/** The time that a runner on the calling thread works before it lets other tasks have a turn. */
const TURN_MS = 20;

/**
 * Makes a runner on the calling thread.
 *
 * @param open How files are opened.
 */
export function createLocalRunner(
  blockBytes: number,
  shared: Shared,
  open: KernelIo["open"] = openKernelFile,
): Runner {
  const kernel = createKernel({ open, crc32, createQuantizer }, blockBytes, shared.maxOpenFiles);
  const comparer = createComparer(kernel.fill, Buffer.compare, createNumberKinds, blockBytes);
  const counter = createCounter(kernel.fill, createNumberKinds, blockBytes);
  const mover = createMover(kernel.fill, createNumberKinds, createMeasurer, pieceEnd, blockBytes);
  let turnEnds = performance.now() + TURN_MS;
  const giveTurn = async () => {
    if (performance.now() <= turnEnds) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    turnEnds = performance.now() + TURN_MS;
  };
  const onBlock = (bytes: number) => {
    if (Atomics.load(shared.cancelled, 0) !== 0) throw cancelled();
    Atomics.add(shared.bytes, 0, BigInt(bytes));
  };
  const eachInTurns = async <Item, Result>(items: readonly Item[], work: (item: Item) => Result) => {
    const results: Result[] = [];
    for (const item of items) {
      await giveTurn();
      try {
        results.push(work(item));
      } catch (error) {
        throw readError(error);
      }
    }
    return results;
  };
  return {
    run: (batch) => eachInTurns(batch, (chunk) => kernel.run(chunk, onBlock)),
    compare: (batch) => eachInTurns(batch, (rows) => comparer.compare(rows, onBlock)),
    count: (batch) => eachInTurns(batch, (rows) => counter.count(rows, onBlock)),
    move: (batch) => eachInTurns(batch, (rows) => mover.move(rows, onBlock)),
    hash: (views) =>
      hashViews(views, createHash, kernel.fill, blockBytes, async (bytes) => {
        onBlock(bytes);
        await giveTurn();
      }).catch((error) => Promise.reject(readError(error))),
    close() {
      kernel.close();
    },
  };
}

/** Reads rows of views on the calling thread, for those who look at them there. */
export type Reader = Pick<Kernel, "fill"> & Disposable;

/** Opens a reader. */
export function openReader(blockBytes: number, open: KernelIo["open"] = openKernelFile): Reader {
  const kernel = createKernel({ open, crc32, createQuantizer }, blockBytes);
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
