/** Quantizing and dequantizing, compared with gguf-py's `quants.py` (`fixtures/gguf/make_blocks.py`). */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { openKernelFile } from "../../lib/bytes/kernel_file.ts";
import { bytes, cast, formatBlocks, MAX_ROW_BYTES, type NumberFormat } from "../../lib/bytes/view.ts";
import { crc32 } from "../../lib/copy/crc32.ts";
import { createKernel, type KernelIo } from "../../lib/copy/kernel.ts";
import { createQuantizer } from "../../lib/copy/quantizer.ts";
import { TempDir } from "../_temp.ts";
import { python, runPython } from "../_python.ts";

type Casts = Readonly<Record<string, readonly [from: string, to: string]>>;

async function readGolden(): Promise<Casts> {
  const packed = Deno.readFileSync(new URL("../../fixtures/gguf/blocks.json.gz", import.meta.url));
  return await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

const slow: KernelIo = { open: openKernelFile, crc32 };
const quick: KernelIo = { ...slow, createQuantizer };

/** The bytes of numbers in another format, in rows of some blocks of 32, made with WebAssembly and without. */
function castBytes(numbers: Uint8Array, from: NumberFormat, to: NumberFormat, rowBlocks = 1) {
  const made = castBytesWith(quick, numbers, from, to, rowBlocks);
  assertEquals(made, castBytesWith(slow, numbers, from, to, rowBlocks));
  return made;
}

function castBytesWith(
  io: KernelIo,
  numbers: Uint8Array,
  from: NumberFormat,
  to: NumberFormat,
  rowBlocks: number,
) {
  using temp = new TempDir();
  const path = temp.at("numbers");
  Deno.writeFileSync(path, numbers);
  const rowBytes = rowBlocks * formatBlocks[from].bytes * 32 / formatBlocks[from].items;
  const view = cast(bytes(path, 0, numbers.length / rowBytes, rowBytes), from, to as "q8_0");
  const out = temp.at("out");
  Deno.writeFileSync(out, new Uint8Array());
  const kernel = createKernel(io, 10000);
  const chunk = { view, path: out, at: 0, firstRow: 0, rows: view.rows, group: 1 };
  const { infinities, nans } = kernel.run(chunk, () => {});
  kernel.close();
  return { data: Deno.readFileSync(out), infinities, nans };
}

/** Float32 numbers with one NaN instead of all. */
function withOneNaN(numbers: Uint8Array): Uint8Array {
  const { buffer } = numbers.slice();
  const words = new Uint32Array(buffer);
  new Float32Array(buffer).forEach((number, i) => Number.isNaN(number) && (words[i] = 0x7fc00000));
  return new Uint8Array(buffer);
}

/** Blocks of q8_0 with one NaN as their scale; which one it is depends on numpy and the processor. */
function withOneScaleNaN(blocks: Uint8Array): Uint8Array {
  for (let at = 0; at < blocks.length; at += 34) {
    const half = blocks[at]! | (blocks[at + 1]! << 8);
    if ((half & 0x7fff) > 0x7c00) [blocks[at], blocks[at + 1]] = [0x00, 0x7e];
  }
  return blocks;
}

/** Asserts that bytes are equal, a block at a time, so that a message is short. */
function assertSame(actual: Uint8Array, expected: Uint8Array, blockBytes: number, name: string): void {
  for (let at = 0; at < Math.max(actual.length, expected.length); at += blockBytes) {
    const [found, wanted] = [actual, expected].map((all) => all.subarray(at, at + blockBytes).toHex());
    if (found !== wanted) assertEquals(found, wanted, `${name}: block ${at / blockBytes}`);
  }
}

function assertCasts(casts: Casts, rowBlocks?: number): void {
  for (const [name, [from, to]] of Object.entries(casts)) {
    const [source, target] = name.split(" ") as [NumberFormat, NumberFormat];
    const { data, nans } = castBytes(Uint8Array.fromHex(from), source, target, rowBlocks);
    const expected = Uint8Array.fromHex(to);
    if (target === "float32") {
      assertSame(data, withOneNaN(expected), 128, name);
      const numbers = new Float32Array(data.buffer);
      assertEquals(nans, numbers.filter((number) => Number.isNaN(number)).length, name);
    } else {
      assertSame(data, withOneScaleNaN(expected), 34, name);
    }
  }
}

Deno.test("createKernel() makes and reads ggml's blocks as gguf-py does", async () => {
  const golden = await readGolden();
  assertEquals(Object.keys(golden).length, 8);
  assertCasts(golden);
});

Deno.test("createKernel() counts what q8_0 loses", () => {
  const block = (...numbers: number[]) => Float32Array.from({ length: 32 }, (_, i) => numbers[i] ?? 1);
  const lossesOf = (numbers: Float32Array) => {
    const { infinities, nans } = castBytes(new Uint8Array(numbers.buffer), "float32", "q8_0");
    return [infinities, nans];
  };
  assertEquals(lossesOf(block(65519 * 127, -1e-40)), [0, 0]);
  assertEquals(lossesOf(block(65521 * 127)), [32, 0]);
  assertEquals(lossesOf(block(NaN, -NaN, Infinity)), [29, 2]);
  assertEquals(lossesOf(block(-Infinity)), [31, 0]);
  assertEquals(lossesOf(new Float32Array(32).fill(NaN)), [0, 32]);
});

Deno.test("createKernel() casts blocks to 16 bits and to q8_0 by way of float32", async () => {
  const golden = await readGolden();
  for (const from of ["q8_0", "q4_0", "q4_1", "q5_0", "q5_1"] as const) {
    const [blocks, singles] = golden[`${from} float32`]!.map((hex) => Uint8Array.fromHex(hex));
    for (const to of ["float16", "bfloat16", "q8_0"] as const) {
      if (from === to) continue;
      assertEquals(
        castBytes(blocks!, from, to),
        castBytes(withOneNaN(singles!), "float32", to),
        `${from} ${to}`,
      );
    }
  }
});

Deno.test("createKernel() casts blocks in pieces of any length, at any address", async () => {
  const golden = await readGolden();
  const [numbers, blocks] = golden["float32 q8_0"]!.map((hex) => Uint8Array.fromHex(hex));
  using temp = new TempDir();
  const path = temp.at("numbers");
  // In a row one block more than the kernel takes at a time, without WebAssembly and with it.
  for (const [io, count] of [[slow, 65], [quick, 257]] as const) {
    const repeat = (all: Uint8Array, length: number) =>
      Uint8Array.from({ length }, (_, i) => all[i % (50 * length / count)]!);
    Deno.writeFileSync(path, repeat(numbers!, count * 128));
    const kernel = createKernel(io, 10000);
    const into = new Uint8Array(1 + count * 34);
    kernel.fill(cast(bytes(path, 0, 1, count * 128), "float32", "q8_0"), 0, 1, into.subarray(1));
    assertEquals(into.subarray(1), repeat(blocks!, count * 34));
    kernel.close();
  }
});

Deno.test("cast() refuses rows that aren't whole blocks, or too long", () => {
  assertEquals(cast(bytes("f", 0, 3, 68), "q8_0", "float32").rowBytes, 256);
  assertEquals(cast(bytes("f", 0, 3, 128), "bfloat16", "q8_0").rowBytes, 68);
  assertEquals(cast(bytes("f", 0, 3, 24), "q5_1", "q8_0").rowBytes, 34);
  const fails = (rowBytes: number, from: NumberFormat, to: "q8_0" | "float32", message: string) =>
    assertThrows(() => cast(bytes("f", 0, 1, rowBytes), from, to), RangeError, message);
  fails(33, "q8_0", "float32", "Cannot cast rows of 33 bytes from q8_0");
  fails(18 * 3 + 1, "q4_0", "q8_0", "Cannot cast rows of 55 bytes from q4_0");
  fails(66, "bfloat16", "q8_0", "Cannot cast rows of 33 numbers to q8_0: not a multiple of 32");
  fails(MAX_ROW_BYTES / 128 * 18 + 18, "q4_0", "float32", `rows have ${MAX_ROW_BYTES + 128} bytes`);
});

const hasGguf = python() !== undefined &&
  new Deno.Command(python()!, { args: ["-c", "import gguf"] }).outputSync().success;

Deno.test({
  name: `createKernel() makes and reads blocks of random numbers as gguf-py does${
    hasGguf ? "" : " (needs a Python with gguf in CKPT_PYTHON)"
  }`,
  ignore: !hasGguf,
  async fn() {
    const casts = JSON.parse(await runPython(RANDOM));
    assert(Object.keys(casts).length === 8);
    assertCasts(casts, 8);
  },
});

/** Numbers of all sizes, and any bytes as blocks. */
const RANDOM = `
import json, numpy as np
from gguf import GGMLQuantizationType as T, dequantize, quantize
np.seterr(all="ignore")
random = np.random.default_rng()
casts = {}
scale = np.exp2(random.uniform(-150, 110, (2048, 1)))
f32 = np.concatenate([random.normal(size=(2048, 256)) * scale, random.normal(size=(2048, 256)) * 0.03]).astype(np.float32)
bf16 = (f32.view(np.uint32) >> 16).astype(np.uint16)
f16 = random.integers(0, 65536, (4096, 256)).astype(np.uint16).view(np.float16)
f16[::2] = (random.normal(size=(2048, 256)) * 0.03).astype(np.float16)
widened = {"float32": (f32, f32), "float16": (f16, f16.astype(np.float32)),
           "bfloat16": (bf16, (bf16.astype(np.uint32) << 16).view(np.float32))}
for name, (numbers, singles) in widened.items():
    casts[name + " q8_0"] = numbers, quantize(singles, T.Q8_0)
for name, size in [("q8_0", 34), ("q4_0", 18), ("q4_1", 20), ("q5_0", 22), ("q5_1", 24)]:
    blocks = random.integers(0, 256, (512, 8 * size), dtype=np.uint8)
    casts[name + " float32"] = blocks, dequantize(blocks, T[name.upper()])
print(json.dumps({name: [array.tobytes().hex() for array in pair] for name, pair in casts.items()}))
`;
