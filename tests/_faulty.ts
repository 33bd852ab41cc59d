/**
 * Calls to the operating system that fail, come short or find nothing: Deno's functions, replaced for a while.
 *
 * @module
 */

/** Functions of Deno's, and methods of its files, that ckpt calls on the main thread. */
export const CALLS = [
  ...[
    "chmodSync",
    "copyFileSync",
    "createSync",
    "linkSync",
    "lstatSync",
    "mkdirSync",
    "openSync",
    "readDirSync",
  ],
  ...[
    "readFileSync",
    "readTextFileSync",
    "realPathSync",
    "removeSync",
    "renameSync",
    "statSync",
    "writeTextFileSync",
  ],
  ...[
    "file.readSync",
    "file.seekSync",
    "file.statSync",
    "file.syncSync",
    "file.truncateSync",
    "file.tryLockSync",
    "file.writeSync",
  ],
] as const;

/** The name of a call. */
export type Call = typeof CALLS[number];

// deno-lint-ignore no-explicit-any -- Any function of Deno's.
type AnyFunction = (...args: any[]) => any;

function holderOf(call: Call): [holder: Record<string, AnyFunction>, name: string] {
  const isMethod = call.startsWith("file.");
  const holder = isMethod ? Deno.FsFile.prototype : Deno;
  return [holder as unknown as Record<string, AnyFunction>, isMethod ? call.slice("file.".length) : call];
}

/** Replaces calls by others for as long as it isn't disposed of. */
export class FaultyCalls implements Disposable {
  readonly #undo: (() => void)[] = [];
  /** How often each call was made. */
  readonly counts = new Map<Call, number>();

  /**
   * Replaces calls.
   *
   * @param calls Which.
   * @param act What is done instead, given the call as it was, how many there were of it with this one, and for which
   * path or file; for the others, `undefined`.
   */
  constructor(
    calls: readonly Call[],
    act: (original: AnyFunction, count: number, self: unknown, args: unknown[], call: Call) => unknown,
  ) {
    for (const call of calls) {
      const [holder, name] = holderOf(call);
      const original = holder[name]!;
      const counts = this.counts;
      holder[name] = function (this: unknown, ...args: unknown[]) {
        const count = 1 + (counts.get(call) ?? 0);
        counts.set(call, count);
        return act(original, count, this, args, call);
      };
      this.#undo.push(() => holder[name] = original);
    }
  }

  /** Puts the calls back. */
  [Symbol.dispose](): void {
    for (const undo of this.#undo.splice(0)) undo();
  }
}

/** An error as the operating system gives it. */
export function systemError(code: "EIO" | "ENOSPC" | "EROFS" | "EACCES" | "ENOENT"): Error {
  switch (code) {
    case "EACCES":
      return new Deno.errors.PermissionDenied("Permission denied (os error 13)");
    case "ENOENT":
      return new Deno.errors.NotFound("No such file or directory (os error 2)");
    default: {
      const text = {
        EIO: "Input/output error",
        ENOSPC: "No space left on device",
        EROFS: "Read-only file system",
      }[code];
      return Object.assign(new Error(text), { code });
    }
  }
}
