/**
 * Outputs in an object store. Nothing can be renamed there, and what was put is seen at once. So the files with tensors
 * are uploaded in parts, which nobody sees; once all parts are there, the uploads become objects one after the other; and
 * those files by which others recognise what they find go last.
 *
 * An object says by its metadata which plan it was made of: so a run that was killed, and tasks, know their own.
 */

import { CancelledError, CheckpointError, FileError, OptionError } from "../error.ts";
import type { CastLoss } from "../copy/cast_losses.ts";
import { copyParts, type PartedFile } from "../copy/copy_parts.ts";
import type { OutputFile, Plan } from "../copy/plan.ts";
import { originOf } from "./finished_files.ts";
import { checkSharedRecords, checkTask, type WriteOptions, type WriteResult } from "./output_directory.ts";
import { isWhole, partBytesOf } from "./parts_of.ts";
import { isPartOf, type OpenUpload, S3Output, type StoredObject, type StoredPart } from "./s3_output.ts";

/** The files by which a directory is recognised as a model: they appear last, in this order. */
const RECOGNISED_BY = /(?:^|\/)(?:model\.yaml|[^/]*\.index\.json|params\.json|config\.json)$/;

/**
 * Checks that an output can be made in a store: below its prefix may be nothing but what an earlier run or another task
 * made of the same plan.
 *
 * @param inputs Paths that are being read; the output may not be one of them or lie in one of them.
 * @throws {FileError} If there are other objects, or the store can't be asked.
 * @throws {OptionError} If the output would lie in an input.
 */
export async function checkObjects(plan: Plan, output: string, inputs: readonly string[]): Promise<void> {
  const bare = (url: string) => url.replace(/\/+$/, "");
  for (const input of inputs) {
    if (`${bare(output)}/`.startsWith(`${bare(input)}/`)) {
      throw new OptionError(
        `${output}: the output can't lie in the input ${input}; name a prefix outside it`,
      );
    }
  }
  using store = await S3Output.open(output);
  await listOwn(plan, store);
}

/** The objects below the prefix, all with names of the plan. */
async function listOwn({ files }: Plan, store: S3Output, signal?: AbortSignal): Promise<StoredObject[]> {
  const planned = new Set(files.map(({ name }) => name));
  const objects = await store.list(signal);
  const other = objects.find(({ name }) => !planned.has(name));
  if (other !== undefined) throw existsAlready(store, other.name);
  return objects;
}

function existsAlready({ url }: S3Output, name: string): FileError {
  return new FileError(`${url}: exists already and isn't empty (${name}); name a new prefix`);
}

/** What this run has under way. */
interface Work {
  readonly plan: Plan;
  readonly mark: string;
  readonly store: S3Output;
  readonly options: WriteOptions;
  /** The files that this run is to make. */
  readonly share: readonly OutputFile[];
  /** Uploads that were begun before, by name; the newest one of each. */
  readonly found: Map<string, OpenUpload>;
  /** Uploads of this run. */
  readonly uploads: Map<string, Upload>;
  readonly reused: Set<string>;
  readonly written: Set<string>;
  readonly notes: string[];
  readonly losses: CastLoss[];
  /** The CRC-32 of what this run wrote. */
  readonly crcs: Map<string, number>;
}

/** An upload of a file. */
interface Upload {
  readonly id: string;
  /** The parts that were there when this run found it. */
  readonly before: ReadonlyMap<number, StoredPart>;
  readonly parts: StoredPart[];
}

/**
 * Makes the files of a plan below a URL.
 *
 * @param output The URL, `s3://bucket/prefix`.
 * @throws {FileError} If something can't be read or sent, or there are other objects. Then either nothing is left, or the
 * message says what.
 * @throws {OptionError} If another plan's unfinished work is in the way, or a task is to begin anew.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function writeObjects(
  plan: Plan,
  output: string,
  options: WriteOptions = {},
): Promise<WriteResult> {
  const { task, restart = false, signal } = options;
  if (task !== undefined) checkTask(output, restart);
  using store = await S3Output.open(output);
  const { plan: fingerprint, sources } = originOf(plan);
  const share = plan.files.filter((_, index) => task === undefined || index % task.count === task.index - 1);
  const work: Work = {
    ...{
      plan,
      store,
      options,
      share,
      mark: `${fingerprint}-${sources}`,
      found: new Map(),
      uploads: new Map(),
    },
    ...{ reused: new Set(), written: new Set(), notes: [], losses: [], crcs: new Map() },
  };
  await findObjects(work);
  await findUploads(work);
  const data = plan.files.filter((file) => !isWhole(file));
  let complete = false;
  try {
    await uploadParts(work, data.filter((file) => share.includes(file)));
    const texts = await gather(work, plan.files.filter(isWhole));
    if (signal?.aborted) throw new CancelledError("Cancelled");
    for (const [name, { id, parts }] of work.uploads) {
      await store.complete(name, id, parts, work.mark, signal);
      work.uploads.delete(name);
      work.written.add(name);
    }
    if (task !== undefined) await findObjects(work);
    complete = data.every(({ name }) => work.written.has(name) || work.reused.has(name));
    if (complete) {
      if (work.reused.size > 0) await checkSharedRecords(plan, options);
      for (const { name, bytes, crc } of texts) {
        await store.put(name, bytes, crc, work.mark, signal);
        work.written.add(name);
      }
    }
    if (options.verify) await readBack(work);
  } catch (error) {
    throw await leave(work, error);
  }
  await removeStrays(work, complete ? plan.files : share);
  return {
    complete,
    reused: plan.files.map(({ name }) => name).filter((name) => work.reused.has(name)),
    written: [...work.written],
    cloned: [],
    losses: work.losses,
    files: plan.files.map(({ name, size }) => ({ name, bytes: size })),
    notes: work.notes,
    sent: store.sent,
  };
}

/** Looks at what lies below the prefix, which has to be of the same plan. */
async function findObjects({ plan, mark, store, options, share, reused, written }: Work): Promise<void> {
  const { restart = false, verify = false, signal } = options;
  const planned = new Map(plan.files.map((file) => [file.name, file]));
  for (const { name, size } of await listOwn(plan, store, signal)) {
    if (written.has(name)) continue;
    const found = await store.markOf(name, signal);
    if (found === undefined) throw existsAlready(store, name);
    if (restart) continue;
    if (found !== mark) {
      throw new OptionError(
        `${store.url}: holds the output of another conversion (other input, options or version); ` +
          "name a new prefix, or use --restart to write over it",
      );
    }
    const file = planned.get(name)!;
    // What is to be read back must be known, and only what this run sends is.
    if (size === file.size && !(verify && share.includes(file))) reused.add(name);
  }
}

/** Looks for uploads that an earlier run left. */
async function findUploads({ plan, store, options, found, notes }: Work): Promise<void> {
  const names = new Set(plan.files.map(({ name }) => name));
  let uploads: OpenUpload[];
  try {
    uploads = await store.openUploads(options.signal);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    notes.push(`could not look for what an earlier run left: ${error.message}`);
    return;
  }
  for (const upload of uploads.sort((a, b) => a.begun - b.begun)) {
    if (names.has(upload.name)) found.set(upload.name, upload);
  }
}

/** Uploads files in parts, which nobody sees yet. */
async function uploadParts(work: Work, files: readonly OutputFile[]): Promise<void> {
  const { plan, store, options, uploads, reused, losses, crcs } = work;
  const todo = files.filter(({ name }) => !reused.has(name));
  if (todo.length === 0) return;
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const parted = todo.map((file): PartedFile => {
    // The first part tells whether an earlier run's upload is of the same bytes. The others wait for it.
    const begun = Promise.withResolvers<Upload>();
    begun.promise.catch(() => {}); // Its failure is met by those who wait, if any.
    const begin = (first: FirstPart) =>
      beginUpload(work, file.name, first, signal).then((upload) => {
        uploads.set(file.name, upload);
        begun.resolve(upload);
      }, begun.reject);
    return {
      file,
      partBytes: partBytesOf(file),
      async put(part, bytes, crc) {
        try {
          if (part === 0) begin({ bytes, crc });
          const { id, before, parts } = await begun.promise;
          const there = before.get(part + 1);
          parts[part] = there !== undefined && isPartOf(there, bytes, crc)
            ? there
            : await store.putPart(file.name, id, part + 1, bytes, crc, signal);
        } catch (error) {
          stop.abort(); // The others needn't go on.
          throw error;
        }
      },
      finish: (crc) => crcs.set(file.name, crc),
    };
  });
  losses.push(...(await copyParts(plan, parted, options)).losses);
}

interface FirstPart {
  readonly bytes: Uint8Array;
  readonly crc: number;
}

/** Goes on with the upload that an earlier run left, if its first part is the same; else begins one. */
async function beginUpload(
  { store, mark, found, options: { restart = false } }: Work,
  name: string,
  { bytes, crc }: FirstPart,
  signal: AbortSignal,
): Promise<Upload> {
  const left = found.get(name);
  if (left !== undefined && !restart) {
    const before = await store.parts(name, left.id, signal);
    const first = before.get(1);
    if (first !== undefined && isPartOf(first, bytes, crc)) return { id: left.id, before, parts: [] };
  }
  return { id: await store.begin(name, mark, signal), before: new Map(), parts: [] };
}

/** A file that is put as a whole. */
interface WholeFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly crc: number;
}

/** Makes files in memory; returns them in the order in which they are to appear. */
async function gather(work: Work, files: readonly OutputFile[]): Promise<WholeFile[]> {
  const { plan, options, reused, crcs } = work;
  const gathered: WholeFile[] = [];
  const parted = files.filter(({ name }) => !reused.has(name)).map((file): PartedFile => ({
    file,
    partBytes: partBytesOf(file),
    keeps: true,
    put(_part, bytes, crc) {
      gathered.push({ name: file.name, bytes, crc });
      return Promise.resolve();
    },
    finish: (crc) => crcs.set(file.name, crc),
  }));
  const { onProgress: _, ...quiet } = options;
  await copyParts(plan, parted, quiet);
  const rank = ({ name }: WholeFile) => RECOGNISED_BY.test(name) ? 1 : 0;
  return gathered.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? 1 : -1));
}

/** Reads back what this run sent. */
async function readBack({ store, options, written, crcs }: Work): Promise<void> {
  for (const name of written) {
    if (await store.readCrc(name, options.signal) === crcs.get(name)) continue;
    throw new FileError(`${store.urlOf(name)}: reading it back gives other bytes; the store may be failing`);
  }
}

/** Removes uploads of some files, but for those that are to stay. */
async function abortUploads(
  { store }: Work,
  files: readonly OutputFile[],
  stays: (id: string) => boolean = () => false,
): Promise<void> {
  const names = new Set(files.map(({ name }) => name));
  for (const { name, id } of await store.openUploads()) {
    if (names.has(name) && !stays(id)) await store.abort(name, id);
  }
}

/** After a failure: removes the uploads of this run, and says what is left, if anything. */
async function leave(work: Work, error: unknown): Promise<unknown> {
  const { store, share, uploads, found, written, reused } = work;
  const says: string[] = [];
  const earlier = new Set([...found.values()].map(({ id }) => id));
  try {
    for (const [name, { id }] of uploads) await store.abort(name, id);
    // Those, too, whose beginning was answered too late.
    if (uploads.size < share.length) await abortUploads(work, share, (id) => earlier.has(id));
  } catch {
    says.push(
      "unfinished uploads may be left, which the same command goes on with, and removes when it is done",
    );
  }
  const objects = written.size + reused.size;
  if (objects > 0) {
    says.push(
      `${objects} of its objects are there already: run the same command again to go on, or remove them, as by ` +
        `aws s3 rm --recursive ${store.url}/`,
    );
  }
  if (error instanceof CancelledError) error.isResumable = objects > 0;
  else if (error instanceof CheckpointError && says.length > 0) error.message += `; ${says.join("; ")}`;
  return error;
}

/** Removes uploads that earlier runs left of files that are whole now. */
async function removeStrays(work: Work, files: readonly OutputFile[]): Promise<void> {
  try {
    await abortUploads(work, files);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    work.notes.push(`unfinished uploads of earlier runs may be left: ${error.message}`);
  }
}
