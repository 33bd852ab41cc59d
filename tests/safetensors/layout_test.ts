/**
 * Files that the safetensors library wrote: read, and written again byte for byte.
 */

import { assertEquals, assertNotEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { bytes, cast, sliceRows } from "../../lib/bytes/view.ts";
import { FileSource } from "../../lib/bytes/source.ts";
import { writeOutput } from "../../lib/output/output_directory.ts";
import { layoutSafetensors, TORCH_METADATA } from "../../lib/safetensors/layout.ts";
import { openSafetensors } from "../../lib/safetensors/safetensors_file.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { readTensorBytes } from "../../lib/tensor/read_values.ts";
import { type Tensor, tensorOfView } from "../../lib/tensor/tensor.ts";
import { planOf } from "../copy/_plan.ts";
import { Random } from "../copy/_random.ts";
import { TempDir } from "../_temp.ts";
import { python, runPython } from "../_python.ts";
import { assertError } from "../convert/_assert_error.ts";
import { GOLDEN, golden } from "./_files.ts";

/** Writes a file of tensors through the copy engine; returns its bytes. */
async function written(
  temp: TempDir,
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: ReadonlyMap<string, string>,
): Promise<Uint8Array> {
  const file = { ...layoutSafetensors("out.safetensors", tensors, metadata), tensors: [] };
  await writeOutput(planOf([file]), temp.at("out"));
  return Deno.readFileSync(temp.at("out", "out.safetensors"));
}

for (const [name, { metadata, tensors: expected }] of golden) {
  const path = join(GOLDEN, `${name}.safetensors`);

  Deno.test(`openSafetensors() reads what the library wrote: ${name}`, async () => {
    using source = FileSource.open(path);
    const file = await openSafetensors(source);
    assertEquals(file.path, path);
    assertEquals(Object.fromEntries(file.metadata), metadata ?? {});
    const found = [...file.tensors].map(([name, tensor]) => [
      name,
      tensor.dtype.name,
      [...tensor.shape],
      readTensorBytes(tensor).toHex(),
    ]);
    const byName = (a: readonly unknown[], b: readonly unknown[]) => String(a[0]) < String(b[0]) ? -1 : 1;
    assertEquals(found.sort(byName), [...expected].map((each) => [...each]).sort(byName));
  });

  Deno.test(`layoutSafetensors() gives the bytes that the library wrote: ${name}`, async () => {
    using temp = new TempDir();
    using source = FileSource.open(path);
    const file = await openSafetensors(source);
    // In an order that no writer has.
    const entries = [...file.tensors];
    const shuffled = new Random(entries.length).permutation(entries.length).map((i) => entries[i]!);
    const actual = await written(
      temp,
      new Map(shuffled),
      metadata === null ? undefined : new Map(Object.entries(metadata)),
    );
    assertEquals(actual, Deno.readFileSync(path));
  });
}

Deno.test("layoutSafetensors() writes TORCH_METADATA as transformers does", () => {
  const { literals } = layoutSafetensors("x", new Map(), TORCH_METADATA);
  assertEquals(literals[0]!.bytes, Deno.readFileSync(join(GOLDEN, "only_metadata.safetensors")));
});

Deno.test("layoutSafetensors() gives a copy for each tensor with bytes, with its CRC-32 where that is known", () => {
  const dtype = dtypeOf("float32");
  const of = (view: Tensor["storage"]["view"], crc?: number) => tensorOfView(dtype, [view.rows], view, crc);
  const whole = of(bytes("in", 100, 3, 4), 7);
  const part: Tensor = { ...whole, shape: [2], storageOffset: 1 };
  const { copies, size } = layoutSafetensors(
    "x",
    new Map([
      ["part", part],
      ["whole", whole],
      ["empty", of(bytes("in", 0, 0, 4), 0)],
      ["cast", of(cast(bytes("in", 0, 1, 2), "float16", "float32"))],
    ]),
  );
  const start = size - 24;
  assertEquals(start % 8, 0);
  assertEquals(copies, [
    { label: "cast", at: start, view: cast(bytes("in", 0, 1, 2), "float16", "float32") },
    { label: "part", at: start + 4, view: sliceRows(bytes("in", 100, 3, 4), 1, 2) },
    { label: "whole", at: start + 12, view: bytes("in", 100, 3, 4), crc: 7 },
  ]);
});

Deno.test("layoutSafetensors() refuses what the format hasn't got", () => {
  const tensor = (name: string, itemBytes: number) =>
    tensorOfView(dtypeOf(name), [1], bytes("in", 0, 1, itemBytes));
  const layout = (name: string, of: Tensor) => () => layoutSafetensors("x", new Map([[name, of]]));
  assertError(
    layout("a", tensor("complex128", 16)),
    RangeError,
    "Cannot lay out a: safetensors has no dtype complex128",
  );
  assertError(
    layout("__metadata__", tensor("float32", 4)),
    RangeError,
    "Cannot lay out __metadata__: no tensor can have this name",
  );
  assertError(
    layout("\ud800", tensor("float32", 4)),
    RangeError,
    'Cannot write "\\ud800": it is no UTF-8 text',
  );
});

const READ_WITH_PYTHON = `
import json, sys
try:
    from safetensors import safe_open
except ImportError:
    print("null"); sys.exit()
import torch
with safe_open(sys.argv[1], "pt") as file:
    print(json.dumps([file.metadata(), {name: [str(t.dtype).removeprefix("torch."), list(t.shape), bytes(t.reshape(-1).view(torch.uint8).tolist() if t.numel() else []).hex()] for name in file.keys() for t in [file.get_tensor(name)]}]))
`;

Deno.test({
  name: "layoutSafetensors() writes files of random tensors that the library reads",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    const random = new Random(6);
    const content = random.bytes(1 << 14);
    Deno.writeFileSync(temp.at("in"), content);
    const names = ["float64", "float32", "float16", "bfloat16", "int64", "int16", "uint8"];
    const tensors = new Map<string, Tensor>();
    const expected: Record<string, unknown> = {};
    for (let i = 0; i < 40; i++) {
      const dtype = dtypeOf(random.pick(names));
      const shape = Array.from({ length: random.integer(0, 3) }, () => random.integer(0, 5));
      const count = shape.reduce((product, size) => product * size, 1);
      const rows = shape[0] ?? 1;
      const rowBytes = rows === 0 ? 0 : count / rows * dtype.itemBytes;
      const at = random.integer(0, 1000);
      const name = `${random.pick(["é", "b", "\u{10000}", "\uffff"])}.${i}`;
      tensors.set(name, tensorOfView(dtype, shape, bytes(temp.at("in"), at, rows, rowBytes)));
      expected[name] = [dtype.name, shape, content.subarray(at, at + count * dtype.itemBytes).toHex()];
    }
    await written(temp, tensors, TORCH_METADATA);
    const found = JSON.parse(await runPython(READ_WITH_PYTHON, [temp.at("out", "out.safetensors")]));
    if (found === null) return; // This Python has torch, but not safetensors.
    assertNotEquals(Object.keys(expected).length, 0);
    assertEquals(found, [{ format: "pt" }, expected]);
  },
});
