/**
 * A disk as a power cut finds it: what was written but not flushed is lost. Deno's calls on the main thread are watched,
 * so that it is known what that is; and from some call on none is made any more, as if the power went.
 *
 * Two things are tracked, by inode: files whose bytes are not on the disk, and directories in which a name is not.
 * A file's bytes turn to zeros when the power goes and its name and size stay, which is what ext4 and XFS may do. What
 * was removed stays removed.
 *
 * @module
 */

import { dirname } from "../lib/deps.ts";
import { type Call, FaultyCalls } from "./_faulty.ts";

/** Calls that change something, and those that flush. */
const WATCHED = [
  "copyFileSync",
  "createSync",
  "file.syncSync",
  "file.truncateSync",
  "file.writeSync",
  "linkSync",
  "mkdirSync",
  "openSync",
  "removeSync",
  "renameSync",
  "writeTextFileSync",
] as const satisfies readonly Call[];

/** What is thrown in the place of every call once the power is gone. */
export class PowerCut extends Error {}

/** Watches calls, until it is disposed of. */
export class Disk implements Disposable {
  readonly #calls: FaultyCalls;
  readonly #cutAt: number;
  readonly #onRename: (to: string) => void;
  readonly #unflushedData = new Set<number>();
  readonly #unflushedNames = new Set<number>();
  readonly #opened = new WeakMap<object, string>();
  /** How many calls there were. */
  steps = 0;

  /**
   * Begins to watch.
   *
   * @param cutAt The call, counted from 1, before which the power goes; 0 for never.
   * @param onRename Called before something is renamed, with its new path.
   */
  constructor(cutAt = 0, onRename: (to: string) => void = () => {}) {
    this.#cutAt = cutAt;
    this.#onRename = onRename;
    this.#calls = new FaultyCalls(
      WATCHED,
      (original, _, self, args, call) => this.#act(original, self, args, call),
    );
  }

  /** Whether the power is gone. */
  get isCut(): boolean {
    return this.#cutAt > 0 && this.steps >= this.#cutAt;
  }

  /** Whether the bytes of a file, or names in a directory, are not on the disk. */
  isUnflushed(path: string): boolean {
    const { ino } = Deno.lstatSync(path);
    return this.#unflushedData.has(ino!) || this.#unflushedNames.has(ino!);
  }

  // deno-lint-ignore ban-types -- Any function of Deno's.
  #act(original: Function, self: unknown, args: unknown[], call: Call): unknown {
    this.steps++;
    if (this.isCut) throw new PowerCut("the power is gone");
    const [first, second] = args as [string, string];
    if (call === "renameSync") this.#onRename(second);
    const isThere = typeof first === "string" && inodeOf(first) !== undefined;
    if (call === "renameSync") this.#unflushedNames.add(inodeOf(dirname(first))!);
    const result = original.apply(self, args);
    switch (call) {
      case "file.syncSync": {
        const inode = inodeOf(this.#opened.get(self as object)!)!;
        this.#unflushedData.delete(inode);
        this.#unflushedNames.delete(inode);
        break;
      }
      case "file.writeSync":
      case "file.truncateSync":
        this.#unflushedData.add(inodeOf(this.#opened.get(self as object)!)!);
        break;
      case "renameSync":
      case "linkSync":
      case "copyFileSync":
        this.#unflushedNames.add(inodeOf(dirname(second))!);
        break;
      case "removeSync":
        break;
      default: // What is made, with a name and perhaps bytes.
        if (!isThere) this.#unflushedNames.add(inodeOf(dirname(first))!);
        if (call === "writeTextFileSync") this.#unflushedData.add(inodeOf(first)!);
        if (call === "mkdirSync" && !isThere) this.#unflushedNames.add(inodeOf(first)!);
        if (result instanceof Deno.FsFile) this.#opened.set(result, first);
    }
    return result;
  }

  /** What is found when the power is back: the files below a directory whose bytes weren't flushed are zeros. */
  loseUnflushed(directory: string): void {
    for (const path of filesBelow(directory)) {
      const { ino, size } = Deno.lstatSync(path);
      if (this.#unflushedData.has(ino!)) Deno.writeFileSync(path, new Uint8Array(size));
    }
  }

  /** Stops watching. */
  [Symbol.dispose](): void {
    this.#calls[Symbol.dispose]();
  }
}

function inodeOf(path: string): number | undefined {
  try {
    return Deno.lstatSync(path).ino ?? undefined;
  } catch {
    return undefined;
  }
}

function* filesBelow(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) yield* filesBelow(path);
    else yield path;
  }
}
