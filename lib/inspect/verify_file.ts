/** Checking one file of tensors: all that can be checked without knowing what it is for. */

import { checksums } from "../copy/checksums.ts";
import type { ReadOptions } from "../copy/pool.ts";
import { bytes, type View } from "../bytes/view.ts";
import { openSource } from "../bytes/open_source.ts";
import type { OpenSource } from "../bytes/source.ts";
import { badCrc } from "../copy/source_check.ts";
import { CancelledError, CheckpointError, FileError, FormatError } from "../error.ts";
import { type Archive, noChecksum, openArchive } from "../torch/archive.ts";
import { checkArchive } from "../torch/check_archive.ts";
import { storageReferences } from "../torch/storage_references.ts";
import { isLegacyFile } from "../torch/legacy_file.ts";
import { type TrainingState, trainingState } from "../layouts/fairseq2/training_state.ts";
import { openAnyTorchFile, outlineTorchFile } from "../torch/torch_file.ts";
import { someOf } from "../words.ts";
import { numel, type Tensor } from "../tensor/tensor.ts";
import { type DamagedValues, describeDamage, hasDamage } from "./damaged_values.ts";
import { openTable } from "./file_format.ts";
import { fileTensors, isTooExpanded } from "./file_tensors.ts";
import { NAMED } from "./listing.ts";
import { pickledTensors, rebuiltTensors } from "./pickled_tensors.ts";
import { tensorStatistics } from "./statistics.ts";
import type { TableFile } from "./table_file.ts";
import { type TensorSum, tensorSums } from "./tensor_sums.ts";

/** What came of checking a file. */
export interface FileVerification {
  /** The file. */
  readonly path: string;
  /** Its size in bytes, if it could be opened. */
  readonly bytes: number;
  /** The number of records or storages that were found in it, apart from each other and within the file. */
  readonly records: number;
  /** What these are: records of a zip file, storages, or tensors, where a file has nothing else. */
  readonly counted: "records" | "storages" | "tensors";
  /** The number of checksums that were compared with what the file holds. Only torch's zip format states any. */
  readonly checksums: number;
  /**
   * What the file's bytes were compared with: the `"checksums"` that it states, so that each byte counts; the `"sums"`
   * that were given; or nothing, so that just its `"form"` is known to be right, and not its numbers.
   */
  readonly checked: "checksums" | "sums" | "form";
  /** The names of its tensors. */
  readonly tensors: readonly string[];
  /** What it is instead of a model, if a training saved it beside one. */
  readonly state?: TrainingState;
  /** What is wrong with it; `undefined` if nothing is. */
  readonly problem?: string;
  /** The SHA-256 of the file in hexadecimal, where it was computed. */
  readonly sha256?: string;
  /** Those of its tensors, where they were asked for. */
  readonly tensorSums?: readonly TensorSum[];
  /** The tensors with numbers that are NaN or infinite, where these were looked for. */
  readonly damaged?: readonly DamagedValues[];
  /** The tensors in which ckpt can't look for them: of kinds and packings that it doesn't know. */
  readonly unread?: readonly string[];
}

interface VerifyFileOptions extends ReadOptions {
  /** The SHA-256 of the file, if it was computed, or why it couldn't be. */
  readonly sum?: string | FileError;
  /** Whether to compute those of its tensors. */
  readonly withTensorSums?: boolean;
  /** Whether to look for numbers that are NaN or infinite. */
  readonly withValues?: boolean;
  readonly expected?: ExpectedSum;
}

export interface ExpectedSum {
  /** Where that stands. */
  readonly path: string;
  /** The SHA-256 in hexadecimal; `undefined` where none is given. */
  readonly sha256: string | undefined;
  /** The sum of a tensor of the file; `undefined` where none is given. */
  tensor(name: string): string | undefined;
}

/**
 * Checks a file: that its records lie within it and apart from each other, that its local headers and its directory
 * agree, that every byte of a record has the checksum that the file states, and that each tensor lies in its storage.
 * What is wrong with it isn't thrown.
 */
export async function verifyFile(path: string, options: VerifyFileOptions = {}): Promise<FileVerification> {
  let size = 0;
  try {
    using source = openSource(path);
    size = source.size;
    const found = { path, bytes: size, ...await check(source, options) };
    const summed = { ...found, ...await checkSums(source, options) };
    if (!options.withValues || summed.problem !== undefined) return summed;
    const { onProgress } = options;
    const reading = { ...options, onProgress: onProgress && ((bytes: number) => onProgress(size + bytes)) };
    return { ...summed, ...await checkValues(source, reading) };
  } catch (error) {
    if (error instanceof CancelledError || !(error instanceof CheckpointError)) throw error;
    const problem = error.message.startsWith(`${path}: `)
      ? error.message.slice(path.length + 2)
      : error.message;
    return {
      path,
      bytes: size,
      records: 0,
      counted: "records",
      checksums: 0,
      checked: "form",
      tensors: [],
      problem,
    };
  }
}

/** Compares the sum of a file of any kind with the one that it must have. What is wrong with it isn't thrown. */
export function verifySum(
  path: string,
  bytes: number,
  sum: string | FileError,
  expected: ExpectedSum,
): FileVerification {
  const found = {
    path,
    bytes,
    records: 0,
    counted: "records",
    checksums: 0,
    checked: "form",
    tensors: [],
  } as const;
  if (sum instanceof FileError) return { ...found, problem: whyUnread(path, sum).replace(`${path}: `, "") };
  if (sum === expected.sha256) return { ...found, checked: "sums", sha256: sum };
  return { ...found, sha256: sum, problem: otherSum(sum, expected) };
}

/** Why a file can't be read, in the words for that where it can't even be opened. */
function whyUnread(path: string, error: FileError): string {
  try {
    openSource(path)[Symbol.dispose]();
    return error.message;
  } catch (better) {
    return better instanceof FileError ? better.message : error.message;
  }
}

function otherSum(sum: string, { sha256, path }: ExpectedSum): string {
  return `its SHA-256 is ${sum}, but ${sha256} in ${path}`;
}

/** Compares the sum of a file with what it must be; computes those of its tensors where they are asked for, or help. */
async function checkSums(
  source: OpenSource,
  { sum, withTensorSums, expected, jobs, signal }: VerifyFileOptions,
): Promise<Partial<FileVerification>> {
  if (sum === undefined) return {};
  if (sum instanceof FileError) throw sum;
  const tensors = withTensorSums ? await tensorSums(source, { jobs, signal }) : undefined;
  const found = { sha256: sum, ...(tensors === undefined ? {} : { tensorSums: tensors }) };
  if (expected === undefined) return found;
  if (expected.sha256 === sum) return { ...found, checked: "sums" };
  if (expected.sha256 === undefined) return { ...found, problem: `${expected.path} has no sum of it` };
  const known = (tensors ?? await tensorSums(source, { jobs, signal }))
    .filter(({ name }) => expected.tensor(name) !== undefined);
  const differing = known.filter(({ name, sha256 }) => expected.tensor(name) !== sha256).map(({ name }) =>
    name
  );
  const which = known.length === 0
    ? ""
    : differing.length === 0
    ? "; its tensors are the same"
    : `; the tensors that differ are ${someOf(differing, NAMED)}`;
  return { ...found, problem: `${otherSum(sum, expected)}${which}` };
}

/** Looks for numbers that are NaN or infinite. */
async function checkValues(
  source: OpenSource,
  { jobs, signal, onProgress }: VerifyFileOptions,
): Promise<Pick<FileVerification, "damaged" | "unread" | "problem">> {
  const tensors = new Map<string, Tensor>();
  const repeats = new Map<string, number>();
  const unread: string[] = [];
  for (const [name, { tensor }] of await fileTensors(source, openAnyTorchFile)) {
    const read = tensor && isTooExpanded(tensor) ? unrepeated(tensor) : tensor;
    if (read === undefined || isTooExpanded(read)) {
      unread.push(name);
      continue;
    }
    tensors.set(name, read);
    repeats.set(name, numel(tensor!.shape) / numel(read.shape));
  }
  const damaged: DamagedValues[] = [];
  for await (const found of tensorStatistics(tensors, { jobs, signal, onProgress })) {
    const { name, nan, inf, firstNan, firstInf } = found;
    if (nan === null || inf === null) unread.push(name);
    if (!hasDamage(found)) continue;
    const times = repeats.get(name)!;
    damaged.push({ name, nan: nan! * times, inf: inf! * times, firstNan, firstInf });
  }
  if (damaged.length === 0) return { damaged, unread };
  const named = damaged.slice(0, NAMED).map((each) => `${each.name}: ${describeDamage(each)}`);
  const more = damaged.length > NAMED ? `; and ${damaged.length - NAMED} tensors more` : "";
  return { damaged, unread, problem: `${named.join("; ")}${more}` };
}

/** An expanded tensor without what it repeats: where something is first, it is at the same index. */
function unrepeated(tensor: Tensor): Tensor {
  return { ...tensor, shape: tensor.shape.map((size, i) => tensor.stride[i] === 0 ? 1 : size) };
}

async function check(
  source: OpenSource,
  options: ReadOptions,
): Promise<Pick<FileVerification, "records" | "counted" | "checksums" | "checked" | "tensors" | "state">> {
  const table = await openTable(source);
  if (table !== undefined) {
    checkTable(table, source.path);
    const tensors = [...table.tensors.keys()];
    return { records: tensors.length, counted: "tensors", checksums: 0, checked: "form", tensors };
  }
  if (await isLegacyFile(source)) {
    const file = await openAnyTorchFile(source);
    return {
      records: file.storages.size,
      counted: "storages",
      checksums: 0,
      checked: "form",
      ...contents(file),
    };
  }
  const archive = await openArchive(source);
  await checkArchive(archive);
  const records = await checkRecords(archive, options);
  const found = contents(await outlineTorchFile(source, () => {}));
  return { records, counted: "records", checksums: records, checked: "checksums", ...found };
}

/** Checks what readers of GGUF pass over, or can't know. */
function checkTable({ tensors, bytesBehind }: TableFile, path: string): void {
  for (const [name, { tensor, dtype }] of tensors) {
    if (tensor !== undefined) continue;
    throw new FormatError(
      `${path}: ${name}: is of ${dtype}, which ckpt doesn't know, so where it ends isn't known`,
    );
  }
  if (bytesBehind > 0) {
    throw new FormatError(`${path}: has ${bytesBehind} bytes behind the last tensor, where none belong`);
  }
}

/** The record that names the tensors. */
const PICKLE = "data.pkl";

/** Compares the checksums of all records. */
async function checkRecords(archive: Archive, options: ReadOptions): Promise<number> {
  const { path } = archive.source;
  const records = [...archive.records.values()];
  const runs: View[] = [];
  for (const record of records) runs.push(bytes(path, await archive.locate(record), record.size));
  const crcs = await checksums(runs, options);
  // A pickle that is damaged is not read.
  const isPickleWhole = records.some(({ name, crc }, i) => name === PICKLE && crcs[i] === crc);
  for (const [i, { name, crc }] of records.entries()) {
    if (crcs[i] === crc) continue;
    const tensors = isPickleWhole && name !== PICKLE ? await tensorsIn(archive, name) : [];
    const label = tensors.length === 0 ? name : `${someOf(tensors, NAMED)} (${name})`;
    throw crc === 0 ? noChecksum(`${path}: ${label}`) : badCrc(path, label, crc, crcs[i]!);
  }
  return records.length;
}

/** The names of the tensors whose storage a record is; none if the pickle can't be read. */
async function tensorsIn({ source }: Archive, record: string): Promise<string[]> {
  try {
    const { root } = await outlineTorchFile(source, () => {});
    return pickledTensors(root, source.path)
      .filter(({ value }) =>
        value !== undefined && [...storageReferences(value).keys()].some((key) => record === `data/${key}`)
      )
      .map(({ name }) => name);
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}

/** What a torch file holds: the names of its tensors, each of which was found to lie in its storage. */
function contents(
  file: Awaited<ReturnType<typeof outlineTorchFile>>,
): Pick<FileVerification, "tensors" | "state"> {
  const { path } = file.archive.source;
  const state = trainingState(file.root, path);
  const tensors = Array.from(rebuiltTensors(file, path), ({ name }) => name);
  return { tensors, ...(state === undefined ? {} : { state }) };
}
