/** Verifying a checkpoint: that it is whole, undamaged, and the model that it is said to be. */

import { isDirectory } from "../bytes/file_system.ts";
import { openPlace } from "../bytes/place.ts";
import { isRemote, remoteFile } from "../bytes/remote.ts";
import { bytes } from "../bytes/view.ts";
import { CheckpointError, FileError, OptionError } from "../error.ts";
import { callback, checkOptions, flag, jobs, oneOf, required, type Rules, signal, text } from "../options.ts";
import type { Checkpoint, Parameters } from "../layouts/checkpoint.ts";
import type { ObservedShape } from "../models/family.ts";
import type { ModelDescription } from "../models/model_description.ts";
import { findCheckpoint, type OpenOptions } from "../convert/open_checkpoint.ts";
import { type Target, targets } from "../convert/target.ts";
import { describeUnknownFields } from "../convert/unknown_fields.ts";
import { describeDifferences, observeShape, shapeDifferences } from "../layouts/observe.ts";
import { findParameter } from "../models/families.ts";
import { stripWrappers } from "../models/parameter.ts";
import { type FileVerification, verifyFile, verifySum } from "./verify_file.ts";
import { sha256 } from "../copy/sha256.ts";
import { expectedSums, readSums } from "./expected_sums.ts";
import { findWeightFiles } from "./weight_files.ts";
import { isUnknownFamily, openModel, wholeModel } from "./whole_model.ts";

/** How to verify. */
export interface VerifyOptions {
  /** How many workers read; by default two, or one on a single core. */
  readonly jobs?: number;
  /** The layout, where a directory holds checkpoints of several. `"reference"` and `"meta"` are read alike. */
  readonly from?: Target;
  /**
   * Compute the SHA-256 of each file, or of each file and each of its `"tensors"`: the items in row-major order,
   * wherever they lie, so that it is the same in every format.
   */
  readonly sums?: "files" | "tensors";
  /**
   * A file of sums, as `sha256sum` or `ckpt verify --sums` writes it: each file of tensors must be in it and have its
   * sum, and so must every other file below the path that it names. Names are those below the path, or below the working
   * directory.
   */
  readonly against?: string;
  /** Whether to look for numbers that are NaN or infinite, too. */
  readonly values?: boolean;
  /** Cancels the work. */
  readonly signal?: AbortSignal;
  /** Told of each file when it was checked. */
  readonly onFile?: (file: FileVerification) => void;
  /** Told of the bytes read so far, and of those to read in all. */
  readonly onProgress?: (bytes: number, totalBytes: number) => void;
}

const rules: Rules<VerifyOptions> = {
  jobs,
  from: oneOf(targets),
  sums: oneOf(["files", "tensors"]),
  against: text,
  values: flag,
  signal,
  onFile: callback,
  onProgress: callback,
};

/** What came of checking the model in a checkpoint. */
export interface ModelVerification {
  /** What the checkpoint is, for people, if it could be opened. */
  readonly kind: string | undefined;
  /** The architecture's name, or `null` for sizes of its own. */
  readonly architecture: string | null;
  /** The number of parameters' names in the state dict. */
  readonly parameters: number;
  /** What is wrong with it; `undefined` if nothing is. */
  readonly problem?: string;
  /** What a user should be told. */
  readonly notes: readonly string[];
}

/** What came of verifying. */
export interface Verification {
  /** Whether nothing is wrong. */
  readonly ok: boolean;
  /** The files, in their order. */
  readonly files: readonly FileVerification[];
  /** The model; `undefined` where the files hold none of a known family. */
  readonly model: ModelVerification | undefined;
}

/**
 * Verifies a checkpoint: every file of tensors in it, byte by byte where the file states checksums, and, if it is a
 * model of a known family, that its state dict is complete and that `params.json`, `config.json` or `model.yaml` speak of
 * these weights. All files in a directory are checked, and of several steps the model of the newest complete one.
 *
 * Memory stays constant, whatever the size.
 *
 * @example Usage
 * ```ts
 * import { verifyCheckpoint } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const { ok, model } = await verifyCheckpoint("fixtures/checkpoints/expected/fairseq2-0.3.0/llama3_bf16/reference");
 * assertEquals([ok, model?.parameters], [true, 21]);
 * ```
 *
 * @param path A checkpoint's directory, or a file.
 * @param options How to verify.
 * @returns What came of it. What is wrong with the checkpoint isn't thrown.
 * @throws {FileError} If there is nothing to verify.
 * @throws {OptionError} If a directory holds several checkpoints, or none of the layout; or a layout is given for a file.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function verifyCheckpoint(path: string, options: VerifyOptions = {}): Promise<Verification> {
  checkOptions({ path }, { path: required });
  checkOptions(options, rules);
  const { onFile, onProgress, against, sums, from, values = false, ...rest } = options;
  path = await openPlace(path, { signal: options.signal });
  const paths = isDirectory(path) ? findWeightFiles(path, true) : [path];
  if (paths.length === 0) {
    throw new FileError(`${path}: holds no files with tensors; name a checkpoint's directory`);
  }
  const which = { from };
  checkChoice(path, which);
  const expected = against === undefined ? undefined : expectedSums(readSums(against), against, path, paths);
  const others = expected?.others ?? [];
  // What sums are computed of is read twice.
  const summed = sums === undefined && against === undefined ? [] : [...paths, ...others];
  const summedSizes = summed.map(sizeOf);
  const sizes = paths.map((each) => sizeOf(each) * (values ? 2 : 1));
  const totalBytes = [...summedSizes, ...sizes].reduce((sum, size) => sum + size, 0);
  let done = 0;
  const reading = { ...rest, onProgress: (bytes: number) => onProgress?.(done + bytes, totalBytes) };
  const found = summed.length === 0
    ? []
    : await sha256(summed.map((each, i) => [bytes(each, 0, summedSizes[i]!)]), reading);
  done += summedSizes.reduce((sum, size) => sum + size, 0);
  const files: FileVerification[] = [];
  const add = (file: FileVerification) => {
    files.push(file);
    onFile?.(file);
  };
  for (const [i, each] of paths.entries()) {
    const withTensorSums = sums === "tensors";
    add(
      await verifyFile(each, {
        ...{ ...reading, sum: found[i], expected: expected?.of(each), withTensorSums },
        withValues: values,
      }),
    );
    done += sizes[i]!;
  }
  others.forEach((other, i) => {
    const at = paths.length + i;
    add(verifySum(other, summedSizes[at]!, found[at]!, expected!.of(other)));
  });
  const model = await verifyModel(path, which, files);
  return {
    ok: files.every(({ problem }) => problem === undefined) && model?.problem === undefined,
    files,
    model,
  };
}

/** Finds out whether it is clear which checkpoint is meant, before files are read that may be large. */
function checkChoice(path: string, which: OpenOptions): void {
  if (which.from !== undefined && !isDirectory(path)) {
    throw new OptionError(`${path}: is no directory, so --from has no meaning here`);
  }
  try {
    findCheckpoint(path, which);
  } catch (error) {
    if (error instanceof OptionError || !(error instanceof CheckpointError)) throw error;
    // What is wrong with it is said when its files were looked at.
  }
}

async function verifyModel(
  path: string,
  which: OpenOptions,
  files: readonly FileVerification[],
): Promise<ModelVerification | undefined> {
  let checkpoint: Checkpoint | undefined;
  try {
    checkpoint = await openModel(path, which);
    return await checkModel(checkpoint);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    if (isUnknownFamily(error)) return undefined;
    // A file of another kind isn't wrong, nor is a shard by itself; but a GGUF file says what model it is.
    const isSelfDescribed = files.some(({ path, tensors }) => path.endsWith(".gguf") && tensors.length > 0);
    const isModel = isSelfDescribed ||
      isDirectory(path) && files.some(({ tensors }) => tensors.some(isParameter));
    const isDamaged = files.some(({ problem }) => problem !== undefined);
    if (checkpoint === undefined && (!isModel || isDamaged)) return undefined;
    return {
      kind: checkpoint?.kind,
      architecture: null,
      parameters: 0,
      problem: error.message,
      notes: checkpoint?.notes ?? [],
    };
  }
}

async function checkModel(checkpoint: Checkpoint): Promise<ModelVerification> {
  const { parameters, families, resolved, problem, differingReplicas } = await wholeModel(checkpoint);
  const notes = [...checkpoint.notes, ...(resolved?.notes ?? [])];
  const unknown = resolved?.unknownFields ?? [];
  if (unknown.length > 0) notes.push(`${unknown[0]!.file}: ${describeUnknownFields(unknown)}`);
  for (const name of differingReplicas) {
    notes.push(`${name} differs between the shards, though each should have the same copy`);
  }
  const found = (problem?: string): ModelVerification => ({
    kind: checkpoint.kind,
    parameters: parameters.size,
    architecture: resolved?.architecture ?? null,
    ...(problem === undefined ? {} : { problem }),
    notes,
  });
  if (resolved !== undefined) return found();
  if (!(problem instanceof OptionError)) return found(problem!.message);
  // Nothing says what model it is. It can be complete all the same.
  const observed = observeShape(checkpoint.shards, families[0]!);
  const differences = shapeDifferences(checkpoint.shards, likeObserved(parameters, observed), {
    ...observed.family,
    parameters: observed.family.parameters.filter(({ names, isPresent }) =>
      isPresent === undefined || observed.kinds.has(names.fairseq2)
    ).map(({ isPresent: _, ...spec }) => spec),
  });
  if (differences.length > 0) return found(describeDifferences(differences));
  notes.push("no configuration says what model it is");
  return found();
}

/** A model of the shapes that the weights have, which show the size of a head at most where it has a norm. */
function likeObserved(parameters: Parameters, observed: ObservedShape): ModelDescription {
  const { family, qDim, kvDim, embeddingShardDim = 0, ...sizes } = observed;
  const norm = parameters.get("decoder.layers.0.self_attn.q_norm.weight")?.shape[0] ?? 1;
  const headDim = kvDim % norm === 0 ? norm : 1;
  return {
    ...sizes,
    family: family.name,
    heads: qDim / headDim,
    kvHeads: kvDim / headDim,
    headDim,
    multipleOf: 1,
    ropeTheta: 1,
    normEps: 1,
    maxSeqLen: 1,
    embeddingShardDim,
    tied: false,
  };
}

/** Whether a tensor's name is that of a known model's parameter, in any layout. */
function isParameter(key: string): boolean {
  const name = stripWrappers(key.replace(/^_?model\.(?=decoder|final_proj|module)/, ""));
  return (["fairseq2", "reference", "huggingface", "gguf"] as const).some((layout) =>
    findParameter(layout, name) !== undefined
  );
}

function sizeOf(path: string): number {
  if (isRemote(path)) return remoteFile(path)?.size ?? 0;
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0; // What is wrong with it is said where it is opened.
  }
}
