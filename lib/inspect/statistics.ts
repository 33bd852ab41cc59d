/**
 * Statistics of weights: what the numbers of each tensor are like.
 *
 * @module
 */

import { bytes, cast, MAX_ROW_BYTES, type View, viewBytes } from "../bytes/view.ts";
import { type CountedView, countViews, numberBytes } from "../copy/count.ts";
import { type Bin, FRACTION_BITS, type RowCounts } from "../copy/count_rows.ts";
import { hasNumbers } from "../copy/compare.ts";
import type { Target } from "../convert/target.ts";
import { callback, checkOptions, jobs, oneOf, required, type Rules, signal } from "../options.ts";
import { quantizationOf } from "../layouts/gguf/stored_tensor.ts";
import { cutView, numel, type Tensor } from "../tensor/tensor.ts";
import { targets } from "../convert/target.ts";
import { openComparable } from "./comparable.ts";
import { dividedBy, type ExactNumber, exactSum, rootDividedBy } from "./exact_numbers.ts";
import { inTurn } from "./in_turn.ts";
import { checkUnchanged } from "./unchanged.ts";

/**
 * How many numbers have which magnitude: item `i` counts those with
 * 2^(`firstExponent` + i) ≤ |x| < 2^(`firstExponent` + i + 1). Zeros, infinities and NaN are in none.
 */
export interface ExponentHistogram {
  /** The exponent of the first item; 0 where there are none. */
  readonly firstExponent: number;
  /** Those below zero. */
  readonly negative: readonly number[];
  /** Those above zero; as many items. */
  readonly positive: readonly number[];
}

/**
 * What the numbers of a tensor are like. Those from `min` to `absMax` are of the finite ones, and `null` where there are
 * none. All but the shape are `null` for a dtype whose items are no real numbers, or are packed in a way that ckpt doesn't
 * undo (complex ones, `Q4_K`).
 */
export interface TensorStatistics {
  /** Its name; fairseq2's where the checkpoint is a model of a known family. */
  readonly name: string;
  /** The dtype, by torch's name; ggml's for numbers that GGUF quantizes, whose statistics are those of float32. */
  readonly dtype: string;
  /** The shape. */
  readonly shape: readonly number[];
  /** How many numbers it has. */
  readonly count: number;
  /** The smallest. */
  readonly min: number | null;
  /** The largest. */
  readonly max: number | null;
  /** The mean, of an exact sum. */
  readonly mean: number | null;
  /** The standard deviation of the population, of exact sums. */
  readonly std: number | null;
  /** The square root of the sum of squares; infinite past float64's range, which is `null` in JSON. */
  readonly l2: number | null;
  /** The largest magnitude. */
  readonly absMax: number | null;
  /** How many are zero, of either sign. */
  readonly zeros: number | null;
  /** How many are smaller than the smallest normal number of the dtype, and not zero. */
  readonly subnormals: number | null;
  /** How many are no number. */
  readonly nan: number | null;
  /** How many are infinite, of either sign. */
  readonly inf: number | null;
  /** How many of these are below zero. */
  readonly negativeInf: number | null;
  /** The index of the first NaN in row-major order, such as `[12, 408]`; `null` where there is none. */
  readonly firstNan: readonly number[] | null;
  /** That of the first infinity. */
  readonly firstInf: readonly number[] | null;
  /** How many rows, along the last dimension, are nothing but zeros. */
  readonly zeroRows: number | null;
  /** The numbers by sign and exponent. */
  readonly histogram: ExponentHistogram | null;
}

/** What is counted, and how. */
export interface StatisticsOptions {
  /** The layout, where a directory holds checkpoints of several. */
  readonly from?: Target;
  /** How many workers read; by default two, or one on a single core. */
  readonly jobs?: number;
  /** Told of the bytes read so far, and of those to read in all. */
  readonly onProgress?: (bytes: number, totalBytes: number) => void;
  /** Cancels the work. */
  readonly signal?: AbortSignal;
}

const rules: Rules<StatisticsOptions> = { from: oneOf(targets), jobs, onProgress: callback, signal };

/**
 * The statistics of every tensor of a checkpoint, one after the other, in its order. All bytes are read, in constant
 * memory.
 *
 * A model of a known family has fairseq2's names and order of rows, whatever its layout, and its shards are joined.
 * Anything else is seen as it lies in the files. The sums are exact, and rounded once: neither the number of workers nor
 * the layout changes a digit.
 *
 * @example Usage
 * ```ts
 * import { statistics } from "@ckpt/ckpt";
 *
 * for await (const each of statistics("fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10")) console.log(each);
 * ```
 *
 * @param path A checkpoint's directory, or a file.
 * @param options What to count, and how.
 * @returns The statistics of each tensor.
 * @throws {FileError} If a file is missing or can't be read, or was changed meanwhile.
 * @throws {FormatError} If a file is damaged or isn't what it must be.
 * @throws {OptionError} If an option isn't what it may be; or a directory holds several checkpoints, or none of the
 * layout.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function* statistics(
  path: string,
  options: StatisticsOptions = {},
): AsyncGenerator<TensorStatistics, void, undefined> {
  checkOptions({ path }, { path: required });
  checkOptions(options, rules);
  const { tensors, sources } = await openComparable(path, options.from);
  yield* tensorStatistics(tensors, options);
  checkUnchanged(sources, "count");
}

/** The statistics of tensors, as soon as these and those before them were read. */
export async function* tensorStatistics(
  tensors: ReadonlyMap<string, Tensor>,
  { jobs, signal, onProgress }: Omit<StatisticsOptions, "from"> = {},
): AsyncGenerator<TensorStatistics, void, undefined> {
  const counted = [...tensors].map(([name, tensor]) => ({ name, tensor, view: countedView(tensor) }));
  const views = counted.flatMap(({ view }) => view ?? []);
  const totalBytes = views.reduce((sum, { view }) => sum + viewBytes(view), 0);
  const results = inTurn<RowCounts>(
    (onResult, signal) =>
      countViews(
        views,
        { jobs, signal, onProgress: onProgress && ((bytes) => onProgress(bytes, totalBytes)) },
        onResult,
      ),
    signal,
  );
  try {
    for (const { name, tensor, view } of counted) {
      const { dtype, shape } = tensor;
      const form = { name, dtype: dtype.name, shape, count: numel(shape) };
      if (view === undefined) yield { ...form, ...unknown };
      else yield { ...form, ...statisticsOf((await results.next()).value!, tensor, view.numbers) };
    }
    await results.next();
  } finally {
    await results.return();
  }
}

const unknown = {
  min: null,
  max: null,
  mean: null,
  std: null,
  l2: null,
  absMax: null,
  zeros: null,
  subnormals: null,
  nan: null,
  inf: null,
  negativeInf: null,
  firstNan: null,
  firstInf: null,
  zeroRows: null,
  histogram: null,
} as const;

function statisticsOf(
  counts: RowCounts,
  { shape }: Tensor,
  numbers: string,
): Omit<TensorStatistics, "name" | "dtype" | "shape" | "count"> {
  const { bins, zeros, nan, positiveInf, negativeInf, firstNan, firstInf, zeroRows } = counts;
  const finite = zeros + bins.reduce((sum, { count }) => sum + count, 0);
  const least = leastNormal.get(numbers) ?? -Infinity;
  const subnormals = bins.reduce((sum, { exponent, count }) => exponent < least ? sum + count : sum, 0);
  const [min, max] = [
    zeros > 0 ? Math.min(0, counts.min) : counts.min,
    zeros > 0 ? Math.max(0, counts.max) : counts.max,
  ];
  const [sum, squares] = sumsOf(bins);
  return {
    ...(finite === 0 ? { min: null, max: null, mean: null, std: null, l2: null, absMax: null } : {
      min,
      max,
      mean: dividedBy(sum, finite),
      std: rootDividedBy(deviations(sum, squares, finite), finite),
      l2: rootDividedBy(squares, 1),
      absMax: Math.max(-min, max),
    }),
    zeros,
    subnormals,
    nan,
    inf: positiveInf + negativeInf,
    negativeInf,
    firstNan: indexOf(firstNan, shape),
    firstInf: indexOf(firstInf, shape),
    zeroRows,
    histogram: histogramOf(bins),
  };
}

/** The exponent of the smallest normal number; integers and powers of two have no smaller ones. */
const leastNormal: ReadonlyMap<string, number> = new Map([
  ["float64", -1022],
  ["float32", -126],
  ["bfloat16", -126],
  ["float16", -14],
  ["float8_e4m3fn", -6],
  ["float8_e5m2", -14],
  ["float8_e4m3fnuz", -7],
  ["float8_e5m2fnuz", -15],
]);

function sumsOf(bins: readonly Bin[]): [sum: ExactNumber, squares: ExactNumber] {
  return [
    exactSum(bins.map(({ sum, exponent, isNegative }) => ({
      units: isNegative ? -sum : sum,
      exponent: exponent - FRACTION_BITS,
    }))),
    exactSum(bins.map(({ squares, exponent }) => ({
      units: squares,
      exponent: 2 * (exponent - FRACTION_BITS),
    }))),
  ];
}

/** n Σx² - (Σx)², which is n² times the variance. */
function deviations(sum: ExactNumber, squares: ExactNumber, count: number): ExactNumber {
  return exactSum([
    { units: squares.units * BigInt(count), exponent: squares.exponent },
    { units: -sum.units * sum.units, exponent: 2 * sum.exponent },
  ]);
}

function indexOf(place: number, shape: readonly number[]): number[] | null {
  if (place < 0) return null;
  const index: number[] = [];
  for (const size of shape.toReversed()) {
    index.unshift(place % size);
    place = Math.floor(place / size);
  }
  return index;
}

function histogramOf(bins: readonly Bin[]): ExponentHistogram {
  if (bins.length === 0) return { firstExponent: 0, negative: [], positive: [] };
  const [first, last] = [
    bins.reduce((least, { exponent }) => Math.min(least, exponent), Infinity),
    bins.reduce((most, { exponent }) => Math.max(most, exponent), -Infinity),
  ];
  const counts = {
    negative: Array<number>(last - first + 1).fill(0),
    positive: Array<number>(last - first + 1).fill(0),
  };
  for (const { exponent, isNegative, count } of bins) {
    counts[isNegative ? "negative" : "positive"][exponent - first] = count;
  }
  return { firstExponent: first, ...counts };
}

/** The longest row that is counted as one, in bytes. */
const ROW_BYTES = 512 * 1024;

/**
 * A tensor's view by rows along its last dimension; none where its items are no real numbers.
 *
 * @param itemBytes The size of an item by which rows are cut that are too long.
 */
export function countedView(tensor: Tensor, itemBytes?: number): CountedView | undefined {
  const { dtype, shape } = tensor;
  const columns = shape.at(-1) ?? 1;
  const rows = numel(shape.slice(0, -1));
  const format = quantizationOf(dtype);
  const numbers = format === undefined ? dtype.name : "float32";
  if (!hasNumbers(numbers) || numbers.startsWith("complex")) return undefined;
  const inRows = (view: View): View => {
    if (view.op !== "bytes" || rows === 0 || columns === 0) return view;
    const rowBytes = viewBytes(view) / rows;
    if (rowBytes <= ROW_BYTES || format !== undefined) return bytes(view.path, view.offset, rows, rowBytes);
    return bytes(view.path, view.offset, rows * columns, numberBytes(numbers));
  };
  const view = inRows(cutView(tensor, itemBytes));
  if (format === undefined) return { view, numbers, columns };
  if (4 * columns > MAX_ROW_BYTES) return undefined;
  return { view: cast(view, format, "float32"), numbers, columns };
}
