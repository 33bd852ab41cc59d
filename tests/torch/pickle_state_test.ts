import { assert, assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import { bytes } from "../../lib/bytes/view.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import type { Storage, Tensor } from "../../lib/tensor/tensor.ts";
import { type LastPickle, pickleState, type StateDict } from "../../lib/torch/pickle_state.ts";

const storage: Storage = { view: bytes("file", 0, 48) };
const other: Storage = { view: bytes("file", 64, 48) };

const first: Tensor = {
  dtype: dtypeOf("float32"),
  shape: [2, 3],
  stride: [3, 1],
  storageOffset: 1,
  storage,
  requiresGrad: false,
  isParameter: false,
};
const second: Tensor = { ...first, storageOffset: 0 };

/** The keys that the storages have in their file. */
const keyOf = (each: Storage) => each === storage ? "0" : "1";

const state: StateDict = new Map([["a", first], ["b", second]]);

/** States that differ from `state` in one thing that a pickle says. */
const variants: Record<string, StateDict> = {
  "a name": new Map([["a", first], ["c", second]]),
  "the order": new Map([["b", second], ["a", first]]),
  "one tensor less": new Map([["a", first]]),
  "one tensor more": new Map([["a", first], ["b", second], ["c", second]]),
  "the same tensor twice": new Map([["a", first], ["b", first]]),
  "the dtype": new Map([["a", first], ["b", { ...second, dtype: dtypeOf("int32") }]]),
  "a dtype without a storage class": new Map([["a", first], ["b", { ...second, dtype: dtypeOf("uint32") }]]),
  "the shape": new Map([["a", first], ["b", { ...second, shape: [3, 2] }]]),
  "the stride": new Map([["a", first], ["b", { ...second, stride: [1, 2] }]]),
  "the number of dimensions": new Map([["a", first], ["b", {
    ...second,
    shape: [2, 3, 1],
    stride: [3, 1, 1],
  }]]),
  "the offset": new Map([["a", first], ["b", { ...second, storageOffset: 2 }]]),
  "requires_grad": new Map([["a", first], ["b", { ...second, requiresGrad: true }]]),
  "a parameter": new Map([["a", first], ["b", { ...second, isParameter: true }]]),
  "a parameter that requires a gradient": new Map([
    ["a", first],
    ["b", { ...second, isParameter: true, requiresGrad: true }],
  ]),
  "the storage": new Map([["a", first], ["b", { ...second, storage: other }]]),
  "the storage's length": new Map([
    ["a", { ...first, storage: { view: bytes("file", 0, 96) } }],
    ["b", second],
  ]),
};

for (const [what, variant] of Object.entries(variants)) {
  Deno.test(`pickleState() writes anew what differs from the last pickle in ${what}`, () => {
    const last: LastPickle = {};
    const { pickle } = pickleState(state, keyOf, undefined, last);
    const expected = pickleState(variant, keyOf).pickle;
    assertNotEquals(expected, pickle);
    assertEquals(pickleState(variant, keyOf, undefined, last).pickle, expected);
    assertEquals(pickleState(state, keyOf, undefined, last).pickle, pickle);
  });
}

Deno.test("pickleState() writes anew with other keys, and with another wrapper", () => {
  const last: LastPickle = {};
  const { pickle } = pickleState(state, keyOf, undefined, last);
  const numbered = pickleState(state, () => "7", undefined, last);
  assertEquals(numbered.pickle, pickleState(state, () => "7").pickle);
  assertNotEquals(numbered.pickle, pickle);
  assertEquals([...numbered.storages], [["7", storage]]);
  const wrap = (dict: unknown) => new Map([["model", dict]]) as Map<never, never>;
  const wrapped = pickleState(state, () => "7", wrap, last).pickle;
  assertEquals(wrapped, pickleState(state, () => "7", wrap).pickle);
  assertNotEquals(wrapped, numbered.pickle);
});

Deno.test("pickleState() takes the last pickle again where nothing differs but where the bytes are", () => {
  const last: LastPickle = {};
  const { pickle } = pickleState(state, keyOf, undefined, last);
  const elsewhere: Storage = { view: bytes("another file", 128, 48), crc: 5 };
  const moved = new Map([...state].map(([name, tensor]) => [name, { ...tensor, storage: elsewhere }]));
  const again = pickleState(moved, () => "0", undefined, last);
  assertStrictEquals(again.pickle, pickle);
  assert(again.storages.get("0") === elsewhere);
});
