import { assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "node:zlib";
import { dealChunks } from "../../lib/copy/chunks.ts";
import { createKernel, type Kernel, type KernelIo } from "../../lib/copy/kernel.ts";
import { openKernelFile } from "../../lib/bytes/kernel_file.ts";
import {
  bytes,
  cast,
  type CastType,
  castTypeBytes,
  concatColumns,
  concatRows,
  reorderRows,
  sliceRows,
  strided,
  type View,
  viewBytes,
} from "../../lib/bytes/view.ts";
import { tameBytes, ViewGenerator } from "./_naive.ts";
import { Random } from "./_random.ts";
import { TempDirectory } from "./_temp.ts";

const io: KernelIo = { open: openKernelFile, crc32: (data, seed) => crc32(data, seed) };
const nothing = () => {};

/** All bytes of a view. */
function fillAll(kernel: Kernel, view: View): Uint8Array {
  const into = new Uint8Array(viewBytes(view));
  kernel.fill(view, 0, view.rows, into);
  return into;
}

Deno.test("createKernel() gives the bytes of random views, in any range of rows and any block size", () => {
  using temp = new TempDirectory();
  const random = new Random(1);
  const files = [1, 2, 3].map((n) => {
    const content = tameBytes(random, 16 * 1024);
    return { path: temp.write(`${n}.bin`, content), bytes: content };
  });
  const contents = new Map(files.map(({ path, bytes }) => [path, bytes]));
  const generator = new ViewGenerator(random, files);
  const kernels = [1, 16, 64, 300, 1 << 20].map((blockBytes) => createKernel(io, blockBytes));
  const path = temp.join("out.bin");
  const seen = new Set<string>();
  for (let n = 0; n < 800; n++) {
    const { view, rows } = generator.any(random.integer(0, 5));
    const expected = Uint8Array.from(rows.flat());
    const { rowBytes } = view;
    const where = () => `view ${n}: ${JSON.stringify(view)}`;
    seen.add(view.op);
    assertEquals(view.rows, rows.length, where());
    assertEquals(viewBytes(view), expected.length, where());
    const kernel = random.pick(kernels);

    const first = random.integer(0, view.rows);
    const count = random.integer(0, view.rows - first);
    const part = expected.subarray(first * rowBytes, (first + count) * rowBytes);
    const into = new Uint8Array(part.length);
    kernel.fill(view, first, count, into);
    assertEquals(into, part, where());

    // The same rows written to a file, with any idea of what is read best together.
    const at = random.integer(0, 40);
    const before = new Uint8Array(at + expected.length + 10).fill(0xee);
    Deno.writeFileSync(path, before);
    let written = 0;
    const group = random.pick([1, 1, 2, 3, 7, 16]);
    const result = kernel.run(
      { view, path, at, firstRow: first, rows: count, group },
      (size) => written += size,
    );
    before.set(part, at + first * rowBytes);
    assertEquals(Deno.readFileSync(path), before, where());
    assertEquals(result.crc, crc32(part), where());
    assertEquals(written, part.length, where());
    for (const { path, offset, length, crc } of result.reads) {
      const run = contents.get(path)!.subarray(offset, offset + length);
      assertEquals(run.length, length, where());
      assertEquals(crc, crc32(run), where());
    }

    // The whole view in the chunks that workers are dealt.
    const file = {
      name: "out.bin",
      size: expected.length,
      tensors: [],
      copies: [{ label: "all", at: 0, view }],
      literals: [],
    };
    Deno.writeFileSync(path, new Uint8Array(expected.length));
    for (const chunk of dealChunks([{ file, path, overlay: undefined }], random.pick([9, 50, 400, 4000]))) {
      kernel.run(chunk, nothing);
    }
    assertEquals(Deno.readFileSync(path), expected, where());
  }
  for (const kernel of kernels) kernel.close();
  assertEquals(
    [...seen].sort(),
    [
      ...[
        "bytes",
        "cast",
        "concatColumns",
        "concatRows",
        "memory",
        "reorderRows",
        "sliceColumns",
        "sliceRows",
      ],
      "strided",
    ],
  );
});

interface StridedCase {
  item: number;
  offset: number;
  shape: number[];
  stride: number[];
  bytes: string;
}

Deno.test("createKernel() reads through strides as numpy does", () => {
  using temp = new TempDirectory();
  const path = temp.write("data.bin", Uint8Array.from({ length: 4096 }, (_, i) => i * 7 % 251));
  const url = new URL("../../fixtures/torch/strided.json", import.meta.url);
  const cases = JSON.parse(Deno.readTextFileSync(url)) as StridedCase[];
  for (const blockBytes of [1, 10, 1 << 20]) {
    const kernel = createKernel(io, blockBytes);
    for (const { item, offset, shape, stride, bytes } of cases) {
      assertEquals(fillAll(kernel, strided(path, offset, item, shape, stride)).toHex(), bytes);
    }
    kernel.close();
  }
});

/** The golden numbers of `make_torch.py`: little-endian, stored as differences. */
async function readCasts(): Promise<Map<string, Uint16Array | Uint32Array>> {
  const folder = new URL("../../fixtures/torch/", import.meta.url);
  const index = JSON.parse(Deno.readTextFileSync(new URL("casts.json", folder))) as [
    string,
    number,
    number,
  ][];
  const packed = new Blob([Deno.readFileSync(new URL("casts.bin.gz", folder))]);
  const data = await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  const sections = new Map<string, Uint16Array | Uint32Array>();
  let at = 0;
  for (const [name, size, count] of index) {
    const part = data.slice(at, at += size * count);
    const numbers = size === 4 ? new Uint32Array(part) : new Uint16Array(part);
    for (let i = 1; i < count; i++) numbers[i]! += numbers[i - 1]!;
    sections.set(name, numbers);
  }
  assertEquals(at, data.byteLength);
  return sections;
}

const infinity: Record<CastType, number> = { float32: 0x7f800000, bfloat16: 0x7f80, float16: 0x7c00 };

/** The bits without their sign. */
function magnitude(bits: number, type: CastType): number {
  return bits & (type === "float32" ? 0x7fffffff : 0x7fff);
}

Deno.test("createKernel() casts every number as torch does", async () => {
  const casts = await readCasts();
  const all16 = Uint16Array.from({ length: 65536 }, (_, i) => i);
  using temp = new TempDirectory();
  const kernel = createKernel(io, 4096);
  for (const from of ["float16", "bfloat16", "float32"] as const) {
    for (const to of ["float16", "bfloat16", "float32"] as const) {
      if (from === to) continue;
      const source = from === "float32" ? casts.get("corpus")! : all16;
      const expected = casts.get(`${from} ${to}`)!;
      const path = temp.write("source.bin", new Uint8Array(source.slice().buffer));
      const out = temp.write("out.bin", "");
      const size = castTypeBytes(from);
      const view = cast(bytes(path, 0, source.length / 64, 64 * size), from, to);
      const { infinities, nans } = kernel.run(
        { view, path: out, at: 0, firstRow: 0, rows: view.rows, group: 1 },
        nothing,
      );
      const data = Deno.readFileSync(out).buffer;
      const found = to === "float32" ? new Uint32Array(data) : new Uint16Array(data);
      assertEquals(found.length, expected.length);
      let [expectedInfinities, expectedNaNs] = [0, 0];
      for (let i = 0; i < found.length; i++) {
        const wasNaN = magnitude(source[i]!, from) > infinity[from];
        const wasInfinite = magnitude(source[i]!, from) === infinity[from];
        if (magnitude(expected[i]!, to) === infinity[to] && !wasInfinite) expectedInfinities++;
        if (magnitude(expected[i]!, to) > infinity[to]) expectedNaNs++;
        if (wasNaN ? magnitude(found[i]!, to) <= infinity[to] : found[i] !== expected[i]) {
          throw new Error(`${from} ${source[i]!.toString(16)} became ${to} ${found[i]!.toString(16)}`);
        }
        // A NaN keeps its sign and stays quiet.
        if (wasNaN) assertEquals(found[i]! >>> (8 * castTypeBytes(to) - 1), source[i]! >>> (8 * size - 1));
      }
      assertEquals([infinities, nans], [expectedInfinities, expectedNaNs], `${from} to ${to}`);
      kernel.close();
    }
  }
});

Deno.test("createKernel() counts infinities and NaN of each run anew", () => {
  using temp = new TempDirectory();
  const path = temp.write(
    "f32.bin",
    new Uint8Array(Float32Array.of(1e5, -65520, 65519, Infinity, NaN, 1).buffer),
  );
  const kernel = createKernel(io, 8);
  const view = cast(bytes(path, 0, 6, 4), "float32", "float16");
  const run = (firstRow: number, rows: number) => {
    const chunk = { view, path: undefined, at: 0, firstRow, rows, group: 1 };
    const { infinities, nans } = kernel.run(chunk, nothing);
    return [infinities, nans];
  };
  assertEquals([run(0, 6), run(0, 6), run(1, 5), run(2, 4), run(5, 1)], [[2, 1], [2, 1], [1, 1], [0, 1], [
    0,
    0,
  ]]);
  kernel.close();
});

Deno.test("createKernel() casts into a buffer at any address", () => {
  using temp = new TempDirectory();
  const path = temp.write("f16.bin", new Uint8Array(Float16Array.of(1, 2, 3).buffer));
  const kernel = createKernel(io, 8);
  const into = new Uint8Array(13);
  kernel.fill(cast(bytes(path, 0, 3, 2), "float16", "float32"), 0, 3, into.subarray(1));
  assertEquals(new Float32Array(into.slice(1).buffer), Float32Array.of(1, 2, 3));
  kernel.close();
});

Deno.test("createKernel() keeps at most 64 files open, however many it reads", () => {
  using temp = new TempDirectory();
  const paths = Array.from(
    { length: 150 },
    (_, i) => temp.write(`${i}.bin`, Uint8Array.of(i, i + 1, i + 2, i + 3)),
  );
  const open = new Set<object>();
  let most = 0;
  const kernel = createKernel({
    ...io,
    open(path, write) {
      const file = openKernelFile(path, write);
      open.add(file);
      most = Math.max(most, open.size);
      return {
        read: file.read,
        write: file.write,
        close() {
          assertEquals(open.delete(file), true);
          file.close();
        },
      };
    },
  }, 2);
  const out = temp.write("out.bin", "");
  const view = concatColumns(paths.map((path) => bytes(path, 0, 2, 2)));
  for (let n = 0; n < 2; n++) {
    kernel.run({ view, path: out, at: 0, firstRow: 0, rows: 2, group: 1 }, nothing);
    const row = (from: number) => paths.flatMap((_, i) => [i + from, i + from + 1]);
    assertEquals([...Deno.readFileSync(out)], [...row(0), ...row(2)]);
  }
  assertEquals(most, 64);
  kernel.close();
  assertEquals(open.size, 0);
});

/** Opens files, but no more than so many at once, as a system does. */
function limitedOpen(limit: number): KernelIo["open"] {
  let open = 0;
  return (path, write) => {
    if (open === limit) throw Object.assign(new Error("Too many open files"), { code: "EMFILE" });
    const file = openKernelFile(path, write);
    open++;
    return {
      ...file,
      close() {
        open--;
        file.close();
      },
    };
  };
}

Deno.test("createKernel() gives up files that it holds open where it can open no more", () => {
  using temp = new TempDirectory();
  const paths = Array.from({ length: 40 }, (_, i) => temp.write(`${i}.bin`, Uint8Array.of(i, i + 1)));
  const view = concatColumns(paths.map((path) => bytes(path, 0, 2, 1)));
  const expected = [...paths.keys(), ...paths.map((_, i) => i + 1)];
  for (const limit of [1, 2, 3, 10]) {
    const maxOpenFiles = new Int32Array(new SharedArrayBuffer(4)).fill(64);
    const kernel = createKernel({ ...io, open: limitedOpen(limit) }, 100, maxOpenFiles);
    assertEquals([...fillAll(kernel, view)], expected);
    assertEquals(maxOpenFiles[0]! <= limit && maxOpenFiles[0]! > 0, true, `${maxOpenFiles[0]} of ${limit}`);
    kernel.close();
  }
});

Deno.test("createKernel() gives up files where another kernel can open no more", () => {
  using temp = new TempDirectory();
  const paths = Array.from({ length: 20 }, (_, i) => temp.write(`${i}.bin`, Uint8Array.of(i)));
  const view = concatColumns(paths.map((path) => bytes(path, 0, 1, 1)));
  const maxOpenFiles = new Int32Array(new SharedArrayBuffer(4)).fill(64);
  const open = limitedOpen(12);
  const [first, second] = [1, 2].map(() => createKernel({ ...io, open }, 100, maxOpenFiles));
  const all = [...paths.keys()];
  assertEquals([...fillAll(first!, view)], all);
  // The first one holds all but one, and closes some of them when it is asked for its next row.
  Atomics.store(maxOpenFiles, 0, 2);
  assertEquals([...fillAll(first!, view)], all);
  assertEquals([...fillAll(second!, view)], all);
  first!.close();
  second!.close();
});

Deno.test("createKernel() says so where no file can be opened, whoever gives up theirs", () => {
  using temp = new TempDirectory();
  const kernel = createKernel({ ...io, open: limitedOpen(0) }, 100);
  const error = assertThrows(
    () => fillAll(kernel, bytes(temp.write("f", "x"), 0, 1)),
    Error,
  );
  assertEquals(error.message, "Too many open files");
});

Deno.test("createKernel() joins reads that follow one another into one run", () => {
  using temp = new TempDirectory();
  const content = new Random(3).bytes(100);
  const path = temp.write("f.bin", content);
  const kernel = createKernel(io, 8);
  const { reads } = kernel.run({
    view: bytes(path, 10, 20, 4),
    path: undefined,
    at: 0,
    firstRow: 5,
    rows: 12,
    group: 1,
  }, nothing);
  assertEquals(reads, [{ path, offset: 30, length: 48, crc: crc32(content.subarray(30, 78)) }]);
  kernel.close();
});

Deno.test("createKernel() reads a table once for copies of several columns of the same rows", () => {
  using temp = new TempDirectory();
  const content = new Random(3).bytes(800);
  const path = temp.write("f.bin", content);
  const table = reorderRows(bytes(path, 0, 10, 80), [1, 0]);
  let readBytes = 0;
  const kernel = createKernel({
    ...io,
    open(path, write) {
      const file = openKernelFile(path, write);
      return { ...file, read: (buffer, at) => (readBytes += buffer.byteLength, file.read(buffer, at)) };
    },
  }, 1 << 20);
  const columns = (start: number, width: number, firstRow: number, rows: number, of: View = table) => {
    const view = { op: "sliceColumns", of, start, rows: 10, rowBytes: width } as const;
    const into = new Uint8Array(rows * width);
    kernel.fill(view, firstRow, rows, into);
    const expected = Array.from({ length: rows }, (_, i) => {
      const at = ((firstRow + i) ^ 1) * 80 + start;
      return [...content.subarray(at, at + width)];
    });
    assertEquals([...into], expected.flat());
  };
  columns(0, 40, 0, 4);
  assertEquals(readBytes, 320);
  columns(40, 40, 0, 4);
  columns(7, 3, 0, 4);
  assertEquals(readBytes, 320);
  columns(0, 40, 4, 4);
  assertEquals(readBytes, 640);
  // Other rows and other objects are read anew, though they begin alike.
  columns(0, 40, 4, 2);
  columns(0, 40, 6, 2);
  columns(0, 40, 6, 2, { ...table });
  assertEquals(readBytes, 640 + 3 * 160);
  kernel.close();
});

Deno.test("createKernel() doesn't take what it couldn't read for a table", () => {
  using temp = new TempDirectory();
  const path = temp.write("f.bin", new Uint8Array(79));
  const kernel = createKernel(io, 1 << 20);
  const table = concatRows([bytes(path, 0, 1, 40), bytes(path, 40, 1, 40), bytes(path, 0, 1, 40)]);
  const view = { op: "sliceColumns", of: table, start: 0, rows: 3, rowBytes: 4 } as const;
  for (let n = 0; n < 2; n++) assertThrows(() => kernel.fill(view, 0, 3, new Uint8Array(12)), Error);
  kernel.close();
});

Deno.test("createKernel() gathers items through any strides, near and far", () => {
  using temp = new TempDirectory();
  const random = new Random(8);
  const content = random.bytes(400_000);
  const path = temp.write("f.bin", content);
  // Blocks in which a tile is one item, some, and all.
  const kernels = [1, 2000, 1 << 20].map((blockBytes) => createKernel(io, blockBytes));
  for (let n = 0; n < 600; n++) {
    const item = random.pick([1, 2, 4, 8, 16]);
    const shape = Array.from({ length: random.integer(1, 4) }, () => random.integer(1, 6));
    const far = Math.floor(12_000 / item); // Further apart than what is read for what lies between.
    const strides = shape.map(() =>
      random.pick([0, 1, 2, random.integer(0, 40), random.integer(far, far + 50)])
    );
    const last = shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, 0) * item;
    if (last + item > content.length) continue;
    const offset = random.integer(0, content.length - item - last);
    const expected = shape.reduce(
      (places, size, i) =>
        places.flatMap((at) => Array.from({ length: size }, (_, k) => at + k * strides[i]!)),
      [0],
    ).flatMap((place) => [...content.subarray(offset + place * item, offset + (place + 1) * item)]);
    const view = strided(path, offset, item, shape, strides);
    const rowBytes = expected.length / view.rows;
    for (const kernel of kernels) {
      const first = view.op === "bytes" ? 0 : random.integer(0, view.rows - 1);
      const rows = view.op === "bytes" ? view.rows : random.integer(1, view.rows - first);
      const misaligned = random.integer(0, 3);
      const into = new Uint8Array(misaligned + rows * rowBytes).subarray(misaligned);
      kernel.fill(view, first, rows, into);
      assertEquals(
        [...into],
        expected.slice(first * rowBytes, (first + rows) * rowBytes),
        JSON.stringify(view),
      );
    }
  }
  for (const kernel of kernels) kernel.close();
});

/** A kernel that notes where and how much it reads. */
function noting(blockBytes: number): { kernel: Kernel; reads: [at: number, length: number][] } {
  const reads: [number, number][] = [];
  const kernel = createKernel({
    ...io,
    open(path, write) {
      const file = openKernelFile(path, write);
      return {
        ...file,
        read: (buffer, at) => (reads.push([at, buffer.byteLength]), file.read(buffer, at)),
      };
    },
  }, blockBytes);
  return { kernel, reads };
}

Deno.test("createKernel() reads a transposed matrix in tiles, a piece of a column at a time", () => {
  using temp = new TempDirectory();
  const path = temp.write("f.bin", new Uint8Array(64 * 40_000));
  const read = (columns: number, stride: number, rows: number, blockBytes = 1 << 16) => {
    const { kernel, reads } = noting(blockBytes);
    const matrix = strided(path, 0, 2, [stride, columns], [1, stride]);
    kernel.fill(matrix, 5, rows, new Uint8Array(rows * columns * 2));
    kernel.close();
    return reads;
  };
  // 40,000 bytes from column to column: 20 rows are 40 bytes of each.
  const pieces = Array.from({ length: 64 }, (_, i): [number, number] => [10 + i * 40_000, 40]);
  for (const blockBytes of [100, 1000, 1 << 20]) assertEquals(read(64, 20_000, 20, blockBytes), pieces);
  // 8,192 bytes lie between: they are read, too, as many columns at a time as fit eight blocks.
  assertEquals(read(64, 4116, 20), [[10, 63 * 8232 + 40]]);
  assertEquals(read(300, 4116, 20), [
    [10, 63 * 8232 + 40],
    ...[1, 2, 3, 4].map((n) => [10 + n * 64 * 8232, (n < 4 ? 63 : 43) * 8232 + 40]),
  ] as [number, number][]);
});

Deno.test("createKernel() keeps no record of what it reads through strides", () => {
  using temp = new TempDirectory();
  const view = strided(temp.write("f.bin", new Uint8Array(4096)), 0, 4, [32, 32], [1, 32]);
  const kernel = createKernel(io, 4096);
  const chunk = { view, path: undefined, at: 0, firstRow: 0, rows: 32, group: 1 };
  assertEquals(kernel.run(chunk, nothing).reads, []);
  kernel.close();
});

Deno.test("createKernel() reads groups whole where they fit sixteen blocks, else row by row", () => {
  using temp = new TempDirectory();
  const path = temp.write("f.bin", new Random(4).bytes(64));
  const view = reorderRows(bytes(path, 0, 8, 8), [1, 0, 3, 2]);
  const readsOf = (blockBytes: number, firstRow: number, rows: number) => {
    const { kernel, reads } = noting(blockBytes);
    kernel.run({ view, path: undefined, at: 0, firstRow, rows, group: 4 }, nothing);
    kernel.close();
    return reads;
  };
  assertEquals(readsOf(2, 0, 8), [[0, 32], [32, 32]]);
  assertEquals(readsOf(1, 0, 4), [[8, 8], [0, 8], [24, 8], [16, 8]]);
  assertEquals(readsOf(64, 2, 4), [[24, 8], [16, 8], [40, 8], [32, 8]]);
});

Deno.test("createKernel() calls onBlock before each block, and stops where it throws", () => {
  using temp = new TempDirectory();
  const path = temp.write("f.bin", new Uint8Array(40).fill(1));
  const out = temp.write("out.bin", new Uint8Array(40));
  const kernel = createKernel(io, 16);
  const calls: number[] = [];
  const chunk = { view: bytes(path, 0, 40), path: out, at: 0, firstRow: 0, rows: 40, group: 1 };
  kernel.run(chunk, (size) => calls.push(size));
  assertEquals(calls, [0, 16, 16, 8]);
  Deno.writeFileSync(out, new Uint8Array(40));
  const error = assertThrows(() =>
    kernel.run(chunk, (size) => {
      if (size > 0) throw new Error("stop");
    }), Error);
  assertEquals(error.message, "stop");
  assertEquals(Deno.readFileSync(out), new Uint8Array(40).fill(1, 0, 16));
  kernel.close();
});

Deno.test("createKernel() says where a file that became shorter ends", () => {
  using temp = new TempDirectory();
  const path = temp.write("f.bin", new Uint8Array(10));
  const kernel = createKernel(io, 8);
  const error = assertThrows(() => fillAll(kernel, sliceRows(bytes(path, 2, 3, 4), 1, 2)), Error);
  assertEquals(error.message, `${path}: the file ends at byte 10, but was longer when it was opened`);
  kernel.close();
});

Deno.test("createKernel() copies nothing where there is nothing", () => {
  const kernel = createKernel({
    ...io,
    open() {
      throw new Error("Nothing is to be opened");
    },
  }, 8);
  const none = concatRows([bytes("none", 0, 0, 4), bytes("none", 0, 3, 4)]);
  kernel.fill(none, 1, 0, new Uint8Array(0));
  const view = bytes("none", 0, 0, 4);
  const result = kernel.run({ view, path: undefined, at: 0, firstRow: 0, rows: 0, group: 1 }, nothing);
  assertEquals(result, { crc: 0, reads: [], infinities: 0, nans: 0 });
  kernel.close();
});

Deno.test("createKernel() holds a group of long rows once, and reads it in the order of its file", () => {
  using temp = new TempDirectory();
  const random = new Random(7);
  const [group, rowBytes] = [16, 10_000];
  const content = tameBytes(random, 6 * group * rowBytes);
  const end = 2.5 * group * rowBytes; // Two shards, which meet inside of a group.
  const [one, two] = [
    temp.write("1.bin", content.subarray(0, end)),
    temp.write("2.bin", content.subarray(end)),
  ];
  const of = concatRows([
    bytes(one, 0, 2.5 * group, rowBytes),
    sliceRows(concatRows([bytes(two, 0, 3.5 * group, rowBytes)]), 0, 3.5 * group),
  ]);
  const path = temp.write("out.bin", "");
  for (let n = 0; n < 10; n++) {
    const order = Array.from({ length: group }, (_, k) => k);
    for (let k = group - 1; k > 0; k--) {
      const other = random.integer(0, k);
      [order[k], order[other]] = [order[other]!, order[k]!];
    }
    const buffers = new Set<ArrayBufferLike>();
    const kernel = createKernel({
      ...io,
      open(path, write) {
        const file = openKernelFile(path, write);
        return {
          read(into, offset) {
            buffers.add(into.buffer);
            return file.read(into, offset);
          },
          write(from, offset) {
            buffers.add(from.buffer);
            file.write(from, offset);
          },
          close: () => file.close(),
        };
      },
    }, group * rowBytes / 4);
    const view = reorderRows(of, order);
    const { reads } = kernel.run({ view, path, at: 0, firstRow: 0, rows: view.rows, group }, nothing);
    kernel.close();
    const expected = Array.from({ length: view.rows }, (_, row) => {
      const from = (row - row % group + order[row % group]!) * rowBytes;
      return [...content.subarray(from, from + rowBytes)];
    });
    assertEquals(crc32(Deno.readFileSync(path)), crc32(Uint8Array.from(expected.flat())));
    assertEquals([...buffers].map(({ byteLength }) => byteLength), [group * rowBytes]);
    assertEquals(reads.map(({ offset, length, crc }) => ({ offset, length, crc })), [
      { offset: 0, length: end, crc: crc32(content.subarray(0, end)) },
      { offset: 0, length: content.length - end, crc: crc32(content.subarray(end)) },
    ]);
  }
});
