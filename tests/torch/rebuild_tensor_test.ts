import { assertEquals, assertStrictEquals } from "@std/assert";
import { bytes } from "../../lib/bytes/view.ts";
import { FormatError } from "../../lib/error.ts";
import {
  Global,
  PersistentId,
  PickleFloat,
  type PickleValue,
  Reduction,
  Tuple,
} from "../../lib/pickle/mod.ts";
import type { Tensor } from "../../lib/tensor/tensor.ts";
import { TensorRebuilder } from "../../lib/torch/rebuild_tensor.ts";
import type { StoredStorage } from "../../lib/torch/stored_storage.ts";
import { assertFails, assertFailsAsync } from "../copy/_assert.ts";
import { fixturePath, stateOf, versions, withTorchFile } from "./_fixtures.ts";

/** Storage 0 of 24 bytes, storage 1 of 1 byte, an empty one. */
const storages = new Map([["0", 24], ["1", 1], ["empty", 0]].map(([key, size]): [string, StoredStorage] => {
  const storage = { view: bytes("file.pt", 100, size as number), crc: 1 };
  return [key as string, { key: key as string, headerAt: 50, size: size as number, storage }];
}));

const utils = (name: string) => new Global("torch._utils", name);
const hooks = new Reduction(new Global("collections", "OrderedDict"), new Tuple());
const size = (...dimensions: PickleValue[]) =>
  new Reduction(new Global("torch", "Size"), new Tuple(new Tuple(...dimensions)));

/** The reference to a storage. */
function storage(
  type = "FloatStorage",
  key: PickleValue = "0",
  count: PickleValue = 6,
  location: PickleValue = "cpu",
) {
  const [module, name] = type.includes(".") ? ["torch.storage", type.slice(1)] : ["torch", type];
  return new PersistentId(new Tuple("storage", new Global(module!, name!), key, location, count));
}

/** A call of `_rebuild_tensor_v2`, of a tensor of shape [2, 3] in storage 0 unless told otherwise. */
function v2({ of = storage(), offset = 0, shape = new Tuple(2, 3), stride = new Tuple(3, 1), more = [] }: {
  of?: PickleValue;
  offset?: PickleValue;
  shape?: PickleValue;
  stride?: PickleValue;
  more?: PickleValue[];
} = {}): Reduction {
  return new Reduction(
    utils("_rebuild_tensor_v2"),
    new Tuple(of, offset, shape, stride, false, hooks, ...more),
  );
}

function rebuild(
  value: PickleValue,
  rebuilder = new TensorRebuilder("file.pt", storages),
): Tensor | undefined {
  return rebuilder.rebuild(value, "w");
}

function assertRefused(value: PickleValue, message: string): void {
  assertFails(() => rebuild(value), FormatError, `file.pt: w: ${message}`);
}

const plain: Tensor = {
  dtype: rebuild(v2())!.dtype,
  shape: [2, 3],
  stride: [3, 1],
  storageOffset: 0,
  storage: storages.get("0")!.storage,
  requiresGrad: false,
  isParameter: false,
};

Deno.test("TensorRebuilder rebuilds tensors of every form", () => {
  const args: PickleValue[] = [storage(), 0, new Tuple(2, 3), new Tuple(3, 1)];
  assertEquals(plain.dtype.name, "float32");
  assertEquals(rebuild(v2()), plain);
  assertEquals(rebuild(new Reduction(utils("_rebuild_tensor"), new Tuple(...args))), plain);
  assertEquals(rebuild(v2({ shape: size(2, 3), stride: [3, 1] })), plain);
  assertEquals(rebuild(v2({ more: [null] })), plain);
  assertEquals(rebuild(v2({ more: [new Map()] })), plain);
  assertEquals(rebuild(new Reduction(utils("_rebuild_tensor_v2"), new Tuple(...args, true, hooks))), {
    ...plain,
    requiresGrad: true,
  });
  const halves = [
    storage(".UntypedStorage", "0", 24),
    0,
    new Tuple(12),
    new Tuple(1),
    false,
    hooks,
    new Global("torch", "uint16"),
  ];
  const untyped = rebuild(new Reduction(utils("_rebuild_tensor_v3"), new Tuple(...halves)))!;
  assertEquals([untyped.dtype.name, untyped.shape], ["uint16", [12]]);
  const parameter = (grad: PickleValue) =>
    rebuild(new Reduction(utils("_rebuild_parameter"), new Tuple(v2(), grad, hooks)));
  assertEquals(parameter(true), { ...plain, isParameter: true, requiresGrad: true });
  assertEquals(parameter(false), { ...plain, isParameter: true });
});

Deno.test("TensorRebuilder takes locations on any device and storages by their old names", () => {
  for (const location of ["cpu", "cuda:7", "mps", "meta"]) {
    assertEquals(rebuild(v2({ of: storage("FloatStorage", "0", 6, location) })), plain);
  }
  const cuda = new PersistentId(
    new Tuple("storage", new Global("torch.cuda", "FloatStorage"), "0", "cuda:0", 6),
  );
  assertEquals(rebuild(v2({ of: cuda })), plain);
});

Deno.test("TensorRebuilder gives one object for one value", () => {
  const rebuilder = new TensorRebuilder("file.pt", storages);
  const value = v2();
  const parameter = new Reduction(utils("_rebuild_parameter"), new Tuple(value, true, hooks));
  assertStrictEquals(rebuild(value, rebuilder), rebuild(value, rebuilder));
  assertStrictEquals(rebuild(parameter, rebuilder), rebuild(parameter, rebuilder));
  assertEquals(rebuild(v2(), rebuilder) === rebuild(value, rebuilder), false);
});

Deno.test("TensorRebuilder leaves alone what is no tensor", () => {
  const others: PickleValue[] = [
    null,
    1,
    "text",
    new Map(),
    new Tuple(),
    storage(),
    hooks,
    size(2),
    new Reduction(v2(), new Tuple()),
    new Global("torch", "float32"),
  ];
  for (const value of others) assertEquals(rebuild(value), undefined);
});

Deno.test("TensorRebuilder knows views that a storage holds", () => {
  const view = (shape: number[], stride: number[], offset: number) =>
    rebuild(v2({ shape: new Tuple(...shape), stride: new Tuple(...stride), offset })) !== undefined;
  assertEquals(view([], [], 5), true);
  assertEquals(view([3, 2], [1, 3], 0), true);
  assertEquals(view([1000, 6], [0, 1], 0), true);
  assertEquals(view([1, 6], [2 ** 53 - 1, 1], 0), true);
  assertEquals(view([0, 5], [5, 1], 6), true);
  assertEquals(view([0], [2 ** 53 - 1], 0), true);
});

const past = (shape: string) =>
  `the tensor [${shape}] reaches past its storage of 24 bytes; the file is damaged`;

Deno.test("TensorRebuilder refuses tensors outside of their storage", () => {
  const big = 2 ** 53 - 1;
  const cases: [number[], number[], number, string][] = [
    [[2, 3], [3, 1], 1, "2, 3"],
    [[7], [1], 0, "7"],
    [[], [], 6, ""],
    [[2, 3], [4, 1], 0, "2, 3"],
    [[0], [1], 7, "0"],
    [[big], [1], 0, `${big}`],
    [[2], [big], 0, "2"],
    [[big, big, big], [big, big, big], big, `${big}, ${big}, ${big}`],
    // Nothing but one item is read, but so many times that no number can count it.
    [[2 ** 30, 2 ** 30], [0, 0], 0, `${2 ** 30}, ${2 ** 30}`],
    [[2 ** 26, 2 ** 26], [0, 0], 0, `${2 ** 26}, ${2 ** 26}`],
    // A product that 64 bits would take for 0.
    [[2 ** 32, 2 ** 32], [0, 0], 0, `${2 ** 32}, ${2 ** 32}`],
  ];
  for (const [shape, stride, offset, printed] of cases) {
    assertRefused(v2({ shape: new Tuple(...shape), stride: new Tuple(...stride), offset }), past(printed));
  }
});

Deno.test("TensorRebuilder refuses numbers that can't be", () => {
  const damaged = (what: string, value: string) =>
    `the tensor's ${what} can't be ${value}; the file is damaged`;
  assertRefused(v2({ offset: -1 }), damaged("storage offset", "-1"));
  assertRefused(v2({ offset: 2n ** 64n }), damaged("storage offset", "18446744073709551616"));
  assertRefused(v2({ offset: new PickleFloat(1) }), damaged("storage offset", "a PickleFloat"));
  assertRefused(v2({ offset: null }), damaged("storage offset", "nothing"));
  assertRefused(v2({ offset: true }), damaged("storage offset", "true"));
  assertRefused(v2({ shape: new Tuple(2, -3) }), damaged("shape", "-3"));
  assertRefused(v2({ shape: new Tuple(2, "3") }), damaged("shape", "a string"));
  assertRefused(v2({ shape: 6 }), damaged("shape", "6"));
  assertRefused(v2({ shape: hooks }), damaged("shape", "a Reduction"));
  assertRefused(v2({ shape: new Tuple(...new Array<number>(65).fill(1)) }), damaged("shape", "a Tuple"));
  assertRefused(v2({ stride: new Tuple(3, -1) }), damaged("strides", "-1"));
  assertRefused(v2({ stride: new Map() }), damaged("strides", "a Map"));
  assertRefused(v2({ stride: new Tuple(3) }), "the tensor has 2 dimensions but 1 strides");
  assertRefused(v2({ of: storage("FloatStorage", "0", -6) }), damaged("storage size", "-6"));
  assertRefused(
    new Reduction(utils("_rebuild_tensor_v2"), new Tuple(storage())),
    damaged("storage offset", "nothing"),
  );
});

Deno.test("TensorRebuilder refuses storages that can't be", () => {
  const noStorage = "the tensor doesn't refer to a storage; the file is damaged";
  const float = new Global("torch", "FloatStorage");
  for (
    const of of [
      null,
      "storage",
      new PersistentId("0"),
      new PersistentId(new Tuple()),
      new PersistentId(new Tuple("module", float, "0", "cpu", 6)),
      new PersistentId(new Tuple("storage", "FloatStorage", "0", "cpu", 6)),
      new PersistentId(new Tuple("storage", float, 0, "cpu", 6)),
      new PersistentId(new Tuple("storage", float, "0", null, 6)),
    ]
  ) assertRefused(v2({ of }), noStorage);
  assertRefused(new Reduction(utils("_rebuild_tensor_v2"), new Tuple()), noStorage);
  assertRefused(
    v2({ of: storage("FloatStorage", "7") }),
    "its record data/7 is missing; the file is damaged or incomplete",
  );
  assertRefused(
    v2({ of: storage("FloatStorage", "0", 5) }),
    "its record data/0 has 24 bytes, but 20 are needed; the file is damaged",
  );
  assertRefused(
    v2({ of: storage("DoubleStorage", "0", 6) }),
    "its record data/0 has 24 bytes, but 48 are needed; the file is damaged",
  );
  assertRefused(
    v2({ of: storage("QInt8Storage") }),
    "ckpt doesn't know the storage class torch.QInt8Storage",
  );
  assertRefused(
    v2({ of: storage(".TypedStorage") }),
    "ckpt doesn't know the storage class torch.storage.TypedStorage",
  );
});

Deno.test("TensorRebuilder refuses tensors that don't say their dtype", () => {
  assertRefused(v2({ of: storage(".UntypedStorage", "0", 24) }), "the tensor doesn't say its dtype");
  for (const dtype of [null, "uint16", new Global("torch", "uint99"), new Global("numpy", "uint16")]) {
    const args = [storage(".UntypedStorage", "0", 24), 0, new Tuple(12), new Tuple(1), false, hooks, dtype];
    assertRefused(
      new Reduction(utils("_rebuild_tensor_v3"), new Tuple(...args)),
      "ckpt doesn't know the tensor's dtype",
    );
  }
});

Deno.test("TensorRebuilder refuses a storage that is used with two dtypes", () => {
  const rebuilder = new TensorRebuilder("file.pt", storages);
  rebuild(v2(), rebuilder);
  rebuild(v2(), rebuilder);
  assertFails(
    () => rebuild(v2({ of: storage("IntStorage") }), rebuilder),
    FormatError,
    "file.pt: w: its storage data/0 is used with two dtypes, which torch never saves",
  );
});

for (const version of versions) {
  Deno.test(`TensorRebuilder takes bytes under several dtypes where torch ${version} saves that`, async () => {
    await withTorchFile(fixturePath(`${version}/unusual/two_dtypes.pt`), (file) => {
      const state = stateOf(file);
      assertEquals([...state.values()].map(({ dtype }) => dtype.name), [
        "uint8",
        "float8_e4m3fn",
        "float8_e5m2",
      ]);
      assertEquals(new Set([...state.values()].map((tensor) => tensor.storage)).size, 1);
    });
  });

  const dense =
    "which ckpt doesn't convert; save dense tensors (tensor.to_dense(), .dequantize(), .full_tensor())";
  for (
    const [name, message] of [
      ["attribute", `is not a plain tensor (_rebuild_from_type_v2), ${dense}`],
      ["conjugated", "the tensor is lazily conjugated or negated; save it resolved"],
      ["meta", `is not a plain tensor (_rebuild_meta_tensor_no_storage), ${dense}`],
      ["negated", "the tensor is lazily conjugated or negated; save it resolved"],
      ["nested", `is not a plain tensor (_rebuild_nested_tensor), ${dense}`],
      ["parameter_attribute", "the parameter has attributes of its own, which ckpt doesn't carry over"],
      ["quantized", `is not a plain tensor (_rebuild_qtensor), ${dense}`],
      ["sparse", `is not a plain tensor (_rebuild_sparse_tensor), ${dense}`],
      ["sparse_csr", `is not a plain tensor (_rebuild_sparse_tensor), ${dense}`],
    ] as const
  ) {
    Deno.test(`TensorRebuilder refuses what is no plain tensor in torch ${version}: ${name}`, async () => {
      const path = fixturePath(`${version}/unusual/${name}.pt`);
      await withTorchFile(path, async (file) => {
        await assertFailsAsync(
          async () => await Promise.resolve(stateOf(file)),
          FormatError,
          `${path}: t: ${message}`,
        );
      });
    });
  }

  Deno.test(`openTorchFile() refuses a whole module of torch ${version}`, async () => {
    const path = fixturePath(`${version}/unusual/module.pt`);
    await assertFailsAsync(
      () => withTorchFile(path, () => {}),
      FormatError,
      `${path}: data.pkl: names torch.nn.modules.linear.Linear at byte 17, which no model's weights need; ` +
        "ckpt runs nothing from a file, so save the weights alone (a state dict)",
    );
  });

  Deno.test(`TensorRebuilder takes a bare storage of torch ${version} for no tensor`, async () => {
    await withTorchFile(fixturePath(`${version}/unusual/storage.pt`), (file) => {
      assertEquals(stateOf(file).size, 0);
    });
  });
}

Deno.test("TensorRebuilder refuses attributes that BUILD and others would set", () => {
  const message = "the tensor has attributes of its own, which ckpt doesn't carry over";
  const built = v2();
  built.state = new Map();
  assertRefused(built, message);
  const filled = v2();
  filled.dictItems.set("a", 1);
  assertRefused(filled, message);
  const appended = v2();
  appended.listItems.push(1);
  assertRefused(appended, message);
});

Deno.test("TensorRebuilder refuses a parameter of something else, however deep", () => {
  const parameter = (value: PickleValue) =>
    new Reduction(utils("_rebuild_parameter"), new Tuple(value, true, hooks));
  const message = "the parameter holds no tensor that ckpt knows";
  for (const value of [null, "text", hooks, new Map()]) assertRefused(parameter(value), message);
  assertRefused(new Reduction(utils("_rebuild_parameter"), new Tuple()), message);
  let value: PickleValue = v2();
  for (let depth = 0; depth < 100_000; depth++) value = parameter(value);
  assertRefused(value, message);
});
