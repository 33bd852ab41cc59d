/** Pickles with random damage. They read as something or are refused; nothing else may happen. */

import { assertInstanceOf } from "@std/assert";
import { listGlobals, PickleError, type PickleValue, readPickle, writePickle } from "../../lib/pickle/mod.ts";
import { entries, realPickles, refused } from "./corpus.ts";

const MUTANTS = 20_000;
const SEED = 0x2545f491;
/** Longer pickles take their time and have little in them that shorter ones lack. */
const LONGEST = 4096;

const seeds = [...entries.flatMap((entry) => entry.pickles), ...realPickles, ...refused]
  .map(({ bytes }) => bytes)
  .filter((bytes) => bytes.length <= LONGEST);

Deno.test(`readPickle() gives ${MUTANTS} damaged pickles a value or a PickleError`, () => {
  const random = randomIntegers(SEED);
  for (let i = 0; i < MUTANTS; i++) {
    const mutant = mutate(seeds, random);
    let value: PickleValue;
    try {
      value = readPickle(mutant);
    } catch (error) {
      assertInstanceOf(error, PickleError, `mutant ${i}: ${mutant.toHex()}`);
      continue;
    }
    if (listGlobals(mutant).error) throw new Error(`mutant ${i} has no list of globals: ${mutant.toHex()}`);
    try {
      writePickle(value);
    } catch (error) {
      const known = error instanceof TypeError || error instanceof RangeError;
      if (!known || !error.message.startsWith("Cannot write pickle: ")) throw error;
    }
  }
});

/** Damages one of the pickles in one to five places. */
function mutate(pickles: Uint8Array[], random: (below: number) => number): Uint8Array {
  const pick = () => pickles[random(pickles.length)]!;
  const bytes = [...pick()];
  for (let count = 1 + random(5); count > 0; count--) {
    const at = random(bytes.length + 1);
    const other = pick();
    const from = random(other.length + 1);
    const piece = [...other.subarray(from, from + random(32))];
    switch (random(6)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 2:
        bytes.splice(at, 1 + random(4));
        break;
      case 3:
        bytes.splice(at, 0, ...piece);
        break;
      case 4:
        bytes.splice(at, piece.length, ...piece);
        break;
      case 5:
        bytes.splice(at, 0, ...bytes.slice(at, at + 1 + random(16)));
        break;
    }
  }
  return Uint8Array.from(bytes);
}

/** Random integers below a bound, the same for the same seed (a 32-bit xorshift generator). */
function randomIntegers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
