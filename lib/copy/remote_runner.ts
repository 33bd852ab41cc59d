/**
 * A runner for views whose bytes lie elsewhere: what the kernel is going to read of them is fetched first, several ranges at
 * a time; then the same kernel runs on the calling thread, with what was fetched in the place of files.
 */

import { createHash } from "node:crypto";
import { CancelledError, FileError } from "../error.ts";
import { type KernelFile, openKernelFile } from "../bytes/kernel_file.ts";
import { addRanges, type ByteRange, cutRanges, mergeRanges } from "../bytes/ranges.ts";
import { isRemote, type RemoteFile, remoteFile } from "../bytes/remote.ts";
import type { KernelIo } from "./kernel.ts";
import { type View, viewBytes, viewPaths } from "../bytes/view.ts";
import { createLocalRunner, openReader, type Reader, type Runner, type Shared } from "./worker_pool.ts";

/** The longest range that is asked for, in bytes. */
const REQUEST_BYTES = 4 * 1024 * 1024;

/** What lies between two ranges that are no farther apart than this costs less than another request. In bytes. */
const GAP_BYTES = 128 * 1024;

/** How many requests are under way at a time: with 30 milliseconds before each answer, they make 2 GB/s at most. */
const REQUESTS_AT_ONCE = 16;

/** The most that is held for one batch, in bytes. Only of a large matrix that lies transposed more is needed. */
const MAX_HELD_BYTES = 512 * 1024 * 1024;

/** How much is held for all batches together, in bytes, unless one alone needs more. */
const BUDGET_BYTES = 64 * 1024 * 1024;

/** How many batches are under way at a time: of 16 MB each, enough for {@linkcode REQUESTS_AT_ONCE}. */
export const REMOTE_LANES = 6;

/** Some rows of a view. */
interface Rows {
  readonly view: View;
  readonly firstRow: number;
  readonly rows: number;
}

/** Bytes that were fetched, by file, sorted by where they start. */
type Fetched = ReadonlyMap<string, readonly { readonly start: number; readonly bytes: Uint8Array }[]>;

/** Whether any of some views reads a file that isn't on this machine. */
export function areRemote(views: Iterable<View>): boolean {
  for (const view of views) for (const path of viewPaths(view)) if (isRemote(path)) return true;
  return false;
}

/** Something of which there is so much and no more; who came first is served first. */
class Supply {
  #taken = 0;
  readonly #all: number;
  readonly #waiting: { readonly amount: number; readonly resolve: () => void }[] = [];

  constructor(all: number) {
    this.#all = all;
  }

  /** Waits until there is enough, or nobody else has any. */
  async take(amount: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#isEnough(amount)) this.#taken += amount;
    else await new Promise<void>((resolve) => this.#waiting.push({ amount, resolve }));
  }

  give(amount: number): void {
    this.#taken -= amount;
    for (let next = this.#waiting[0]; next !== undefined && this.#isEnough(next.amount);) {
      this.#taken += next.amount;
      next.resolve();
      this.#waiting.shift();
      next = this.#waiting[0];
    }
  }

  #isEnough(amount: number): boolean {
    return this.#taken === 0 || this.#taken + amount <= this.#all;
  }
}

/** Fetches ranges, with a limit on how many requests are under way and how much is held. */
class Fetcher {
  readonly #stop = new AbortController();
  readonly #requests = new Supply(REQUESTS_AT_ONCE);
  readonly #memory = new Supply(BUDGET_BYTES);

  /** Fetches all of some rows that isn't on this machine, and holds it while something is done with it. */
  async fetching<Result>(all: readonly Rows[], work: (fetched: Fetched) => Promise<Result>): Promise<Result> {
    const needed = new Map<string, ByteRange[]>();
    for (const { view, firstRow, rows } of all) addRanges(view, firstRow, rows, needed);
    const wanted = [...needed].filter(([path]) => isRemote(path)).map(([path, ranges]) =>
      [known(path), cutRanges(mergeRanges(ranges, GAP_BYTES), REQUEST_BYTES)] as const
    );
    const total = wanted.flatMap(([, ranges]) => ranges).reduce(
      (sum, { start, end }) => sum + end - start,
      0,
    );
    if (total > MAX_HELD_BYTES) {
      throw new FileError(
        `${
          wanted[0]![0].path
        }: has a matrix that lies transposed, so that ${total} bytes would be read at once; ` +
          "download the file",
      );
    }
    await this.#memory.take(total);
    try {
      const fetched = await Promise.all(wanted.map(async ([file, ranges]) => {
        const read = ranges.map(async ({ start, end }) => ({
          start,
          bytes: await this.#read(file, start, end),
        }));
        return [file.path, await Promise.all(read)] as const;
      }));
      return await work(new Map(fetched));
    } finally {
      this.#memory.give(total);
    }
  }

  async #read(file: RemoteFile, start: number, end: number): Promise<Uint8Array> {
    await this.#requests.take(1);
    try {
      return await file.read(start, end - start, this.#stop.signal);
    } finally {
      this.#requests.give(1);
    }
  }

  stop(): void {
    this.#stop.abort();
  }
}

/** A file in a place that was opened. */
function known(path: string): RemoteFile {
  const file = remoteFile(path);
  if (file === undefined) throw new FileError(`${path}: isn't there any more; check the path`);
  return file;
}

/** Files for the kernel: those elsewhere are what was fetched of them. */
class FetchedFiles {
  readonly #held = new Set<Fetched>();
  readonly #openOther: KernelIo["open"];

  constructor(openOther: KernelIo["open"] = openKernelFile) {
    this.#openOther = openOther;
  }

  readonly open = (path: string, write: boolean): KernelFile => {
    if (write || !isRemote(path)) return this.#openOther(path, write);
    return {
      read: (buffer, position) => this.#read(path, buffer, position),
      write() {
        throw new Error(`${path}: cannot write the file: it isn't on this machine`);
      },
      close() {},
    };
  };

  /** Does something that reads what was fetched. */
  async having<Result>(fetched: Fetched, work: () => Result | Promise<Result>): Promise<Result> {
    this.#held.add(fetched);
    try {
      return await work();
    } finally {
      this.#held.delete(fetched);
    }
  }

  #read(path: string, buffer: Uint8Array, position: number): number {
    for (const fetched of this.#held) {
      let filled = 0;
      for (const { start, bytes } of fetched.get(path) ?? []) {
        const at = position + filled;
        if (start > at || start + bytes.length <= at) continue;
        const piece = bytes.subarray(at - start, position + buffer.length - start);
        buffer.set(piece, filled);
        filled += piece.length;
        if (filled === buffer.length) return filled;
      }
    }
    throw new RangeError(
      `Cannot read ${buffer.length} bytes at ${position} of ${path}: they weren't fetched`,
    );
  }
}

/**
 * Makes a runner on the calling thread that takes several batches at a time.
 *
 * @param blockBytes How much the kernel handles at a time, in bytes.
 * @param openOther How files are opened that aren't read from elsewhere.
 */
export function createRemoteRunner(blockBytes: number, shared: Shared, openOther?: KernelIo["open"]): Runner {
  const files = new FetchedFiles(openOther);
  const fetcher = new Fetcher();
  const local = createLocalRunner(blockBytes, shared, files.open);
  const reader = openReader(blockBytes, files.open);
  const fetching = <Item, Result>(
    batch: readonly Item[],
    needs: (item: Item) => readonly Rows[],
    run: (batch: readonly Item[]) => Promise<Result[]>,
  ) => fetcher.fetching(batch.flatMap(needs), (fetched) => files.having(fetched, () => run(batch)));
  const ofBoth = <Item extends { a: View; b: View; firstRow: number; rows: number }>(
    { a, b, firstRow, rows }: Item,
  ) => [{ view: a, firstRow, rows }, { view: b, firstRow, rows }];
  return {
    run: (batch) => fetching(batch, (chunk) => [chunk], local.run),
    compare: (batch) => fetching(batch, ofBoth, local.compare),
    count: (batch) => fetching(batch, (rows) => [rows], local.count),
    move: (batch) => fetching(batch, ofBoth, local.move),
    async hash(views) {
      const hash = createHash("sha256");
      const pieces = views.flatMap((view) => [...piecesOf(view)]);
      const filled = async (piece: Rows) => {
        const { view, firstRow, rows } = piece;
        const block = new Uint8Array(rows * view.rowBytes);
        const fill = () => reader.fill(view, firstRow, rows, block);
        await fetcher.fetching([piece], (fetched) => files.having(fetched, fill));
        return block;
      };
      const ahead: Promise<Uint8Array>[] = [];
      for (const i of pieces.keys()) {
        while (ahead.length < REQUESTS_AT_ONCE / 2 && i + ahead.length < pieces.length) {
          const next = filled(pieces[i + ahead.length]!);
          next.catch(() => {}); // Met once its turn comes.
          ahead.push(next);
        }
        const block = await ahead.shift()!;
        if (Atomics.load(shared.cancelled, 0) !== 0) throw new CancelledError("Cancelled");
        hash.update(block);
        Atomics.add(shared.bytes, 0, BigInt(block.length));
      }
      return hash.digest("hex");
    },
    close() {
      fetcher.stop();
      reader[Symbol.dispose]();
      local.close();
    },
  };
}

/** The parts of a view that are fetched one after the other. */
function* piecesOf(view: View): Generator<Rows> {
  const flat: View = view.op === "bytes" ? { ...view, rows: viewBytes(view), rowBytes: 1 } : view;
  const step = Math.max(1, Math.floor(REQUEST_BYTES / Math.max(1, flat.rowBytes)));
  for (let firstRow = 0; firstRow < flat.rows; firstRow += step) {
    yield { view: flat, firstRow, rows: Math.min(step, flat.rows - firstRow) };
  }
}

/** Reads rows of views, wherever they lie, for those who look at them on the calling thread. */
export interface RowReader extends Disposable {
  /** Fills a buffer with rows of a view. */
  fill(...args: Parameters<Reader["fill"]>): Promise<void>;
}

/** Opens a reader of rows. */
export function openRowReader(blockBytes: number): RowReader {
  const files = new FetchedFiles();
  const fetcher = new Fetcher();
  const reader = openReader(blockBytes, files.open);
  return {
    async fill(view, firstRow, rows, into) {
      const fill = () => reader.fill(view, firstRow, rows, into);
      await fetcher.fetching([{ view, firstRow, rows }], (fetched) => files.having(fetched, fill));
    },
    [Symbol.dispose]: () => reader[Symbol.dispose](),
  };
}
