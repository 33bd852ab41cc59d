/**
 * Statistics of rows of a view, block by block.
 *
 * Numbers are sorted by sign and exponent. Those of one exponent are whole multiples of the same power of two, so that
 * their sum and that of their squares are integers, which are added without rounding: whoever adds them, in whatever
 * order and in however many parts, the sums are the same.
 */

import type { View } from "../bytes/view.ts";
import type { Kernel } from "./kernel.ts";
import type { NumberKind, Numbers } from "./numbers.ts";

/** Some rows of a view whose numbers are counted. */
export interface CountedRows {
  /** The view. */
  readonly view: View;
  /** The dtype of its numbers, by torch's name. */
  readonly numbers: string;
  /** The number of columns of the tensor: a row that is all zero has as many zeros. */
  readonly columns: number;
  /** The first row. */
  readonly firstRow: number;
  /** The number of rows. */
  readonly rows: number;
  /** How many rows are best handled together, since the view reads them as a group. */
  readonly group: number;
}

/** Numbers of one sign and exponent: 2^exponent ≤ |x| < 2^(exponent + 1). */
export interface Bin {
  /** The exponent. */
  readonly exponent: number;
  /** Whether they are below zero. */
  readonly isNegative: boolean;
  /** How many there are. */
  readonly count: number;
  /** The sum of their magnitudes, in units of 2^(exponent - {@linkcode FRACTION_BITS}). */
  readonly sum: bigint;
  /** The sum of their squares, in units of the square of that. */
  readonly squares: bigint;
}

/** How many bits of a number lie behind its first one. */
export const FRACTION_BITS = 52;

/** What was counted. */
export interface RowCounts {
  /** The finite numbers that aren't zero, by sign and exponent, none of them empty. */
  readonly bins: readonly Bin[];
  /** The zeros of either sign. */
  readonly zeros: number;
  /** The smallest finite number; infinite where there is none. */
  readonly min: number;
  /** The largest finite number; negatively infinite where there is none. */
  readonly max: number;
  /** How many aren't numbers. */
  readonly nan: number;
  /** How many are infinite. */
  readonly positiveInf: number;
  /** How many are negatively infinite. */
  readonly negativeInf: number;
  /** Where the first NaN is, in numbers from the start of the view; -1 where there is none. */
  readonly firstNan: number;
  /** Where the first infinity is. */
  readonly firstInf: number;
  /** How many rows are all zero; 0 where these rows aren't whole rows of the tensor. */
  readonly zeroRows: number;
}

/** Counts rows of views; holds a block in memory. */
export interface Counter {
  /**
   * Counts the numbers of some rows.
   *
   * @param onBlock Called before each block with the bytes that were counted since the last call; throws to stop.
   */
  count(rows: CountedRows, onBlock: (bytes: number) => void): RowCounts;
}

/** What the 65,536 numbers of a format of 16 bits are. */
interface WordTable {
  readonly numbers: Float32Array;
  /** The bin of each. */
  readonly bins: Uint16Array;
  /** The first 11 bits of each, which are all it has: a whole number below 2^11. */
  readonly significands: Uint16Array;
}

/** Makes a counter. Closed like the kernel: it refers to nothing outside itself but its arguments. */
export function createCounter(
  fill: Kernel["fill"],
  makeKinds: () => ReadonlyMap<string, NumberKind>,
  blockBytes: number,
): Counter {
  // How many are made float64 at a time. Sums of as many products of 36 bits are exact.
  const pieceNumbers = 16 * 1024;
  const lowestExponent = -1074;
  const exponents = 1024 - lowestExponent;
  let kinds: ReadonlyMap<string, NumberKind> | undefined;
  let block: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  // Numbers of 16 bits are 65,536 at most: how often each was there says everything.
  let occurrences: Uint32Array | undefined;
  const tables = new Map<NumberKind, WordTable>();
  const fewNumbers = 16 * 1024;
  const singles = new Float32Array(pieceNumbers);
  const doubles = new Float64Array(pieceNumbers);
  const doubleWords = new Uint32Array(doubles.buffer);
  // A number is a·2^36 + b·2^18 + c: of each exponent the sums of 1, a, b, c, aa, ab, ac, bb, bc, cc.
  const parts = 10;
  const accumulated = new Float64Array(2 * exponents * parts);
  const touched: number[] = [];
  // A float32 is a·2^12 + b: of each sign and exponent the sums of 1, the number, aa, ab and bb, exact for 2^29 numbers.
  const singleParts = 5;
  const singleSums = new Float64Array(512 * singleParts);

  function toDoubles(numbers: Numbers): number {
    if (numbers instanceof BigInt64Array || numbers instanceof BigUint64Array) {
      for (let i = 0; i < numbers.length; i++) doubles[i] = Number(numbers[i]!);
    } else {
      doubles.set(numbers);
    }
    return numbers.length;
  }

  function wordTable(kind: NumberKind): WordTable {
    let table = tables.get(kind);
    if (table === undefined) {
      const words = Uint16Array.from({ length: 65536 }, (_, word) => word);
      const numbers = new Float32Array(65536);
      const [bins, significands] = [new Uint16Array(65536), new Uint16Array(65536)];
      for (let from = 0; from < 65536; from += pieceNumbers) {
        const piece = kind.read(
          new Uint8Array(words.buffer, 2 * from, 2 * pieceNumbers),
          singles,
        ) as Float32Array;
        numbers.set(piece, from);
        doubles.set(piece);
        for (let i = 0; i < pieceNumbers; i++) {
          const high = doubleWords[2 * i + 1]!;
          bins[from + i] = (high >>> 31) * exponents + ((high >>> 20) & 0x7ff) - 1023 - lowestExponent;
          significands[from + i] = 0x400 | ((high >>> 10) & 0x3ff);
        }
      }
      table = { numbers, bins, significands };
      tables.set(kind, table);
    }
    return table;
  }

  /** Counts how often each word of a block is there. Four at a time: many times as fast as one by one. */
  function countWords(bytes: Uint8Array<ArrayBuffer>, into: Uint32Array): void {
    const pairs = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 3 << 1);
    for (let i = 0; i < pairs.length; i += 2) {
      const two = pairs[i]!;
      const four = pairs[i + 1]!;
      into[two & 0xffff]!++;
      into[two >>> 16]!++;
      into[four & 0xffff]!++;
      into[four >>> 16]!++;
    }
    const rest = new Uint16Array(bytes.buffer, bytes.byteOffset + 4 * pairs.length, bytes.length / 2 & 3);
    for (let i = 0; i < rest.length; i++) into[rest[i]!]!++;
  }

  function isZero(row: Uint8Array<ArrayBuffer>, kind: NumberKind): boolean {
    for (let at = 0; at < row.length; at += pieceNumbers * kind.bytes) {
      const numbers = kind.read(row.subarray(at, at + pieceNumbers * kind.bytes), singles);
      for (let i = 0; i < numbers.length; i++) if (Number(numbers[i]) !== 0) return false;
    }
    return true;
  }

  return {
    count({ view, numbers, columns, firstRow, rows, group }, onBlock) {
      const kind = (kinds ??= makeKinds()).get(numbers)!;
      const { rowBytes } = view;
      const numbersPerRow = rowBytes / kind.bytes;
      const bins = new Map<number, { count: number; sum: bigint; squares: bigint }>();
      const found = {
        zeros: 0,
        min: Infinity,
        max: -Infinity,
        nan: 0,
        positiveInf: 0,
        negativeInf: 0,
        firstNan: -1,
        firstInf: -1,
        zeroRows: 0,
      };

      function addPiece(count: number, at: number): void {
        let { zeros, min, max } = found;
        for (let i = 0; i < count; i++) {
          const number = doubles[i]!;
          if (number === 0) {
            zeros++;
            continue;
          }
          if (number - number !== 0) {
            if (at >= 0) noteSpecial(number, at + i);
            if (number !== number) found.nan++;
            else if (number > 0) found.positiveInf++;
            else found.negativeInf++;
            continue;
          }
          if (number < min) min = number;
          if (number > max) max = number;
          let high = doubleWords[2 * i + 1]!;
          let exponent = ((high >>> 20) & 0x7ff) - 1023;
          if (exponent === -1023) {
            doubles[i] = number * 2 ** 54; // Of a subnormal number the first bit can be anywhere.
            high = doubleWords[2 * i + 1]!;
            exponent = ((high >>> 20) & 0x7ff) - 1023 - 54;
          }
          const low = doubleWords[2 * i]!;
          const a = ((high & 0xfffff) | 0x100000) >>> 4;
          const b = ((high & 15) << 14) | (low >>> 18);
          const c = low & 0x3ffff;
          const bin = (number < 0 ? exponents : 0) + exponent - lowestExponent;
          const to = bin * parts;
          if (accumulated[to] === 0) touched.push(bin);
          accumulated[to]!++;
          accumulated[to + 1]! += a;
          accumulated[to + 2]! += b;
          accumulated[to + 3]! += c;
          accumulated[to + 4]! += a * a;
          accumulated[to + 5]! += a * b;
          accumulated[to + 6]! += a * c;
          accumulated[to + 7]! += b * b;
          accumulated[to + 8]! += b * c;
          accumulated[to + 9]! += c * c;
        }
        [found.zeros, found.min, found.max] = [zeros, min, max];
      }

      /** Adds float32 numbers, but for those that {@linkcode addPiece} is for. */
      function addSingles(numbers: Float32Array<ArrayBuffer>, at: number): void {
        const bits = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
        let { min, max } = found;
        let others = 0;
        for (let i = 0; i < bits.length; i++) {
          const word = bits[i]!;
          const exponent = (word >>> 23) & 0xff;
          if (exponent === 0 || exponent === 255) {
            // Zero, subnormal, infinite or none.
            doubles[others++] = numbers[i]!;
            if (exponent === 255) noteSpecial(numbers[i]!, at + i);
            continue;
          }
          const number = numbers[i]!;
          if (number < min) min = number;
          if (number > max) max = number;
          const to = (word >>> 23) * singleParts;
          const a = 0x800 | (word >>> 12) & 0x7ff;
          const b = word & 0xfff;
          singleSums[to]!++;
          singleSums[to + 1]! += a * 4096 + b;
          singleSums[to + 2]! += a * a;
          singleSums[to + 3]! += a * b;
          singleSums[to + 4]! += b * b;
        }
        [found.min, found.max] = [min, max];
        addPiece(others, -1);
      }

      function noteSpecial(number: number, place: number): void {
        if (number !== number) {
          if (found.firstNan < 0) found.firstNan = place;
        } else if (found.firstInf < 0) found.firstInf = place;
      }

      /** Adds to the bins what was summed of float32 numbers. */
      function flushSingles(): void {
        for (let key = 0; key < 512; key++) {
          const count = singleSums[key * singleParts]!;
          if (count === 0) continue;
          const part = (i: number) => BigInt(singleSums[key * singleParts + i]!);
          addToBin(
            (key >>> 8) * exponents + (key & 0xff) - 127 - lowestExponent,
            count,
            part(1) << 29n,
            ((part(2) << 24n) + (part(3) << 13n) + part(4)) << 58n,
          );
        }
        singleSums.fill(0);
      }

      function addToBin(bin: number, count: number, sum: bigint, squares: bigint): void {
        const before = bins.get(bin);
        bins.set(bin, {
          count: (before?.count ?? 0) + count,
          sum: (before?.sum ?? 0n) + sum,
          squares: (before?.squares ?? 0n) + squares,
        });
      }

      /** Adds to the bins what was accumulated, as long as it is exact. */
      function flush(): void {
        for (const bin of touched.splice(0)) {
          const [count, a, b, c, aa, ab, ac, bb, bc, cc] = Array.from(
            accumulated.subarray(bin * parts, (bin + 1) * parts),
            BigInt,
          ) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];
          accumulated.fill(0, bin * parts, (bin + 1) * parts);
          addToBin(
            bin,
            Number(count),
            (a << 36n) + (b << 18n) + c,
            (aa << 72n) + (ab << 55n) + ((2n * ac + bb) << 36n) + (bc << 19n) + cc,
          );
        }
      }

      /** Adds to what was found the words that were counted. */
      function addWords(words: Uint32Array, table: WordTable): void {
        const sums = new Map<number, { count: number; sum: number; squares: number }>();
        for (let word = 0; word < 65536; word++) {
          const count = words[word]!;
          if (count === 0) continue;
          const number = table.numbers[word]!;
          if (number - number !== 0) {
            if (number !== number) found.nan += count;
            else if (number > 0) found.positiveInf += count;
            else found.negativeInf += count;
            continue;
          }
          if (number === 0) {
            found.zeros += count;
            continue;
          }
          if (number < found.min) found.min = number;
          if (number > found.max) found.max = number;
          const bin = table.bins[word]!;
          let sum = sums.get(bin);
          if (sum === undefined) sums.set(bin, sum = { count: 0, sum: 0, squares: 0 });
          const significand = table.significands[word]!;
          sum.count += count;
          sum.sum += count * significand; // Exact, as are the squares, of up to 2^31 numbers.
          sum.squares += count * significand * significand;
        }
        for (const [bin, { count, sum, squares }] of sums) {
          bins.set(bin, { count, sum: BigInt(sum) << 42n, squares: BigInt(squares) << 84n });
        }
      }

      /** Where the first number is for which something holds, which is known to be there. */
      function firstPlace(holds: (number: number) => boolean): number {
        for (let row = firstRow; row < firstRow + rows; row += step) {
          const bytes = readRows(row, Math.min(step, firstRow + rows - row));
          for (let at = 0; at * kind.bytes < bytes.length; at += pieceNumbers) {
            const piece = bytes.subarray(at * kind.bytes, (at + pieceNumbers) * kind.bytes);
            const place = (kind.read(piece, singles) as Float32Array).findIndex(holds);
            if (place >= 0) return row * numbersPerRow + at + place;
          }
        }
        return -1;
      }

      function readRows(row: number, count: number): Uint8Array<ArrayBuffer> {
        const length = count * rowBytes;
        if (block.length < length) block = new Uint8Array(Math.max(length, blockBytes));
        const bytes = block.subarray(0, length);
        fill(view, row, count, bytes);
        return bytes;
      }

      const areWords = (numbers === "bfloat16" || numbers === "float16") && rows * numbersPerRow > fewNumbers;
      const words = areWords ? occurrences ??= new Uint32Array(65536) : undefined;
      words?.fill(0);
      let step = Math.max(1, Math.floor(blockBytes / Math.max(1, rowBytes)));
      if (step > group) step -= step % group;
      else if (group * rowBytes <= 16 * blockBytes) step = group;
      onBlock(0);
      for (let row = firstRow; row < firstRow + rows; row += step) {
        const count = Math.min(step, firstRow + rows - row);
        const bytes = readRows(row, count);
        const zeros = () => words === undefined ? found.zeros : words[0]! + words[0x8000]!;
        const zerosBefore = zeros();
        if (words !== undefined) {
          countWords(bytes, words);
        } else {
          for (let at = 0; at * kind.bytes < bytes.length; at += pieceNumbers) {
            const piece = bytes.subarray(at * kind.bytes, (at + pieceNumbers) * kind.bytes);
            const read = kind.read(piece, singles);
            if (read instanceof Float32Array) {
              addSingles(read as Float32Array<ArrayBuffer>, row * numbersPerRow + at);
            } else addPiece(toDoubles(read), row * numbersPerRow + at);
            flush();
          }
        }
        if (numbersPerRow % columns === 0 && zeros() - zerosBefore >= columns) {
          for (let from = 0; from < bytes.length; from += columns * kind.bytes) {
            if (isZero(bytes.subarray(from, from + columns * kind.bytes), kind)) found.zeroRows++;
          }
        }
        onBlock(bytes.length);
      }
      flushSingles();
      if (words !== undefined) {
        addWords(words, wordTable(kind));
        if (found.nan > 0) found.firstNan = firstPlace((number) => number !== number);
        if (found.positiveInf + found.negativeInf > 0) {
          found.firstInf = firstPlace((number) => Math.abs(number) === Infinity);
        }
      }
      return {
        ...found,
        bins: [...bins].map(([bin, sums]) => ({
          exponent: bin % exponents + lowestExponent,
          isNegative: bin >= exponents,
          ...sums,
        })),
      };
    },
  };
}
