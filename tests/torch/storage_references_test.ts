import { assertEquals } from "@std/assert";
import { FrozenSet, Global, PersistentId, type PickleValue, Reduction, Tuple } from "../../lib/pickle/mod.ts";
import { storageReferences } from "../../lib/torch/storage_references.ts";
import { itemBytesOfStorage } from "../../lib/torch/storage_type.ts";

const FLOAT = new Global("torch", "FloatStorage");

function reference(key: PickleValue, count: PickleValue = 2, type: PickleValue = FLOAT): PersistentId {
  return new PersistentId(new Tuple("storage", type, key, "cpu", count, null));
}

Deno.test("storageReferences() finds storages wherever they are, in the order of the pickle", () => {
  const object = new Reduction(
    new PersistentId("x"),
    new Tuple(reference("args")),
    "new_ex",
    new Map([["k", reference("kwargs")]]),
  );
  object.listItems.push(reference("list item"));
  object.dictItems.set("d", reference("dict item"));
  object.setItems = new Set([reference("set item")]);
  object.state = [reference("state")];
  const root: PickleValue = [
    new Map<PickleValue, PickleValue>([[new Tuple(reference("key")), reference("value")]]),
    object,
    new Set([reference("member")]),
    new FrozenSet([reference("frozen")]),
    new Tuple(1, "storage", null, reference("last")),
  ];
  assertEquals([...storageReferences(root).keys()], [
    "key",
    "value",
    "args",
    "kwargs",
    "list item",
    "dict item",
    "set item",
    "state",
    "member",
    "frozen",
    "last",
  ]);
});

Deno.test("storageReferences() keeps the first reference to a storage", () => {
  const long = new Global("torch", "LongStorage");
  const found = storageReferences([reference("a", 1), reference("b", 2, long), reference("a", 3, long)]);
  assertEquals([...found.values()], [
    { key: "a", type: FLOAT, count: 1 },
    { key: "b", type: long, count: 2 },
  ]);
});

Deno.test("storageReferences() leaves out what refers to no storage", () => {
  const others = [
    new PersistentId("storage"),
    new PersistentId(new Tuple()),
    new PersistentId(new Tuple("module", FLOAT, "a", "cpu", 1)),
    reference(7),
    reference("a", 1, "FloatStorage"),
  ];
  assertEquals(storageReferences(others).size, 0);
  assertEquals([...storageReferences(new PersistentId(new Tuple("storage", FLOAT, "short"))).values()], [
    { key: "short", type: FLOAT, count: null },
  ]);
});

Deno.test("storageReferences() looks at what is shared once, at cycles, and as deep as they go", () => {
  const cyclic: PickleValue[] = [reference("a")];
  cyclic.push(cyclic);
  assertEquals(storageReferences(cyclic).size, 1);
  let nested: PickleValue = reference("deep");
  for (let i = 0; i < 100_000; i++) nested = [nested, nested];
  assertEquals([...storageReferences(nested).keys()], ["deep"]);
});

Deno.test("itemBytesOfStorage() knows all of torch's storage classes", () => {
  const bytes = (module: string, name: string) => itemBytesOfStorage(new Global(module, name));
  assertEquals(
    ["DoubleStorage", "FloatStorage", "HalfStorage", "ByteStorage", "ComplexDoubleStorage"].map((name) => [
      bytes("torch", name),
      bytes("torch.cuda", name),
    ]),
    [[8, 8], [4, 4], [2, 2], [1, 1], [16, 16]],
  );
  assertEquals(
    ["QInt8Storage", "QUInt8Storage", "QInt32Storage", "QUInt4x2Storage", "QUInt2x4Storage"].map((name) =>
      bytes("torch", name)
    ),
    [1, 1, 4, 1, 1],
  );
  assertEquals([bytes("torch.storage", "UntypedStorage"), bytes("torch", "UntypedStorage")], [1, undefined]);
  assertEquals([bytes("numpy", "FloatStorage"), bytes("torch", "Size")], [undefined, undefined]);
});
