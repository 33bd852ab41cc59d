/**
 * Output directories that are whole or absent: the files are made in `<output>.partial`, and the directory that they
 * are in is moved to its place once all are there. What is finished survives a crash, and the same work goes on from it.
 */

import { CancelledError, FileError, FormatError, OptionError } from "../error.ts";
import { dirname, join, resolve } from "../deps.ts";
import { checkUnchanged, copyFiles, type CopyOptions, type CopyResult } from "../copy/copy_engine.ts";
import type { Destination } from "../copy/start_files.ts";
import {
  directories,
  isEmpty,
  isMountPoint,
  liesIn,
  lstat,
  messageOf,
  moveFile,
  realPathOfNearest,
  removeEmptyParents,
  removeFile,
  syncDirectory,
  syncFile,
} from "../bytes/file_system.ts";
import { isRemote } from "../bytes/remote.ts";
import { isSystemError } from "../bytes/system_error.ts";
import { bytes } from "../bytes/view.ts";
import {
  findDifferent,
  looksComplete,
  type Origin,
  originOf,
  readChecksums,
  removeRecord,
  sizesIn,
  writeRecord,
} from "./finished_files.ts";
import { checkFreeSpace } from "./free_space.ts";
import {
  holdsRecord,
  isAbandoned,
  makeSubdirectory,
  type OpenPartial,
  openPartial,
  type PartialPaths,
  partialPaths,
  removePartial,
} from "./partial_directory.ts";
import type { OutputFile, Plan } from "../copy/plan.ts";
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
  /** The names of the files that an earlier run, or another task, had finished already; each was read and compared. */
  readonly reused: readonly string[];
  /** The names of the files that were made now. */
  readonly written: readonly string[];
  /** All files of the plan and their sizes in bytes, which are as planned for those that aren't there yet. */
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** What a user should be told: files that had to be made anew, and why. */
  readonly notes: readonly string[];
  /** What went to the store where the output is in one. */
  readonly sent?: { readonly requests: number; readonly bytes: number };
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
  if (isRemote(output)) throw new OptionError(`${output}: nothing can be written there; name a directory`);
  const paths = partialPaths(output);
  const { output: path, path: partial } = paths;
  const real = realPathOfNearest(path);
  for (const input of inputs) {
    if (liesIn(real, realPathOfNearest(resolve(input)))) {
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
  if (isMade(path) && !mayBeDone && !isPublished(paths)) throw existsAlready(output);
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

/** Whether there is something in an output directory. */
function isMade(output: string): boolean {
  return lstat(output) !== undefined && !isEmpty(output);
}

/** Whether a run was killed when it had moved the files to their place, and only had to tidy up. */
function isPublished({ record, files }: PartialPaths): boolean {
  return lstat(record) !== undefined && lstat(files) === undefined;
}

/** What is to be written, and where. */
interface Work {
  readonly plan: Plan;
  readonly origin: Origin;
  /** The text of the plan's record. */
  readonly text: string;
  /** The output as the user calls it. */
  readonly output: string;
  readonly paths: PartialPaths;
  readonly options: WriteOptions;
  readonly done: Done;
}

interface Done {
  /** The names of the files that it found finished, and compared. */
  readonly reused: Set<string>;
  /** The names of the files that it made. */
  readonly written: Set<string>;
  readonly results: CopyResult[];
  readonly notes: string[];
}

/**
 * Checks whether one of several tasks may do what it is asked to.
 *
 * @param work Where the tasks' work is.
 * @throws {OptionError} If it is to begin anew.
 */
export function checkTask(work: string, restart: boolean): void {
  if (!restart) return;
  throw new OptionError(
    "Cannot begin anew in one of several tasks: the others would lose their work; " +
      `remove ${work} before they start`,
  );
}

/**
 * Makes the files of a plan in an output directory.
 *
 * @example Usage
 * ```ts
 * import { planConversion, writeOutput } from "@ckpt/ckpt/plan";
 * import { assertEquals } from "@std/assert";
 *
 * const output = `${await Deno.makeTempDir()}/llama`;
 * const { plan } = await planConversion({ input: "fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10", output });
 * const { complete, written } = await writeOutput(plan, output, { jobs: 1 });
 * assertEquals([complete, written.toSorted()], [true, ["consolidated.00.pth", "params.json"]]);
 * ```
 *
 * @param output The output directory: absent, or an empty directory.
 * @throws {FileError} If something can't be read or written, the output exists, or another run is writing it.
 * @throws {OptionError} If another plan's unfinished work is in the way, or a task is to begin anew.
 * @throws {CancelledError} If `options.signal` was aborted; what was finished stays for the next run.
 */
export async function writeOutput(
  plan: Plan,
  output: string,
  options: WriteOptions = {},
): Promise<WriteResult> {
  const { task, restart = false } = options;
  const paths = partialPaths(output);
  if (task !== undefined) checkTask(paths.path, restart);
  checkOutput(output, [], true);
  const origin = originOf(plan);
  const text = JSON.stringify({
    version: 2,
    fingerprint: origin.plan,
    files: plan.files.map(({ name }) => name),
  });
  const done: Done = { reused: new Set(), written: new Set(), results: [], notes: [] };
  const work: Work = { plan, origin, text, output, paths, options, done };
  try {
    return isMade(paths.output) ? await findMade(work) : await make(work);
  } catch (error) {
    const failure = isSystemError(error)
      ? new FileError(`${output}: can't write the output: ${messageOf(error)}`)
      : error;
    // Another run that found all files finished may have moved them to their place, from under this one.
    if (failure instanceof FileError && isMade(paths.output)) {
      if (task !== undefined) return await findMade(work);
      if (lstat(paths.path) === undefined) throw existsAlready(output);
    }
    throw failure;
  }
}

/** The files of a plan that a task is to make, or all where there are no tasks. */
export function shareOf({ files }: Pick<Plan, "files">, task: Task | undefined): OutputFile[] {
  return files.filter((_, index) => task === undefined || index % task.count === task.index - 1);
}

/** Whether a run knows a file to be right. */
function isDone({ done }: Work, { name }: OutputFile): boolean {
  return done.reused.has(name) || done.written.has(name);
}

/** Makes a run's share of the files, and publishes the output if no other run has any left to make. */
async function make(work: Work): Promise<WriteResult> {
  const { plan, text, output, paths, options, done } = work;
  const { task, restart = false, sync = false } = options;
  using partial = openPartial(paths, text, { isTask: task !== undefined, restart, sync });
  let complete = false;
  try {
    if (isMade(paths.output)) throw existsAlready(output);
    await finishFiles(work, partial, shareOf(work.plan, work.options.task));
    const others = plan.files.filter((file) => !isDone(work, file));
    if (others.every((file) => isFinished(partial, file))) {
      await finishFiles(work, partial, others);
      if (done.reused.size > 0) await checkSharedRecords(plan, options);
      for (const source of plan.sources) checkUnchanged(source);
      publish(plan, partial, done.written, sync);
      complete = true;
    }
  } catch (error) {
    if (partial.isHeld()) cleanUp(work, partial, error);
    if (error instanceof CancelledError) error.isResumable = lstat(partial.path) !== undefined;
    if (partial.made !== undefined) removeEmptyParents(partial.path, partial.made);
    throw error;
  }
  return resultOf(work, complete, complete ? paths.output : partial.files);
}

function resultOf({ plan, done }: Work, complete: boolean, directory: string): WriteResult {
  return {
    complete,
    reused: plan.files.map(({ name }) => name).filter((name) => done.reused.has(name)),
    written: [...done.written],
    cloned: done.results.flatMap(({ cloned }) => cloned),
    losses: done.results.flatMap(({ losses }) => losses),
    files: sizesIn(directory, plan),
    notes: done.notes,
  };
}

/** Whether a file of a plan is there: what is in it was not looked at. */
function isFinished({ files }: PartialPaths, { name }: OutputFile): boolean {
  return lstat(join(files, name)) !== undefined;
}

/** Sees to it that files are finished and right: compares those that are there, and makes the others. */
async function finishFiles(work: Work, partial: OpenPartial, files: readonly OutputFile[]): Promise<void> {
  const { origin, options, done: { reused, results, notes } } = work;
  for (const { name } of files) {
    const parents = name.split("/").slice(0, -1);
    parents.forEach((_, i) => makeSubdirectory(join(partial.files, ...parents.slice(0, i + 1))));
  }
  const found = files.filter((file) => isFinished(partial, file));
  const different = await findDifferent(partial.files, found, partial.sums, origin, options);
  for (const { name } of found) if (!different.has(name)) reused.add(name);
  for (const file of found) {
    const how = different.get(file.name);
    // Where it is gone, another task has published the output just now.
    if (how === undefined || !isFinished(partial, file)) continue;
    notes.push(`${file.name}: what an earlier run left ${how}, so it was made anew`);
  }
  const todo = files.filter(({ name }) => !reused.has(name));
  // Where something was damaged, what takes its place is read back, too: a clone of a damaged source is no better.
  const verify = options.verify || different.size > 0;
  if (todo.length === 0) return;
  results.push(await makeFiles(work, partial, todo, verify));
}

async function makeFiles(
  { plan, origin, options, done }: Work,
  partial: OpenPartial,
  files: readonly OutputFile[],
  verify: boolean,
): Promise<CopyResult> {
  const run = crypto.randomUUID().slice(0, 8);
  const destinations = files.map((file): Destination => {
    return { file, path: join(partial.making, `${encodeURIComponent(file.name)}.${run}`) };
  });
  try {
    return await copyFiles(
      plan,
      destinations,
      ({ file, path }, made) => {
        checkHeld(partial);
        // First, so that a run that is killed here leaves a record without its file, not a file that nobody knows.
        writeRecord(partial.sums, file.name, { ...origin, ...made }, options.sync ?? false);
        moveFile(path, join(partial.files, file.name));
        done.written.add(file.name);
      },
      { ...options, verify },
      (started) => checkFreeSpace(started, partial.path),
    );
  } catch (error) {
    for (const { path } of destinations) removeFile(path);
    throw error;
  }
}

/**
 * Before an output is published that several runs or tasks made: checks the records that more than one of its files
 * has parts of, since none of those runs may have read all of such a record.
 */
export async function checkSharedRecords(plan: Plan, options: WriteOptions): Promise<void> {
  const shared = sharedRecords(plan);
  if (shared.length === 0) return;
  const views = shared.map(({ path, offset, length }) => bytes(path, offset, length));
  const found = await readChecksums(views, plan.sources.length, options);
  shared.forEach(({ path, label, crc }, i) => {
    if (found[i] !== crc) throw badCrc(path, label, crc, found[i]!);
  });
}

/**
 * After a failure: keeps finished files where the same command can go on from them (a full disk, a signal),
 * and removes everything where it can't (the input is damaged) or where there is nothing worth keeping.
 */
function cleanUp({ plan, options, done }: Work, partial: OpenPartial, error: unknown): void {
  const isDamaged = error instanceof FormatError;
  if (options.task === undefined) {
    const worthKeeping = plan.files.some((file) => file.tensors.length > 0 && isFinished(partial, file));
    // Without the files it was published, and only its name couldn't be flushed.
    if (lstat(partial.files) !== undefined && (isDamaged || !worthKeeping)) removePartial(partial);
  } else if (isDamaged) {
    // A file may be finished before all of a record that it has a part of is found to be damaged.
    for (const name of done.written) {
      removeFile(join(partial.files, name));
      removeRecord(partial.sums, name);
    }
  }
}

/** Throws if another run's work may be in the place of this one's. */
function checkHeld(partial: OpenPartial): void {
  if (!partial.isHeld()) {
    throw new FileError(`${partial.path}: was taken away while this run was at work in it`);
  }
}

/** Moves the finished files of a plan to their place. */
function publish(plan: Plan, partial: OpenPartial, written: ReadonlySet<string>, sync: boolean): void {
  const { output, files } = partial;
  if (sync) {
    // What another run has finished may not be on the disk yet.
    for (const { name } of plan.files) if (!written.has(name)) syncFile(join(files, name));
    for (const directory of directories(files)) syncDirectory(directory);
  }
  checkHeld(partial);
  // Checked to be an empty directory. Not every system replaces those.
  if (lstat(output) !== undefined) Deno.removeSync(output);
  Deno.renameSync(files, output);
  if (sync) syncMoved(output);
  removeLeftovers(partial);
}

/** Flushes the name that the output was given. */
function syncMoved(output: string): void {
  try {
    syncDirectory(dirname(output));
    // Where the one above may not be read: with a journal this flushes what came before it, too.
    syncDirectory(output);
  } catch (error) {
    throw new FileError(`${output}: is whole, but its name can't be flushed: ${messageOf(error)}`);
  }
}

/** Removes what is left beside an output that is whole. */
function removeLeftovers(partial: PartialPaths): void {
  try {
    removePartial(partial);
  } catch {
    // Other tasks are at it still, and find out that it is done. The output is whole, and that is what counts.
  }
}

/**
 * Looks at an output that is there already. A task that comes late, or again, compares its share of the files with what
 * it would have made. A run that was killed when it had moved the files left their records: if they are what they were,
 * this one tidies up.
 */
async function findMade(work: Work): Promise<WriteResult> {
  const { plan, origin, text, output, paths, options, done } = work;
  const { task, sync = false } = options;
  if (task !== undefined) {
    const share = shareOf(work.plan, work.options.task).filter((file) => !isDone(work, file));
    const isOurs = looksComplete(plan, paths.output) &&
      (await findDifferent(paths.output, share, undefined, origin, options)).size === 0;
    if (!isOurs) throw existsAlready(output);
  } else {
    if (!isPublished(paths) || !holdsRecord(paths, text)) throw existsAlready(output);
    const different = await findDifferent(paths.output, plan.files, paths.sums, origin, options);
    for (const [name, how] of different) {
      throw new FileError(
        `${output}: ${name} ${how}, as a crash may leave it; remove ${output}, and run this again`,
      );
    }
  }
  if (sync) syncMoved(paths.output);
  if (holdsRecord(paths, text) || isAbandoned(paths)) removeLeftovers(paths);
  for (const file of plan.files) if (!isDone(work, file)) done.reused.add(file.name);
  return resultOf(work, true, paths.output);
}
