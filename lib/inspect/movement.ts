/**
 * How far the weights of one checkpoint are from those of another.
 *
 * @module
 */

import { viewBytes } from "../bytes/view.ts";
import { type MovedPair, moveViews } from "../copy/movement.ts";
import type { RowMovement } from "../copy/movement_rows.ts";
import { type Target, targets } from "../convert/target.ts";
import { callback, checkOptions, jobs, oneOf, required, type Rules, signal } from "../options.ts";
import { numel, type Tensor } from "../tensor/tensor.ts";
import { rootDividedBy } from "./exact_numbers.ts";
import { inTurn } from "./in_turn.ts";
import { checkSidesUnchanged, nameSide, openSides } from "./sides.ts";
import { countedView } from "./statistics.ts";
import { runInRows } from "./tensor_pair.ts";

/**
 * How far a tensor has moved, from a to b. What is measured is of the pairs of numbers that are both finite. It is all
 * `null` for dtypes whose items are no real numbers, or are packed in a way that ckpt doesn't undo.
 */
export interface TensorMovement {
  /** Its name; fairseq2's where both checkpoints are models of known families. */
  readonly name: string;
  /** The dtypes of both, by torch's names. */
  readonly dtypes: readonly [a: string, b: string];
  /** The shape. */
  readonly shape: readonly number[];
  /** How many numbers it has. */
  readonly count: number;
  /** The largest |b - a|. */
  readonly maxAbsDiff: number | null;
  /** ‖b - a‖ / ‖a‖; 0 where both are zero, `null` where only a is. */
  readonly relativeL2: number | null;
  /** The cosine of the angle between both; `null` where one is zero. */
  readonly cosine: number | null;
  /** The share of numbers that have the same bits; of different dtypes, that are the same. `null` where there are none. */
  readonly equalShare: number | null;
  /** ‖b - a‖. */
  readonly l2Diff: number | null;
  /** ‖a‖ and ‖b‖. */
  readonly l2: readonly [a: number, b: number] | null;
  /** How many pairs aren't both finite. */
  readonly nonFinite: number | null;
}

/** What is compared, and how. */
export interface CompareStatisticsOptions {
  /** The layout, where a directory holds checkpoints of several: of both, or of each. */
  readonly from?: Target | readonly [a: Target, b: Target];
  /** How many workers read; by default two, or one on a single core. */
  readonly jobs?: number;
  /** Told of the bytes read so far, and of those to read in all, of both checkpoints. */
  readonly onProgress?: (bytes: number, totalBytes: number) => void;
  /** Cancels the work. */
  readonly signal?: AbortSignal;
}

const layout = oneOf(targets);

const rules: Rules<CompareStatisticsOptions> = {
  from: {
    what: `${layout.what}, or two of them`,
    allows: (value) =>
      layout.allows(value) || Array.isArray(value) && value.length === 2 && value.every(layout.allows),
  },
  jobs,
  onProgress: callback,
  signal,
};

/**
 * How far each tensor has moved from one checkpoint to another: of those that both have, in the same shape, in the order
 * of the first. Two models are compared whatever their layouts, shards, dtypes and names are, as `compareCheckpoints`
 * does. Neither the number of workers nor the layout changes a digit.
 *
 * @example Usage
 * ```ts
 * import { compareStatistics } from "@ckpt/ckpt";
 *
 * const step = "fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10";
 * for await (const movement of compareStatistics(step, step)) console.log(movement);
 * ```
 *
 * @param a A checkpoint's directory, or a file.
 * @param b Another.
 * @param options What to compare, and how.
 * @returns How far each has moved.
 * @throws {CheckpointError} What follows; where one side is at fault, the message begins with `a: ` or `b: `.
 * @throws {FileError} If a file is missing or can't be read, or was changed meanwhile.
 * @throws {FormatError} If a file is damaged or isn't what it must be.
 * @throws {OptionError} If an option isn't what it may be; or a directory holds several checkpoints, or none of the
 * layout.
 * @throws {CancelledError} If `options.signal` was aborted.
 */
export async function* compareStatistics(
  a: string,
  b: string,
  options: CompareStatisticsOptions = {},
): AsyncGenerator<TensorMovement, void, undefined> {
  checkOptions({ a, b }, { a: required, b: required });
  checkOptions(options, rules);
  const [left, right] = await openSides(a, b, options.from);
  const pairs = [...left.tensors].flatMap(([name, tensor]) => {
    const other = right.tensors.get(name);
    return other === undefined || String(other.shape) !== String(tensor.shape)
      ? []
      : [{ name, a: tensor, b: other }];
  });
  try {
    yield* tensorMovements(pairs, options);
  } catch (error) {
    throw nameSide(error, left, right);
  }
  await checkSidesUnchanged(left, right);
}

/** Two tensors of one shape. */
export interface NamedPair {
  readonly name: string;
  readonly a: Tensor;
  readonly b: Tensor;
}

/** How far tensors have moved, as soon as these and those before them were read. */
export async function* tensorMovements(
  pairs: readonly NamedPair[],
  { jobs, signal, onProgress }: Omit<CompareStatisticsOptions, "from"> = {},
): AsyncGenerator<TensorMovement, void, undefined> {
  const moved = pairs.map((pair) => ({ ...pair, views: movedPair(pair) }));
  const views = moved.flatMap(({ views }) => views ?? []);
  const totalBytes = views.reduce((sum, { a, b }) => sum + viewBytes(a) + viewBytes(b), 0);
  const results = inTurn<RowMovement>(
    (onResult, signal) =>
      moveViews(
        views,
        { jobs, signal, onProgress: onProgress && ((bytes) => onProgress(bytes, totalBytes)) },
        onResult,
      ),
    signal,
  );
  try {
    for (const { name, a, b, views } of moved) {
      const count = numel(a.shape);
      yield {
        ...{ name, dtypes: [a.dtype.name, b.dtype.name], shape: a.shape, count },
        ...views === undefined ? unknown : movementOf((await results.next()).value!, count),
      };
    }
    await results.next();
  } finally {
    await results.return();
  }
}

const unknown = {
  maxAbsDiff: null,
  relativeL2: null,
  cosine: null,
  equalShare: null,
  l2Diff: null,
  l2: null,
  nonFinite: null,
} as const;

function movementOf(
  { differences, products, squaresA, squaresB, largest, equal, nonFinite }: RowMovement,
  count: number,
): Omit<TensorMovement, "name" | "dtypes" | "shape" | "count"> {
  const root = (sum: bigint | undefined) =>
    sum === undefined ? null : rootDividedBy({ units: sum, exponent: -1074 }, 1);
  const [l2Diff, a, b] = [root(differences), root(squaresA), root(squaresB)];
  return {
    maxAbsDiff: count === 0 ? null : largest,
    relativeL2: l2Diff === null || a === null ? null : l2Diff === 0 ? 0 : a === 0 ? null : l2Diff / a,
    cosine: cosine(products, squaresA, squaresB),
    equalShare: count === 0 ? null : equal / count,
    l2Diff,
    l2: a === null || b === null ? null : [a, b],
    nonFinite,
  };
}

/** ab / √(aa·bb), from -1 to 1. */
function cosine(ab: bigint | undefined, aa: bigint | undefined, bb: bigint | undefined): number | null {
  if (ab === undefined || aa === undefined || bb === undefined || aa === 0n || bb === 0n) return null;
  const root = (sum: bigint) => rootDividedBy({ units: sum, exponent: -1074 }, 1);
  const magnitude = root(ab < 0n ? -ab : ab);
  const value = (magnitude / root(aa)) * (magnitude / root(bb));
  return Math.min(1, value) * (ab < 0n ? -1 : 1);
}

/** The views of two tensors by rows of the same numbers. */
function movedPair({ a, b }: NamedPair): MovedPair | undefined {
  const itemBytes = Math.max(a.dtype.itemBytes, b.dtype.itemBytes);
  const [x, y] = [countedView(a, itemBytes), countedView(b, itemBytes)];
  if (x === undefined || y === undefined) return undefined;
  const numbers = [x.numbers, y.numbers] as const;
  const rows = x.view.op === "bytes" ? y.view.rows : x.view.rows;
  const [first, second] = [runInRows(x.view, rows), runInRows(y.view, rows)];
  if (first.rows !== second.rows) return undefined; // Not of tensors with two dimensions.
  return { a: first, b: second, numbers, columns: x.columns };
}
