/**
 * Joins and slices against ones that are made item by item.
 */

import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { crc32 } from "node:zlib";
import { bytes } from "../../lib/bytes/view.ts";
import { dtypeOf, dtypes } from "../../lib/tensor/dtype.ts";
import { TensorJoiner } from "../../lib/tensor/join.ts";
import { readTensorBytes } from "../../lib/tensor/read_values.ts";
import { contiguousStride, isWholeStorage, type Tensor, tensorOfView } from "../../lib/tensor/tensor.ts";
import { Random } from "../copy/_random.ts";
import { chunkValues, joinValues, layOut, randomValues, splitValues, type Values } from "../_tensors.ts";
import { TempDir } from "../_temp.ts";

/** Tensors in files. */
class Files implements Disposable {
  readonly #temp = new TempDir();
  readonly #random: Random;
  #count = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A tensor with these values: alone in its storage, a window of it, or in column-major order. */
  any(values: Values): Tensor {
    const random = this.#random;
    return this.add(
      values,
      random.pick([
        {},
        {},
        { before: random.integer(0, 3), after: random.integer(0, 3) },
        { transposed: true, before: random.integer(0, 3) },
        { withoutCrc: true },
      ]),
    );
  }

  add(values: Values, options: Parameters<typeof layOut>[3] = {}): Tensor {
    const path = this.#temp.at(String(this.#count++));
    const { tensor, file } = layOut(path, values, this.#random, options);
    Deno.writeFileSync(path, file);
    return tensor;
  }

  [Symbol.dispose](): void {
    this.#temp[Symbol.dispose]();
  }
}

/** Asserts that a tensor has these values, and that it is contiguous in a storage of its own. */
function assertIsNew(tensor: Tensor, { dtype, shape, bytes }: Values, what: string): void {
  assertStrictEquals(tensor.dtype, dtype, what);
  assertEquals(tensor.shape, shape, what);
  assertEquals(tensor.stride, contiguousStride(shape), what);
  assert(isWholeStorage(tensor), what);
  assertEquals(readTensorBytes(tensor), new Uint8Array(bytes), what);
}

/** A random shape: vectors, matrices, and tensors of three dimensions; empty at times. */
function randomShape(random: Random, dimension: number): number[] {
  return Array.from({ length: random.integer(dimension + 1, 3) }, () => random.integer(0, 5));
}

const float32 = dtypeOf("float32");
const bfloat16 = dtypeOf("bfloat16");

Deno.test("TensorJoiner.join() joins tensors of any dtype, shape and layout along both dimensions", () => {
  const random = new Random(1);
  using files = new Files(random);
  for (let i = 0; i < 300; i++) {
    const dimension = random.pick([0, 1] as const);
    const dtype = random.pick([...dtypes.values()]);
    const shape = randomShape(random, dimension);
    const parts = Array.from({ length: random.integer(2, 5) }, () => {
      const size = random.pick([0, 1, random.integer(0, 7)]); // Uneven, and empty at times.
      return randomValues(random, dtype, shape.map((n, d) => d === dimension ? size : n));
    });
    const whole = new TensorJoiner().join(parts.map((part) => files.any(part)), dimension);
    assertIsNew(whole, joinValues(parts, dimension), `${i}: ${dtype.name} [${shape}] along ${dimension}`);
  }
});

Deno.test("TensorJoiner.slice() takes slices of tensors of any dtype, shape and layout along both dimensions", () => {
  const random = new Random(2);
  using files = new Files(random);
  for (let i = 0; i < 300; i++) {
    const dimension = random.pick([0, 1] as const);
    const dtype = random.pick([...dtypes.values()]);
    const count = random.integer(2, 5);
    const shape = randomShape(random, dimension).map((n, d) => d === dimension ? n * count : n);
    const whole = randomValues(random, dtype, shape);
    const tensor = files.any(whole);
    const joiner = new TensorJoiner();
    chunkValues(whole, dimension, count).forEach((expected, index) => {
      const slice = joiner.slice(tensor, dimension, index, count);
      assertIsNew(slice, expected, `${i}: ${dtype.name} [${shape}] along ${dimension}, ${index} of ${count}`);
      assertEquals(slice.storage.crc, undefined);
    });
  }
});

Deno.test("TensorJoiner.slice() slices what was joined, into more or fewer parts, and along the other dimension", () => {
  const random = new Random(3);
  using files = new Files(random);
  for (let i = 0; i < 100; i++) {
    const dtype = random.pick([...dtypes.values()]);
    const [from, to] = [random.integer(2, 6), random.integer(1, 6)];
    const shape = [from * to * random.integer(0, 3), from * to * random.integer(0, 3)];
    const whole = randomValues(random, dtype, shape);
    const [joined, sliced] = [random.pick([0, 1] as const), random.pick([0, 1] as const)];
    const joiner = new TensorJoiner();
    // Uneven parts to join, as FSDP has them.
    let left = shape[joined]!;
    const sizes = Array.from({ length: from }, (_, k) => {
      const size = k === from - 1 ? left : random.integer(0, left);
      left -= size;
      return size;
    });
    const parts = splitValues(whole, joined, sizes).map((part) => files.any(part));
    const tensor = joiner.join(parts, joined);
    assertIsNew(tensor, whole, `${i}: ${sizes} along ${joined}`);
    chunkValues(whole, sliced, to).forEach((expected, index) => {
      const what = `${i}: [${shape}] of ${sizes} along ${joined}, ${index} of ${to} along ${sliced}`;
      assertIsNew(joiner.slice(tensor, sliced, index, to), expected, what);
    });
  }
});

Deno.test("TensorJoiner.join() knows the checksum of stacked tensors whose own is known", () => {
  const random = new Random(4);
  using files = new Files(random);
  for (let i = 0; i < 50; i++) {
    const dtype = random.pick([...dtypes.values()]);
    const parts = Array.from(
      { length: random.integer(2, 5) },
      () => randomValues(random, dtype, [random.integer(0, 4), 3]),
    );
    // The checksum of an empty tensor's storage says nothing, so it may be unknown.
    const tensors = parts.map((part) => files.add(part, { withoutCrc: part.shape[0] === 0 }));
    const { storage } = new TensorJoiner().join(tensors, 0);
    assertEquals(storage.crc, crc32(joinValues(parts, 0).bytes));
  }
});

Deno.test("TensorJoiner.join() leaves a checksum open that it can't know", () => {
  const random = new Random(5);
  using files = new Files(random);
  const [a, b] = [randomValues(random, float32, [2, 3]), randomValues(random, float32, [2, 3])];
  const first = files.add(a);
  assertEquals(
    new TensorJoiner().join([first, files.add(b)], 1).storage.crc,
    undefined,
    "other order of bytes",
  );
  for (
    const options of [{ withoutCrc: true }, { before: 1 }, { after: 1 }, { transposed: true }] as const
  ) {
    const second = files.add(b, options);
    assertEquals(new TensorJoiner().join([first, second], 0).storage.crc, undefined, JSON.stringify(options));
    assertEquals(new TensorJoiner().join([second, first], 0).storage.crc, undefined, JSON.stringify(options));
  }
});

/** Tensors of 12 float32 items in a file that isn't there: what is made of them is never read. */
function unread(count: number, shape: readonly number[] = [4, 3]): Tensor[] {
  return Array.from(
    { length: count },
    (_, i) => tensorOfView(float32, shape, bytes("nowhere", i * 48, 48), i),
  );
}

/** Another tensor over the same storage. */
function again(tensor: Tensor): Tensor {
  return { ...tensor };
}

Deno.test("TensorJoiner keeps one tensor under two names one tensor", () => {
  const joiner = new TensorJoiner();
  const [a, b] = unread(2) as [Tensor, Tensor];
  for (const dimension of [0, 1] as const) {
    const joined = joiner.join([a, b], dimension);
    assertStrictEquals(joiner.join([a, b], dimension), joined);
    const slice = joiner.slice(joined, 0, 1, 2);
    assertStrictEquals(joiner.slice(joined, 0, 1, 2), slice);
  }
});

Deno.test("TensorJoiner keeps two tensors over one storage two tensors over one storage", () => {
  const joiner = new TensorJoiner();
  const [a, b] = unread(2) as [Tensor, Tensor];
  for (const dimension of [0, 1] as const) {
    const embed = joiner.join([a, b], dimension);
    const tied = joiner.join([again(a), again(b)], dimension);
    assertNotStrictEquals(tied, embed);
    assertStrictEquals(tied.storage, embed.storage);
    assertEquals(tied, embed);
    for (const index of [0, 1]) {
      const slice = joiner.slice(embed, 0, index, 2);
      const tiedSlice = joiner.slice(tied, 0, index, 2);
      assertNotStrictEquals(tiedSlice, slice);
      assertStrictEquals(tiedSlice.storage, slice.storage);
    }
  }
});

Deno.test("TensorJoiner gives a storage of its own to all that is made in another way", () => {
  const joiner = new TensorJoiner();
  const [a, b, c] = unread(3) as [Tensor, Tensor, Tensor];
  const [, shorter] = unread(2, [2, 6]) as [Tensor, Tensor];
  const made = [
    joiner.join([a, b], 0),
    joiner.join([b, a], 0),
    joiner.join([a, b], 1),
    joiner.join([a, c], 0),
    joiner.join([a, b, c], 0),
    joiner.join([a, { ...b, shape: [3, 3] }], 0),
    joiner.join([a, { ...b, shape: [3, 3], storageOffset: 3 }], 0),
    joiner.join([a, { ...b, stride: [0, 1] }], 0),
    joiner.join([shorter, shorter], 0),
    joiner.slice(a, 0, 0, 2),
    joiner.slice(a, 0, 1, 2),
    joiner.slice(a, 0, 1, 4),
    joiner.slice(a, 1, 0, 3),
    joiner.slice(a, 1, 1, 3),
    joiner.slice(b, 0, 0, 2),
    joiner.slice({ ...b, storageOffset: 3, shape: [2, 3] }, 0, 0, 2),
    joiner.slice({ ...b, dtype: dtypeOf("int32") }, 0, 0, 2),
  ];
  assertEquals(new Set(made.map(({ storage }) => storage)).size, made.length);
});

Deno.test("TensorJoiner leaves a single tensor as it is", () => {
  const random = new Random(6);
  using files = new Files(random);
  const tensor = files.add(randomValues(random, bfloat16, [3, 4]), { transposed: true, before: 2, after: 1 });
  const joiner = new TensorJoiner();
  assertStrictEquals(joiner.join([tensor], 0), tensor);
  assertStrictEquals(joiner.join([tensor], 1), tensor);
  assertStrictEquals(joiner.slice(tensor, 1, 0, 1), tensor);
});

Deno.test("TensorJoiner keeps parameters and requires_grad, each tensor's own", () => {
  const joiner = new TensorJoiner();
  const [a, b] = unread(2) as [Tensor, Tensor];
  const flags = ({ requiresGrad, isParameter }: Tensor) => ({ requiresGrad, isParameter });
  for (const requiresGrad of [false, true]) {
    for (const isParameter of [false, true]) {
      const parts = [a, b].map((tensor) => ({ ...tensor, requiresGrad, isParameter }));
      const joined = joiner.join(parts, 0);
      assertEquals(flags(joined), { requiresGrad, isParameter });
      assertEquals(flags(joiner.slice(joined, 1, 2, 3)), { requiresGrad, isParameter });
    }
  }
});

Deno.test("TensorJoiner.join() refuses tensors that don't fit together", () => {
  const joiner = new TensorJoiner();
  const [a] = unread(1) as [Tensor];
  assertThrows(() => joiner.join([], 0), RangeError, "Cannot join tensors: none given");
  const cases: readonly (readonly [Partial<Tensor>, 0 | 1, string])[] = [
    [{ shape: [3, 4] }, 0, "Cannot join a float32 tensor [3, 4] to a float32 one [4, 3] along dimension 0"],
    [{ shape: [3, 4] }, 1, "Cannot join a float32 tensor [3, 4] to a float32 one [4, 3] along dimension 1"],
    [{ shape: [12] }, 0, "Cannot join a float32 tensor [12] to a float32 one [4, 3] along dimension 0"],
    [{ shape: [0] }, 0, "Cannot join a float32 tensor [0] to a float32 one [4, 3] along dimension 0"],
    [
      { dtype: dtypeOf("int32") },
      0,
      "Cannot join a int32 tensor [4, 3] to a float32 one [4, 3] along dimension 0",
    ],
  ];
  for (const [change, dimension, message] of cases) {
    const error = assertThrows(() => joiner.join([a, { ...a, ...change }], dimension), RangeError);
    assertEquals(error.message, message);
  }
  const vectors = unread(2, [12]);
  assertEquals(
    assertThrows(() => joiner.join(vectors, 1), RangeError).message,
    "Cannot join a float32 tensor [12] to a float32 one [12] along dimension 1",
  );
  const scalars = unread(2).map((tensor) => ({ ...tensor, shape: [], stride: [] }));
  assertEquals(
    assertThrows(() => joiner.join(scalars, 0), RangeError).message,
    "Cannot join a float32 tensor [] to a float32 one [] along dimension 0",
  );
});

Deno.test("TensorJoiner.slice() refuses what doesn't divide", () => {
  const joiner = new TensorJoiner();
  const [matrix, vector] = [unread(1)[0]!, unread(1, [12])[0]!];
  for (
    const [tensor, dimension, count, message] of [
      [matrix, 0, 3, "Cannot divide a tensor [4, 3] by 3 along dimension 0"],
      [matrix, 1, 2, "Cannot divide a tensor [4, 3] by 2 along dimension 1"],
      [vector, 1, 2, "Cannot divide a tensor [12] by 2 along dimension 1"],
    ] as const
  ) {
    assertEquals(assertThrows(() => joiner.slice(tensor, dimension, 0, count), RangeError).message, message);
  }
});
