/**
 * Output directories that are whole or absent: everything is built in `<output>.partial`, which is renamed
 * once all files are there. What is in it survives a crash, and the same work goes on from it.
 *
 * @module
 */

import { CancelledError, CheckpointError, FileError, FormatError, OptionError } from "../error.ts";
import { dirname, join, resolve } from "../deps.ts";
import { checksums } from "../copy/checksums.ts";
import { copyFiles, type CopyOptions, type CopyResult, type Destination } from "../copy/copy_engine.ts";
import {
  directories,
  isEmpty,
  isMountPoint,
  lstat,
  messageOf,
  realPathOfNearest,
  removeEmptyParents,
  removeFile,
  removeTree,
  syncDirectory,
  syncFile,
} from "../bytes/file_system.ts";
import { isComplete, isFinished, sizesIn } from "./finished_files.ts";
import { checkFreeSpace } from "./free_space.ts";
import {
  holdsRecord,
  makePartial,
  openPartial,
  PLAN_RECORD,
  recordOf,
  temporaryFiles,
} from "./partial_directory.ts";
import type { Plan } from "../copy/plan.ts";
import { sharedRecords } from "../copy/shared_records.ts";
import { badCrc } from "../copy/source_check.ts";

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
  if (info !== undefined && isMountPoint(path)) {
    throw new FileError(
      `${output}: is a mount point, which nothing can be moved onto; name a directory inside it`,
    );
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
    const isKnown = holdsRecord(path, record) || (task !== undefined && !needsRecord(plan, task));
    if (!isKnown || !isComplete(plan, path)) throw existsAlready(output);
    removeLeftovers(path, partial, record, needsRecord(plan, task));
    return madeElsewhere(plan, path);
  }
  const made = makePartial(partial, restart);
  const written: string[] = [];
  let isOurs = false; // Whether what lies in the partial directory is known to be this plan's.
  try {
    const reused = openPartial(partial, record, plan);
    isOurs = true;
    const todo = plan.files.filter((file, index) =>
      !reused.includes(file.name) && (task === undefined || index % task.count === task.index - 1)
    );
    const run = crypto.randomUUID().slice(0, 8);
    const destinations = todo.map((file) => ({ file, path: join(partial, `${file.name}.${run}.tmp`) }));
    const result = await makeFiles(plan, partial, destinations, written, options);
    if (task !== undefined || reused.length > 0) await checkSharedRecords(plan, partial, options);
    const complete = publish(plan, path, partial, new Set([...reused, ...written]), options);
    return { ...result, complete, reused, written, files: sizesIn(complete ? path : partial, plan) };
  } catch (error) {
    const failure = error instanceof CheckpointError
      ? error
      : new FileError(`${output}: can't write the output: ${messageOf(error)}`);
    // Another process that does the same work takes away what it doesn't need once it has all files.
    const isMade = () => isOurs ? isMadeElsewhere(plan, path, partial, options) : isComplete(plan, path);
    if (failure instanceof FileError && isMade()) {
      return madeElsewhere(plan, path);
    }
    if (isOurs && task === undefined && !(failure instanceof OptionError)) cleanUp(partial, plan, failure);
    // A file may be finished before all of a record that it has a part of is found to be damaged.
    if (failure instanceof FormatError) { for (const name of written) removeFile(join(partial, name)); }
    if (failure instanceof CancelledError) failure.isResumable = lstat(partial) !== undefined;
    if (made !== undefined) removeEmptyParents(partial, made);
    throw failure;
  }
}

/**
 * Before an output is published that several runs or tasks made: checks the records that more than one of its files
 * has parts of, since none of those runs may have read all of such a record.
 */
async function checkSharedRecords(plan: Plan, partial: string, options: WriteOptions): Promise<void> {
  const shared = sharedRecords(plan);
  if (shared.length === 0 || !plan.files.every((file) => isFinished(partial, file))) return;
  const { jobs, signal } = options;
  const found = await checksums(shared, {
    ...(jobs === undefined ? {} : { jobs }),
    ...(signal === undefined ? {} : { signal }),
  });
  shared.forEach(({ path, label, crc }, i) => {
    if (found[i] !== crc) throw badCrc(path, label, crc, found[i]!);
  });
}

/** Whether another process has finished the same work. If it has all but moved it to its place, that is done. */
function isMadeElsewhere(
  plan: Plan,
  output: string,
  partial: string,
  options: Pick<WriteOptions, "sync" | "task">,
): boolean {
  try {
    return publish(plan, output, partial, new Set(), options);
  } catch {
    return isComplete(plan, output); // It was moved just now.
  }
}

/**
 * Whether the record of the plan stays in an output that tasks made: a task that comes late must know whose output it
 * finds, and where checksums are known only once everything is read, the files themselves can't tell.
 */
function needsRecord({ files }: Plan, task: Task | undefined): boolean {
  return task !== undefined && files.some(({ copies }) => copies.some(({ crc }) => crc === undefined));
}

/** Removes what processes that were killed left in the output, or beside it when they came late. */
function removeLeftovers(output: string, partial: string, record: string, keepsRecord: boolean): void {
  try {
    if (holdsRecord(output, record)) {
      for (const path of [...temporaryFiles(output)]) removeFile(path);
      if (!keepsRecord) removeFile(join(output, PLAN_RECORD));
    }
    if (holdsRecord(partial, record)) removeTree(partial);
  } catch {
    // Somebody is at it. The output is whole, and that is what counts.
  }
}

/** The result where another process has made the output. */
function madeElsewhere(plan: Plan, output: string): WriteResult {
  const reused = plan.files.map(({ name }) => name);
  return { complete: true, reused, written: [], cloned: [], losses: [], files: sizesIn(output, plan) };
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
    return await copyFiles(
      plan,
      destinations,
      ({ file, path }) => {
        Deno.renameSync(path, join(partial, file.name));
        written.push(file.name);
      },
      options,
      (started) => checkFreeSpace(started, partial),
    );
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

/**
 * Moves a partial directory to its place if all files are finished, unless another process has done so; returns
 * whether the output is there.
 */
function publish(
  plan: Plan,
  output: string,
  partial: string,
  finished: ReadonlySet<string>,
  { sync = false, task }: Pick<WriteOptions, "sync" | "task">,
): boolean {
  const keepsRecord = needsRecord(plan, task);
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
  if (!keepsRecord) removeFile(join(output, PLAN_RECORD));
  if (sync) syncDirectory(dirname(output));
  return true;
}
