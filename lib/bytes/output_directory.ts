/**
 * Output directories that are whole or absent: everything is built in `<output>.partial`, which is renamed
 * once all files are there. What is in it survives a crash, and the same work goes on from it.
 *
 * @module
 */

import { CancelledError, CheckpointError, FileError, FormatError, OptionError } from "../error.ts";
import { basename, dirname, join, resolve } from "../deps.ts";
import { copyFiles, type CopyOptions, type CopyResult, type Destination } from "./copy_engine.ts";
import { type FileLayout, fingerprint, type OutputFile, type Plan } from "./plan.ts";

/** The name of the record of the plan in a partial directory. */
const PLAN_RECORD = ".ckpt-plan.json";

/** A share of the work: the `index`-th of `count`, counted from 1. */
export interface Task {
  /** Which share. */
  readonly index: number;
  /** How many shares there are. */
  readonly count: number;
}

/** How an output directory is to be written. */
export interface WriteOptions extends CopyOptions {
  /** Whether to throw away what an earlier run left, instead of going on from it. */
  readonly restart?: boolean;
  /** The share of the files to make, where several processes make them together. */
  readonly task?: Task;
}

/** What was written. */
export interface WriteResult extends CopyResult {
  /** Whether all files are there, so that the output directory exists. */
  readonly complete: boolean;
  /** The names of the files that an earlier run, or another task, had finished already. */
  readonly reused: readonly string[];
  /** The names of the files that were made now. */
  readonly written: readonly string[];
  /** All files of the plan and their sizes in bytes, which are as planned for those that aren't there yet. */
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
}

/** An output directory's paths, checked. */
export interface OutputPaths {
  /** The output directory, absolute. */
  readonly output: string;
  /** Where it is built. */
  readonly partial: string;
}

/**
 * Where an output directory is built.
 *
 * @param output The output directory.
 * @returns Its absolute path and that of the directory in which it is built, a sibling of it.
 * @throws {OptionError} If the path has no name that a sibling could be named after.
 */
export function outputPaths(output: string): OutputPaths {
  const absolute = resolve(output);
  if (dirname(absolute) === absolute) {
    throw new OptionError(`${output}: can't be an output directory; name a new one`);
  }
  return { output: absolute, partial: absolute + ".partial" };
}

/**
 * Checks that an output directory can be made.
 *
 * @param output The output directory: absent, or an empty directory.
 * @param inputs Paths that are being read; the output may not be one of them or lie in one of them.
 * @param mayBeDone Whether the output may be there, since tasks may have finished it: then writeOutput looks at it.
 * @throws {FileError} If there is something at the path already.
 * @throws {OptionError} If the output would lie in an input.
 */
export function checkOutput(output: string, inputs: readonly string[], mayBeDone = false): void {
  const { output: path, partial } = outputPaths(output);
  const real = realPathOfNearest(path);
  for (const input of inputs) {
    const from = realPathOfNearest(resolve(input));
    if (real === from || real.startsWith(from + "/") || real.startsWith(from + "\\")) {
      throw new OptionError(
        `${output}: the output can't lie in the input ${input}; name a directory outside it`,
      );
    }
  }
  const info = lstat(path);
  if (info?.isSymlink) {
    throw new FileError(`${output}: is a symbolic link; name the directory that it points to`);
  }
  if (info !== undefined && !info.isDirectory) {
    throw new FileError(`${output}: is a file already; name a new directory`);
  }
  // Where the record of the plan is left, a run was killed in its last step, and writeOutput finishes that.
  if (info !== undefined && !mayBeDone && lstat(join(path, PLAN_RECORD)) === undefined && !isEmpty(path)) {
    throw existsAlready(output);
  }
  const partialInfo = lstat(partial);
  if (partialInfo !== undefined && (partialInfo.isSymlink || !partialInfo.isDirectory)) {
    throw new FileError(`${partial}: is in the way, since the output is built there; move it elsewhere`);
  }
}

function existsAlready(output: string): FileError {
  return new FileError(`${output}: exists already and isn't empty; name a new directory`);
}

/**
 * Makes the files of a plan in an output directory.
 *
 * @param plan The plan.
 * @param output The output directory: absent, or an empty directory.
 * @param options How to do it.
 * @returns What was written.
 * @throws {FileError} If something can't be read or written, or the output exists.
 * @throws {OptionError} If another plan's unfinished work is in the way, or a task is to begin anew.
 * @throws {CancelledError} If `options.signal` was aborted; what was finished stays for the next run.
 */
export async function writeOutput(
  plan: Plan,
  output: string,
  options: WriteOptions = {},
): Promise<WriteResult> {
  const { output: path, partial } = outputPaths(output);
  const { task, restart = false } = options;
  if (task !== undefined && restart) {
    throw new OptionError(
      "Cannot begin anew in one of several tasks: the others would lose their work; " +
        `remove ${partial} before they start`,
    );
  }
  checkOutput(output, [], true);
  const record = recordOf(plan);
  if (lstat(path) !== undefined && !isEmpty(path)) {
    // Done already: by other tasks, or by a run that was killed in its last step.
    const isOurs = task !== undefined || holdsRecord(path, record);
    if (!isOurs || !isComplete(plan, path)) throw existsAlready(output);
    removeLeftovers(path, partial, record);
    return madeElsewhere(plan, path);
  }
  const made = makePartial(partial, restart);
  const written: string[] = [];
  try {
    const reused = openPartial(partial, record, plan);
    const todo = plan.files.filter((file, index) =>
      !reused.includes(file.name) && (task === undefined || index % task.count === task.index - 1)
    );
    const run = crypto.randomUUID().slice(0, 8);
    const destinations = todo.map((file) => ({ file, path: join(partial, `${file.name}.${run}.tmp`) }));
    const result = await makeFiles(plan, partial, destinations, written, options);
    const complete = publish(plan, path, partial, new Set([...reused, ...written]), options.sync ?? false);
    return { ...result, complete, reused, written, files: sizesIn(complete ? path : partial, plan) };
  } catch (error) {
    const failure = error instanceof CheckpointError
      ? error
      : new FileError(`${output}: can't write the output: ${messageOf(error)}`);
    // Another process that does the same work takes away what it doesn't need once it has all files.
    if (failure instanceof FileError && isMadeElsewhere(plan, path, partial, options.sync ?? false)) {
      return madeElsewhere(plan, path);
    }
    if (task === undefined && !(failure instanceof OptionError)) cleanUp(partial, plan, failure);
    // A file may be finished before all of a record that it has a part of is found to be damaged.
    if (failure instanceof FormatError) { for (const name of written) removeFile(join(partial, name)); }
    if (failure instanceof CancelledError) failure.isResumable = lstat(partial) !== undefined;
    if (made !== undefined) removeEmptyParents(partial, made);
    throw failure;
  }
}

/** Whether another process has finished the same work. If it has all but moved it to its place, that is done. */
function isMadeElsewhere(plan: Plan, output: string, partial: string, sync: boolean): boolean {
  try {
    return publish(plan, output, partial, new Set(), sync);
  } catch {
    return isComplete(plan, output); // It was moved just now.
  }
}

/** Removes what processes that were killed left in the output, or beside it when they came late. */
function removeLeftovers(output: string, partial: string, record: string): void {
  try {
    if (holdsRecord(output, record)) {
      for (const path of [...temporaryFiles(output)]) removeFile(path);
      removeFile(join(output, PLAN_RECORD));
    }
    if (holdsRecord(partial, record)) removeTree(partial);
  } catch {
    // Somebody is at it. The output is whole, and that is what counts.
  }
}

/** The result where another process has made the output. */
function madeElsewhere(plan: Plan, output: string): WriteResult {
  const reused = plan.files.map(({ name }) => name);
  return { complete: true, reused, written: [], cloned: [], overflows: 0, files: sizesIn(output, plan) };
}

function sizesIn(directory: string, plan: Plan): WriteResult["files"] {
  return plan.files.map((file) => ({
    name: file.name,
    bytes: lstat(join(directory, file.name))?.size ?? file.size,
  }));
}

async function makeFiles(
  plan: Plan,
  partial: string,
  destinations: readonly Destination[],
  written: string[],
  options: CopyOptions,
): Promise<CopyResult> {
  for (const { path } of destinations) {
    // Not the directory itself: it may have been moved to its place just now.
    if (dirname(path) !== partial) Deno.mkdirSync(dirname(path), { recursive: true });
  }
  try {
    return await copyFiles(plan, destinations, ({ file, path }) => {
      Deno.renameSync(path, join(partial, file.name));
      written.push(file.name);
    }, options);
  } catch (error) {
    for (const { path } of destinations) removeFile(path);
    throw error;
  }
}

/**
 * After a failure: keeps finished files where the same command can go on from them (a full disk, a signal),
 * and removes everything where it can't (the input is damaged) or where there is nothing worth keeping.
 */
function cleanUp(partial: string, plan: Plan, error: unknown): void {
  const canGoOn = error instanceof CancelledError || error instanceof FileError;
  const worthKeeping = plan.files.some((file) => file.tensors.length > 0 && isFinished(partial, file));
  // Another run of the same work may be under way.
  const isInUse = lstat(partial) !== undefined && !temporaryFiles(partial).next().done;
  if (!canGoOn || !(worthKeeping || isInUse)) removeTree(partial);
}

/** Makes the partial directory; returns the topmost parent that had to be made for it, if any. */
function makePartial(partial: string, restart: boolean): string | undefined {
  const cantMake = (error: unknown) =>
    new FileError(`${dirname(partial)}: can't make the output directory here: ${messageOf(error)}`);
  if (restart && lstat(partial) !== undefined) {
    // Only what is ckpt's own is thrown away.
    if (lstat(join(partial, PLAN_RECORD)) === undefined && !isEmpty(partial, PLAN_RECORD)) {
      throw notOurs(partial);
    }
    removeTree(partial);
  }
  try {
    Deno.mkdirSync(partial);
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    if (!(error instanceof Deno.errors.NotFound)) throw cantMake(error);
  }
  let made = dirname(partial);
  while (lstat(dirname(made)) === undefined && dirname(made) !== made) made = dirname(made);
  try {
    Deno.mkdirSync(partial, { recursive: true });
  } catch (error) {
    throw cantMake(error);
  }
  return made;
}

/** The text of the record of a plan. */
function recordOf(plan: Plan): string {
  return JSON.stringify({
    version: 1,
    fingerprint: fingerprint(plan),
    files: plan.files.map(({ name }) => name),
  });
}

/** Whether a directory holds just this record of a plan. */
function holdsRecord(directory: string, text: string): boolean {
  return readIfThere(join(directory, PLAN_RECORD))?.trimEnd() === text;
}

/** Reads or writes the record of the plan; returns the names of files that are finished. */
function openPartial(partial: string, text: string, plan: Plan): string[] {
  const record = join(partial, PLAN_RECORD);
  let existing = readIfThere(record);
  if (existing === undefined) {
    // Another task may be about to write its record; that starts with the record's name, too.
    const isOurs = isEmpty(partial, PLAN_RECORD) && claim(record, text + "\n");
    if (isOurs) return [];
    existing = readIfThere(record); // Another task was faster, if it is there now.
    if (existing === undefined) {
      throw notOurs(partial);
    }
  }
  if (existing.trimEnd() !== text) {
    throw new OptionError(
      `${partial}: holds the unfinished output of another conversion (other input, options or version); ` +
        "finish that one, or use --restart to begin anew",
    );
  }
  return plan.files.filter((file) => isFinished(partial, file)).map(({ name }) => name);
}

function notOurs(partial: string): OptionError {
  return new OptionError(
    `${partial}: holds files but no record of a plan, so no conversion left it; move it elsewhere`,
  );
}

function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Writes a file, whole or not at all, unless it is there already; returns whether it was written. */
function claim(path: string, text: string): boolean {
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  Deno.writeTextFileSync(temporary, text);
  try {
    Deno.linkSync(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    // Not every file system has hard links.
    Deno.renameSync(temporary, path);
    return true;
  } finally {
    removeFile(temporary);
  }
}

/**
 * Moves a partial directory to its place if all files are finished, unless another process has done so; returns
 * whether the output is there.
 */
function publish(
  plan: Plan,
  output: string,
  partial: string,
  finished: ReadonlySet<string>,
  sync: boolean,
): boolean {
  if (isComplete(plan, output)) {
    removeTree(partial); // Begun anew after another process had moved it.
    return true;
  }
  if (!plan.files.every((file) => finished.has(file.name) || isFinished(partial, file))) {
    return isComplete(plan, output); // It may have been moved while this looked at the files one by one.
  }
  // What runs that were killed, or another run of the same work, left behind.
  for (const path of temporaryFiles(partial)) removeFile(path);
  if (sync) {
    // What an earlier run has finished may not be on the disk yet.
    for (const { name } of plan.files) syncFile(join(partial, name));
    for (const directory of directories(partial)) syncDirectory(directory);
  }
  if (lstat(output) !== undefined) Deno.removeSync(output); // Checked to be an empty directory.
  Deno.renameSync(partial, output);
  // Another run of the same work may have begun a file just before.
  for (const path of temporaryFiles(output)) removeFile(path);
  // Removed last: if the machine stops before, the output is whole all the same.
  removeFile(join(output, PLAN_RECORD));
  if (sync) syncDirectory(dirname(output));
  return true;
}

/** Whether a file is finished: files get their name only when they are. */
function isFinished(directory: string, file: OutputFile): boolean {
  const info = lstat(join(directory, file.name));
  if (info === undefined || !info.isFile) return false;
  return info.size === file.size || info.size === file.overlay?.make()?.size;
}

/**
 * Whether an output directory holds all files of a plan, and not those of another whose files have the same names and
 * sizes. What is copied can't be compared without reading it all, but where the plan knows its checksums, they are
 * among what the plan itself writes, as in an archive's directory.
 */
function isComplete(plan: Plan, output: string): boolean {
  return plan.files.every((file) => isFinished(output, file)) &&
    plan.files.every((file) =>
      holdsLiterals(join(output, file.name), file) ||
      holdsLiterals(join(output, file.name), file.overlay?.make())
    );
}

function holdsLiterals(path: string, layout: FileLayout | undefined): boolean {
  if (layout === undefined || lstat(path)?.size !== layout.size) return false;
  const crcs = layout.copies.map(({ crc }) => crc);
  if (crcs.includes(undefined)) return true; // They are known only once everything is read.
  using file = Deno.openSync(path);
  return layout.literals(crcs as number[]).every(({ at, bytes }) => {
    const found = new Uint8Array(bytes.length);
    file.seekSync(at, Deno.SeekMode.Start);
    for (let filled = 0; filled < found.length;) {
      const count = file.readSync(found.subarray(filled));
      if (count === null) return false;
      filled += count;
    }
    return found.every((byte, i) => byte === bytes[i]);
  });
}

function* temporaryFiles(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory) yield* temporaryFiles(path);
    else if (entry.name.endsWith(".tmp")) yield path;
  }
}

/** A directory and all below it, those below first. */
function* directories(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(directory)) {
    if (entry.isDirectory) yield* directories(join(directory, entry.name));
  }
  yield directory;
}

function syncFile(path: string): void {
  using file = Deno.openSync(path, { write: true });
  file.syncSync();
}

function syncDirectory(path: string): void {
  if (Deno.build.os === "windows") return; // Directories can't be opened there, and need not be flushed.
  using directory = Deno.openSync(path);
  directory.syncSync();
}

function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw new FileError(`${path}: can't look at it: ${messageOf(error)}`);
  }
}

function isEmpty(directory: string, ignored?: string): boolean {
  try {
    for (const { name } of Deno.readDirSync(directory)) {
      if (ignored === undefined || !name.startsWith(ignored)) return false;
    }
    return true;
  } catch (error) {
    throw new FileError(`${directory}: can't look into it: ${messageOf(error)}`);
  }
}

/** The real path of the nearest ancestor that exists, with what is missing appended. */
function realPathOfNearest(path: string): string {
  try {
    // Resolving links is no reason to ask for more than the input and the output.
    if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return path;
    return Deno.realPathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPathOfNearest(parent), basename(path));
  }
}

function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It isn't there, which is what was wanted.
  }
}

function removeTree(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new FileError(`${path}: can't remove it: ${messageOf(error)}`);
    }
  }
}

/** Removes the parents of a path up to and including `top`, as far as they are empty. */
function removeEmptyParents(path: string, top: string): void {
  for (let at = dirname(path); at.length >= top.length; at = dirname(at)) {
    try {
      Deno.removeSync(at);
    } catch {
      return;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
