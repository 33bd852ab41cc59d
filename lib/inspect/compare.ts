/**
 * Comparing two checkpoints: are these the same model?
 *
 * @module
 */

import { undoneQuantization } from "../bytes/view.ts";
import { compareViews } from "../copy/compare.ts";
import type { PairDifference } from "../copy/compare_rows.ts";
import { OptionError } from "../error.ts";
import { callback, checkOptions, flag, jobs, oneOf, required, type Rules, signal } from "../options.ts";
import { quantizationOf } from "../layouts/gguf/stored_tensor.ts";
import type { ModelDescription } from "../models/model_description.ts";
import { bytesOf, type Tensor } from "../tensor/tensor.ts";
import { type Target, targets } from "../convert/target.ts";
import { type TensorMovement, tensorMovements } from "./movement.ts";
import { checkSidesUnchanged, nameSide, openSides } from "./sides.ts";
import { areComparable, tensorPair } from "./tensor_pair.ts";

/** How to compare. */
export interface CompareOptions {
  /**
   * Numbers that differ by no more than this count as the same, whatever their dtypes. Without it bits are compared,
   * and another dtype is a difference.
   */
  readonly tolerance?: number;
  /**
   * The layout, where a directory holds checkpoints of several: of both, or of each. `"reference"` and `"meta"` are read
   * alike.
   */
  readonly from?: Target | readonly [a: Target, b: Target];
  /** Whether to measure, too, how far each tensor has moved. */
  readonly statistics?: boolean;
  /** How many workers read; by default two, or one on a single core. */
  readonly jobs?: number;
  /** Told of the bytes compared so far, and of those to compare in all, of the first checkpoint. */
  readonly onProgress?: (bytes: number, totalBytes: number) => void;
  /** Cancels the comparison. */
  readonly signal?: AbortSignal;
}

const layout = oneOf(targets);

const rules: Rules<CompareOptions> = {
  from: {
    what: `${layout.what}, or two of them`,
    allows: (value) =>
      layout.allows(value) || Array.isArray(value) && value.length === 2 && value.every(layout.allows),
  },
  statistics: flag,
  tolerance: { what: "a number from 0", allows: (value) => typeof value === "number" },
  jobs,
  onProgress: callback,
  signal,
};

/** A tensor's dtype and shape. */
export interface TensorForm {
  /** The dtype, by torch's name: float32 of what is quantized in GGUF. */
  readonly dtype: string;
  /** What it is quantized to in GGUF, such as `"Q8_0"`. */
  readonly quantization?: string;
  /** The shape. */
  readonly shape: readonly number[];
}

/** How a tensor differs. */
export interface TensorDifference {
  /** Its name; fairseq2's where both checkpoints are models of known families. */
  readonly name: string;
  /**
   * What differs: it is `"missing"` on one side, has another `"shape"` or `"dtype"`, or other `"bits"`; with a
   * tolerance, other `"values"`.
   */
  readonly what: "missing" | "shape" | "dtype" | "bits" | "values";
  /** The form of the first one's tensor, or `null` where it has none. */
  readonly a: TensorForm | null;
  /** The form of the second one's. */
  readonly b: TensorForm | null;
  /**
   * The largest absolute difference of two numbers, where values were compared; `null` where one of them is infinite or
   * no number, and the other isn't the same, or where the dtypes don't allow it.
   */
  readonly largest?: number | null;
  /** Whether the tolerance allows it. */
  readonly tolerated: boolean;
}

/** One side of a comparison. */
export interface ComparedSide {
  /** The path that was given. */
  readonly path: string;
  /** What it is, for people. */
  readonly kind: string;
}

/** What came of a comparison. */
export interface Comparison {
  /** Whether both are the same, within the tolerance if one was given. */
  readonly equal: boolean;
  /** The first one. */
  readonly a: ComparedSide;
  /** The second one. */
  readonly b: ComparedSide;
  /** The number of tensors that both have. */
  readonly tensors: number;
  /** The tensors that differ, those that count first and the furthest apart first among them. */
  readonly differences: readonly TensorDifference[];
  /** How far each tensor has moved that both have in the same shape, in the order of the first, where that was asked for. */
  readonly statistics?: readonly TensorMovement[];
  /** What a user should be told: what the weights don't show, such as configurations that differ. */
  readonly notes: readonly string[];
}

/**
 * Compares two checkpoints: the names, dtypes, shapes and bits of their tensors. Two models are compared whatever
 * their layouts, shards and names are. Anything else is compared by the names of its tensors.
 *
 * Memory stays constant, whatever the size. No checksum that a file states is trusted: all bytes are read.
 *
 * @example Usage
 * ```ts
 * import { compareCheckpoints } from "@ckpt/ckpt";
 * import { assertEquals } from "@std/assert";
 *
 * const { equal, tensors } = await compareCheckpoints(
 *   "fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10",
 *   "fixtures/checkpoints/expected/fairseq2-0.3.0/llama3_bf16/reference",
 * );
 * assertEquals([equal, tensors], [true, 21]);
 * ```
 *
 * @param a A checkpoint's directory, or a file.
 * @param b Another.
 * @param options How to compare.
 * @returns What came of it.
 * @throws {CheckpointError} What follows; where one side is at fault, the message begins with `a: ` or `b: `.
 * @throws {FileError} If a file is missing or can't be read.
 * @throws {FormatError} If a file is damaged or isn't what it must be.
 * @throws {OptionError} If the tolerance is negative or no number; or a directory holds several checkpoints, or none of
 * the layout.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function compareCheckpoints(
  a: string,
  b: string,
  options: CompareOptions = {},
): Promise<Comparison> {
  checkOptions({ a, b }, { a: required, b: required });
  checkOptions(options, rules);
  const { tolerance } = options;
  if (tolerance !== undefined && !(tolerance >= 0)) {
    throw new OptionError(`Can't compare with a tolerance of ${tolerance}: it must be a number from 0`);
  }
  const [left, right] = await openSides(a, b, options.from);
  const differences: TensorDifference[] = [];
  const pairs: [name: string, a: Tensor, b: Tensor][] = [];
  for (const [name, tensor] of left.tensors) {
    const other = right.tensors.get(name);
    if (other === undefined) differences.push(formDifference(name, "missing", tensor, undefined));
    else pairs.push([name, tensor, other]);
  }
  for (const [name, tensor] of right.tensors) {
    if (!left.tensors.has(name)) differences.push(formDifference(name, "missing", undefined, tensor));
  }
  let statistics: TensorMovement[] | undefined;
  try {
    statistics = options.statistics ? await measurePairs(pairs, options) : undefined;
    differences.push(...await comparePairs(pairs, options, statistics));
  } catch (error) {
    throw nameSide(error, left, right);
  }
  await checkSidesUnchanged(left, right);
  differences.sort((p, q) => Number(p.tolerated) - Number(q.tolerated) || distance(q) - distance(p));
  return {
    equal: differences.every(({ tolerated }) => tolerated),
    a: { path: left.path, kind: left.kind },
    b: { path: right.path, kind: right.kind },
    tensors: pairs.length,
    differences,
    ...(statistics === undefined ? {} : { statistics }),
    notes: [...left.notes, ...right.notes, ...configurationNotes(left.model, right.model)],
  };
}

/** Numbers that a model's code needs, that all layouts state, and that no weight shows. */
const SETTINGS = [["family", "a family"], ["heads", "attention heads"], ["ropeTheta", "a RoPE base"], [
  "normEps",
  "a norm epsilon",
]] as const;

function configurationNotes(a: ModelDescription | undefined, b: ModelDescription | undefined): string[] {
  if (a === undefined || b === undefined) return [];
  return SETTINGS.filter(([key]) => a[key] !== b[key]).map(([key, what]) =>
    `the configurations differ: ${what} of ${a[key]} and ${b[key]}`
  );
}

type Pair = readonly [name: string, a: Tensor, b: Tensor];

/** How far tensors of the same names and shapes have moved. */
async function measurePairs(
  pairs: readonly Pair[],
  { onProgress, jobs, signal }: CompareOptions,
): Promise<TensorMovement[]> {
  const alike = pairs.filter(([, a, b]) => String(a.shape) === String(b.shape));
  const found = tensorMovements(alike.map(([name, a, b]) => ({ name, a, b })), { jobs, signal, onProgress });
  return await Array.fromAsync(found);
}

/**
 * The differences between tensors of the same names.
 *
 * @param statistics How far they have moved, where that is known: whose numbers are all the same needn't be read again.
 */
async function comparePairs(
  pairs: readonly Pair[],
  { tolerance, onProgress, jobs, signal }: CompareOptions,
  statistics: readonly TensorMovement[] = [],
): Promise<TensorDifference[]> {
  const reading = { jobs, signal };
  const known = new Map<string, PairDifference>();
  // Of quantized numbers, which are measured as the numbers that they stand for, other bits may be the same.
  const quantized = new Set(
    pairs.filter(([, a]) => quantizationOf(a.dtype) !== undefined).map(([name]) => name),
  );
  for (const { name, dtypes, equalShare } of statistics) {
    const isSameType = dtypes[0] === dtypes[1] && !quantized.has(name);
    if (equalShare === null || tolerance !== undefined || !isSameType) continue;
    known.set(name, { differ: equalShare < 1, largest: 0 });
  }
  const totalBytes = pairs.reduce((sum, [, a]) => sum + bytesOf(a), 0);
  const toRead = pairs.filter(([name, a, b]) => isToRead(a, b, tolerance) && !known.has(name));
  const others = totalBytes - toRead.reduce((sum, [, a]) => sum + bytesOf(a), 0);
  const results = await compareViews(
    toRead.map(([, a, b]) => tensorPair(a, b, tolerance !== undefined)),
    { ...reading, onProgress: onProgress && ((bytes) => onProgress(others + bytes, totalBytes)) },
  );
  const found = new Map(toRead.map((pair, i) => [pair, results[i]!]));
  return pairs.flatMap((pair) => differenceOf(pair, found.get(pair) ?? known.get(pair[0]), tolerance) ?? []);
}

/** Whether bytes tell how far two tensors differ, and not only their shapes and dtypes. */
function isToRead(a: Tensor, b: Tensor, tolerance: number | undefined): boolean {
  if (String(a.shape) !== String(b.shape)) return false;
  return a.dtype === b.dtype || (tolerance !== undefined && areComparable(a, b));
}

/** @param found What their bytes showed, where these were read. */
function differenceOf(
  [name, a, b]: readonly [name: string, a: Tensor, b: Tensor],
  found: PairDifference | undefined,
  tolerance: number | undefined,
): TensorDifference | undefined {
  if (String(a.shape) !== String(b.shape)) return formDifference(name, "shape", a, b);
  if (tolerance === undefined && a.dtype !== b.dtype) return formDifference(name, "dtype", a, b);
  if (found?.differ === false) return undefined;
  if (tolerance === undefined) return formDifference(name, "bits", a, b);
  const largest = areComparable(a, b) ? found!.largest : Infinity;
  return {
    name,
    what: "values",
    a: formOf(a),
    b: formOf(b),
    largest: largest === Infinity ? null : largest,
    tolerated: largest < Infinity && largest <= tolerance,
  };
}

function formDifference(
  name: string,
  what: TensorDifference["what"],
  a: Tensor | undefined,
  b: Tensor | undefined,
): TensorDifference {
  return { name, what, a: formOf(a), b: formOf(b), tolerated: false };
}

function formOf<T extends Tensor | undefined>(tensor: T): TensorForm | null {
  if (tensor === undefined) return null;
  const quantization = undoneQuantization(tensor.storage.view)?.toUpperCase();
  return {
    dtype: tensor.dtype.name,
    shape: tensor.shape,
    ...(quantization === undefined ? {} : { quantization }),
  };
}

function distance({ largest }: TensorDifference): number {
  return largest ?? Infinity;
}
