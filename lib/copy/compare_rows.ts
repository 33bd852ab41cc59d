/** Comparing rows of two views, block by block. */

import type { View } from "../bytes/view.ts";
import type { Kernel } from "./kernel.ts";
import type { NumberKind, Numbers } from "./numbers.ts";

/** Two views that hold the same number of items in each of as many rows. */
export interface ViewPair {
  /** The first one. */
  readonly a: View;
  /** The second one. */
  readonly b: View;
  /**
   * The dtypes of both, by torch's names, if numbers are to be compared where bits differ. Without, bits are, and no
   * further than they are the same.
   */
  readonly numbers: readonly [a: string, b: string] | undefined;
}

/** Some rows of two views. */
export interface ComparedRows extends ViewPair {
  /** The first row. */
  readonly firstRow: number;
  /** The number of rows. */
  readonly rows: number;
  /** How many rows are best handled together, since one of the views reads them as a group. */
  readonly group: number;
}

/** How far two views differ. */
export interface PairDifference {
  /** Whether any of their bits differ, or their dtypes where numbers are compared. */
  readonly differ: boolean;
  /**
   * The largest absolute difference between numbers at the same place; infinite where one is infinite or no number and
   * the other is not the same. 0 where no numbers are compared.
   */
  readonly largest: number;
}

/** Compares rows of views; holds two blocks in memory. */
export interface Comparer {
  /**
   * Compares some rows.
   *
   * @param onBlock Called before each block with the bytes of the first view that were compared since the last call, or
   * needn't be; throws to stop.
   */
  compare(rows: ComparedRows, onBlock: (bytes: number) => void): PairDifference;
}

/** Makes a comparer. Closed like the kernel: it refers to nothing outside itself but its arguments. */
export function createComparer(
  fill: Kernel["fill"],
  compareBytes: (a: Uint8Array, b: Uint8Array) => number,
  makeKinds: () => ReadonlyMap<string, NumberKind>,
  blockBytes: number,
): Comparer {
  // How many of both are made numbers at a time: what stays in a core's own cache.
  const pieceNumbers = 16 * 1024;
  let kinds: ReadonlyMap<string, NumberKind> | undefined;
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  const made: Float32Array<ArrayBuffer>[] = [];

  function block(side: 0 | 1, bytes: number): Uint8Array<ArrayBuffer> {
    if ((blocks[side]?.length ?? -1) < bytes) blocks[side] = new Uint8Array(Math.max(bytes, blockBytes));
    return blocks[side]!.subarray(0, bytes);
  }

  function piece(side: 0 | 1, bytes: Uint8Array<ArrayBuffer>, kind: NumberKind, first: number): Numbers {
    made[side] ??= new Float32Array(pieceNumbers);
    return kind.read(bytes.subarray(first * kind.bytes, (first + pieceNumbers) * kind.bytes), made[side]);
  }

  function furthestApart(a: Numbers, b: Numbers): number {
    // What nearly all weights come to, and many times as fast where the engine knows both types.
    if (a instanceof Float32Array && b instanceof Float32Array) return furthestSingles(a, b);
    const [x, y] = [a as ArrayLike<number | bigint>, b as ArrayLike<number | bigint>];
    let largest = 0;
    for (let i = 0; i < x.length; i++) {
      const [p, q] = [x[i]!, y[i]!];
      if (p === q) continue;
      const distance = distanceOf(p, q);
      if (distance > largest) largest = distance;
    }
    return largest;
  }

  function furthestSingles(x: Float32Array, y: Float32Array): number {
    let largest = 0;
    for (let i = 0; i < x.length; i++) {
      const distance = Math.abs(x[i]! - y[i]!);
      if (distance <= largest) continue;
      // Larger, or of something that is no number.
      if (x[i] !== y[i]) largest = Math.max(largest, distanceOf(x[i]!, y[i]!));
    }
    return largest;
  }

  function distanceOf(p: number | bigint, q: number | bigint): number {
    if (typeof p === "bigint" || typeof q === "bigint") {
      // A fraction or an infinity has no place among 64-bit integers, and these none among doubles.
      if (typeof p === typeof q) return Math.abs(Number((p as bigint) - (q as bigint)));
      const [number, integer] = typeof p === "number" ? [p, q as bigint] : [q as number, p as bigint];
      if (!Number.isInteger(number)) {
        return Number.isFinite(number) ? Math.abs(number - Number(integer)) : Infinity;
      }
      return Math.abs(Number(BigInt(number) - integer));
    }
    const distance = Math.abs(p - q);
    // No number on both sides is the same, on one is as different as can be.
    return Number.isNaN(distance) ? (Number.isNaN(p) && Number.isNaN(q) ? 0 : Infinity) : distance;
  }

  return {
    compare({ a, b, numbers, firstRow, rows, group }, onBlock) {
      const [x, y] = (numbers ?? []).map((name) => (kinds ??= makeKinds()).get(name)!);
      const isSameType = numbers === undefined || numbers[0] === numbers[1];
      let [differ, largest] = [!isSameType, 0];
      const rowBytes = Math.max(1, a.rowBytes, b.rowBytes);
      let step = Math.max(1, Math.floor(blockBytes / rowBytes));
      if (step > group) step -= step % group;
      else if (group * rowBytes <= 16 * blockBytes) step = group;
      onBlock(0);
      for (let row = firstRow; row < firstRow + rows; row += step) {
        const count = Math.min(step, firstRow + rows - row);
        const left = block(0, count * a.rowBytes);
        const right = block(1, count * b.rowBytes);
        fill(a, row, count, left);
        fill(b, row, count, right);
        if (!isSameType || compareBytes(left, right) !== 0) {
          differ = true;
          if (x === undefined || y === undefined) {
            onBlock((firstRow + rows - row) * a.rowBytes);
            break;
          }
          for (let first = 0; first * x.bytes < left.length; first += pieceNumbers) {
            largest = Math.max(largest, furthestApart(piece(0, left, x, first), piece(1, right, y, first)));
          }
        }
        onBlock(left.length);
      }
      return { differ, largest };
    },
  };
}
