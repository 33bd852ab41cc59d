import { assertEquals, assertThrows } from "@std/assert";
import {
  ByteArray,
  FrozenSet,
  Global,
  PickleFloat,
  type PickleValue,
  readPickle,
  Reduction,
  Tuple,
  writePickle,
} from "../../lib/pickle/mod.ts";
import { realPickles } from "./corpus.ts";
import { ascii, pickle } from "./assemble.ts";

function assertWrites(value: PickleValue, ...parts: Parameters<typeof pickle>): void {
  assertEquals(writePickle(value).toHex(), pickle("PROTO", 2, ...parts, "STOP").toHex());
}

Deno.test("writePickle() writes a bigint like the number that it is", () => {
  assertWrites(5n, "BININT1", 5);
  assertWrites(-5n, "BININT", 0xfb, 0xff, 0xff, 0xff);
  assertWrites(2 ** 40, "LONG1", 6, 0, 0, 0, 0, 0, 1);
  assertWrites(2n ** 40n, "LONG1", 6, 0, 0, 0, 0, 0, 1);
  assertWrites(-0, "BININT1", 0);
});

Deno.test("writePickle() refers back to equal strings and globals", () => {
  assertWrites(
    [new Global("m", "C"), new Global("m", "C")],
    ...["EMPTY_LIST" as const, "BINPUT" as const, 0, "MARK" as const],
    ...["GLOBAL" as const, ascii("m\nC\n"), "BINPUT" as const, 1, "BINGET" as const, 1, "APPENDS" as const],
  );
});

Deno.test("writePickle() tells globals apart whose full names are equal", () => {
  const read = readPickle(
    writePickle([new Global("a.b", "c"), new Global("a", "bc"), new Global("ab", "c")]),
  );
  assertEquals(read, [new Global("a.b", "c"), new Global("a", "bc"), new Global("ab", "c")]);
});

Deno.test("writePickle() writes a state of None where there is one", () => {
  const call = new Reduction(new Global("m", "C"), new Tuple());
  const parts = ["GLOBAL", ascii("m\nC\n"), "BINPUT", 0, "EMPTY_TUPLE", "REDUCE", "BINPUT", 1] as const;
  assertWrites(call, ...parts);
  call.state = null;
  assertWrites(call, ...parts, "NONE", "BUILD");
});

Deno.test("writePickle() tells equal objects apart", () => {
  const value = readPickle(writePickle([new Tuple(1), new Tuple(1), [], []])) as PickleValue[];
  assertEquals(new Set(value).size, 4);
});

Deno.test("writePickle() writes the names of globals as they are given", () => {
  for (const module of ["builtins", "__builtin__"]) {
    assertWrites(new Global(module, "set"), "GLOBAL", ascii(`${module}\nset\n`), "BINPUT", 0);
  }
});

Deno.test("writePickle() writes 1000 levels of nesting and no more", () => {
  const nested = (depth: number) => {
    let value: PickleValue = null;
    for (let i = 1; i < depth; i++) value = i % 2 ? new Tuple(value) : new Map([["key", value]]);
    return value;
  };
  let read = readPickle(writePickle(nested(1000)));
  let depth = 1;
  for (; read !== null; depth++) {
    read = read instanceof Tuple ? read.items[0]! : (read as Map<PickleValue, PickleValue>).get("key")!;
  }
  assertEquals(depth, 1000);
  assertThrows(
    () => writePickle(nested(1001)),
    RangeError,
    "Cannot write pickle: values are nested more than 1000 levels deep",
  );
});

Deno.test("writePickle() gives up on a call that holds itself in its arguments alone", () => {
  const items: PickleValue[] = [];
  const call = new Reduction(new Global("m", "f"), Object.assign(new Tuple(), { items }));
  items.push(call);
  assertThrows(() => writePickle(call), RangeError, "values are nested more than 1000 levels deep");
});

/** What stands for no Python value, or for none that protocol 2 can say. */
const REFUSED: [string, unknown, string][] = [
  ["a fraction", 1.5, "1.5 is not a safe integer; use PickleFloat or a bigint"],
  ["a large number", 2 ** 53, "9007199254740992 is not a safe integer; use PickleFloat or a bigint"],
  ["NaN", NaN, "NaN is not a safe integer; use PickleFloat or a bigint"],
  ["undefined", undefined, "a JavaScript undefined stands for no Python value"],
  ["a symbol", Symbol("x"), "a JavaScript symbol stands for no Python value"],
  ["a function", () => {}, "a JavaScript function stands for no Python value"],
  ["an object", { key: 1 }, "a JavaScript object stands for no Python value"],
  ["an array of another kind", new Uint16Array(1), "a JavaScript object stands for no Python value"],
  [
    "NEWOBJ_EX",
    new Reduction(new Global("m", "C"), new Tuple(), "new_ex", new Map()),
    "protocol 2 has no NEWOBJ_EX",
  ],
  [
    "ADDITEMS",
    Object.assign(new Reduction(new Global("m", "C"), new Tuple()), { setItems: new Set([1]) }),
    "protocol 2 has no ADDITEMS",
  ],
  ...[
    ["bytes", Uint8Array.of(1), "bytes"] as const,
    ["a bytearray", new ByteArray(Uint8Array.of(1)), "bytearray"] as const,
    ["a set", new Set([1]), "set"] as const,
    ["a frozenset", new FrozenSet([1]), "frozenset"] as const,
  ].map(([name, value, what]): [string, unknown, string] => [
    name,
    value,
    `protocol 2 has no opcode for ${what}; write the call that makes it, a Reduction`,
  ]),
  ["a nested name", new Global("m", "C.D"), 'protocol 2 has no form for the global "m.C.D"'],
  ["an empty name", new Global("m", ""), 'protocol 2 has no form for the global "m."'],
  ["an empty module", new Global("", "C"), 'protocol 2 has no form for the global ".C"'],
  ["a name of two lines", new Global("m", "C\nD"), 'protocol 2 has no form for the global "m.C\\nD"'],
  ["a name that isn't ASCII", new Global("m", "é"), 'protocol 2 has no form for the global "m.é"'],
];

for (const [name, value, message] of REFUSED) {
  Deno.test(`writePickle() refuses ${name}`, () => {
    const error = assertThrows(() => writePickle([value as PickleValue]), TypeError);
    assertEquals(error.message, `Cannot write pickle: ${message}`);
  });
}

Deno.test("writePickle() writes what readPickle() reads of every kind of key", () => {
  const keys: PickleValue[] = [
    null,
    true,
    2,
    2n ** 80n,
    "text",
    new PickleFloat(0.5),
    new Tuple(1, "x"),
  ];
  const read = readPickle(writePickle(new Map(keys.map((key) => [key, key])))) as Map<
    PickleValue,
    PickleValue
  >;
  assertEquals([...read.keys()], keys);
});

Deno.test("writePickle() doesn't change what it writes", () => {
  for (const { bytes } of realPickles) {
    const value = readPickle(bytes);
    assertEquals(writePickle(value), writePickle(value));
  }
});
