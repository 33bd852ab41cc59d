/**
 * Random views together with their rows, worked out in the simplest way that does it.
 *
 * @module
 */

import {
  bytes,
  cast,
  type CastType,
  concatColumns,
  concatRows,
  memory,
  reorderRows,
  sliceColumns,
  sliceRows,
  strided,
  type View,
} from "../../lib/bytes/view.ts";
import type { Random } from "./_random.ts";

/** A view, and the bytes of its rows. */
export interface Materialised {
  /** The view. */
  readonly view: View;
  /** The rows. */
  readonly rows: readonly (readonly number[])[];
}

type Type = CastType | "bytes";

const itemBytes: Record<Type, number> = { bytes: 1, float16: 2, bfloat16: 2, float32: 4 };

/**
 * A byte that, wherever it stands in a number, keeps the number from being NaN or infinite, so that bytes can be
 * compared: torch doesn't say what becomes of a NaN's payload.
 */
export function tameBytes(random: Random, count: number): Uint8Array<ArrayBuffer> {
  return random.bytes(count).map((byte) => (byte & 0x7c) === 0x7c ? byte ^ 0x10 : byte);
}

/** Makes random views over some files. */
export class ViewGenerator {
  readonly #random: Random;
  readonly #files: readonly { readonly path: string; readonly bytes: Uint8Array }[];

  /** Prepares to make views over files, each with at least 16 KiB of tame bytes. */
  constructor(random: Random, files: readonly { readonly path: string; readonly bytes: Uint8Array }[]) {
    this.#random = random;
    this.#files = files;
  }

  /** A view of a random size. */
  any(depth: number): Materialised {
    const random = this.#random;
    const type = random.pick<Type>(["bytes", "bytes", "float16", "bfloat16", "float32"]);
    return this.#make(depth, random.integer(0, 20), random.integer(0, 12), type);
  }

  #make(depth: number, rows: number, items: number, type: Type): Materialised {
    const random = this.#random;
    if (depth === 0) {
      const leaf = random.integer(0, 2);
      if (leaf === 0) return this.#lattice(rows, items, type);
      const run = this.#run(rows, items, type);
      return leaf === 1 || run.view.rowBytes === 0 ? run : {
        view: memory(Uint8Array.from(run.rows.flat()), run.view.rowBytes),
        rows: run.rows,
      };
    }
    const size = itemBytes[type];
    switch (random.integer(0, 6)) {
      case 0: {
        const parts = this.#split(rows).map((count) => this.#make(depth - 1, count, items, type));
        return { view: concatRows(parts.map(({ view }) => view)), rows: parts.flatMap((part) => part.rows) };
      }
      case 1: {
        const parts = this.#split(items).map((count) => this.#make(depth - 1, rows, count, type));
        const joined = Array.from({ length: rows }, (_, row) => parts.flatMap((part) => part.rows[row]!));
        return { view: concatColumns(parts.map(({ view }) => view)), rows: joined };
      }
      case 2: {
        const before = random.integer(0, 5);
        const of = this.#make(depth - 1, rows + before + random.integer(0, 5), items, type);
        return { view: sliceRows(of.view, before, rows), rows: of.rows.slice(before, before + rows) };
      }
      case 3: {
        const before = random.integer(0, 4);
        const of = this.#make(depth - 1, rows, items + before + random.integer(0, 4), type);
        return {
          view: sliceColumns(of.view, before * size, items * size),
          rows: of.rows.map((row) => row.slice(before * size, (before + items) * size)),
        };
      }
      case 4: { // Columns of one view in another order, so that the kernel meets the same object several times.
        const of = this.#make(depth - 1, rows, items, type);
        const widths = this.#split(items);
        const starts = widths.map((_, i) => widths.slice(0, i).reduce((sum, width) => sum + width, 0) * size);
        const order = random.permutation(widths.length);
        const columns = order.map((i) => sliceColumns(of.view, starts[i]!, widths[i]! * size));
        const reordered = of.rows.map((row) =>
          order.flatMap((i) => row.slice(starts[i]!, starts[i]! + widths[i]! * size))
        );
        return { view: concatColumns(columns), rows: reordered };
      }
      case 5: {
        const of = this.#make(depth - 1, rows, items, type);
        const group = random.pick([1, 2, 3, 4, 5, 6, 8, 10, 12].filter((n) => rows % n === 0));
        const order = random.permutation(group);
        const reordered = of.rows.map((_, row) => of.rows[row - row % group + order[row % group]!]!);
        return { view: reorderRows(of.view, order), rows: reordered };
      }
      default: {
        if (type === "bytes") return this.#make(depth - 1, rows, items, type);
        const from = random.pick<CastType>(["float16", "bfloat16", "float32"]);
        const of = this.#make(depth - 1, rows, items, from);
        return { view: cast(of.view, from, type), rows: of.rows.map((row) => castRow(row, from, type)) };
      }
    }
  }

  /** A random sum of up to four terms, some of them 0. */
  #split(total: number): number[] {
    const cuts = Array.from({ length: this.#random.integer(0, 3) }, () => this.#random.integer(0, total));
    const ends = [0, ...cuts.sort((a, b) => a - b), total];
    return ends.slice(1).map((end, i) => end - ends[i]!);
  }

  #run(rows: number, items: number, type: Type): Materialised {
    const file = this.#random.pick(this.#files);
    const rowBytes = items * itemBytes[type];
    const offset = this.#random.integer(0, file.bytes.length - rows * rowBytes);
    return {
      view: bytes(file.path, offset, rows, rowBytes),
      rows: Array.from({ length: rows }, (_, row) => {
        const at = offset + row * rowBytes;
        return [...file.bytes.subarray(at, at + rowBytes)];
      }),
    };
  }

  #lattice(rows: number, items: number, type: Type): Materialised {
    const random = this.#random;
    const file = random.pick(this.#files);
    const size = itemBytes[type];
    const [outer, inner] = items % 2 === 0 && items > 0 ? [2, items / 2] : [items, 1];
    const shape = [rows, outer, inner];
    const stride = random.pick([
      [outer * inner, inner, 1], // Contiguous.
      [1, rows * inner, rows], // Transposed.
      [0, inner, 1], // Expanded.
      [random.integer(0, 9), random.integer(0, 9), random.integer(0, 9)],
    ]);
    const span = shape.reduce((sum, n, i) => sum + Math.max(0, n - 1) * stride[i]!, 1) * size;
    const offset = random.integer(0, file.bytes.length - span);
    return {
      view: strided(file.path, offset, size, shape, stride),
      rows: Array.from({ length: rows }, (_, i) => {
        const row: number[] = [];
        for (let j = 0; j < outer; j++) {
          for (let k = 0; k < inner; k++) {
            const at = offset + (i * stride[0]! + j * stride[1]! + k * stride[2]!) * size;
            row.push(...file.bytes.subarray(at, at + size));
          }
        }
        return row;
      }),
    };
  }
}

/** Converts the numbers of a row through JavaScript's own. */
function castRow(row: readonly number[], from: CastType, to: CastType): number[] {
  const numbers: number[] = [];
  const source = new DataView(Uint8Array.from(row).buffer);
  for (let at = 0; at < row.length; at += itemBytes[from]) numbers.push(read(source, at, from));
  return numbers.flatMap((number) => write(number, to));
}

function read(view: DataView, at: number, type: CastType): number {
  if (type === "float32") return view.getFloat32(at, true);
  if (type === "float16") return view.getFloat16(at, true);
  return bfloat16(view.getUint16(at, true));
}

function write(number: number, type: CastType): number[] {
  const view = new DataView(new ArrayBuffer(4));
  if (type === "float32") view.setFloat32(0, number, true);
  else if (type === "float16") view.setFloat16(0, number, true);
  else view.setUint16(0, nearestBfloat16(number), true);
  return [...new Uint8Array(view.buffer, 0, itemBytes[type])];
}

/** The value of bfloat16 bits; those after the largest finite one count as the next power of two. */
function bfloat16(bits: number, infinity = Infinity): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 7) & 0xff;
  const fraction = bits & 0x7f;
  if (exponent === 0xff) return sign * infinity;
  return exponent === 0 ? sign * fraction * 2 ** -133 : sign * (128 + fraction) * 2 ** (exponent - 134);
}

/** The bfloat16 nearest to a number, by looking at all of them. */
function nearestBfloat16(number: number): number {
  const sign = Object.is(Math.sign(number), -0) || number < 0 ? 0x8000 : 0;
  const magnitude = Math.abs(number);
  if (magnitude === Infinity) return sign | 0x7f80;
  let low = 0;
  let high = 0x7f80;
  while (high - low > 1) { // The bits of positive numbers are in the order of the numbers.
    const middle = (low + high) >> 1;
    if (bfloat16(middle) <= magnitude) low = middle;
    else high = middle;
  }
  const below = magnitude - bfloat16(low);
  const above = bfloat16(high, 2 ** 128) - magnitude;
  const isUp = above < below || (above === below && low % 2 === 1);
  return sign | (isUp ? high : low);
}
