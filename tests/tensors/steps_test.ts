import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  castTensors,
  MismatchError,
  OptionError,
  renameTensors,
  selectTensors,
  tensorOf,
} from "../../mod.ts";
import { fillGlob, glob } from "../../lib/tensors/glob.ts";
import { LazyTensor } from "../../mod.ts";

const one = (value = 1) => tensorOf(new Float32Array([value]));
const named = (...names: string[]) => new Map(names.map((name) => [name, one()]));

Deno.test("renameTensors() takes a function, a map or an object, and keeps the order and the tensors", () => {
  const tensors = named("b", "a");
  for (const names of [(name: string) => `x.${name}`, new Map([["*", "x.*"]]), { "*": "x.*" }]) {
    const renamed = renameTensors(tensors, names);
    assertEquals([...renamed.keys()], ["x.b", "x.a"]);
    assertStrictEquals(renamed.get("x.a"), tensors.get("a"));
  }
});

Deno.test("renameTensors() renames by the first pair that fits, so that names can change places", () => {
  const renamed = renameTensors(named("a", "b", "c.0.q", "c.1.q", "d"), {
    a: "b",
    b: "a",
    "c.*.?": "*.w?",
    "*": "z.*",
  });
  assertEquals([...renamed.keys()], ["b", "a", "0.wq", "1.wq", "z.d"]);
});

Deno.test("renameTensors() refuses pairs that fit nothing, and two tensors of one name", () => {
  assertThrows(
    () => renameTensors(named("a", "b"), { "c.*": "*" }),
    OptionError,
    'No tensor has a name that fits "c.*"; the first of the 2 is a',
  );
  assertThrows(() => renameTensors(named("a", "b"), () => "c"), MismatchError, "b and a would both be c");
  assertThrows(() => renameTensors(named("a", "b"), { a: "b" }), MismatchError, "b and a would both be b");
  assertThrows(() => renameTensors(named("a"), { "a": "*" }), OptionError, "more * or ? to fill in");
});

Deno.test("glob() finds what a greedy regular expression does", () => {
  const greedy = (pattern: string) => {
    const source = pattern.replaceAll(".", "\\.").replaceAll("*", "(.*)").replaceAll("?", "(.)");
    const expression = new RegExp(`^${source}$`, "su");
    return (name: string) => expression.exec(name)?.slice(1);
  };
  const words = (letters: string, length: number): string[] =>
    length === 0 ? [""] : ["", ...words(letters, length - 1).flatMap((w) => [...letters].map((c) => c + w))];
  const names = [...new Set(words("a.\u{1F600}", 5))];
  for (const pattern of new Set(words("a*?", 5))) {
    const [found, expected] = [glob(pattern), greedy(pattern)];
    for (const name of names) assertEquals(found(name), expected(name), JSON.stringify([pattern, name]));
  }
});

Deno.test("glob() takes no longer with many * than with one", () => {
  // An expression that tries all ways to fit the first one would never end.
  assertEquals(glob("*a*a*a*a*a*a*a*a*b")("a".repeat(65536)), undefined);
  assertEquals(glob("a*a*a*a*a*a*b*c?")("a".repeat(65536)), undefined);
});

Deno.test("patterns stand for whole names, and nothing in them but * and ? is special", () => {
  assertEquals(glob("a.*.c")("a.b.b.c"), ["b.b"]);
  assertEquals(glob("a.*.c")("axb.c"), undefined);
  assertEquals(glob("a")("aa"), undefined);
  assertEquals(glob("[a](b)+|^$\\")("[a](b)+|^$\\"), []);
  assertEquals(glob("?")("😀"), ["😀"]);
  assertEquals(glob("a*")("a\nb"), ["\nb"]);
  assertEquals(fillGlob("$1.*.$&", ["x"]), "$1.x.$&");
});

Deno.test("selectTensors() takes names, patterns or a function", () => {
  const tensors = named("layers.0.w", "layers.1.w", "head");
  assertEquals([...selectTensors(tensors, "layers.*").keys()], ["layers.0.w", "layers.1.w"]);
  assertEquals([...selectTensors(tensors, ["head", "*.1.?"]).keys()], ["layers.1.w", "head"]);
  assertEquals([
    ...selectTensors(tensors, (name, { dtype }) => name === "head" && dtype === "float32").keys(),
  ], ["head"]);
  assertThrows(() => selectTensors(tensors, ["head", "tail"]), OptionError, 'fits "tail"');
});

Deno.test("castTensors() rounds floats to nearest even, and leaves whole numbers", async () => {
  const ids = tensorOf(new BigInt64Array([1n]));
  const mask = tensorOf(new Uint8Array([1, 0]), [2], "bool");
  const cast = castTensors(
    new Map([["w", one(1 + 2 ** -8)], ["v", one(1 + 3 * 2 ** -8)], ["ids", ids], ["mask", mask]]),
    "bfloat16",
  );
  assertEquals(await cast.get("w")!.read(), new Float32Array([1]));
  assertEquals(await cast.get("v")!.read(), new Float32Array([1 + 2 ** -6]));
  assertStrictEquals(cast.get("ids"), ids);
  assertStrictEquals(cast.get("mask"), mask);
});

Deno.test("castTensors() keeps one tensor under two names one, and a tensor of the dtype as it is", () => {
  const tensor = one();
  const parameter = new LazyTensor(
    { ...tensor.description, isParameter: true, requiresGrad: true },
    tensor.origin,
  );
  const cast = castTensors(
    new Map([["a", tensor], ["b", tensor], ["c", parameter], ["d", one()]]),
    "float16",
  );
  assertStrictEquals(cast.get("a"), cast.get("b"));
  const storage = cast.get("a")!.description.storage;
  assertStrictEquals(cast.get("c")!.description.storage, storage);
  assert(cast.get("c")!.description.isParameter && !cast.get("a")!.description.isParameter);
  assert(cast.get("d")!.description.storage !== storage);
  assertStrictEquals(castTensors(new Map([["a", tensor]]), "float32").get("a"), tensor);
});

Deno.test("castTensors() refuses floats that aren't converted, by name", () => {
  const tensors = new Map([["w", tensorOf(new Float64Array(1))]]);
  assertThrows(() => castTensors(tensors, "float32"), OptionError, "w is float64");
  assertThrows(() => castTensors(tensors, "int8" as "float32"), OptionError, 'Can\'t cast to "int8"');
});

Deno.test("tensorOf() copies its items, and refuses what makes no tensor", async () => {
  const values = new Int32Array([1, 2, 3]);
  const tensor = tensorOf(values.subarray(1));
  values[1] = 9;
  assertEquals(await tensor.read(), new Int32Array([2, 3]));
  assertEquals(await tensorOf(new Uint16Array([0x3fc0]), [], "bfloat16").read(), new Float32Array([1.5]));
  assertThrows(() => tensorOf(values, [2]), OptionError, "has 8 bytes: the array has 12");
  assertThrows(() => tensorOf(values, [-3]), OptionError, "shape [-3]");
  assertThrows(() => tensorOf(values, [3], "float33"), OptionError, "torch has none of this name");
});

Deno.test("read() gives rows, bits on request, and says what it can't give", async () => {
  const tensor = tensorOf(new Float16Array([1, 2, 3, 4, 5, 6]), [3, 2]);
  assertEquals(await tensor.read(), new Float32Array([1, 2, 3, 4, 5, 6]));
  assertEquals(await tensor.read({ widen: false, rows: [1, 2] }), new Float16Array([3, 4]));
  assertEquals(await tensor.read({ rows: [3, 3] }), new Float32Array(0));
  assertEquals((await tensor.bytes({ rows: [0, 1] })).length, 4);
  for (const rows of [[2, 1], [0, 4], [-1, 1], [0.5, 1]] as const) {
    let message = "";
    await tensor.read({ rows }).catch((error) => message = `${error}`);
    assertEquals(message, `RangeError: Cannot read rows ${rows[0]} to ${rows[1]}: the tensor has 3`);
  }
  let message = "";
  await tensorOf(new Uint8Array(1), [1], "float8_e5m2").read().catch((error) => message = error.message);
  assertEquals(message, "Can't read float8_e5m2 as a typed array; take its bytes()");
  assertEquals(await tensorOf(new Float32Array(0), [0, 5]).read({ rows: [0, 0] }), new Float32Array(0));
});
