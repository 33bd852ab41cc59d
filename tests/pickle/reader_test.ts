import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type Global,
  listGlobals,
  PickleError,
  readPickle,
  readPickleFrom,
  type Reduction,
  type Tuple,
} from "../../lib/pickle/mod.ts";
import { ascii, global, pickle, text, u32, u64 } from "./assemble.ts";

Deno.test("readPickle() ignores what comes after STOP", () => {
  assertEquals(readPickle(pickle("NONE", "STOP", 0xff, 0xff)), null);
});

Deno.test("readPickleFrom() reads pickles that stand one after the other", () => {
  const bytes = pickle(0xff, "NONE", "STOP", "PROTO", 2, text("two"), "STOP", "NEWTRUE", "STOP");
  assertEquals(readPickleFrom(bytes, 1), { value: null, end: 3 });
  assertEquals(readPickleFrom(bytes, 3), { value: "two", end: 14 });
  assertEquals(readPickleFrom(bytes, 14), { value: true, end: 16 });
  assertThrows(
    () => readPickleFrom(bytes, 16),
    PickleError,
    "Cannot read pickle: it ends before STOP (at byte 0 of the pickle)",
  );
});

Deno.test("readPickleFrom() counts the offsets in errors from the start of the pickle", () => {
  const error = assertThrows(() => readPickleFrom(pickle("NONE", "NONE", "NONE", "APPENDS"), 1), PickleError);
  assertEquals(error.offset, 2);
  assertEquals(error.message, "Cannot read APPENDS: the stack holds no mark (at byte 2 of the pickle)");
  assertEquals(error.name, "PickleError");
  assert(error instanceof SyntaxError);
});

Deno.test("readPickleFrom() refuses an offset that is outside the bytes", () => {
  const bytes = pickle("NONE", "STOP");
  for (const offset of [-1, 3, 0.5, NaN]) {
    assertThrows(
      () => readPickleFrom(bytes, offset),
      RangeError,
      `Cannot read pickle: offset ${offset} is outside its 2 bytes`,
    );
  }
});

Deno.test("readPickle() refuses what is no Uint8Array", () => {
  assertThrows(
    () => readPickle("N." as unknown as Uint8Array),
    TypeError,
    "Cannot read pickle: its bytes are not a Uint8Array",
  );
});

Deno.test("readPickle() copies bytes, also from a subclass of Uint8Array that would share them", async () => {
  const { Buffer } = await import("node:buffer");
  const source = Buffer.from(pickle("SHORT_BINBYTES", 2, 1, 2, "STOP"));
  const value = readPickle(source) as Uint8Array;
  source.fill(0xff);
  assertEquals(value, Uint8Array.of(1, 2));
  assertStrictEquals(value.constructor, Uint8Array);
});

Deno.test("readPickle() reads from the middle of a larger buffer", () => {
  const large = pickle(0xff, 0xff, "BINFLOAT", ascii("@\t!\xfbTD-\x18").slice(0, 0), u64(0n), "STOP", 0xff);
  assertEquals((readPickle(large.subarray(2, 12)) as { value: number }).value, 0);
  assertThrows(() => readPickle(large.subarray(2, 11)), PickleError, "it ends before STOP");
});

Deno.test("readPickle() keeps __proto__ and the like as plain keys", () => {
  const bytes = pickle("EMPTY_DICT", text("__proto__"), "EMPTY_DICT", "SETITEM", "STOP");
  const value = readPickle(bytes) as Map<string, unknown>;
  assertEquals([...value.keys()], ["__proto__"]);
  assertEquals(Object.getPrototypeOf(value), Map.prototype);
});

Deno.test("readPickle() reads a surrogate pair as the character that it encodes", () => {
  const bytes = pickle("SHORT_BINUNICODE", 6, ...[0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], "STOP");
  assertEquals(readPickle(bytes), "\u{1f600}");
});

Deno.test("readPickle() gives each global to onGlobal, before it is called", () => {
  const bytes = pickle(
    "PROTO",
    4,
    global("os", "system"),
    text("id"),
    "TUPLE1",
    "REDUCE",
    "POP",
    text("builtins"),
    text("eval"),
    "STACK_GLOBAL",
    "MARK",
    "INST",
    ascii("old\nClass\n"),
    "STOP",
  );
  const seen: [string, number][] = [];
  readPickle(bytes, { onGlobal: (global, offset) => void seen.push([`${global}`, offset]) });
  assertEquals(seen, [["os.system", 2], ["builtins.eval", 45], ["old.Class", 47]]);
});

Deno.test("readPickle() lets through what onGlobal throws, and reads no further", () => {
  const bytes = pickle(global("os", "system"), global("os", "popen"), 0xff);
  const names: string[] = [];
  const refuse = (global: Global) => {
    names.push(`${global}`);
    throw new TypeError("refused");
  };
  assertThrows(() => readPickle(bytes, { onGlobal: refuse }), TypeError, "refused");
  assertEquals(names, ["os.system"]);
});

Deno.test("listGlobals() lists the globals of a pickle that reads to its end", () => {
  const bytes = pickle(0xff, global("a", "b"), global("a", "b"), "EMPTY_TUPLE", "REDUCE", "STOP", 0xff);
  const { globals, end, error } = listGlobals(bytes, { offset: 1 });
  assertEquals(globals.map(({ global, offset }) => [global.module, global.name, offset]), [
    ["a", "b", 0],
    ["a", "b", 5],
  ]);
  assertEquals(end, 14);
  assertEquals(error, undefined);
});

Deno.test("listGlobals() finds the names of STACK_GLOBAL wherever they come from", () => {
  const bytes = pickle(
    text("os"),
    "MEMOIZE",
    text("system"),
    "MEMOIZE",
    "POP",
    "POP",
    "BINGET",
    0,
    "BINGET",
    1,
    "STACK_GLOBAL",
    "STOP",
  );
  assertEquals(listGlobals(bytes).globals.map(({ global }) => `${global}`), ["os.system"]);
});

Deno.test("listGlobals() lists what it found before an error", () => {
  const bytes = pickle(global("os", "system"), text("id"), "TUPLE1", "REDUCE", 0xff, global("a", "b"));
  const { globals, end, error } = listGlobals(bytes);
  assertEquals(globals.map(({ global }) => `${global}`), ["os.system"]);
  assertEquals(end, 21);
  assertEquals(error?.message, "Cannot read opcode 0xff: no protocol has it (at byte 20 of the pickle)");
});

Deno.test("listGlobals() keeps to the limits that it is given", () => {
  const { globals, error } = listGlobals(pickle(global("a", "b"), "NONE", "STOP"), {
    limits: { opcodes: 1 },
  });
  assertEquals(globals.length, 1);
  assertEquals(
    error?.message,
    "Cannot read NONE: the pickle has more than 1 opcodes (at byte 5 of the pickle)",
  );
});

/** Pickles that CPython reads and we don't, on purpose. */
const STRICTER: [string, Uint8Array, string][] = [
  [
    "a second state",
    pickle(global("m", "C"), "EMPTY_TUPLE", "REDUCE", "NONE", "BUILD", "NONE", "BUILD", "STOP"),
    "Cannot read BUILD: the object has a state already (at byte 10 of the pickle)",
  ],
  [
    "a state of None for a list",
    pickle("EMPTY_LIST", "NONE", "BUILD", "STOP"),
    "Cannot read BUILD: a list takes no state (at byte 2 of the pickle)",
  ],
  [
    "a state for a class",
    pickle(global("m", "C"), "EMPTY_DICT", "BUILD", "STOP"),
    "Cannot read BUILD: a global takes no state (at byte 6 of the pickle)",
  ],
  [
    "items by index for a list",
    pickle("EMPTY_LIST", "BININT1", 1, "APPEND", "BININT1", 0, "BININT1", 2, "SETITEM", "STOP"),
    "Cannot read SETITEM: a list has no such items (at byte 8 of the pickle)",
  ],
  [
    "items for a bytearray",
    pickle("BYTEARRAY8", u64(0n), "BININT1", 1, "APPEND", "STOP"),
    "Cannot read APPEND: a bytearray has no such items (at byte 11 of the pickle)",
  ],
  [
    "a NUL in a number",
    pickle("INT", ascii("12\0\n"), "STOP"),
    "Cannot read INT: the line is not a number (at byte 0 of the pickle)",
  ],
  [
    "READONLY_BUFFER of bytes",
    pickle("SHORT_BINBYTES", 0, "READONLY_BUFFER", "STOP"),
    "Cannot read READONLY_BUFFER: there are no out-of-band buffers (at byte 2 of the pickle)",
  ],
];

for (const [name, bytes, message] of STRICTER) {
  Deno.test(`readPickle() refuses ${name}, unlike CPython`, () => {
    const error = assertThrows(() => readPickle(bytes), PickleError);
    assertEquals(error.message, message);
  });
}

Deno.test("readPickle() takes a memo index of 2^32 - 1", () => {
  const index = u32(0xffffffff);
  const bytes = pickle("EMPTY_LIST", "LONG_BINPUT", index, "LONG_BINGET", index, "TUPLE2", "STOP");
  const [first, second] = (readPickle(bytes) as Tuple).items;
  assertStrictEquals(first, second);
});

Deno.test("readPickle() takes memo entries in any order, and numbers MEMOIZE by their count", () => {
  const put = (index: number, value: number) => pickle("BININT1", value, "BINPUT", index, "POP");
  const get = (index: number) => pickle("BINGET", index);
  const bytes = pickle(
    "MARK",
    ...[put(2, 10), put(1, 11), put(0, 12), put(3, 13), put(1, 14), put(9, 15)],
    ...["BININT1" as const, 16, "MEMOIZE" as const, "POP" as const],
    ...[get(0), get(1), get(2), get(3), get(9), get(5)],
    "LIST",
    "STOP",
  );
  assertEquals(readPickle(bytes), [12, 14, 10, 13, 15, 16]);
});

Deno.test("readPickle() shares what a call is made of", () => {
  const bytes = pickle(
    ...[global("m", "f"), "MEMOIZE" as const, "EMPTY_LIST" as const, "MEMOIZE" as const],
    ...["TUPLE1" as const, "MEMOIZE" as const, "REDUCE" as const],
    ...[
      "MARK" as const,
      "BINGET" as const,
      0,
      "BINGET" as const,
      1,
      "BINGET" as const,
      2,
      "APPENDS" as const,
    ],
    "STOP",
  );
  const call = readPickle(bytes) as Reduction;
  assertStrictEquals(call.listItems[0], call.callable);
  assertStrictEquals(call.listItems[1], call.args.items[0]);
  assertStrictEquals(call.listItems[2], call.args);
});
