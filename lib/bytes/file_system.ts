/**
 * What Deno's file system calls lack: looking without throwing, writing whole or not at all, flushing, tidying up.
 */

import { FileError } from "../error.ts";
import { basename, dirname, join } from "../deps.ts";
import { isRemote, remoteFile, remoteNames } from "./remote.ts";

/** What is at a path, links not followed; `undefined` where nothing is. Throws FileError where it may not be looked at. */
export function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw new FileError(`${path}: can't look at it: ${messageOf(error)}`);
  }
}

/** Whether a directory holds nothing, but for names that start with `ignored`. Throws FileError if it can't be read. */
export function isEmpty(directory: string, ignored?: string): boolean {
  try {
    for (const { name } of Deno.readDirSync(directory)) {
      if (ignored === undefined || !name.startsWith(ignored)) return false;
    }
    return true;
  } catch (error) {
    throw new FileError(`${directory}: can't look into it: ${messageOf(error)}`);
  }
}

/** Whether a path is a directory, links followed. What is wrong with it is said where it is opened as a file. */
export function isDirectory(path: string): boolean {
  if (isRemote(path)) return remoteNames(path) !== undefined;
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Whether a path is a file, links followed. */
export function isFile(path: string): boolean {
  if (isRemote(path)) return remoteFile(path) !== undefined;
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // Not there, or not to be seen.
  }
}

/** Whether another file system begins at a directory. */
export function isMountPoint(path: string): boolean {
  try {
    return Deno.statSync(path).dev !== Deno.statSync(dirname(path)).dev;
  } catch {
    return false; // The parent may not be looked at.
  }
}

/** The real path of the nearest ancestor that exists, with what is missing appended. */
export function realPathOfNearest(path: string): string {
  if (isRemote(path)) return path;
  try {
    // Resolving links is no reason to ask for more than the input and the output.
    if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return path;
    return Deno.realPathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPathOfNearest(parent), basename(path));
  }
}

/** Whether a path is that of a directory or of something in it. */
export function liesIn(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`) || path.startsWith(`${directory}\\`);
}

/** The text of a file, or `undefined` where there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw inTheWay(path) ?? error;
  }
}

/** What to say of a directory where a file has to be. */
function inTheWay(path: string): FileError | undefined {
  return lstat(path)?.isDirectory ? new FileError(`${path}: is in the way; move it elsewhere`) : undefined;
}

/** Gives a file another name, whatever file has it. */
export function moveFile(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    throw inTheWay(to) ?? error;
  }
}

/** Writes a file, whole or not at all, unless it is there already; returns whether it was written. */
export function claim(path: string, text: string, sync: boolean): boolean {
  const temporary = writeBeside(path, text, sync);
  try {
    Deno.linkSync(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    // Not every file system has hard links.
    return claimWithoutLinks(path, text);
  } finally {
    removeFile(temporary);
  }
}

function claimWithoutLinks(path: string, text: string): boolean {
  try {
    Deno.writeTextFileSync(path, text, { createNew: true });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

/** Writes a file, whole or not at all, in the place of the one that is there. */
export function replaceFile(path: string, text: string, sync: boolean): void {
  const temporary = writeBeside(path, text, sync);
  try {
    moveFile(temporary, path);
  } catch (error) {
    removeFile(temporary);
    throw error;
  }
}

function writeBeside(path: string, text: string, sync: boolean): string {
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    Deno.writeTextFileSync(temporary, text, { createNew: true });
    if (sync) syncFile(temporary);
  } catch (error) {
    removeFile(temporary);
    throw new FileError(`${path}: cannot write the file: ${messageOf(error)}`);
  }
  return temporary;
}

/** A directory and all below it, those below first. */
export function* directories(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(directory)) {
    if (entry.isDirectory) yield* directories(join(directory, entry.name));
  }
  yield directory;
}

/** Flushes a file to its device. */
export function syncFile(path: string): void {
  using file = Deno.openSync(path, { write: true });
  file.syncSync();
}

/** Flushes the names in a directory to its device, if it may be read. */
export function syncDirectory(path: string): void {
  if (Deno.build.os === "windows") return; // Directories can't be opened there, and need not be flushed.
  try {
    using directory = Deno.openSync(path);
    directory.syncSync();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
}

/** Removes a file, if it is there. */
export function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It isn't there, which is what was wanted.
  }
}

/** Removes whatever is at a path, if something is. Throws FileError if it can't. */
export function removeTree(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new FileError(`${path}: can't remove it: ${messageOf(error)}`);
    }
  }
}

/** Removes the parents of a path up to and including `top`, as far as they are empty. */
export function removeEmptyParents(path: string, top: string): void {
  for (let at = dirname(path); at.length >= top.length; at = dirname(at)) {
    try {
      Deno.removeSync(at);
    } catch {
      return;
    }
  }
}

/** The error for a thing of the output that couldn't be made in a directory: what is wrong, and what to do. */
export function describeUnmade(what: string, directory: string, error: unknown): FileError {
  if (error instanceof Deno.errors.NotFound && !isDirectory(directory)) {
    return new FileError(`${directory}: there is no such directory; make it first`);
  }
  if (error instanceof Deno.errors.NotADirectory) {
    return new FileError(`${directory}: is no directory, so ${what} can't lie in it; name another place`);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new FileError(
      `${directory}: permission denied; ask its owner for leave to write there, or name another place`,
    );
  }
  // Deno says itself what to grant.
  const advice = error instanceof Deno.errors.NotCapable ? "" : "; name another place";
  return new FileError(`${directory}: can't make ${what} here: ${messageOf(error)}${advice}`);
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What to say of a path in `/dev`, `/proc` or `/sys`, which Deno opens for those alone who may do everything. */
export function needsAllPermissions(path: string): string {
  return `${path}: Deno opens what lies in /dev, /proc and /sys with all permissions alone; run Deno with -A`;
}
