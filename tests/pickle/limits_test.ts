import { assertThrows } from "@std/assert";
import { DEFAULT_PICKLE_LIMITS, PickleError, type PickleLimits, readPickle } from "../../lib/pickle/mod.ts";
import { OptionError } from "../../lib/error.ts";
import { entries, realPickles } from "./corpus.ts";

/** The largest that occurs in the fixtures: what the comments in lib/pickle/limits.ts call seen. */
const SEEN: PickleLimits = {
  opcodes: 35900,
  objects: 7964,
  stack: 2010,
  marks: 4,
  memoEntries: 9105,
  memoIndex: 9104,
  textBytes: 30000,
  integerBytes: 257,
  digits: 4300,
};

const pickles = [...entries.flatMap((entry) => entry.pickles), ...realPickles];

Deno.test("readPickle() needs no more than the limits that the comments call seen", () => {
  for (const { bytes } of pickles) readPickle(bytes, { limits: SEEN });
});

for (const [name, limit] of Object.entries(SEEN)) {
  Deno.test(`readPickle() needs all of the ${name} that the comments call seen`, () => {
    assertThrows(
      () => pickles.forEach(({ bytes }) => readPickle(bytes, { limits: { [name]: limit - 1 } })),
      PickleError,
    );
  });
}

Deno.test("readPickle() refuses limits that are no limits", () => {
  const none = new Uint8Array();
  assertThrows(
    () => readPickle(none, { limits: { stack: -1 } }),
    OptionError,
    "Cannot use limit stack: -1 is not a non-negative integer",
  );
  assertThrows(
    () => readPickle(none, { limits: { digits: NaN } }),
    OptionError,
    "Cannot use limit digits: NaN is not a non-negative integer",
  );
  assertThrows(
    () => readPickle(none, { limits: { opcodes: DEFAULT_PICKLE_LIMITS.opcodes + 1 } }),
    OptionError,
    "Cannot use limit opcodes: 16777217 is more than 16777216",
  );
});
