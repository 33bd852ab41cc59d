import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  castTensors,
  compareCheckpoints,
  compareStatistics,
  FormatError,
  LazyTensor,
  openTensors,
  saveSafetensors,
  saveTorch,
  statistics,
  tensorOf,
  verifyCheckpoint,
} from "../../mod.ts";
import { TempDir } from "../_temp.ts";

/** A tensor of other strides over the items of one. */
function asStrided(tensor: LazyTensor, shape: number[], stride: number[]): LazyTensor {
  return new LazyTensor({ ...tensor.description, shape, stride }, tensor.origin);
}

const items = Float32Array.from({ length: 2 * 1200 * 1000 }, (_, i) => i % 257 - 128);

/** A file with a tensor whose rows are longer than 4 MiB and don't lie in one piece, and one with the same items in order. */
async function longRows(
  temp: TempDir,
  shape: [number, number, number],
): Promise<{ strided: string; plain: string }> {
  const [a, b, c] = shape;
  const [base, strided, plain] = ["base.pt", "strided.pt", "plain.pt"].map((name) =>
    `${temp.path}/${name}`
  ) as [string, string, string];
  await saveTorch(base, new Map([["w", tensorOf(items, [a, c, b])]]));
  const w = (await openTensors(base)).get("w")!;
  await saveTorch(strided, new Map([["w", asStrided(w, shape, [b * c, 1, b])]]));
  const transposed = new Float32Array(items.length);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      for (let k = 0; k < c; k++) transposed[(i * b + j) * c + k] = items[(i * c + k) * b + j]!;
    }
  }
  await saveTorch(plain, new Map([["w", tensorOf(transposed, shape)]]));
  return { strided, plain };
}

for (const shape of [[2, 1200, 1000], [1, 2, 1_200_000]] as [number, number, number][]) {
  Deno.test(`rows that lie transposed and are longer than a view's are cut: [${shape}]`, async () => {
    using temp = new TempDir();
    const { strided, plain } = await longRows(temp, shape);
    const [found] = await Array.fromAsync(statistics(strided));
    const [expected] = await Array.fromAsync(statistics(plain));
    assertEquals(found, expected);
    assertEquals((await compareCheckpoints(strided, plain)).equal, true);
    assertEquals((await compareCheckpoints(plain, strided, { tolerance: 0 })).equal, true);
    const [moved] = await Array.fromAsync(compareStatistics(strided, plain));
    assertEquals([moved!.maxAbsDiff, moved!.equalShare, moved!.nonFinite], [0, 1, 0]);
    const sums = await Promise.all(
      [strided, plain].map((path) => verifyCheckpoint(path, { sums: "tensors" })),
    );
    assertEquals(sums[0]!.files[0]!.tensorSums, sums[1]!.files[0]!.tensorSums);
    const tensors = await openTensors(strided);
    const values = await (await openTensors(plain)).get("w")!.read();
    assertEquals(await tensors.get("w")!.read(), values);
    await saveSafetensors(`${temp.path}/w.safetensors`, tensors);
    assertEquals(await (await openTensors(`${temp.path}/w.safetensors`)).get("w")!.read(), values);
    const half = castTensors(tensors, "bfloat16");
    await saveTorch(`${temp.path}/half.pt`, half);
    assertEquals(await (await openTensors(`${temp.path}/half.pt`)).get("w")!.read(), values);
    // Of another dtype rows of other lengths are too long.
    const [cast] = await Array.fromAsync(compareStatistics(strided, `${temp.path}/half.pt`));
    assertEquals([cast!.maxAbsDiff, cast!.equalShare], [0, 1]);
    assertEquals((await compareCheckpoints(strided, `${temp.path}/half.pt`, { tolerance: 0 })).equal, true);
  });
}

Deno.test("a tensor that repeats its items beyond measure is neither converted nor read", async () => {
  using temp = new TempDir();
  const path = `${temp.path}/one.pt`;
  await saveTorch(path, new Map([["w", tensorOf(new Float32Array([1, 2]))]]));
  const one = (await openTensors(path)).get("w")!;
  for (const shape of [[2 ** 25, 2 ** 25], [1, 2 ** 33], [2 ** 50]]) {
    const expanded = asStrided(one, shape, shape.map(() => 0));
    assertThrows(
      () => castTensors(new Map([["w", expanded]]), "bfloat16"),
      FormatError,
      "w: repeats the items of its storage (torch's expand)",
    );
    await assertRejects(() => expanded.read(), RangeError, "Cannot read a tensor of");
  }
  const expanded = asStrided(one, [2 ** 20, 2 ** 33], [0, 0]);
  await assertRejects(() => expanded.read({ rows: [1, 3] }), RangeError, "Cannot read a tensor of");
  assertEquals(
    await asStrided(one, [2 ** 40, 2], [0, 1]).read({ rows: [7, 9] }),
    new Float32Array([1, 2, 1, 2]),
  );
});

Deno.test("verifyCheckpoint() looks for NaN once in what is repeated, and names what it can't look into", async () => {
  using temp = new TempDir();
  const path = `${temp.path}/one.pt`;
  await saveTorch(path, new Map([["w", tensorOf(new Float32Array([1, NaN, 2]))]]));
  const one = (await openTensors(path)).get("w")!;
  const [repeated, windows] = [`${temp.path}/repeated.pt`, `${temp.path}/windows.pt`];
  await saveTorch(repeated, new Map([["w", asStrided(one, [2 ** 20, 3, 2 ** 20], [0, 1, 0])]]));
  const { ok, files: [file] } = await verifyCheckpoint(repeated, { values: true });
  const firstNan = [0, 1, 0];
  assertEquals([ok, file!.unread], [false, []]);
  assertEquals(file!.damaged, [{ name: "w", nan: 2 ** 40, inf: 0, firstNan, firstInf: null }]);
  assertEquals(file!.problem, "w: 1099511627776 NaN, the first at [0, 1, 0]");
  const long = `${temp.path}/long.pt`;
  await saveTorch(long, new Map([["w", tensorOf(new Float32Array(2 ** 15))]]));
  const base = (await openTensors(long)).get("w")!;
  await saveTorch(windows, new Map([["w", asStrided(base, [2 ** 14, 2 ** 14], [1, 1])]]));
  const found = await verifyCheckpoint(windows, { values: true });
  assertEquals([found.ok, found.files[0]!.damaged, found.files[0]!.unread], [true, [], ["w"]]);
});
