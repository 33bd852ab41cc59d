/**
 * The kernel: fills buffers with rows of views and writes them to their place. It does all the work that
 * costs time.
 *
 * {@linkcode createKernel} is one closed function: it refers to nothing outside itself but its arguments. So
 * its own source text can be sent to a worker (see `worker_pool.ts`), which spares users from granting read
 * or net permission to ckpt's own code, and works by URL and in a compiled binary alike.
 */

import type { KernelFile } from "../bytes/kernel_file.ts";
import type { Quantizer } from "./quantizer.ts";
import type { CastType, NumberFormat, StridedView, View } from "../bytes/view.ts";

/** What the kernel needs from its surroundings. */
export interface KernelIo {
  /** Opens a file for reading, or an existing one for writing. */
  open(path: string, write: boolean): KernelFile;
  /** CRC-32 of the bytes, going on from a previous value. */
  crc32(bytes: Uint8Array, seed: number): number;
  /** Makes the quick loops of q8_0, where there are any. */
  createQuantizer?(): Quantizer | undefined;
}

/** Some rows of a view, and where they go. */
export interface Chunk {
  /** What to write. */
  readonly view: View;
  /** The file to write, or `undefined` to read only. */
  readonly path: string | undefined;
  /** Where the view's first row goes in that file, in bytes. */
  readonly at: number;
  /** The first row of this chunk. */
  readonly firstRow: number;
  /** The number of rows of this chunk. */
  readonly rows: number;
  /** How many rows are best handled together, since the view reads them as a group. */
  readonly group: number;
}

/** The CRC-32 of a run of bytes that was read from a source. */
export interface ReadRun {
  /** The file. */
  readonly path: string;
  /** Where the run starts, in bytes. */
  readonly offset: number;
  /** The length of the run in bytes. */
  length: number;
  /** The CRC-32 of the run. */
  crc: number;
}

/** What became of a chunk. */
export interface ChunkResult {
  /** The CRC-32 of the bytes that were written. */
  readonly crc: number;
  /** What was read from sources for it. */
  readonly reads: readonly ReadRun[];
  /** How many finite numbers a cast turned into infinities, or lost in a block whose scale isn't finite. */
  readonly infinities: number;
  /** How many numbers that a cast took were NaN, and stayed so. */
  readonly nans: number;
}

/** One dimension of items that lie apart: how many there are, and how far apart they lie and are to lie. */
interface Dimension {
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** Copies chunks; holds open files and scratch buffers until closed. */
export interface Kernel {
  /**
   * Copies one chunk.
   *
   * @param onBlock Called before each block with the bytes written since the last call; throws to stop.
   */
  run(chunk: Chunk, onBlock: (bytes: number) => void): ChunkResult;
  /** Fills a buffer with rows of a view. No checksums are made, which would take longer than reading does. */
  fill(view: View, firstRow: number, rows: number, into: Uint8Array): void;
  /** Closes all files. */
  close(): void;
}

/**
 * Makes a kernel.
 *
 * @param io How to open files and compute checksums.
 * @param maxOpenFiles How many files it may hold open: a checkpoint may have more pieces than a process can. Kernels that
 * share it lower it where one of them can open no more.
 */
export function createKernel(
  io: KernelIo,
  blockBytes: number,
  maxOpenFiles: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4)).fill(64),
): Kernel {
  const files = new Map<string, KernelFile>();
  const scratch: Uint8Array[] = [];
  let reads: ReadRun[] = [];
  let lastRuns = new Map<string, ReadRun>();
  let makesChecksums = true;
  let infinities = 0;
  let nans = 0;
  // Reading what lies between two items costs no more than another call. Measured: see docs/speed.md.
  const gapBytes = 8192;
  const bytesOf32: Readonly<Record<NumberFormat, number>> = {
    ...{ float32: 128, float16: 64, bfloat16: 64, q8_0: 34, q4_0: 18, q4_1: 20, q5_0: 22, q5_1: 24 },
  };
  // Some blocks as float32, and one more number, whose bits are wanted or given.
  const singles = new Float32Array(2048 + 1);
  const singleBits = new Uint32Array(singles.buffer);
  let quantizer: { readonly made: Quantizer | undefined } | undefined;
  const castTables = new Map<string, { numbers: Uint16Array | Uint32Array; lost: Uint8Array }>();
  let lastSliced: { of: View; first: number; rows: number; buffer: Uint8Array } | undefined;

  function open(path: string, write: boolean): KernelFile {
    const key = (write ? "w" : "r") + path;
    let file = files.get(key);
    files.delete(key);
    closeAllBut(Atomics.load(maxOpenFiles, 0) - 1);
    file ??= openPatiently(path, write);
    files.set(key, file); // Most recently used last.
    return file;
  }

  /** Closes the files that were used the longest ago. */
  function closeAllBut(count: number): void {
    for (const [oldest, file] of files) {
      if (files.size <= Math.max(0, count)) return;
      file.close();
      files.delete(oldest);
    }
  }

  /** Opens a file; where the process has too many open, all kernels close half of theirs. */
  function openPatiently(path: string, write: boolean): KernelFile {
    for (let tries = 0;; tries++) {
      try {
        return io.open(path, write);
      } catch (error) {
        const { code } = error as { code?: unknown };
        if ((code !== "EMFILE" && code !== "ENFILE") || tries === 200) throw error;
        const fewer = Math.max(1, Math.min(files.size, Atomics.load(maxOpenFiles, 0)) >> 1);
        Atomics.store(maxOpenFiles, 0, fewer);
        // The others close theirs when they next need one.
        if (files.size === 0) Atomics.wait(maxOpenFiles, 0, fewer, 5);
        closeAllBut(fewer - 1);
      }
    }
  }

  /** A buffer for one level of nested views; a level's buffer is reused once that level is done. */
  function scratchBuffer(depth: number, bytes: number): Uint8Array {
    let buffer = scratch[depth];
    if (buffer === undefined || buffer.byteLength < bytes) {
      buffer = new Uint8Array(Math.max(bytes, blockBytes));
      scratch[depth] = buffer;
    }
    return buffer.byteLength === bytes ? buffer : buffer.subarray(0, bytes);
  }

  function readUnchecked(path: string, offset: number, into: Uint8Array): void {
    const got = open(path, false).read(into, offset);
    if (got < into.byteLength) {
      throw new Error(`${path}: the file ends at byte ${offset + got}, but was longer when it was opened`);
    }
  }

  function readSource(path: string, offset: number, into: Uint8Array): void {
    if (into.byteLength === 0) return;
    readUnchecked(path, offset, into);
    if (!makesChecksums) return;
    const last = lastRuns.get(path);
    if (last !== undefined && last.offset + last.length === offset) {
      last.crc = io.crc32(into, last.crc);
      last.length += into.byteLength;
    } else {
      const run = { path, offset, length: into.byteLength, crc: io.crc32(into, 0) };
      lastRuns.set(path, run);
      reads.push(run);
    }
  }

  function fill(view: View, first: number, rows: number, into: Uint8Array, depth: number): void {
    if (into.byteLength === 0) return;
    const rowBytes = view.rowBytes;
    switch (view.op) {
      case "bytes":
        readSource(view.path, view.offset + first * rowBytes, into);
        return;
      case "strided":
        fillStrided(view, first, rows, into, depth);
        return;
      case "memory":
        into.set(view.bytes.subarray(first * rowBytes, (first + rows) * rowBytes));
        return;
      case "concatRows": {
        let at = 0;
        for (const part of view.parts) {
          const from = Math.max(first, at);
          const to = Math.min(first + rows, at + part.rows);
          if (from < to) {
            const target = into.subarray((from - first) * rowBytes, (to - first) * rowBytes);
            fill(part, from - at, to - from, target, depth);
          }
          at += part.rows;
          if (at >= first + rows) break;
        }
        return;
      }
      case "concatColumns": {
        let column = 0;
        for (const part of view.parts) {
          const width = part.rowBytes;
          const source = scratchBuffer(depth, rows * width);
          fill(part, first, rows, source, depth + 1);
          copyColumns(source, width, 0, into, rowBytes, column, width, rows);
          column += width;
        }
        return;
      }
      case "sliceRows":
        fill(view.of, view.start + first, rows, into, depth);
        return;
      case "sliceColumns": {
        const width = view.of.rowBytes;
        // Copies of other columns of the same rows come next, in the same batch, with the same object.
        if (lastSliced?.of !== view.of || lastSliced.first !== first || lastSliced.rows !== rows) {
          const length = rows * width;
          const reused = lastSliced !== undefined && lastSliced.buffer.byteLength >= length;
          const buffer = reused ? lastSliced!.buffer : new Uint8Array(Math.max(length, blockBytes));
          lastSliced = undefined; // A read that fails must not leave it half filled.
          fill(view.of, first, rows, buffer.subarray(0, length), depth + 1);
          lastSliced = { of: view.of, first, rows, buffer };
        }
        copyColumns(lastSliced.buffer, width, view.start, into, rowBytes, 0, rowBytes, rows);
        return;
      }
      case "reorderRows": {
        const group = view.order.length;
        const end = first + rows;
        const firstWhole = Math.min(end, first + (group - first % group) % group);
        const endWhole = Math.max(firstWhole, end - end % group);
        // Part of a group: fetch just the rows asked for, since a group may be bigger than a block.
        const fillRow = (row: number) => {
          const target = into.subarray((row - first) * rowBytes, (row - first + 1) * rowBytes);
          fill(view.of, row - row % group + view.order[row % group]!, 1, target, depth);
        };
        for (let row = first; row < firstWhole; row++) fillRow(row);
        for (let row = endWhole; row < end; row++) fillRow(row);
        if (firstWhole === endWhole) return;
        if (rowBytes >= gapBytes && isRuns(view.of)) {
          // Each row straight to its place, in the order of the source: no second group is held, and a call more
          // costs no more than moving the row would.
          const places: number[] = [];
          view.order.forEach((from, to) => places[from] = to);
          for (let row = firstWhole; row < endWhole; row++) {
            const to = (row - row % group + places[row % group]! - first) * rowBytes;
            fill(view.of, row, 1, into.subarray(to, to + rowBytes), depth);
          }
          return;
        }
        const source = scratchBuffer(depth, (endWhole - firstWhole) * rowBytes);
        fill(view.of, firstWhole, endWhole - firstWhole, source, depth + 1);
        for (let row = firstWhole; row < endWhole; row++) {
          const from = (row - row % group + view.order[row % group]! - firstWhole) * rowBytes;
          into.set(source.subarray(from, from + rowBytes), (row - first) * rowBytes);
        }
        return;
      }
      case "cast": {
        const source = scratchBuffer(depth, rows * view.of.rowBytes);
        fill(view.of, first, rows, source, depth + 1);
        // Typed arrays need alignment. Scratch buffers have it, and what is inside of them too, since rows hold
        // whole numbers; a caller's buffer may lack it.
        const isAligned = into.byteOffset % (view.to === "float32" ? 4 : 2) === 0;
        const target = isAligned ? into : new Uint8Array(into.byteLength);
        castFormat(source, view.from, target, view.to);
        if (!isAligned) into.set(target);
      }
    }
  }

  /** Whether each row of a view is one run of a file. */
  function isRuns(view: View): boolean {
    if (view.op === "sliceRows") return isRuns(view.of);
    return view.op === "bytes" || (view.op === "concatRows" && view.parts.every(isRuns));
  }

  function copyColumns(
    from: Uint8Array,
    fromRowBytes: number,
    fromColumn: number,
    into: Uint8Array,
    intoRowBytes: number,
    intoColumn: number,
    width: number,
    rows: number,
  ): void {
    for (let row = 0; row < rows; row++) {
      const start = row * fromRowBytes + fromColumn;
      into.set(from.subarray(start, start + width), row * intoRowBytes + intoColumn);
    }
  }

  /**
   * Gathers items that lie apart. The dimensions in which they lie close together make a piece of the file, which is
   * read at once. Of the next dimension as many pieces are read as fit a block, and then written in the order of the
   * output: of a transposed matrix, a tile of neighbouring columns, each as long as there are rows.
   */
  function fillStrided(
    view: StridedView,
    first: number,
    rows: number,
    into: Uint8Array,
    depth: number,
  ): void {
    const { itemBytes } = view;
    const dimensions: Dimension[] = [{ size: rows, from: view.rowStride, to: view.rowBytes }];
    view.inner.forEach((size, i) => {
      const to = view.inner.slice(i + 1).reduce((product, each) => product * each, itemBytes);
      dimensions.push({ size, from: view.innerStrides[i]!, to });
    });
    const apart = dimensions.filter(({ size }) => size > 1).sort((a, b) => a.from - b.from);
    let span = itemBytes;
    let piece = 0; // How many dimensions are in it.
    for (; piece < apart.length; piece++) {
      const { size, from } = apart[piece]!;
      if (from - span > gapBytes || span + (size - 1) * from > 8 * blockBytes) break;
      span += (size - 1) * from;
    }
    const { size, from, to } = apart[piece] ?? { size: 1, from: 0, to: 0 };
    const isClose = from - span <= gapBytes; // Then pieces are read together with what lies between them.
    const stride = isClose ? from : span;
    const most = Math.max(1, Math.floor(((isClose ? 8 : 1) * blockBytes - span) / Math.max(1, stride)) + 1);
    const source = scratchBuffer(depth, span + (Math.min(size, most) - 1) * stride);

    const unit = [4, 2, 1].find((n) => itemBytes % n === 0 && into.byteOffset % n === 0)!;
    const words = ({ buffer, byteOffset, byteLength }: Uint8Array): Words => {
      if (unit === 4) return new Uint32Array(buffer, byteOffset, byteLength / 4);
      return unit === 2
        ? new Uint16Array(buffer, byteOffset, byteLength / 2)
        : new Uint8Array(buffer, byteOffset, byteLength);
    };
    const [sourceWords, intoWords] = [words(source), words(into)];
    const inWords = (dimension: Dimension) => ({
      size: dimension.size,
      from: dimension.from / unit,
      to: dimension.to / unit,
    });
    const inPiece = [{ size: itemBytes / unit, from: 1, to: 1 }, ...apart.slice(0, piece).map(inWords)];

    function readPieces(outer: readonly Dimension[], at: number, target: number): void {
      const [dimension, ...others] = outer;
      if (dimension !== undefined) {
        for (let i = 0; i < dimension.size; i++) {
          readPieces(others, at + i * dimension.from, target + i * dimension.to);
        }
        return;
      }
      for (let begin = 0; begin < size; begin += most) {
        const count = Math.min(most, size - begin);
        if (isClose) {
          readUnchecked(view.path, at + begin * from, source.subarray(0, span + (count - 1) * stride));
        } else {
          for (let i = 0; i < count; i++) {
            const here = source.subarray(i * stride, i * stride + span);
            readUnchecked(view.path, at + (begin + i) * from, here);
          }
        }
        // What lies together in the output comes last, and so is written together.
        const gathered = [...inPiece, inWords({ size: count, from: stride, to })]
          .filter(({ size }) => size > 1).sort((a, b) => b.to - a.to);
        gather(sourceWords, 0, intoWords, (target + begin * to) / unit, gathered, 0);
      }
    }
    readPieces(apart.slice(piece + 1), view.offset + first * view.rowStride, 0);
  }

  type Words = Uint8Array | Uint16Array | Uint32Array;

  /** Copies words from places to places that lie apart in some dimensions. */
  function gather(
    source: Words,
    at: number,
    into: Words,
    target: number,
    dimensions: readonly Dimension[],
    level: number,
  ): void {
    const dimension = dimensions[level];
    if (dimension === undefined) {
      into[target] = source[at]!;
      return;
    }
    const { size, from, to } = dimension;
    if (level < dimensions.length - 1) {
      for (let i = 0; i < size; i++) {
        gather(source, at + i * from, into, target + i * to, dimensions, level + 1);
      }
    } else if (from === 1 && to === 1 && size > 16) {
      into.set(source.subarray(at, at + size), target);
    } else {
      for (let i = 0; i < size; i++) into[target + i * to] = source[at + i * from]!;
    }
  }

  /** Converts numbers. Those of a quantization go by way of float32, which has all that a block can say. */
  function castFormat(
    from: Uint8Array,
    fromType: NumberFormat,
    into: Uint8Array,
    toType: NumberFormat,
  ): void {
    const isPlain = (type: NumberFormat): type is CastType => bytesOf32[type] >= 64;
    if (isPlain(fromType) && isPlain(toType)) {
      castNumbers(from, fromType, into, toType);
      return;
    }
    if (toType === "q8_0" && isPlain(fromType)) {
      quantizer ??= { made: io.createQuantizer?.() };
      if (quantizer.made !== undefined) {
        quantizeQuickly(from, fromType, into, quantizer.made);
        return;
      }
    }
    const blocks = from.byteLength / bytesOf32[fromType];
    for (let block = 0; block < blocks; block += 64) {
      const count = Math.min(64, blocks - block);
      const piece = (bytes: Uint8Array, type: NumberFormat) =>
        bytes.subarray(block * bytesOf32[type], (block + count) * bytesOf32[type]);
      if (isPlain(fromType)) widen(piece(from, fromType), fromType, singleBits);
      else dequantize(piece(from, fromType), fromType);
      if (toType === "q8_0") quantize(count, piece(into, toType));
      else if (isPlain(toType)) {
        castNumbers(new Uint8Array(singles.buffer, 0, count * 128), "float32", piece(into, toType), toType);
      }
    }
  }

  /** The bits of numbers as float32. */
  function widen(from: Uint8Array, type: CastType, into: Uint32Array): void {
    if (type === "float32") {
      into.set(new Uint32Array(from.buffer, from.byteOffset, from.byteLength / 4));
      return;
    }
    const words = new Uint16Array(from.buffer, from.byteOffset, from.byteLength / 2);
    if (type === "bfloat16") {
      for (let i = 0; i < words.length; i++) into[i] = words[i]! << 16;
    } else {
      const { numbers } = castTable(type, "float32");
      for (let i = 0; i < words.length; i++) into[i] = numbers[words[i]!]!;
    }
  }

  /**
   * Blocks as float32, in `singles`: gguf-py's `quants.py`, exactly. NaN, whose bits depend on the processor there, is
   * always the same here.
   */
  function dequantize(blocks: Uint8Array, type: NumberFormat): void {
    const hasMinimum = type === "q4_1" || type === "q5_1";
    const hasHighBits = type === "q5_0" || type === "q5_1";
    const zero = type === "q4_0" ? 8 : type === "q5_0" ? 16 : 0;
    const halfAt = (at: number): number => {
      singleBits[2048] = halfToSingle(blocks[at]! | (blocks[at + 1]! << 8));
      return singles[2048]!;
    };
    for (let at = 0, out = 0; at < blocks.length; out += 32) {
      const scale = halfAt(at);
      const minimum = hasMinimum ? halfAt(at + 2) : -0; // Nothing changes when it is added.
      at += hasMinimum ? 4 : 2;
      if (type === "q8_0") {
        for (let i = 0; i < 32; i++) singles[out + i] = scale * ((blocks[at + i]! << 24) >> 24);
        at += 32;
      } else {
        let high = 0;
        if (hasHighBits) {
          for (let i = 3; i >= 0; i--) high = (high << 8) | blocks[at + i]!;
          at += 4;
        }
        for (let i = 0; i < 16; i++) {
          const byte = blocks[at + i]!;
          const first = (byte & 15) | (((high >>> i) & 1) << 4);
          const second = (byte >>> 4) | (((high >>> (i + 16)) & 1) << 4);
          singles[out + i] = scale * (first - zero) + minimum;
          singles[out + i + 16] = scale * (second - zero) + minimum;
        }
        at += 16;
      }
      if (Number.isFinite(scale + minimum)) continue;
      for (let i = out; i < out + 32; i++) if (Number.isNaN(singles[i])) singleBits[i] = 0x7fc00000;
    }
  }

  /**
   * Blocks of `singles` as q8_0: gguf-py's `quants.py`, exactly. The scale is the largest magnitude / 127; numbers are
   * rounded half away from zero, with the scale before it became a half. Where its inverse is infinite or NaN (tiny
   * numbers, infinities, NaN), they all become 0; a scale past 65504 becomes infinite. NaN is always the same, as above.
   */
  function quantize(count: number, into: Uint8Array): void {
    let out = 0;
    for (let at = 0; at < count * 32; at += 32) {
      let largest = 0;
      for (let i = at; i < at + 32; i++) {
        const magnitude = singleBits[i]! & 0x7fffffff;
        if (magnitude > largest) largest = magnitude;
      }
      const scale = writeScale(largest, singles, at, into, out);
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
      out += 2;
      for (let i = at; i < at + 32; i++) {
        const sign = singleBits[i]! >> 31;
        const rounded = (Math.fround(Math.abs(singles[i]!) * inverse) + 0.5) | 0;
        into[out++] = (rounded ^ sign) - sign;
      }
    }
  }

  /** Writes the scale of a block whose largest magnitude has some bits; counts what is lost, and what never was. */
  function writeScale(
    largest: number,
    numbers: Float32Array,
    at: number,
    into: Uint8Array,
    out: number,
  ): number {
    singleBits[2048] = largest;
    const scale = Math.fround(singles[2048]! / 127);
    singles[2048] = scale;
    const half = largest > 0x7f800000 ? 0x7e00 : singleToHalf(singleBits[2048]!);
    into[out] = half;
    into[out + 1] = half >>> 8;
    if (half < 0x7c00) return scale;
    for (let i = at; i < at + 32; i++) {
      if (Number.isNaN(numbers[i])) nans++;
      else if (Number.isFinite(numbers[i])) infinities++;
    }
    return scale;
  }

  /** Numbers as q8_0, the same bytes as `quantize` makes. */
  function quantizeQuickly(from: Uint8Array, type: CastType, into: Uint8Array, quick: Quantizer): void {
    const size = bytesOf32[type];
    for (let at = 0, out = 0; at < from.length;) {
      const piece = from.subarray(at, at + 256 * size);
      const count = piece.length / size;
      if (type === "bfloat16") {
        quick.words.set(new Uint16Array(piece.buffer, piece.byteOffset, count * 32));
        quick.widen(count * 32);
      } else {
        widen(piece, type, quick.bits);
      }
      quick.quantize(count);
      into.set(quick.blocks.subarray(0, count * 34), out);
      for (let i = 0; i < count; i++) {
        writeScale(quick.largest[i]!, quick.singles, i * 32, into, out + i * 34);
      }
      at += piece.length;
      out += count * 34;
    }
  }

  /** Converts numbers, rounding to nearest even; counts finite ones that become infinite, and those that are NaN. */
  function castNumbers(
    from: Uint8Array,
    fromType: CastType,
    into: Uint8Array,
    toType: CastType,
    isTable = false,
  ): void {
    const count = from.byteLength / (fromType === "float32" ? 4 : 2);
    const words = fromType === "float32"
      ? new Uint32Array(from.buffer, from.byteOffset, count)
      : new Uint16Array(from.buffer, from.byteOffset, count);
    const out = toType === "float32"
      ? new Uint32Array(into.buffer, into.byteOffset, count)
      : new Uint16Array(into.buffer, into.byteOffset, count);
    let [infinite, nan] = [0, 0];
    if (fromType === "float32" && toType === "bfloat16") {
      for (let i = 0; i < count; i++) {
        const bits = words[i]!;
        if ((bits & 0x7fffffff) > 0x7f800000) {
          out[i] = (bits >>> 16) | 0x40; // NaN: keep it one, quiet.
          nan++;
        } else {
          const rounded = (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
          if ((rounded & 0x7fff) === 0x7f80 && (bits & 0x7f800000) !== 0x7f800000) infinite++;
          out[i] = rounded;
        }
      }
    } else if (fromType !== "float32" && count > 65536 && !isTable) {
      // There are only 65,536 numbers of 16 bits: convert each once, and look the rest up.
      const { numbers, lost } = castTable(fromType, toType);
      for (let i = 0; i < count; i++) {
        const bits = words[i]!;
        out[i] = numbers[bits]!;
        if (lost[bits] === 0) continue;
        if (lost[bits] === 1) infinite++;
        else nan++;
      }
    } else {
      for (let i = 0; i < count; i++) {
        let bits = words[i]!; // Widen to float32 bits first.
        if (fromType === "bfloat16") bits = (bits << 16) >>> 0;
        else if (fromType === "float16") bits = halfToSingle(bits);
        if ((bits & 0x7fffffff) > 0x7f800000) nan++;
        if (toType === "float32") {
          out[i] = bits;
        } else if (toType === "float16") {
          const half = singleToHalf(bits);
          if ((half & 0x7fff) === 0x7c00 && (bits & 0x7fffffff) < 0x7f800000) infinite++;
          out[i] = half;
        } else if ((bits & 0x7fffffff) > 0x7f800000) {
          out[i] = (bits >>> 16) | 0x40;
        } else {
          out[i] = (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
        }
      }
    }
    infinities += infinite;
    nans += nan;
  }

  /** What every number of a 16-bit format becomes in another; 1 where it was finite and is infinite then, 2 for NaN. */
  function castTable(from: CastType, to: CastType): { numbers: Uint16Array | Uint32Array; lost: Uint8Array } {
    const key = from + to;
    let table = castTables.get(key);
    if (table === undefined) {
      const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
      const numbers = to === "float32" ? new Uint32Array(65536) : new Uint16Array(65536);
      const lost = new Uint8Array(65536);
      const size = numbers.BYTES_PER_ELEMENT;
      const counted = [infinities, nans] as const;
      for (let i = 0; i < 65536; i++) {
        [infinities, nans] = [0, 0];
        const one = new Uint8Array(numbers.buffer, i * size, size);
        castNumbers(new Uint8Array(all.buffer, i * 2, 2), from, one, to, true);
        lost[i] = infinities + 2 * nans;
      }
      [infinities, nans] = counted;
      table = { numbers, lost };
      castTables.set(key, table);
    }
    return table;
  }

  function halfToSingle(half: number): number {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    let fraction = half & 0x3ff;
    if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
    if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
    if (fraction === 0) return sign >>> 0;
    let shift = 0; // A subnormal half is a normal single.
    while ((fraction & 0x400) === 0) {
      fraction <<= 1;
      shift++;
    }
    return (sign | ((113 - shift) << 23) | ((fraction & 0x3ff) << 13)) >>> 0;
  }

  function singleToHalf(bits: number): number {
    const sign = (bits >>> 16) & 0x8000;
    const magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff); // NaN, quiet.
    if (magnitude >= 0x477ff000) return sign | 0x7c00; // At least halfway to 65536: infinity.
    if (magnitude < 0x33000001) return sign; // At most half of the smallest subnormal: zero.
    const exponent = (magnitude >>> 23) - 112;
    if (exponent > 0) {
      const rebiased = magnitude - (112 << 23);
      return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
    }
    const fraction = (magnitude & 0x7fffff) | 0x800000;
    const shift = 14 - exponent; // Between 14 and 24.
    const half = fraction >>> shift;
    const rest = fraction & ((1 << shift) - 1);
    const middle = 1 << (shift - 1);
    return sign | (half + (rest > middle || (rest === middle && (half & 1) === 1) ? 1 : 0));
  }

  function run(chunk: Chunk, onBlock: (bytes: number) => void): ChunkResult {
    const { view, path, at, firstRow, rows, group } = chunk;
    const rowBytes = view.rowBytes;
    reads = [];
    lastRuns = new Map();
    makesChecksums = true;
    [infinities, nans] = [0, 0];
    let crc = 0;
    let blockRows = Math.max(1, Math.floor(blockBytes / Math.max(1, rowBytes)));
    if (blockRows > group) blockRows -= blockRows % group;
    else if (group * rowBytes <= 16 * blockBytes) blockRows = group;
    const buffer = scratchBuffer(0, Math.min(blockRows, rows) * rowBytes);
    onBlock(0);
    for (let row = firstRow; row < firstRow + rows; row += blockRows) {
      const count = Math.min(blockRows, firstRow + rows - row);
      const block = count * rowBytes === buffer.byteLength ? buffer : buffer.subarray(0, count * rowBytes);
      fill(view, row, count, block, 1);
      const isPlain = view.op === "bytes" && reads.length === 1;
      crc = isPlain ? reads[0]!.crc : io.crc32(block, crc);
      // Opened anew each time: reading many sources may have closed it in between.
      if (path !== undefined) open(path, true).write(block, at + row * rowBytes);
      onBlock(block.byteLength);
    }
    return { crc, reads, infinities, nans };
  }

  return {
    run,
    fill(view, firstRow, rows, into) {
      makesChecksums = false;
      fill(view, firstRow, rows, into, 1);
    },
    close() {
      for (const file of files.values()) file.close();
      files.clear();
    },
  };
}
