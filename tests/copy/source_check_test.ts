import { assertEquals } from "@std/assert";
import { crc32 } from "../../lib/copy/crc32.ts";
import type { ReadRun } from "../../lib/copy/kernel.ts";
import { badCrc, SourceCheck } from "../../lib/copy/source_check.ts";
import { FormatError } from "../../lib/error.ts";
import { assertFails } from "./_assert.ts";
import { Random } from "./_random.ts";

const content = new Random(1).bytes(100);

/** The run from `start` to `end` of a file with this content. */
function run(start: number, end: number, path = "f"): ReadRun {
  return { path, offset: start, length: end - start, crc: crc32(content.subarray(start, end)) };
}

/** Checks of the bytes 10 to 30 and 30 to 90, the second with a CRC-32 that isn't theirs. */
function check(): SourceCheck {
  return new SourceCheck([
    { label: "bad", path: "f", offset: 30, length: 60, crc: 1 },
    { label: "good", path: "f", offset: 10, length: 20, crc: crc32(content.subarray(10, 30)) },
  ]);
}

const damaged = `f: bad: the bytes are damaged (CRC-32 ${
  crc32(content.subarray(30, 90)).toString(16).padStart(8, "0")
}, expected 00000001); get the file again from where it was written`;

Deno.test("SourceCheck refuses a record with another CRC-32 as soon as it was read whole", () => {
  const whole = check();
  whole.add([run(10, 30)]);
  assertFails(() => whole.add([run(30, 90)]), FormatError, damaged);

  const parts = check();
  parts.add([run(60, 90), run(10, 15)]);
  parts.add([run(30, 45), run(15, 30)]);
  assertFails(() => parts.add([run(45, 60)]), FormatError, damaged);
});

Deno.test("SourceCheck takes runs that are read more than once, in other lengths", () => {
  const checked = check();
  checked.add([run(30, 50), run(30, 40), run(30, 50), run(70, 90), run(70, 75)]);
  assertFails(() => checked.add([run(50, 70)]), FormatError, damaged);
});

Deno.test("SourceCheck can't check a record of which a part is missing", () => {
  const checked = check();
  checked.add([run(30, 50), run(51, 90), run(40, 51)]);
  checked.add([run(31, 90)]);
});

Deno.test("SourceCheck leaves out runs that lie in no record", () => {
  const checked = check();
  checked.add([run(0, 10), run(5, 15), run(90, 100), run(20, 40), run(30, 91), run(30, 90, "other")]);
});

Deno.test("SourceCheck accepts a record that is read again", () => {
  const checked = check();
  for (let n = 0; n < 3; n++) checked.add([run(10, 20), run(20, 30)]);
});

Deno.test("badCrc() shows both checksums with all their digits", () => {
  const error = badCrc("path", "data/0", 0xabc, 0xffffffff);
  assertEquals(error.constructor, FormatError);
  assertEquals(
    error.message,
    "path: data/0: the bytes are damaged (CRC-32 ffffffff, expected 00000abc); " +
      "get the file again from where it was written",
  );
});
