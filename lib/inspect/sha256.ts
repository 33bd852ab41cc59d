/**
 * The SHA-256 of runs of files: read in constant memory, while the block before is hashed, and by several workers where
 * there are several runs.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { messageOf } from "../bytes/file_system.ts";
import type { ChecksumOptions } from "../copy/checksums.ts";
import { shareDescriptors } from "../copy/descriptors.ts";
import { CancelledError, FileError } from "../error.ts";

/** A run of a file, in bytes. */
export interface Run {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** How much is read at a time, in bytes. */
const BLOCK_BYTES = 1024 * 1024;

/** Below this many bytes, starting workers costs more than they save. */
const WORKERS_PAY_BYTES = 96 * 1024 * 1024;

/** The most workers started by default. */
const DEFAULT_JOBS = 4;

/** How often progress is reported, in milliseconds. */
const PROGRESS_MS = 100;

/** What workers share with the thread that commands them: the bytes hashed so far, and whether to stop. */
interface Shared {
  readonly bytes: BigUint64Array<SharedArrayBuffer>;
  readonly cancelled: Int32Array<SharedArrayBuffer>;
}

/** The SHA-256 of each run in hexadecimal, or the error where a file can't be read or ends too early. */
export async function sha256(
  runs: readonly Run[],
  options: ChecksumOptions = {},
): Promise<(string | FileError)[]> {
  const { signal, onProgress } = options;
  const shared: Shared = {
    bytes: new BigUint64Array(new SharedArrayBuffer(8)),
    cancelled: new Int32Array(new SharedArrayBuffer(4)),
  };
  const cancel = () => Atomics.store(shared.cancelled, 0, 1);
  if (signal?.aborted) throw new CancelledError("Cancelled");
  const total = runs.reduce((sum, { length }) => sum + length, 0);
  const jobs = total < WORKERS_PAY_BYTES
    ? 1
    : Math.min(options.jobs ?? Math.min(DEFAULT_JOBS, navigator.hardwareConcurrency), runs.length);
  const { workers } = shareDescriptors(jobs);
  const hashers = workers <= 1
    ? [localHasher(shared)]
    : Array.from({ length: workers }, () => worker(shared));
  const timer = onProgress === undefined
    ? undefined
    : setInterval(() => onProgress(Number(Atomics.load(shared.bytes, 0))), PROGRESS_MS);
  signal?.addEventListener("abort", cancel);
  const hashes: (string | FileError)[] = [];
  // The longest first, so that no worker is left with one at the end.
  const order = runs.map((_, i) => i).sort((a, b) => runs[b]!.length - runs[a]!.length);
  try {
    await Promise.all(hashers.map(async (hasher) => {
      for (let i = order.shift(); i !== undefined; i = order.shift()) {
        hashes[i] = await hasher.hash(runs[i]!).catch((error) => new FileError(messageOf(error)));
        if (Atomics.load(shared.cancelled, 0) !== 0) throw new CancelledError("Cancelled");
      }
    }));
  } finally {
    clearInterval(timer);
    signal?.removeEventListener("abort", cancel);
    for (const hasher of hashers) hasher.close();
  }
  onProgress?.(total);
  return hashes;
}

/** Hashes runs, one at a time. */
interface Hasher {
  hash(run: Run): Promise<string>;
  close(): void;
}

function localHasher(shared: Shared): Hasher {
  return { hash: (run) => hashRun(run, createHash, BLOCK_BYTES, shared), close() {} };
}

/** Starts a worker. Its program is the source text of closed functions, as that of `worker_pool.ts`. */
function worker(shared: Shared): Hasher {
  const program = `import { createHash } from "node:crypto";\n` +
    `(${workerMain})(${hashRun}, createHash, ${BLOCK_BYTES});\n`;
  const url = "data:text/javascript," + encodeURIComponent(program);
  const thread = new Worker(url, { type: "module", name: "hash" });
  return {
    hash: (run) =>
      new Promise((resolve, reject) => {
        thread.onmessage = ({ data }: MessageEvent<Answer>) => {
          if ("hash" in data) resolve(data.hash);
          else reject(new Error(data.error));
        };
        thread.onerror = (event) => {
          event.preventDefault();
          reject(new Error(event.message));
        };
        thread.postMessage({ run, shared });
      }),
    close: () => thread.terminate(),
  };
}

/** What a worker answers to a run. */
type Answer = { readonly hash: string } | { readonly error: string };

/** The main function of a worker. It refers to nothing outside itself but its arguments. */
function workerMain(hash: typeof hashRun, create: typeof createHash, blockBytes: number): void {
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<{ run: Run; shared: Shared }>) => void;
    postMessage(answer: Answer): void;
  };
  scope.onmessage = ({ data: { run, shared } }) => {
    hash(run, create, blockBytes, shared).then(
      (hash) => scope.postMessage({ hash }),
      (error) => scope.postMessage({ error: error instanceof Error ? error.message : String(error) }),
    );
  };
}

/** Hashes a run: one block is read while the one before is hashed. Closed like {@linkcode workerMain}. */
async function hashRun(
  { path, offset, length }: Run,
  create: typeof createHash,
  blockBytes: number,
  { bytes, cancelled }: Shared,
): Promise<string> {
  const hash = create("sha256");
  const file = await Deno.open(path);
  try {
    await file.seek(offset, 0 /* Deno.SeekMode.Start */);
    let [block, other] = [new Uint8Array(blockBytes), new Uint8Array(blockBytes)];
    let left = length;
    let reading = left === 0 ? undefined : file.read(block.subarray(0, left));
    while (reading !== undefined) {
      const count = await reading;
      if (count === null) {
        throw new Error(
          `${path}: the file ends at byte ${offset + length - left}, but was longer when it was opened`,
        );
      }
      left -= count;
      if (Atomics.load(cancelled, 0) !== 0) throw new Error("cancelled");
      reading = left === 0 ? undefined : file.read(other.subarray(0, left));
      hash.update(block.subarray(0, count));
      Atomics.add(bytes, 0, BigInt(count));
      [block, other] = [other, block];
    }
  } finally {
    file.close();
  }
  return hash.digest("hex");
}
