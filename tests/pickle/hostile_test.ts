/** Pickles that mean harm, put together byte by byte. None may do more than be refused, or be read as inert values. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  DEFAULT_PICKLE_LIMITS as LIMITS,
  Global,
  listGlobals,
  PersistentId,
  PickleError,
  type PickleLimits,
  readPickle,
  Reduction,
  Tuple,
} from "../../lib/pickle/mod.ts";
import { ascii, global, pickle, repeat, text, u32, u64 } from "./assemble.ts";

function assertRefused(bytes: Uint8Array, message: string, limits: Partial<PickleLimits> = {}): void {
  const error = assertThrows(() => readPickle(bytes, { limits }), PickleError);
  assertEquals(error.message, message);
}

function assertCalls(bytes: Uint8Array, ...names: string[]): void {
  assertEquals(listGlobals(bytes).globals.map(({ global }) => `${global}`), names);
  assertEquals(listGlobals(bytes).error, undefined);
  const refuse = (global: Global) => {
    throw new Error(`refused ${global}`);
  };
  assertThrows(() => readPickle(bytes, { onGlobal: refuse }), Error, `refused ${names[0]}`);
}

// Calls

Deno.test("readPickle() keeps os.system a name and its call a description", () => {
  const bytes = pickle(global("os", "system"), text("touch /tmp/harm"), "TUPLE1", "REDUCE", "STOP");
  const call = readPickle(bytes) as Reduction;
  assert(call instanceof Reduction);
  assertEquals(call.callable, new Global("os", "system"));
  assertEquals(call.args, new Tuple("touch /tmp/harm"));
  assertCalls(bytes, "os.system");
});

Deno.test("readPickle() keeps builtins.eval inert, by STACK_GLOBAL as well", () => {
  const bytes = pickle(
    ...[text("builtins"), text("eval"), "STACK_GLOBAL" as const],
    ...[text("1+1"), "TUPLE1" as const, "REDUCE" as const, "STOP" as const],
  );
  assertEquals((readPickle(bytes) as Reduction).callable, new Global("builtins", "eval"));
  assertCalls(bytes, "builtins.eval");
});

Deno.test("readPickle() keeps a chain of getattr inert, and lists all that it names", () => {
  const bytes = pickle(
    ...[global("builtins", "getattr"), global("torch", "serialization"), text("os"), "TUPLE2" as const],
    ...["REDUCE" as const, "MEMOIZE" as const, "POP" as const, global("builtins", "getattr")],
    ...["BINGET" as const, 0, text("system"), "TUPLE2" as const, "REDUCE" as const],
    ...[text("id"), "TUPLE1" as const, "REDUCE" as const, "STOP" as const],
  );
  const call = readPickle(bytes) as Reduction;
  assert(call.callable instanceof Reduction);
  assertCalls(bytes, "builtins.getattr", "torch.serialization", "builtins.getattr");
});

Deno.test("readPickle() lists what a dropped call names", () => {
  const bytes = pickle(global("os", "system"), text("id"), "TUPLE1", "REDUCE", "POP", "EMPTY_DICT", "STOP");
  assertEquals(readPickle(bytes), new Map());
  assertCalls(bytes, "os.system");
});

Deno.test("readPickle() keeps __reduce__ of copyreg inert", () => {
  const bytes = pickle(
    ...[global("copy_reg", "_reconstructor"), "MARK" as const, global("subprocess", "Popen")],
    ...[
      global("__builtin__", "object"),
      "NONE" as const,
      "TUPLE" as const,
      "REDUCE" as const,
      "STOP" as const,
    ],
  );
  assertEquals((readPickle(bytes) as Reduction).args.items[0], new Global("subprocess", "Popen"));
  assertCalls(bytes, "copy_reg._reconstructor", "subprocess.Popen", "__builtin__.object");
});

Deno.test("readPickle() doesn't read a pickle in a pickle", () => {
  const inner = pickle(global("os", "system"), text("id"), "TUPLE1", "REDUCE", "STOP");
  const bytes = pickle(
    ...[global("pickle", "loads"), "SHORT_BINBYTES" as const, inner.length, inner],
    ...["TUPLE1" as const, "REDUCE" as const, "STOP" as const],
  );
  assertEquals((readPickle(bytes) as Reduction).args.items[0], inner);
  assertCalls(bytes, "pickle.loads");
});

Deno.test("readPickle() keeps INST, OBJ, NEWOBJ and NEWOBJ_EX inert", () => {
  const inst = pickle("MARK", text("id"), "INST", ascii("os\nsystem\n"), "STOP");
  const obj = pickle("MARK", global("os", "system"), text("id"), "OBJ", "STOP");
  const newobj = pickle(global("os", "system"), text("id"), "TUPLE1", "NEWOBJ", "STOP");
  const newobjEx = pickle(global("os", "system"), text("id"), "TUPLE1", "EMPTY_DICT", "NEWOBJ_EX", "STOP");
  const kinds = { call: [inst, obj], new: [newobj], new_ex: [newobjEx] };
  for (const [kind, all] of Object.entries(kinds)) {
    for (const bytes of all) {
      const call = readPickle(bytes) as Reduction;
      assertEquals(call.callable, new Global("os", "system"));
      assertEquals(call.args, new Tuple("id"));
      assertEquals(call.kind as string, kind);
      assertCalls(bytes, "os.system");
    }
  }
});

Deno.test("readPickle() has no extension registry", () => {
  const reason = "is of no use without a registry (at byte 0 of the pickle)";
  assertRefused(pickle("EXT1", 1, "STOP"), `Cannot read EXT1: extension code 1 ${reason}`);
  assertRefused(pickle("EXT2", 1, 1, "STOP"), `Cannot read EXT2: extension code 257 ${reason}`);
  assertRefused(pickle("EXT4", u32(0xffffffff), "STOP"), `Cannot read EXT4: extension code -1 ${reason}`);
});

Deno.test("readPickle() has no buffers", () => {
  const reason = "there are no out-of-band buffers (at byte 0 of the pickle)";
  assertRefused(pickle("NEXT_BUFFER", "STOP"), `Cannot read NEXT_BUFFER: ${reason}`);
  assertRefused(pickle("READONLY_BUFFER", "STOP"), `Cannot read READONLY_BUFFER: ${reason}`);
});

Deno.test("readPickle() takes a persistent id for a value, whatever it says", () => {
  const bytes = pickle(
    ...["MARK" as const, text("storage"), global("os", "system"), text("../../etc/passwd"), text("cpu")],
    ...["LONG1" as const, 9, ...new Array(8).fill(0xff), 0x7f, "TUPLE" as const, "BINPERSID" as const],
    "STOP",
  );
  const { id } = readPickle(bytes) as PersistentId;
  assertEquals((id as Tuple).items[4], 2n ** 71n - 1n);
  assertCalls(bytes, "os.system");
});

Deno.test("readPickle() calls no value that can't be called", () => {
  const call = (value: Uint8Array) => pickle(value, "EMPTY_TUPLE", "REDUCE", "STOP");
  const refusal = (type: string, offset: number) =>
    `Cannot read REDUCE: a ${type} can't be called (at byte ${offset} of the pickle)`;
  assertRefused(call(pickle("NONE")), refusal("None", 2));
  assertRefused(call(text("os.system")), refusal("str", 15));
  assertRefused(call(pickle("EMPTY_DICT")), refusal("dict", 2));
  assertRefused(call(pickle("EMPTY_TUPLE")), refusal("tuple", 2));
  assertRefused(call(pickle("EMPTY_SET")), refusal("set", 2));
  assertRefused(call(pickle("MARK", "FROZENSET")), refusal("frozenset", 3));
  assertRefused(call(pickle("SHORT_BINBYTES", 0)), refusal("bytes", 3));
  assertRefused(call(pickle("BYTEARRAY8", u64(0n))), refusal("bytearray", 10));
  assertRefused(call(pickle("BINFLOAT", u64(0n))), refusal("float", 10));
  assertRefused(call(pickle("NEWTRUE")), refusal("bool", 2));
  assertRefused(call(pickle("BININT1", 0)), refusal("int", 3));
  assertRefused(
    pickle(global("m", "C"), "EMPTY_LIST", "NEWOBJ", "STOP"),
    "Cannot read NEWOBJ: the arguments are a list, not a tuple (at byte 6 of the pickle)",
  );
  assertRefused(
    pickle(global("m", "C"), "EMPTY_TUPLE", "NONE", "NEWOBJ_EX", "STOP"),
    "Cannot read NEWOBJ_EX: the keyword arguments are a None, not a dict (at byte 7 of the pickle)",
  );
});

Deno.test("readPickle() takes no names that aren't text", () => {
  assertRefused(
    pickle(text("os"), "SHORT_BINBYTES", 0, "STACK_GLOBAL", "STOP"),
    "Cannot read STACK_GLOBAL: the names are str and bytes, not str (at byte 9 of the pickle)",
  );
  const name = (first: string, second: string) => pickle("GLOBAL", ascii(`${first}\n${second}\n`), "STOP");
  assertRefused(name("", "C"), "Cannot read GLOBAL: the name is empty (at byte 0 of the pickle)");
  assertRefused(name("m", ""), "Cannot read GLOBAL: the name is empty (at byte 0 of the pickle)");
  assertRefused(
    pickle("GLOBAL", 0xff, ascii("\nC\n"), "STOP"),
    "Cannot read GLOBAL: the name is not UTF-8 (at byte 0 of the pickle)",
  );
  assertRefused(
    pickle("MARK", "INST", ascii("m\né\n"), "STOP"),
    "Cannot read INST: the name is not ASCII (at byte 1 of the pickle)",
  );
  assertRefused(
    pickle("PERSID", 0xe9, 0x0a, "STOP"),
    "Cannot read PERSID: the persistent id is not ASCII (at byte 0 of the pickle)",
  );
});

// Lengths

Deno.test("readPickle() checks lengths before it allocates", () => {
  const long = (opcode: "BINUNICODE8" | "BINBYTES8" | "BYTEARRAY8" | "FRAME", length: bigint) =>
    assertRefused(
      pickle(opcode, u64(length), "STOP"),
      `Cannot read ${opcode}: ${length} bytes are needed, 1 are left (at byte 0 of the pickle)`,
    );
  for (const opcode of ["BINUNICODE8", "BINBYTES8", "BYTEARRAY8", "FRAME"] as const) {
    for (const length of [2n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      long(opcode, length);
    }
  }
  for (const opcode of ["BINUNICODE", "BINSTRING", "BINBYTES"] as const) {
    assertRefused(
      pickle(opcode, u32(0xffffffff), "STOP"),
      `Cannot read ${opcode}: 4294967295 bytes are needed, 1 are left (at byte 0 of the pickle)`,
    );
  }
  assertRefused(
    pickle("LONG4", u32(0x7fffffff), "STOP"),
    "Cannot read LONG4: 2147483647 bytes are needed, 1 are left (at byte 0 of the pickle)",
  );
  assertRefused(
    pickle("LONG4", u32(0x80000000), "STOP"),
    "Cannot read LONG4: the length -2147483648 is negative (at byte 0 of the pickle)",
  );
  assertRefused(
    pickle("LONG1", 2, 0),
    "Cannot read LONG1: 2 bytes are needed, 1 are left (at byte 0 of the pickle)",
  );
  assertRefused(
    pickle("BININT", 1, 2, 3),
    "Cannot read BININT: 4 bytes are needed, 3 are left (at byte 0 of the pickle)",
  );
  assertRefused(
    pickle("UNICODE", ascii("no end"), "STOP"),
    "Cannot read UNICODE: the line has no end (at byte 0 of the pickle)",
  );
});

Deno.test("readPickle() takes text up to its limit and no more", () => {
  const limits = { textBytes: 4 };
  assertEquals(readPickle(pickle(text("text"), "STOP"), { limits }), "text");
  const refusal = (opcode: string) =>
    `Cannot read ${opcode}: the text has 5 bytes, more than 4 (at byte 0 of the pickle)`;
  assertRefused(pickle(text("texts"), "STOP"), refusal("BINUNICODE"), limits);
  assertRefused(pickle("SHORT_BINSTRING", 5, ascii("texts"), "STOP"), refusal("SHORT_BINSTRING"), limits);
  assertRefused(pickle("UNICODE", ascii("texts\n"), "STOP"), refusal("UNICODE"), limits);
  assertRefused(pickle("GLOBAL", ascii("os\ntexts\n"), "STOP"), refusal("GLOBAL"), limits);
});

Deno.test("readPickle() takes integers up to their limits and no more", () => {
  const wide = (length: number) => pickle("LONG4", u32(length), repeat(length, 0x7f), "STOP");
  assertEquals((readPickle(wide(LIMITS.integerBytes)) as bigint).toString(16).length, 2 * 65536);
  assertRefused(
    wide(LIMITS.integerBytes + 1),
    "Cannot read LONG4: the integer has 65537 bytes, more than 65536 (at byte 0 of the pickle)",
  );
  const digits = (count: number, sign = "") =>
    pickle("LONG", ascii(`${sign}${"9".repeat(count)}L\n`), "STOP");
  assertEquals(readPickle(digits(4300, "-")), -(10n ** 4300n) + 1n);
  assertRefused(
    digits(4301),
    "Cannot read LONG: the number has 4301 digits, more than 4300 (at byte 0 of the pickle)",
  );
  for (const opcode of ["INT", "FLOAT", "GET", "PUT"] as const) {
    assertRefused(
      pickle(opcode, repeat(4301, 0x31), 0x0a, "STOP"),
      `Cannot read ${opcode}: the number has 4301 digits, more than 4300 (at byte 0 of the pickle)`,
    );
  }
});

// Exhaustion

Deno.test("readPickle() takes a full stack and no more", () => {
  const nones = (count: number) => pickle("MARK", repeat(count, "NONE"), "TUPLE", "STOP");
  assertEquals((readPickle(nones(LIMITS.stack)) as Tuple).items.length, 1048576);
  assertRefused(
    nones(LIMITS.stack + 1),
    "Cannot read NONE: the stack holds 1048576 values, the most that is allowed (at byte 1048577 of the pickle)",
  );
});

Deno.test("readPickle() takes as many marks as are allowed and no more", () => {
  const marks = (count: number) => pickle("NONE", repeat(count, "MARK"), repeat(count, "POP"), "STOP");
  assertEquals(readPickle(marks(LIMITS.marks)), null);
  assertRefused(
    marks(LIMITS.marks + 1),
    "Cannot read MARK: the stack holds 16384 marks, the most that is allowed (at byte 16385 of the pickle)",
  );
});

Deno.test("readPickle() takes as many memo entries as are allowed and no more", () => {
  const limits = { memoEntries: 3 };
  const put = (index: number) => pickle("LONG_BINPUT", u32(index));
  const full = pickle("NONE", put(0), put(1000), put(2000), put(0), put(1000));
  assertEquals(readPickle(pickle(full, "STOP"), { limits }), null);
  const refusal = (opcode: string) =>
    `Cannot read ${opcode}: the memo holds 3 entries, the most that is allowed (at byte 26 of the pickle)`;
  assertRefused(pickle(full, put(1), "STOP"), refusal("LONG_BINPUT"), limits);
  assertRefused(pickle(full, put(3000), "STOP"), refusal("LONG_BINPUT"), limits);
  assertRefused(pickle(full, "MEMOIZE", "STOP"), refusal("MEMOIZE"), limits);
});

Deno.test("readPickle() takes the 2^22 memo entries that are allowed and no more", () => {
  assertEquals(readPickle(pickle("NONE", repeat(LIMITS.memoEntries, "MEMOIZE"), "STOP")), null);
  assertRefused(
    pickle("NONE", repeat(LIMITS.memoEntries + 1, "MEMOIZE"), "STOP"),
    "Cannot read MEMOIZE: the memo holds 4194304 entries, the most that is allowed (at byte 4194305 of the pickle)",
  );
});

Deno.test("readPickle() takes memo indices up to 2^32 - 1 and no more", () => {
  const put = (index: string) => pickle("NONE", "PUT", ascii(`${index}\n`), "STOP");
  assertEquals(readPickle(put("4294967295")), null);
  for (const index of ["4294967296", "9007199254740993", "99999999999999999999"]) {
    assertRefused(
      put(index),
      `Cannot read PUT: the memo index ${index} is above 4294967295 (at byte 1 of the pickle)`,
    );
  }
  assertRefused(put("-1"), "Cannot read PUT: the memo index -1 is negative (at byte 1 of the pickle)");
  const get = (index: string) => pickle("GET", ascii(`${index}\n`), "STOP");
  for (const index of ["0", "-1", "4294967296", "99999999999999999999"]) {
    assertRefused(get(index), `Cannot read GET: the memo has no entry ${index} (at byte 0 of the pickle)`);
  }
});

Deno.test("readPickle() runs as many opcodes as are allowed and no more", () => {
  const limits = { opcodes: 4 };
  assertEquals(readPickle(pickle("NONE", "POP", "NONE", "STOP"), { limits }), null);
  assertRefused(
    pickle("NONE", "POP", "NONE", "DUP", "STOP"),
    "Cannot read STOP: the pickle has more than 4 opcodes (at byte 4 of the pickle)",
    limits,
  );
});

Deno.test("readPickle() makes as many objects as are allowed and no more", () => {
  const objects: [string, Uint8Array][] = [
    ["EMPTY_LIST", pickle("EMPTY_LIST")],
    ["EMPTY_DICT", pickle("EMPTY_DICT")],
    ["EMPTY_SET", pickle("EMPTY_SET")],
    ["SHORT_BINBYTES", pickle("SHORT_BINBYTES", 0)],
    ["SHORT_BINSTRING", pickle("SHORT_BINSTRING", 1, 0xff)],
    ["GLOBAL", global("m", "C")],
    ["PERSID", pickle("PERSID", 0x0a)],
  ];
  for (const [opcode, object] of objects) {
    const limits = { objects: 2 };
    readPickle(pickle(object, object, "STOP"), { limits });
    assertRefused(
      pickle(object, object, object, "STOP"),
      `Cannot read ${opcode}: the pickle makes more than 2 objects (at byte ${
        2 * object.length
      } of the pickle)`,
      limits,
    );
  }
  assertRefused(
    repeat(LIMITS.objects + 1, "EMPTY_DICT", "POP"),
    "Cannot read EMPTY_DICT: the pickle makes more than 1048576 objects (at byte 2097152 of the pickle)",
  );
});

Deno.test("readPickle() needs a stack that holds what an opcode takes", () => {
  assertRefused(
    pickle("STOP"),
    "Cannot read STOP: the stack holds too few values: 0 in all (at byte 0 of the pickle)",
  );
  assertRefused(
    pickle("NONE", "TUPLE2", "STOP"),
    "Cannot read TUPLE2: the stack holds too few values: 1 in all, None on top (at byte 1 of the pickle)",
  );
  assertRefused(
    pickle("EMPTY_LIST", "MARK", "NONE", "APPEND", "STOP"),
    "Cannot read APPEND: the stack holds too few values: 0 above its latest mark (at byte 3 of the pickle)",
  );
  assertRefused(
    pickle("NONE", "MARK", "BININT1", 1, "TUPLE2"),
    "Cannot read TUPLE2: the stack holds too few values: 1 above its latest mark, int on top (at byte 4 of the pickle)",
  );
});

// Nesting and sharing

Deno.test("readPickle() doesn't recurse into nested tuples, lists, dicts or calls", () => {
  const depth = 300_000;
  const dict = pickle("MARK", "NONE", "BINGET", 0, "DICT", "BINPUT", 0, "POP");
  readPickle(pickle("NONE", repeat(depth, "TUPLE1"), "STOP"));
  readPickle(pickle("NONE", repeat(depth, "BINPERSID"), "STOP"));
  readPickle(
    pickle(
      "EMPTY_LIST",
      "BINPUT",
      0,
      repeat(depth, "EMPTY_LIST", "BINGET", 0, "APPEND", "BINPUT", 0),
      "STOP",
    ),
  );
  readPickle(pickle("NONE", "BINPUT", 0, repeat(depth, dict), "STOP"));
  readPickle(pickle(global("m", "f"), repeat(depth, "EMPTY_TUPLE", "REDUCE"), "STOP"));
});

Deno.test("readPickle() shares what doubles with each opcode", () => {
  const bytes = pickle("EMPTY_LIST", repeat(200_000, "DUP", "TUPLE2"), "STOP");
  const [first, second] = (readPickle(bytes) as Tuple).items;
  assertStrictEquals(first, second);
});

Deno.test("readPickle() finds a key in linear time that takes CPython's hash 2^100 steps", () => {
  const key = pickle("BININT1", 1, repeat(100, "DUP", "TUPLE2"));
  const bytes = pickle("EMPTY_DICT", key, "BININT1", 1, "SETITEM", key, "BININT1", 2, "SETITEM", "STOP");
  assertEquals([...(readPickle(bytes) as Map<unknown, unknown>).values()], [2]);
});

Deno.test("readPickle() doesn't recurse into nested keys", () => {
  const key = pickle("NONE", repeat(300_000, "TUPLE1"));
  assertEquals(
    (readPickle(pickle("EMPTY_DICT", key, "NONE", "SETITEM", "STOP")) as Map<unknown, unknown>).size,
    1,
  );
  assertRefused(
    pickle("EMPTY_DICT", "EMPTY_LIST", repeat(300_000, "TUPLE1"), "NONE", "SETITEM", "STOP"),
    "Cannot read SETITEM: a list can't be a key (at byte 300003 of the pickle)",
  );
});

Deno.test("readPickle() looks at a long key once, however often it is set", () => {
  const times = 200_000;
  const put = (key: Uint8Array) => pickle(key, "MEMOIZE", "POP");
  const keys = pickle(
    ...[put(pickle("BINBYTES", u32(1e6), new Uint8Array(1e6))), put(text("x".repeat(1e6)))],
    ...[put(text("x".repeat(1e6))), put(pickle("MARK", repeat(1e5, "BININT1", 1), "TUPLE"))],
  );
  const set = (index: number) => pickle("BINGET", index, "NONE", "SETITEM");
  const sets = repeat(times, set(0), set(1), set(2), set(3));
  const bytes = pickle(keys, "EMPTY_DICT", sets, "STOP");
  assertEquals((readPickle(bytes) as Map<unknown, unknown>).size, 3);
});

Deno.test("readPickle() refuses integer keys that are chosen to collide", () => {
  const hash = (key: number) => {
    key = (~key + (key << 15)) | 0;
    key ^= key >>> 12;
    key = (key + (key << 2)) | 0;
    key ^= key >>> 4;
    key = Math.imul(key, 2057);
    return (key ^ (key >>> 16)) >>> 0;
  };
  const keys = (chosen: (key: number) => boolean) => {
    const bytes = new Uint8Array(6 * 20_000);
    for (let key = 0, count = 0; count < 20_000; key++) {
      if (chosen(key)) bytes.set(pickle("BININT", u32(key), "NONE"), 6 * count++);
    }
    return pickle("EMPTY_DICT", "MARK", bytes, "SETITEMS", "STOP");
  };
  for (const harmless of [() => true, (key: number) => hash(key) % 8 === 0]) {
    assertEquals((readPickle(keys(harmless)) as Map<unknown, unknown>).size, 20_000);
  }
  const again = pickle(
    keys(() => true).slice(0, -1),
    repeat(1000, "BININT", u32(20_000), "NONE", "SETITEM"),
    "STOP",
  );
  assertEquals((readPickle(again) as Map<unknown, unknown>).size, 20_001);
  assertRefused(
    keys((key) => hash(key) % 4096 === 5),
    "Cannot read SETITEMS: too many keys have one hash (at byte 120002 of the pickle)",
  );
});

Deno.test("readPickle() takes no key that can change", () => {
  const set = (key: Uint8Array) => pickle("EMPTY_DICT", key, "NONE", "SETITEM", "STOP");
  const refusal = (type: string, offset: number) =>
    `Cannot read SETITEM: a ${type} can't be a key (at byte ${offset} of the pickle)`;
  assertRefused(set(pickle("EMPTY_LIST")), refusal("list", 3));
  assertRefused(set(pickle("EMPTY_DICT")), refusal("dict", 3));
  assertRefused(set(pickle("EMPTY_SET")), refusal("set", 3));
  assertRefused(set(pickle("BYTEARRAY8", u64(0n))), refusal("bytearray", 11));
  assertRefused(set(pickle("EMPTY_LIST", "TUPLE1")), refusal("list", 4));
});

Deno.test("readPickle() reads no protocol and no opcode that isn't there", () => {
  assertRefused(
    pickle("PROTO", 6, "NONE", "STOP"),
    "Cannot read PROTO: protocol 6 is above 5, the highest that is known (at byte 0 of the pickle)",
  );
  for (let code = 0; code < 256; code++) {
    try {
      readPickle(Uint8Array.of(code, 0x2e));
    } catch (error) {
      assert(error instanceof PickleError);
    }
  }
  assertRefused(pickle(0x00), "Cannot read opcode 0x00: no protocol has it (at byte 0 of the pickle)");
  assertRefused(pickle(0x99), "Cannot read opcode 0x99: no protocol has it (at byte 0 of the pickle)");
});

Deno.test("readPickle() reads no pickle that is cut short", () => {
  const bytes = pickle(
    ...["PROTO" as const, 4, "EMPTY_DICT" as const, text("key"), global("m", "C"), "EMPTY_TUPLE" as const],
    ...["REDUCE" as const, "BININT2" as const, 1, 2, "BUILD" as const, "SETITEM" as const, "STOP" as const],
  );
  readPickle(bytes);
  for (let length = 0; length < bytes.length; length++) {
    assertThrows(() => readPickle(bytes.subarray(0, length)), PickleError);
  }
});
