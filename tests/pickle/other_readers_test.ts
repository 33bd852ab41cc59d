/**
 * Frames (PEP 3154) that end elsewhere than the opcodes. CPython's unpickler then goes on at one place or another,
 * depending on whether it reads from memory, from a file with a buffer or from one without: so none is right.
 */

import { assertEquals, assertThrows } from "@std/assert";
import {
  listGlobals,
  PickleError,
  type PickleProblem,
  readPickle,
  readPickleFrom,
} from "../../lib/pickle/mod.ts";
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

Deno.test("PickleError.problem says whether other readers could go on", () => {
  const assertProblem = (problem: PickleProblem, ...parts: Parameters<typeof pickle>) => {
    const error = listGlobals(pickle(...parts)).error!;
    assertEquals([error.problem, error.message], [problem, error.message]);
  };
  assertProblem("malformed", 0xff);
  assertProblem("malformed", "NONE", 0);
  assertProblem("malformed", "PROTO", 6);
  assertProblem("malformed", "POP");
  assertProblem("malformed", "NONE", "TUPLE2", "STOP");
  assertProblem("malformed", "MARK", "STOP");
  assertProblem("malformed", "NONE", "LIST");
  assertProblem("malformed", "NONE", "APPENDS");
  assertProblem("malformed", "BINPUT", 0);
  assertProblem("malformed", "BINGET", 0);
  assertProblem("malformed", "GET", ascii("7\n"));
  for (const line of ["Ix", "I", "I \0", "L1 2", "L\0", "F\0", "F1__0", "gx", "Sx", "S'\\x'", "V\\u"]) {
    assertProblem("malformed", ascii(`${line}\n`), "STOP");
  }
  // The last four are numbers to pickle.py alone, and "I\0" is False to the C unpickler.
  for (const line of ["I1\0", "L1L\0", "F1.\0", "I\0", "I\0x", "F1_0", "F 1", "F1e999", "F inf "]) {
    assertProblem("refused", ascii(`${line}\n`), "STOP");
  }
  for (const line of ["p\0\0{", "I\x02\0\0", "I\0", "Lx\0L"]) assertProblem("malformed", ascii(line), "STOP");
  // Bytes to a reader that takes Python 2's str for bytes.
  assertProblem("refused", "SHORT_BINSTRING", 1, 0x61, "READONLY_BUFFER", "STOP");
  // What pickle.py imports before it fails.
  assertEquals(listGlobals(ascii("ios\nsystem\n.")).globals.map(({ global }) => `${global}`), [
    "os.system",
  ]);
  assertProblem("malformed", "READONLY_BUFFER", "STOP");
  assertProblem("refused", "SHORT_BINBYTES", 0, "READONLY_BUFFER", "STOP");
  assertProblem("malformed", "PERSID", 0xe9, 0x0a, "STOP");
  assertProblem("malformed", "GLOBAL", 0xff, 0x0a, 0x0a, "STOP");
  assertProblem("ends");
  assertProblem("ends", "NONE");
  assertProblem("ends", "BINUNICODE", 9, 0, 0, 0, 0);
  assertProblem("ends", "GLOBAL", ascii("os\nsystem"));
  // Python's own unpickler goes on where a frame is too long.
  assertProblem("refused", "FRAME", u64(9n), "NONE", "STOP");
  assertProblem("refused", frame(3), "NONE", "STOP", "NONE");
  // CPython runs these.
  assertProblem("refused", "EMPTY_LIST", "NONE", "BUILD", "STOP");
  assertProblem("refused", "EMPTY_LIST", "NONE", "APPEND", "BININT1", 0, "NONE", "SETITEM", "STOP");
  assertProblem("refused", "EXT1", 1, "STOP");
  assertProblem("malformed", "NEXT_BUFFER", "STOP");
  assertProblem("malformed", "MARK", "OBJ");
  assertProblem("malformed", ascii(`I${"{".repeat(9000)}\n`));
  assertProblem("refused", ascii(`I${"1".repeat(9000)}\n`));
  assertProblem("malformed", ascii("p1\0"));
  assertProblem("refused", ascii("Np1\0"));
  assertProblem("malformed", ascii("Np0\ng1\0"));
  assertProblem("refused", ascii("Np0\ng0\0"));
  assertEquals(
    listGlobals(pickle("NONE", "STOP"), { limits: { opcodes: 1 } }).error!.problem,
    "refused",
  );
});
