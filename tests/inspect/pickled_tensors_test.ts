import { assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { pickledTensors } from "../../lib/inspect/pickled_tensors.ts";
import { FrozenSet, Global, type PickleValue, Reduction, Tuple } from "../../lib/pickle/mod.ts";

const call = (name: string, ...args: PickleValue[]) => {
  const dot = name.lastIndexOf(".");
  return new Reduction(new Global(name.slice(0, dot), name.slice(dot + 1)), new Tuple(...args));
};

const plain = () => call("torch._utils._rebuild_tensor_v2", null, 0, new Tuple(), new Tuple(), false, null);

/** The names, with the kinds of tensors that can't be rebuilt. */
function names(root: PickleValue): string[] {
  return pickledTensors(root, "file.pt").map(({ name, kind, value }) =>
    value === undefined ? `${name} (${kind})` : name
  );
}

Deno.test("pickledTensors() joins keys with dots, and numbers items", () => {
  const object = call("argparse.Namespace");
  object.state = new Map<PickleValue, PickleValue>([["x", plain()], ["y", 1]]);
  const ordered = call("collections.OrderedDict");
  ordered.dictItems.set("w", plain());
  ordered.state = new Map([["_metadata", plain()]]);
  const list = call("collections.deque");
  list.listItems.push(plain(), 1, plain());
  const slots = call("mine.Slots");
  slots.state = new Tuple(null, new Map([["s", plain()]]));
  const odd = call("mine.Odd");
  odd.state = [plain()];
  const root = new Map<PickleValue, PickleValue>([
    ["a", plain()],
    ["object", object],
    ["ordered", ordered],
    ["list", [1, [plain()], new Tuple("x", plain())]],
    ["deque", list],
    [3, new Map([[null, plain()]])],
    ["set", new Set([plain()])],
    ["frozen", new FrozenSet([1, plain()])],
    ["slots", slots],
    ["odd", odd],
    ["python 2", call("collections.OrderedDict", [["p", plain()], new Tuple("q", plain()), 1])],
    ["nothing", null],
  ]);
  assertEquals(names(root), [
    "a",
    "object.x",
    "ordered.w",
    "list.1.0",
    "list.2.1",
    "deque.0",
    "deque.2",
    "3.None",
    "set.0",
    "frozen.1",
    "slots.s",
    "odd.state.0",
    "python 2.p",
    "python 2.q",
  ]);
});

Deno.test("pickledTensors() finds a tensor that is all there is", () => {
  assertEquals(names(plain()), [""]);
});

Deno.test("pickledTensors() tells tensors that can be rebuilt from others", () => {
  const v3 = call(
    "torch._utils._rebuild_tensor_v3",
    null,
    0,
    null,
    null,
    false,
    null,
    null,
    new Map([["conj", true]]),
  );
  const v2 = call("torch._utils._rebuild_tensor_v2", null, 0, null, null, false, null, new Map());
  const attributed = plain();
  attributed.state = new Map([["note", "x"]]);
  const root = new Map<PickleValue, PickleValue>([
    ["old", call("torch._utils._rebuild_tensor")],
    ["v2", v2],
    ["v3", v3],
    ["parameter", call("torch._utils._rebuild_parameter", plain(), true, null)],
    ["state", call("torch._utils._rebuild_parameter_with_state", plain(), true, null, 1)],
    ["attributed", attributed],
    [
      "type",
      call(
        "torch._tensor._rebuild_from_type_v2",
        new Global("torch._utils", "_rebuild_tensor_v2"),
        new Global("torch", "Tensor"),
        plain().args,
        1,
      ),
    ],
    ["odd type", call("torch._tensor._rebuild_from_type_v2", new Global("os", "system"), 1, new Tuple(), 1)],
    ["sparse", call("torch._utils._rebuild_sparse_tensor", 1)],
    ["quantized", call("torch._utils._rebuild_qtensor", 1)],
    ["no tensor", call("torch._utilsX._rebuild_tensor_v2")],
    ["size", call("torch.Size", new Tuple(1, 2))],
  ]);
  assertEquals(names(root), [
    "old",
    "v2",
    "v3 (conjugated or negated)",
    "parameter",
    "state",
    "attributed",
    "type",
    "odd type (from_type_v2)",
    "sparse (sparse_tensor)",
    "quantized (qtensor)",
  ]);
  // What is to be rebuilt has no attributes, which a rebuilder refuses.
  const found = pickledTensors(new Map([["attributed", attributed]]), "file.pt")[0]!.value!;
  assertEquals([found.state, found.args], [undefined, attributed.args]);
});

Deno.test("pickledTensors() finds what is in two places in both, and refuses what contains itself", () => {
  const shared = [plain()];
  assertEquals(names([shared, shared]), ["0.0", "1.0"]);
  const cyclic = new Map<PickleValue, PickleValue>();
  cyclic.set("a", [cyclic]);
  const error = assertThrows(() => names(cyclic), FormatError);
  assertEquals(error.message, "file.pt: a.0: contains itself");
});

Deno.test("pickledTensors() stops at depths and numbers that no checkpoint has", () => {
  const nest = (depth: number) => {
    let value: PickleValue = plain();
    for (let i = 0; i < depth; i++) value = [value];
    return value;
  };
  assertEquals(names(nest(200)), [Array(200).fill("0").join(".")]);
  assertEquals(
    assertThrows(() => names(nest(201)), FormatError).message,
    "file.pt: nests more than 200 levels deep",
  );
  // Each list is in the next one twice: 2^40 values in 40 lists.
  const double = (innermost: PickleValue) => {
    let doubled: PickleValue = innermost;
    for (let i = 0; i < 40; i++) doubled = [doubled, doubled];
    return doubled;
  };
  const message = "file.pt: has more tensors than any checkpoint, or longer names";
  assertEquals(assertThrows(() => names(double(plain())), FormatError).message, message);
  // Few tensors, but with names of 100,000 characters.
  let long: PickleValue = Array.from({ length: 200 }, plain);
  for (let i = 0; i < 199; i++) long = new Map([["x".repeat(500), long]]);
  assertEquals(assertThrows(() => names(long), FormatError).message, message);
  const doubled = double([1]);
  assertEquals(
    assertThrows(() => names(doubled), FormatError).message,
    "file.pt: has more than 2097152 values in its containers",
  );
});
