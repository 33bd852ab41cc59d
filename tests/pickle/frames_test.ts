/**
 * Frames (PEP 3154) that end elsewhere than the opcodes. CPython's unpickler then goes on at one place or another,
 * depending on whether it reads from memory, from a file with a buffer or from one without: so none is right.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { listGlobals, PickleError, readPickle, readPickleFrom } from "../../lib/pickle/mod.ts";
import { ascii, global, pickle, repeat, u64 } from "./assemble.ts";

const frame = (length: number) => pickle("FRAME", u64(BigInt(length)));

Deno.test("readPickle() reads opcodes in frames, between them and behind them", () => {
  for (
    const bytes of [
      pickle("PROTO", 4, frame(4), "BININT1", 1, "MEMOIZE", "STOP"),
      pickle("PROTO", 4, frame(2), "BININT1", 1, frame(1), "STOP"),
      pickle("PROTO", 4, frame(2), "BININT1", 1, "MEMOIZE", frame(1), "STOP"),
      pickle("PROTO", 4, frame(0), "BININT1", 1, frame(0), "STOP"),
    ]
  ) assertEquals(readPickle(bytes), 1);
});

Deno.test("readPickle() refuses a frame that runs on past the end of the pickle", () => {
  const harm = pickle(global("os", "system"), "STOP");
  // From a file without a buffer CPython goes on behind the frame, where the second pickle is another.
  const bytes = pickle("PROTO", 4, frame(6), "NONE", "STOP", repeat(2, "NONE", "STOP"), harm);
  const message = "Cannot read STOP: its frame has 4 bytes left (at byte 12 of the pickle)";
  assertEquals(assertThrows(() => readPickleFrom(bytes, 0), PickleError).message, message);
  assertEquals(listGlobals(bytes).error?.message, message);
});

Deno.test("readPickle() refuses arguments that cross the end of a frame", () => {
  for (
    const [opcode, bytes, ends] of [
      ["BININT2", pickle("BININT2", 1, 2), [2]],
      ["SHORT_BINUNICODE", pickle("SHORT_BINUNICODE", 2, ascii("ab")), [3]],
      ["SHORT_BINBYTES", pickle("SHORT_BINBYTES", 2, ascii("ab")), [3]],
      ["LONG1", pickle("LONG1", 2, 1, 1), [3]],
      ["INT", ascii("I12\n"), [2, 3]],
      ["GLOBAL", ascii("cos\nid\n"), [2, 3, 5, 6]],
      ["FRAME", frame(0), [2, 8]],
    ] as const
  ) {
    for (const length of ends) {
      const crossed = pickle("PROTO", 4, frame(length), bytes, "STOP");
      const error = assertThrows(() => readPickle(crossed), PickleError);
      const message = `Cannot read ${opcode}: it crosses the end of its frame (at byte 11 of the pickle)`;
      assertEquals(error.message, message, `${length}`);
    }
  }
});

Deno.test("readPickle() refuses a frame that begins within another", () => {
  const error = assertThrows(
    () => readPickle(pickle("PROTO", 4, frame(11), frame(1), "NONE", "STOP")),
    PickleError,
  );
  assertEquals(
    error.message,
    "Cannot read FRAME: the frame before it has 2 bytes left (at byte 11 of the pickle)",
  );
});

Deno.test("PickleError.isFatal says where CPython can't go on either", () => {
  const errorOf = (...parts: Parameters<typeof pickle>) => listGlobals(pickle(...parts)).error!;
  const some = "NONE" as const;
  for (
    const fatal of [
      errorOf(),
      errorOf(some),
      errorOf(0xff),
      errorOf(some, 0),
      errorOf("PROTO", 6),
      errorOf("POP"),
      errorOf(some, "TUPLE2", "STOP"),
      errorOf("MARK", "STOP"),
      errorOf(some, "LIST"),
      errorOf(some, "APPENDS"),
      errorOf("BINGET", 0),
      errorOf("GET", ascii("7\n")),
      errorOf("BINUNICODE", 9, 0, 0, 0, 0),
      errorOf("GLOBAL", ascii("os\nsystem")),
      errorOf("BINPUT", 0),
    ]
  ) assertEquals([fatal.isFatal, fatal.message], [true, fatal.message]);
  const one = { opcodes: 1 };
  for (
    const open of [
      listGlobals(pickle(some, "STOP"), { limits: one }).error!,
      // CPython makes nothing of these either, but isn't done with them.
      errorOf("EMPTY_LIST", some, "BUILD", "STOP"),
      errorOf("EMPTY_LIST", "BININT1", 0, some, "SETITEM", "STOP"),
      errorOf("EXT1", 1, "STOP"),
      errorOf("NEXT_BUFFER", "STOP"),
      errorOf("FRAME", u64(9n), some, "STOP"),
      errorOf(frame(3), some, "STOP", some),
    ]
  ) assertEquals([open.isFatal, open.message], [false, open.message]);
});
