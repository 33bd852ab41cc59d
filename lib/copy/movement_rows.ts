/**
 * How far the numbers of one view are from those of another, row by row.
 *
 * Sums of floats depend on the order in which they are added. So numbers are summed in pieces that depend on the tensor's
 * shape alone, each in the same order, and the sums of pieces are added as integers, without rounding.
 */

import type { View } from "../bytes/view.ts";
import type { Kernel } from "./kernel.ts";
import type { Measurer } from "./measurer.ts";
import type { NumberKind } from "./numbers.ts";

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
  makeMeasurer: () => Measurer | undefined,
  endOfPiece: typeof pieceEnd,
  blockBytes: number,
): Mover {
  const pieceNumbers = 16 * 1024;
  let kinds: ReadonlyMap<string, NumberKind> | undefined;
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  // Two pieces, as float32 where that has all of their numbers, else as float64.
  let singles: Measurer["singles"] | undefined;
  let measurer: Measurer | undefined;
  const doubles = [new Float64Array(pieceNumbers), new Float64Array(pieceNumbers)] as const;
  const made = new Float32Array(pieceNumbers);
  const double = new Float64Array(1);
  const doubleWords = new Uint32Array(double.buffer);

  function block(side: 0 | 1, bytes: number): Uint8Array<ArrayBuffer> {
    if ((blocks[side]?.length ?? -1) < bytes) blocks[side] = new Uint8Array(Math.max(bytes, blockBytes));
    return blocks[side]!.subarray(0, bytes);
  }

  /** Reads numbers into their place in a piece. */
  function read(
    kind: NumberKind,
    bytes: Uint8Array<ArrayBuffer>,
    into: Float32Array<ArrayBuffer> | Float64Array,
    at: number,
  ): void {
    const isSingle = into instanceof Float32Array;
    const numbers = kind.read(bytes, isSingle ? into.subarray(at) : made);
    if (numbers instanceof BigInt64Array || numbers instanceof BigUint64Array) {
      for (let i = 0; i < numbers.length; i++) into[at + i] = Number(numbers[i]!);
    } else if (numbers.buffer !== into.buffer) {
      into.set(numbers, at);
    }
  }

  function isSingle({ bytes }: NumberKind, name: string): boolean {
    return name.includes("float") && bytes <= 4;
  }

  interface PieceSums {
    readonly differences: number;
    readonly products: number;
    readonly squaresA: number;
    readonly squaresB: number;
    readonly largest: number;
  }

  /** The pieces of float32, and what measures them, where there is something. */
  function makeSingles(): Measurer["singles"] {
    if (singles === undefined) {
      measurer = makeMeasurer();
      singles = measurer?.singles ?? [new Float32Array(pieceNumbers), new Float32Array(pieceNumbers)];
    }
    return singles;
  }

  /** Sums of a piece, a number in four to each of four lanes. It has four numbers or a multiple. */
  function sumPiece(
    x: Float32Array | Float64Array,
    y: Float32Array | Float64Array,
    count: number,
  ): PieceSums {
    if (measurer !== undefined && x === singles?.[0]) {
      measurer.measure(count);
      const { results } = measurer;
      return {
        differences: results[0]!,
        products: results[1]!,
        squaresA: results[2]!,
        squaresB: results[3]!,
        largest: results[4]!,
      };
    }
    let d0 = 0, d1 = 0, d2 = 0, d3 = 0;
    let ab0 = 0, ab1 = 0, ab2 = 0, ab3 = 0;
    let aa0 = 0, aa1 = 0, aa2 = 0, aa3 = 0;
    let bb0 = 0, bb1 = 0, bb2 = 0, bb3 = 0;
    let largest = 0;
    for (let i = 0; i < count; i += 4) {
      const p = x[i]!;
      const q = y[i]!;
      const e = q - p;
      d0 += e * e;
      ab0 += p * q;
      aa0 += p * p;
      bb0 += q * q;
      const r = x[i + 1]!;
      const s = y[i + 1]!;
      const f = s - r;
      d1 += f * f;
      ab1 += r * s;
      aa1 += r * r;
      bb1 += s * s;
      const t = x[i + 2]!;
      const u = y[i + 2]!;
      const g = u - t;
      d2 += g * g;
      ab2 += t * u;
      aa2 += t * t;
      bb2 += u * u;
      const v = x[i + 3]!;
      const w = y[i + 3]!;
      const h = w - v;
      d3 += h * h;
      ab3 += v * w;
      aa3 += v * v;
      bb3 += w * w;
      const most = Math.max(Math.max(Math.abs(e), Math.abs(f)), Math.max(Math.abs(g), Math.abs(h)));
      if (most > largest) largest = most;
    }
    return {
      differences: (d0 + d2) + (d1 + d3),
      products: (ab0 + ab2) + (ab1 + ab3),
      squaresA: (aa0 + aa2) + (aa1 + aa3),
      squaresB: (bb0 + bb2) + (bb1 + bb3),
      largest,
    };
  }

  function countEqual(left: Uint8Array<ArrayBuffer>, right: Uint8Array<ArrayBuffer>, bytes: number): number {
    const words = ({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>) =>
      bytes === 2
        ? new Uint16Array(buffer, byteOffset, byteLength / 2)
        : bytes === 4
        ? new Uint32Array(buffer, byteOffset, byteLength / 4)
        : bytes === 8
        ? new BigUint64Array(buffer, byteOffset, byteLength / 8)
        : new Uint8Array(buffer, byteOffset, byteLength);
    const [x, y] = [words(left), words(right)];
    return countSame(x as Uint16Array, y as Uint16Array);
  }

  function countSame(x: Uint16Array, y: Uint16Array): number {
    let equal = 0;
    for (let i = 0; i < x.length; i++) equal += x[i] === y[i] ? 1 : 0;
    return equal;
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
      const pieces = isSingle(x, numbers[0]) && isSingle(y, numbers[1]) ? makeSingles() : doubles;
      // Whose bits are those of float32 are told apart along the way.
      const areWords = numbers[0] === "bfloat16" && isSameType && measurer !== undefined;
      const isQuick = areWords || numbers[0] === "float32" && isSameType && measurer !== undefined;
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

      function addPiece(count: number): void {
        const [p, q] = pieces;
        if (areWords) {
          measurer!.widen(0, count);
          measurer!.widen(1, count);
        }
        const padded = count + (-count & 3);
        p.fill(0, count, padded);
        q.fill(0, count, padded);
        let sum = sumPiece(p, q, padded);
        if (isQuick) found.equal += measurer!.results[5]! - (padded - count);
        if (!Number.isFinite(sum.squaresA + sum.squaresB)) {
          for (let i = 0; i < count; i++) {
            if (Number.isFinite(p[i]) && Number.isFinite(q[i])) continue;
            found.nonFinite++;
            p[i] = q[i] = 0; // What is zero adds nothing.
          }
          sum = sumPiece(p, q, padded);
        }
        add("differences", sum.differences);
        add("products", sum.products);
        add("squaresA", sum.squaresA);
        add("squaresB", sum.squaresB);
        found.largest = Math.max(found.largest, sum.largest);
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
        if (isSameType && !isQuick) found.equal += countEqual(left, right, x.bytes);
        for (let at = 0; at * x.bytes < left.length;) {
          const length = Math.min(left.length / x.bytes - at, end - place);
          for (const side of [0, 1] as const) {
            const kind = side === 0 ? x : y;
            const bytes = (side === 0 ? left : right).subarray(at * kind.bytes, (at + length) * kind.bytes);
            if (areWords) measurer!.words[side].set(bytes, filled * 2);
            else read(kind, bytes, pieces[side], filled);
          }
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
