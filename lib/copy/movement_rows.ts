/**
 * How far the numbers of one view are from those of another, row by row.
 *
 * Sums of floats depend on the order in which they are added. So numbers are summed in pieces that depend on the tensor's
 * shape alone, each in the same order, and the sums of pieces are added as integers, without rounding.
 */

import type { View } from "../bytes/view.ts";
import type { Kernel } from "./kernel.ts";
import type { NumberKind, Numbers } from "./numbers.ts";

/** Some rows of two views of one shape. */
export interface MovedRows {
  /** The first view. */
  readonly a: View;
  /** The second one. */
  readonly b: View;
  /** The dtypes of their numbers, by torch's names. */
  readonly numbers: readonly [a: string, b: string];
  /** The number of columns of the tensors. */
  readonly columns: number;
  /** The first row: the first of a piece. */
  readonly firstRow: number;
  /** The number of rows. */
  readonly rows: number;
  /** How many rows are best handled together, since one of the views reads them as a group. */
  readonly group: number;
}

/** How far numbers are apart, of pairs that are both finite. */
export interface RowMovement {
  /** The sum of (b - a)², in units of 2^-1074; `undefined` where it is past float64's range. */
  readonly differences: bigint | undefined;
  /** That of a·b. */
  readonly products: bigint | undefined;
  /** That of a². */
  readonly squaresA: bigint | undefined;
  /** That of b². */
  readonly squaresB: bigint | undefined;
  /** The largest |b - a|. */
  readonly largest: number;
  /** How many pairs have the same bits; of different dtypes, are the same number. */
  readonly equal: number;
  /** How many pairs aren't both finite. */
  readonly nonFinite: number;
}

/** Compares rows of views; holds a block of each in memory. */
export interface Mover {
  /**
   * Measures how far some rows are apart.
   *
   * @param onBlock Called before each block with the bytes of the first view that were read since the last call; throws to
   * stop.
   */
  move(rows: MovedRows, onBlock: (bytes: number) => void): RowMovement;
}

/**
 * Where the piece ends that a number is in: so many whole rows, or a part of one that is longer.
 *
 * @param at The place of a number, from the start of the tensor.
 * @param columns The number of columns.
 */
export function pieceEnd(at: number, columns: number): number {
  const numbers = 16 * 1024;
  if (columns <= numbers) {
    const piece = columns * Math.floor(numbers / columns);
    return at - at % piece + piece;
  }
  const column = at % columns;
  return at - column + Math.min(columns, column - column % numbers + numbers);
}

/** Makes a mover. Closed like the kernel: it refers to nothing outside itself but its arguments. */
export function createMover(
  fill: Kernel["fill"],
  makeKinds: () => ReadonlyMap<string, NumberKind>,
  endOfPiece: typeof pieceEnd,
  blockBytes: number,
): Mover {
  const pieceNumbers = 16 * 1024;
  let kinds: ReadonlyMap<string, NumberKind> | undefined;
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  const singles = new Float32Array(pieceNumbers);
  const pieces = [new Float64Array(pieceNumbers), new Float64Array(pieceNumbers)] as const;
  const double = new Float64Array(1);
  const doubleWords = new Uint32Array(double.buffer);

  function block(side: 0 | 1, bytes: number): Uint8Array<ArrayBuffer> {
    if ((blocks[side]?.length ?? -1) < bytes) blocks[side] = new Uint8Array(Math.max(bytes, blockBytes));
    return blocks[side]!.subarray(0, bytes);
  }

  function put(numbers: Numbers, into: Float64Array, at: number): void {
    if (numbers instanceof BigInt64Array || numbers instanceof BigUint64Array) {
      for (let i = 0; i < numbers.length; i++) into[at + i] = Number(numbers[i]!);
    } else {
      into.set(numbers, at);
    }
  }

  /** A float64 in units of 2^-1074; `undefined` if it is infinite. */
  function fixed(number: number): bigint | undefined {
    if (number - number !== 0) return undefined;
    double[0] = number;
    const [low, high] = [doubleWords[0]!, doubleWords[1]!];
    const exponent = (high >>> 20) & 0x7ff;
    const fraction = (BigInt((high & 0xfffff) | (exponent === 0 ? 0 : 0x100000)) << 32n) | BigInt(low);
    const magnitude = fraction << BigInt(Math.max(0, exponent - 1));
    return number < 0 ? -magnitude : magnitude;
  }

  return {
    move({ a, b, numbers, columns, firstRow, rows, group }, onBlock) {
      const [x, y] = numbers.map((name) => (kinds ??= makeKinds()).get(name)!) as [NumberKind, NumberKind];
      const isSameType = numbers[0] === numbers[1];
      const numbersPerRow = a.rowBytes / x.bytes;
      const sums: Record<"differences" | "products" | "squaresA" | "squaresB", bigint | undefined> = {
        differences: 0n,
        products: 0n,
        squaresA: 0n,
        squaresB: 0n,
      };
      const found = { largest: 0, equal: 0, nonFinite: 0 };

      function add(to: keyof typeof sums, number: number): void {
        const more = fixed(number);
        sums[to] = sums[to] === undefined || more === undefined ? undefined : sums[to]! + more;
      }

      /** Sums a piece in four lanes. */
      function addPiece(count: number): void {
        const [p, q] = pieces;
        const lanes = Array.from({ length: 4 }, () => ({ d: 0, ab: 0, aa: 0, bb: 0 }));
        for (let i = 0; i < count; i++) {
          const [u, v] = [p[i]!, q[i]!];
          if (u - u !== 0 || v - v !== 0) {
            found.nonFinite++;
            continue;
          }
          const difference = v - u;
          const lane = lanes[i & 3]!;
          lane.d += difference * difference;
          lane.ab += u * v;
          lane.aa += u * u;
          lane.bb += v * v;
          if (Math.abs(difference) > found.largest) found.largest = Math.abs(difference);
        }
        const total = (of: "d" | "ab" | "aa" | "bb") =>
          (lanes[0]![of] + lanes[2]![of]) + (lanes[1]![of] + lanes[3]![of]);
        add("differences", total("d"));
        add("products", total("ab"));
        add("squaresA", total("aa"));
        add("squaresB", total("bb"));
      }

      function countEqual(left: Uint8Array, right: Uint8Array, bytes: number): void {
        for (let at = 0; at < left.length; at += bytes) {
          let i = 0;
          while (i < bytes && left[at + i] === right[at + i]) i++;
          if (i === bytes) found.equal++;
        }
      }

      let filled = 0;
      let place = firstRow * numbersPerRow;
      let end = endOfPiece(place, columns);
      const rowBytes = Math.max(1, a.rowBytes, b.rowBytes);
      let step = Math.max(1, Math.floor(blockBytes / rowBytes));
      if (step > group) step -= step % group;
      else if (group * rowBytes <= 16 * blockBytes) step = group;
      onBlock(0);
      for (let row = firstRow; row < firstRow + rows; row += step) {
        const count = Math.min(step, firstRow + rows - row);
        const [left, right] = [block(0, count * a.rowBytes), block(1, count * b.rowBytes)];
        fill(a, row, count, left);
        fill(b, row, count, right);
        if (isSameType) countEqual(left, right, x.bytes);
        for (let at = 0; at * x.bytes < left.length;) {
          const length = Math.min(left.length / x.bytes - at, end - place);
          put(x.read(left.subarray(at * x.bytes, (at + length) * x.bytes), singles), pieces[0], filled);
          put(y.read(right.subarray(at * y.bytes, (at + length) * y.bytes), singles), pieces[1], filled);
          if (!isSameType) {
            for (let i = filled; i < filled + length; i++) if (pieces[0][i] === pieces[1][i]) found.equal++;
          }
          filled += length;
          place += length;
          at += length;
          if (place < end) continue;
          addPiece(filled);
          filled = 0;
          end = endOfPiece(place, columns);
        }
        onBlock(left.length);
      }
      if (filled > 0) addPiece(filled);
      return { ...sums, ...found };
    },
  };
}
