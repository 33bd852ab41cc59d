import { assertEquals, assertStrictEquals } from "@std/assert";
import { bytes, cast, concatRows, strided } from "../../lib/bytes/view.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import {
  contiguousStride,
  isWholeStorage,
  numel,
  spannedItems,
  type Tensor,
  tensorOfView,
  tensorView,
} from "../../lib/tensor/tensor.ts";
import { assertFails } from "../copy/_assert.ts";
import { casesOf, versions } from "../torch/_fixtures.ts";

const float32 = dtypeOf("float32");

/** A tensor in a run of 100 bytes at offset 1000. */
function tensor(shape: number[], stride: number[], storageOffset = 0): Tensor {
  return {
    dtype: float32,
    shape,
    stride,
    storageOffset,
    storage: { view: bytes("f", 1000, 100) },
    requiresGrad: false,
    isParameter: false,
  };
}

Deno.test("numel() counts items", () => {
  assertEquals([numel([]), numel([3]), numel([2, 3, 4]), numel([2, 0, 4])], [1, 3, 24, 0]);
});

Deno.test("contiguousStride() is torch's", () => {
  assertEquals(contiguousStride([]), []);
  assertEquals(contiguousStride([5]), [1]);
  assertEquals(contiguousStride([2, 3, 4]), [12, 4, 1]);
  // What torch gives new tensors.
  const [, views] = casesOf("2.13.0").find(([name]) => name === "views")!;
  for (const name of ["scalar", "one", "empty", "empty_rows", "empty_columns"]) {
    const { shape, stride } = views.find((view) => view.name === name)!;
    assertEquals(contiguousStride(shape), stride, name);
  }
});

Deno.test("spannedItems() reaches to the last item", () => {
  const span = (shape: number[], stride: number[], storageOffset = 0) =>
    spannedItems({ shape, stride, storageOffset });
  assertEquals(span([], []), 1);
  assertEquals(span([], [], 7), 8);
  assertEquals(span([2, 3], [3, 1]), 6);
  assertEquals(span([2, 3], [1, 2], 4), 10);
  assertEquals(span([4, 3], [0, 1]), 3);
  assertEquals(span([2, 1], [5, 99]), 6);
  assertEquals(span([3, 0], [5, 5]), 0);
  assertEquals(span([3, 0], [5, 5], 9), 9);
  // No tensor of torch's reaches past its storage.
  for (const version of versions) {
    for (const [, tensors] of casesOf(version)) {
      for (const { shape, stride, storage_offset, storage_bytes, dtype } of tensors) {
        const items = storage_bytes / dtypeOf(dtype).itemBytes;
        assertEquals(span(shape, stride, storage_offset) <= items, true);
      }
    }
  }
});

Deno.test("tensorOfView() makes a contiguous tensor of a whole view", () => {
  const view = bytes("f", 0, 6, 4);
  assertEquals(tensorOfView(float32, [2, 3], view, 7), {
    dtype: float32,
    shape: [2, 3],
    stride: [3, 1],
    storageOffset: 0,
    storage: { view, crc: 7 },
    requiresGrad: false,
    isParameter: false,
  });
  assertEquals("crc" in tensorOfView(float32, [6], view).storage, false);
  assertFails(
    () => tensorOfView(float32, [2, 4], view),
    RangeError,
    "Cannot make a float32 tensor of shape [2, 4]: it has 32 bytes and the view 24",
  );
});

Deno.test("tensorView() gives rows", () => {
  assertEquals(tensorView(tensor([2, 3], [3, 1], 5)), bytes("f", 1020, 2, 12));
  assertEquals(tensorView(tensor([], [], 5)), bytes("f", 1020, 1, 4));
  assertEquals(tensorView(tensor([7], [1])), bytes("f", 1000, 7, 4));
  assertEquals(tensorView(tensor([2, 3], [1, 2], 5)), strided("f", 1020, 4, [2, 3], [1, 2]));
  assertEquals(tensorView(tensor([0, 3], [3, 1])), bytes("f", 1000, 0, 12));
});

Deno.test("tensorView() of what was joined or converted is the whole of it", () => {
  const joined = concatRows([bytes("f", 0, 2, 8), bytes("g", 0, 1, 8)]);
  const whole = tensorOfView(float32, [3, 2], joined);
  assertStrictEquals(tensorView(whole), joined);
  const converted = cast(bytes("f", 0, 2, 4), "float16", "float32");
  assertStrictEquals(tensorView(tensorOfView(float32, [4], converted)), converted);
  const message = "Cannot view part of a storage that isn't a run of a file";
  assertFails(() => tensorView({ ...whole, storageOffset: 1 }), RangeError, message);
  assertFails(() => tensorView({ ...whole, stride: [1, 3] }), RangeError, message);
  assertFails(() => tensorView({ ...whole, shape: [2, 2] }), RangeError, message);
});

Deno.test("isWholeStorage() wants all items in their order", () => {
  assertEquals(isWholeStorage(tensor([5, 5], [5, 1])), true);
  assertEquals(isWholeStorage(tensor([25], [1])), true);
  assertEquals(isWholeStorage(tensor([1, 25], [99, 1])), true);
  assertEquals(isWholeStorage(tensor([24], [1])), false);
  assertEquals(isWholeStorage(tensor([24], [1], 1)), false);
  assertEquals(isWholeStorage(tensor([5, 5], [1, 5])), false);
});
