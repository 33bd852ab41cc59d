/**
 * The directory `<output>.partial`, in which an output is built:
 *
 * | name              |                                                                               |
 * | ----------------- | ----------------------------------------------------------------------------- |
 * | `.ckpt-plan.json` | the record of the plan: whose all this is                                     |
 * | `.ckpt-lock`      | what those who work here hold a lock on                                       |
 * | `making/`         | files under construction                                                      |
 * | `sums/`           | a record of each finished file, with its checksum                             |
 * | `files/`          | the finished files, and never anything else: this directory becomes the output |
 */

import { FileError, OptionError } from "../error.ts";
import { dirname, join, resolve } from "../deps.ts";
import {
  claim,
  describeUnmade,
  isEmpty,
  lstat,
  readIfThere,
  removeEmptyParents,
  removeFile,
  removeTree,
  syncDirectory,
} from "../bytes/file_system.ts";

/** How the names of files begin that nobody else has: a directory with nothing else counts as empty. */
const OURS = ".ckpt-";

/** The paths of a partial directory. */
export interface PartialPaths {
  /** The output directory, absolute. */
  readonly output: string;
  readonly path: string;
  readonly record: string;
  readonly lock: string;
  readonly making: string;
  readonly sums: string;
  readonly files: string;
}

/**
 * The paths of the partial directory of an output directory, beside which it lies.
 *
 * @throws {OptionError} If the output directory has no name that a sibling could be named after.
 */
export function partialPaths(output: string): PartialPaths {
  const absolute = resolve(output);
  if (dirname(absolute) === absolute) {
    throw new OptionError(`${output}: can't be an output directory; name a new one`);
  }
  const path = absolute + ".partial";
  return {
    output: absolute,
    path,
    record: join(path, `${OURS}plan.json`),
    lock: join(path, `${OURS}lock`),
    making: join(path, "making"),
    sums: join(path, "sums"),
    files: join(path, "files"),
  };
}

/** A partial directory that a run works in. Disposing of it gives up its lock. */
export interface OpenPartial extends PartialPaths, Disposable {
  /** The topmost of the directories that had to be made for it, if any. */
  readonly made: string | undefined;
  /**
   * Whether it is still there. A process that was stopped, or whose machine hung, for so long that others did its work
   * may find another plan's in its place.
   */
  isHeld(): boolean;
}

export interface OpenPartialOptions {
  /** Whether several runs share it. */
  readonly isTask: boolean;
  readonly restart: boolean;
  readonly sync: boolean;
}

/** Whether a partial directory is there in which nothing is left, not even a record of a plan. */
export function isAbandoned({ path, record }: PartialPaths): boolean {
  return lstat(path) !== undefined && lstat(record) === undefined && isEmpty(path, OURS);
}

/** Whether a partial directory is the one of a plan, by the text of its record. */
export function holdsRecord({ record }: PartialPaths, text: string): boolean {
  return readIfThere(record)?.trimEnd() === text;
}

/** Whether a power cut left a part of the record of the plan. */
function isTorn({ record }: PartialPaths): boolean {
  try {
    JSON.parse(readIfThere(record) ?? "{}");
    return false;
  } catch (error) {
    return error instanceof SyntaxError;
  }
}

/**
 * Opens the partial directory for a plan, and makes it if it isn't there. Until it is disposed of, nobody else works in
 * it; but several tasks may.
 *
 * @param text The text of the plan's record.
 * @throws {FileError} If another run is at work, or it can't be made.
 * @throws {OptionError} If it is another plan's, or nobody's.
 */
export function openPartial(
  paths: PartialPaths,
  text: string,
  { isTask, restart, sync }: OpenPartialOptions,
): OpenPartial {
  const { path } = paths;
  if (restart && lstat(paths.record) !== undefined) {
    using _lock = lockPartial(paths, false);
    removePartial(paths);
  }
  const made = makeDirectory(path, sync);
  let lock: PartialLock | undefined;
  try {
    // Looked for again: another task may be about to write its record and to go on.
    if (lstat(paths.record) === undefined && !isEmpty(path, OURS) && lstat(paths.record) === undefined) {
      throw new OptionError(
        `${path}: holds files but no record of a plan, so no conversion left it; move it elsewhere`,
      );
    }
    lock = lockPartial(paths, isTask);
    // Each finished file's own record says whose it is, too.
    if (lock.isAlone && isTorn(paths)) removeFile(paths.record);
    if (lstat(paths.record) === undefined) claim(paths.record, text + "\n", sync);
    if (!holdsRecord(paths, text)) {
      // Another run that has published the output removes all this, from under this one.
      if (lstat(paths.record) === undefined || !lock.isHeld()) {
        throw new FileError(`${path}: was taken away while this run was at work in it`);
      }
      throw new OptionError(
        `${path}: holds the unfinished output of another conversion (other input, options or version); ` +
          `finish that one, or ${isTask ? `remove ${path}` : "use --restart"} to begin anew`,
      );
    }
    // What runs that were killed had not finished.
    if (lock.isAlone) removeTree(paths.making);
    for (const each of [paths.making, paths.sums, paths.files]) makeSubdirectory(each);
    const { isHeld } = lock;
    return { ...paths, made, isHeld, [Symbol.dispose]: () => lock![Symbol.dispose]() };
  } catch (error) {
    lock?.[Symbol.dispose]();
    if (made !== undefined) {
      removeFile(path);
      removeEmptyParents(path, made);
    }
    throw error;
  }
}

/**
 * Removes a partial directory. The record of the plan goes late, so that whatever is left is known to be ckpt's, and
 * the lock goes last, so that nobody else begins here before.
 */
export function removePartial({ path, record, making, sums, files }: PartialPaths): void {
  for (const each of [making, sums, files, record, path]) removeTree(each);
}

/** Makes a directory; returns the topmost parent that had to be made for it, if any. */
function makeDirectory(path: string, sync: boolean): string | undefined {
  const cantMake = (error: unknown) => describeUnmade("the output directory", dirname(path), error);
  try {
    Deno.mkdirSync(path);
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    if (!(error instanceof Deno.errors.NotFound)) throw cantMake(error);
  }
  let made = dirname(path);
  while (lstat(dirname(made)) === undefined && dirname(made) !== made) made = dirname(made);
  try {
    Deno.mkdirSync(path, { recursive: true });
    for (let at = path; sync && at !== dirname(made);) syncDirectory(at = dirname(at));
  } catch (error) {
    throw cantMake(error);
  }
  return made;
}

/** Makes a directory in one that is there. It doesn't make that one: another task may have taken it away just now. */
export function makeSubdirectory(path: string): void {
  try {
    Deno.mkdirSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    if (!lstat(path)?.isDirectory) throw new FileError(`${path}: is in the way; move it elsewhere`);
  }
}

/** A lock on a partial directory, which goes with the process that has it. */
interface PartialLock extends Disposable {
  /** Whether nobody else can be at work; where the file system has no locks, nobody knows. */
  readonly isAlone: boolean;
  /** Whether what is locked is still what is there. */
  isHeld(): boolean;
}

/**
 * Locks a partial directory.
 *
 * @param isShared Whether others may have such a lock at the same time.
 * @throws {FileError} If another run has locked it.
 */
function lockPartial({ output, path, lock }: PartialPaths, isShared: boolean): PartialLock {
  for (;;) {
    // A link would be followed, and what it leads to is never the lock itself.
    if (lstat(lock)?.isFile === false) throw new FileError(`${lock}: is in the way; move it elsewhere`);
    const file = Deno.openSync(lock, { read: true, write: true, create: true }); // NFS wants both.
    try {
      const isLocked = tryLock(file, !isShared);
      if (isLocked === false) {
        throw new FileError(
          `${output}: another run is writing this output, in ${path}; wait until it is done, or stop it`,
        );
      }
      const { ino } = file.statSync();
      const isHeld = () => lstat(lock)?.ino === ino;
      // Another run may have taken the file away, and a third one made it anew.
      if (isHeld()) {
        return { isAlone: !isShared && isLocked === true, isHeld, [Symbol.dispose]: () => unlock(file) };
      }
    } catch (error) {
      unlock(file);
      throw error;
    }
    unlock(file);
  }
}

/** Gives up a lock, also that of a child which has the file open, too, until it begins its own program. */
function unlock(file: Deno.FsFile): void {
  try {
    file.unlockSync();
  } catch {
    // Closing does it, if later.
  }
  file.close();
}

/** Whether a file could be locked; `undefined` where the file system has no locks (some Lustre and FUSE mounts). */
function tryLock(file: Deno.FsFile, isExclusive: boolean): boolean | undefined {
  try {
    return file.tryLockSync(isExclusive);
  } catch {
    return undefined;
  }
}
