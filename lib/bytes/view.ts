/**
 * Views: what the bytes of a tensor are, as plain data.
 *
 * A view is a table of `rows` rows of `rowBytes` bytes each. The leaves say where bytes lie in files; every
 * other operation takes views to views. Nothing here reads a byte: the kernel ({@link createKernel}) fills a
 * buffer with any range of rows of any view. Since views are plain data, they are sent to workers as they
 * are, printed by a dry run, and hashed into a plan's fingerprint.
 */

/** A number format that {@linkcode cast} converts between, by torch's name. */
export type CastType = "float32" | "float16" | "bfloat16";

/** All of them. */
export const castTypes: readonly CastType[] = ["float32", "float16", "bfloat16"];

/** A number format with ggml's quantizations, by its names: blocks of numbers that share a scale. */
export type NumberFormat = CastType | "q8_0" | "q4_0" | "q4_1" | "q5_0" | "q5_1";

/** A format that a {@linkcode cast} makes. */
export type TargetFormat = CastType | "q8_0";

/** How many numbers each format holds together, and in how many bytes. */
export const formatBlocks: Readonly<
  Record<NumberFormat, { readonly items: number; readonly bytes: number }>
> = {
  float32: { items: 1, bytes: 4 },
  float16: { items: 1, bytes: 2 },
  bfloat16: { items: 1, bytes: 2 },
  q8_0: { items: 32, bytes: 34 },
  q4_0: { items: 32, bytes: 18 },
  q4_1: { items: 32, bytes: 20 },
  q5_0: { items: 32, bytes: 22 },
  q5_1: { items: 32, bytes: 24 },
};

/** A run of `rows × rowBytes` bytes of a file, one row after the other. */
export interface BytesView {
  /** The operation. */
  readonly op: "bytes";
  /** The path of the file. */
  readonly path: string;
  /** Where the first row starts, in bytes from the start of the file. */
  readonly offset: number;
  /** The number of rows. */
  readonly rows: number;
  /** The length of a row in bytes. */
  readonly rowBytes: number;
}

/** Items that lie apart in a file: a tensor whose strides aren't those of a contiguous one. */
export interface StridedView {
  /** The operation. */
  readonly op: "strided";
  /** The path of the file. */
  readonly path: string;
  /** Where the first item starts, in bytes from the start of the file. */
  readonly offset: number;
  /** The length of an item in bytes. */
  readonly itemBytes: number;
  /** How far apart rows start, in bytes. */
  readonly rowStride: number;
  /** The sizes of the dimensions inside a row. */
  readonly inner: readonly number[];
  /** How far apart neighbours in each inner dimension lie, in bytes. */
  readonly innerStrides: readonly number[];
  /** The number of rows. */
  readonly rows: number;
  /** The length of a row in bytes. */
  readonly rowBytes: number;
}

/** Bytes that are in memory already, such as those of a new tensor. Workers share it, so that none gets a copy. */
export interface MemoryView {
  /** The operation. */
  readonly op: "memory";
  /** The bytes, one row after the other. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** The number of rows. */
  readonly rows: number;
  /** The length of a row in bytes. */
  readonly rowBytes: number;
}

/** Views stacked: the rows of the first, then those of the second, and so on. */
export interface ConcatRowsView {
  /** The operation. */
  readonly op: "concatRows";
  /** The views to stack, all with rows of the same length. */
  readonly parts: readonly View[];
  /** The number of rows. */
  readonly rows: number;
  /** The length of a row in bytes. */
  readonly rowBytes: number;
}

/** Views side by side: each row is the row of the first, then that of the second, and so on. */
export interface ConcatColumnsView {
  /** The operation. */
  readonly op: "concatColumns";
  /** The views to join, all with the same number of rows. */
  readonly parts: readonly View[];
  /** The number of rows. */
  readonly rows: number;
  /** The length of a row in bytes. */
  readonly rowBytes: number;
}

/** Some consecutive rows of a view. */
export interface SliceRowsView {
  /** The operation. */
  readonly op: "sliceRows";
  /** The view to take from. */
  readonly of: View;
  /** The first row taken. */
  readonly start: number;
  /** The number of rows. */
  readonly rows: number;
  /** The length of a row in bytes. */
  readonly rowBytes: number;
}

/** Some consecutive bytes of every row of a view. */
export interface SliceColumnsView {
  /** The operation. */
  readonly op: "sliceColumns";
  /** The view to take from. */
  readonly of: View;
  /** The first byte taken of every row. */
  readonly start: number;
  /** The number of rows. */
  readonly rows: number;
  /** The length of a row in bytes. */
  readonly rowBytes: number;
}

/** The rows of a view in another order, the same within every group of rows. */
export interface ReorderRowsView {
  /** The operation. */
  readonly op: "reorderRows";
  /** The view to reorder. */
  readonly of: View;
  /** Row `k` of a group is row `order[k]` of the same group of `of`; a group has `order.length` rows. */
  readonly order: readonly number[];
  /** The number of rows. */
  readonly rows: number;
  /** The length of a row in bytes. */
  readonly rowBytes: number;
}

/** A view with its numbers in another format. */
export interface CastView {
  /** The operation. */
  readonly op: "cast";
  /** The view to convert. */
  readonly of: View;
  /** The format of the numbers in `of`. */
  readonly from: NumberFormat;
  /** The format to convert to. */
  readonly to: TargetFormat;
  /** The number of rows. */
  readonly rows: number;
  /** The length of a row in bytes. */
  readonly rowBytes: number;
}

/** A table of rows of bytes, described as plain data. */
export type View =
  | BytesView
  | StridedView
  | MemoryView
  | ConcatRowsView
  | ConcatColumnsView
  | SliceRowsView
  | SliceColumnsView
  | ReorderRowsView
  | CastView;

/**
 * The longest row, in bytes, of a view that isn't a plain run. The kernel holds a few rows in memory.
 * The widest row in real checkpoints is a down projection of LLaMA 3.1 405B in float32: 53,248 × 4 = 213 KB.
 */
export const MAX_ROW_BYTES: number = 4 * 1024 * 1024;

/** The size in bytes of one number of a format. */
export function castTypeBytes(type: CastType): number {
  return type === "float32" ? 4 : 2;
}

/**
 * A run of bytes of a file.
 *
 * @param offset Where the run starts, in bytes.
 * @param rowBytes The length of a row in bytes; 1 by default, so that `rows` counts bytes.
 */
export function bytes(path: string, offset: number, rows: number, rowBytes = 1): BytesView {
  checkCount(offset, "offset");
  checkTable(rows, rowBytes);
  return { op: "bytes", path, offset, rows, rowBytes };
}

/**
 * Items that lie apart in a file, or a plain run where they turn out to lie together.
 *
 * @param offset Where the first item starts, in bytes.
 * @param itemBytes The length of an item in bytes.
 * @param shape The sizes of the dimensions; the first one counts the rows. No dimensions mean one item.
 * @param strides How far apart neighbours in each dimension lie, in items.
 * @returns The view, with items in row-major order.
 */
export function strided(
  path: string,
  offset: number,
  itemBytes: number,
  shape: readonly number[],
  strides: readonly number[],
): View {
  if (shape.length !== strides.length) {
    throw new RangeError(`Cannot lay out ${shape.length} dimensions with ${strides.length} strides`);
  }
  const [rows = 1, ...inner] = shape;
  const rowBytes = inner.reduce((product, size) => product * size, itemBytes);
  checkTable(rows, rowBytes);
  if (isContiguous(shape, strides)) return bytes(path, offset, rows, rowBytes);
  checkCount(offset, "offset");
  for (const stride of strides) checkCount(stride * itemBytes, "stride");
  checkRow(rowBytes);
  return {
    op: "strided",
    path,
    offset,
    itemBytes,
    rowStride: (strides[0] ?? 0) * itemBytes,
    inner,
    innerStrides: strides.slice(1).map((stride) => stride * itemBytes),
    rows,
    rowBytes,
  };
}

/**
 * Bytes in memory, which are copied now: what becomes of the array later doesn't matter.
 *
 * @param rowBytes The length of a row in bytes; the bytes must be whole rows.
 */
export function memory(bytes: Uint8Array, rowBytes: number): MemoryView {
  const rows = rowBytes === 0 ? 0 : bytes.length / rowBytes;
  checkTable(rows, rowBytes);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return { op: "memory", bytes: shared, rows, rowBytes };
}

/** Whether items with these strides lie one after the other in row-major order. Sizes of 1 don't matter. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i]!;
    if (size !== 1 && strides[i] !== expected) return false;
    expected *= size;
  }
  return true;
}

/**
 * Stacks views. Empty ones are left out, and runs that follow one another in a file become one.
 *
 * @param parts At least one view; all rows must have the same length.
 * @throws {RangeError} If the rows differ in length.
 */
export function concatRows(parts: readonly View[]): View {
  const first = parts[0];
  if (first === undefined) throw new RangeError("Cannot stack views: none given");
  const merged: View[] = [];
  let rows = 0;
  for (const part of parts) {
    if (part.rowBytes !== first.rowBytes) {
      throw new RangeError(`Cannot stack views: rows of ${first.rowBytes} and ${part.rowBytes} bytes`);
    }
    rows += part.rows;
    if (part.rows === 0) continue;
    const last = merged.at(-1);
    if (
      last?.op === "bytes" && part.op === "bytes" && last.path === part.path &&
      last.offset + last.rows * last.rowBytes === part.offset
    ) {
      merged[merged.length - 1] = bytes(last.path, last.offset, last.rows + part.rows, last.rowBytes);
    } else {
      merged.push(part);
    }
  }
  if (merged.length === 0) return first;
  if (merged.length === 1) return merged[0]!;
  return { op: "concatRows", parts: merged, rows, rowBytes: first.rowBytes };
}

/**
 * Joins views side by side.
 *
 * @param parts At least one view; all must have the same number of rows.
 * @throws {RangeError} If the numbers of rows differ, or a row is longer than {@linkcode MAX_ROW_BYTES}.
 */
export function concatColumns(parts: readonly View[]): View {
  const first = parts[0];
  if (first === undefined) throw new RangeError("Cannot join views: none given");
  let rowBytes = 0;
  for (const part of parts) {
    if (part.rows !== first.rows) {
      throw new RangeError(`Cannot join views: ${first.rows} and ${part.rows} rows`);
    }
    rowBytes += part.rowBytes;
  }
  const kept = parts.filter((part) => part.rowBytes > 0);
  if (kept.length === 0) return first;
  if (kept.length === 1) return kept[0]!;
  checkRow(rowBytes);
  return { op: "concatColumns", parts: kept, rows: first.rows, rowBytes };
}

/**
 * Takes consecutive rows of a view.
 *
 * @throws {RangeError} If `of` doesn't have these rows.
 */
export function sliceRows(of: View, start: number, rows: number): View {
  checkSlice(start, rows, of.rows, "rows");
  if (rows === of.rows) return of;
  if (of.op === "bytes") return bytes(of.path, of.offset + start * of.rowBytes, rows, of.rowBytes);
  if (of.op === "strided") return { ...of, offset: of.offset + start * of.rowStride, rows };
  if (of.op === "sliceRows") return sliceRows(of.of, of.start + start, rows);
  if (of.op === "concatRows") {
    const parts: View[] = [];
    let at = 0;
    for (const part of of.parts) {
      const from = Math.max(start, at);
      const to = Math.min(start + rows, at + part.rows);
      if (from < to) parts.push(sliceRows(part, from - at, to - from));
      at += part.rows;
    }
    if (parts.length > 0) return concatRows(parts);
  }
  return { op: "sliceRows", of, start, rows, rowBytes: of.rowBytes };
}

/**
 * Takes consecutive bytes of every row of a view.
 *
 * @param start The first byte of each row.
 * @param rowBytes The number of bytes of each row.
 * @throws {RangeError} If the rows of `of` don't have these bytes, or are longer than
 * {@linkcode MAX_ROW_BYTES}.
 */
export function sliceColumns(of: View, start: number, rowBytes: number): View {
  checkSlice(start, rowBytes, of.rowBytes, "bytes in a row");
  if (rowBytes === of.rowBytes) return of;
  if (of.op === "bytes" && of.rows === 1) return bytes(of.path, of.offset + start, 1, rowBytes);
  if (of.op === "sliceColumns") return sliceColumns(of.of, of.start + start, rowBytes);
  if (of.op === "concatColumns") {
    const parts: View[] = [];
    let at = 0;
    for (const part of of.parts) {
      const from = Math.max(start, at);
      const to = Math.min(start + rowBytes, at + part.rowBytes);
      if (from < to) parts.push(sliceColumns(part, from - at, to - from));
      at += part.rowBytes;
    }
    if (parts.length > 0) return concatColumns(parts);
  }
  checkRow(of.rowBytes);
  return { op: "sliceColumns", of, start, rows: of.rows, rowBytes };
}

/**
 * Reorders the rows of a view within groups.
 *
 * @param of The view; its rows must be a multiple of the group.
 * @param order Row `k` of a group becomes row `order[k]` of the same group of `of`.
 * @throws {RangeError} If `order` is no permutation, the rows aren't whole groups, or a row is longer than
 * {@linkcode MAX_ROW_BYTES}.
 */
export function reorderRows(of: View, order: readonly number[]): View {
  const seen = new Set(order);
  if (
    order.length === 0 || seen.size !== order.length ||
    order.some((k) => !Number.isInteger(k) || k < 0 || k >= order.length)
  ) {
    throw new RangeError(`Cannot reorder rows: not a permutation of ${order.length} rows`);
  }
  if (of.rows % order.length !== 0) {
    throw new RangeError(`Cannot reorder rows: ${of.rows} rows aren't whole groups of ${order.length}`);
  }
  if (order.every((from, k) => from === k)) return of;
  if (of.op === "reorderRows" && of.order.length === order.length) {
    return reorderRows(of.of, order.map((k) => of.order[k]!));
  }
  checkRow(of.rowBytes);
  return { op: "reorderRows", of, order, rows: of.rows, rowBytes: of.rowBytes };
}

/**
 * Converts the numbers of a view to another format: floats are rounded to nearest even, `q8_0` is made and blocks are
 * read exactly as gguf-py's `quants.py` does.
 *
 * @throws {RangeError} If the rows don't hold whole numbers or blocks, or are longer than {@linkcode MAX_ROW_BYTES}.
 */
export function cast(of: View, from: NumberFormat, to: TargetFormat): View {
  if (from === to) return of;
  const block = formatBlocks[from];
  const items = of.rowBytes / block.bytes * block.items;
  if (of.rowBytes % block.bytes !== 0) {
    throw new RangeError(`Cannot cast rows of ${of.rowBytes} bytes from ${from}`);
  }
  const target = formatBlocks[to];
  if (items % target.items !== 0) {
    throw new RangeError(`Cannot cast rows of ${items} numbers to ${to}: not a multiple of ${target.items}`);
  }
  const rowBytes = items / target.items * target.bytes;
  checkRow(Math.max(rowBytes, of.rowBytes));
  return { op: "cast", of, from, to, rows: of.rows, rowBytes };
}

/** The length of a view in bytes. */
export function viewBytes(view: View): number {
  return view.rows * view.rowBytes;
}

/** The quantization that a view undoes, where it does. */
export function undoneQuantization(view: View): NumberFormat | undefined {
  if (view.op === "bytes" || view.op === "strided" || view.op === "memory") return undefined;
  if (view.op === "concatRows" || view.op === "concatColumns") {
    return view.parts.map(undoneQuantization).find((format) => format !== undefined);
  }
  if (view.op === "cast" && !castTypes.some((type) => type === view.from)) return view.from;
  return undoneQuantization(view.of);
}

/** The paths of the files that a view reads. */
export function viewPaths(view: View, into: Set<string> = new Set()): Set<string> {
  switch (view.op) {
    case "bytes":
    case "strided":
      into.add(view.path);
      break;
    case "memory":
      break;
    case "concatRows":
    case "concatColumns":
      for (const part of view.parts) viewPaths(part, into);
      break;
    default:
      viewPaths(view.of, into);
  }
  return into;
}

function checkCount(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`Cannot make a view: its ${what} is ${value}`);
  }
}

function checkTable(rows: number, rowBytes: number): void {
  checkCount(rows, "number of rows");
  checkCount(rowBytes, "row length");
  checkCount(rows * rowBytes, "length");
}

function checkRow(rowBytes: number): void {
  if (rowBytes > MAX_ROW_BYTES) {
    throw new RangeError(`Cannot make a view: its rows have ${rowBytes} bytes, more than ${MAX_ROW_BYTES}`);
  }
}

function checkSlice(start: number, length: number, available: number, what: string): void {
  checkCount(start, "start");
  checkCount(length, "length");
  if (start + length > available) {
    throw new RangeError(`Cannot slice a view: ${start} + ${length} is past its ${available} ${what}`);
  }
}
