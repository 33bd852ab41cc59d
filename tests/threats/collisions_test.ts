/**
 * Keys that are chosen to have one hash. What they cost is counted, so that these tests need no clock.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { KeyGuard } from "../../lib/key_guard.ts";
import { dictOf } from "../../lib/torch/pickled_dict.ts";
import { Global, PickleError, readPickle, Reduction, Tuple } from "../../lib/pickle/mod.ts";
import { JsonError, parseStrictJson } from "../../lib/safetensors/json.ts";
import { openTorchFile } from "../../lib/torch/torch_file.ts";
import { assertFails, assertFailsAsync } from "../copy/_assert.ts";
import { ascii, pickle, repeat, u32 } from "../pickle/assemble.ts";
import { memorySource } from "../torch/_zip.ts";
import { collidingIndex, dictWith, join, text, torchOfRecords, zipOfRecords } from "./_hostile.ts";

const numbers = Array.from({ length: 60_000 }, (_, i) => i);
const colliding = numbers.slice(0, 20_000).map(collidingIndex);

/** Whether all keys may be set in a map, one after the other. */
function allows(keys: readonly unknown[], guard = new KeyGuard()): boolean {
  const map = new Map<unknown, unknown>();
  return keys.every((key) => guard.allows(map, key) && map.set(key, 1));
}

const longTexts = (count: number) => numbers.slice(0, count).map((i) => "x".repeat(16379) + (10_000 + i));

Deno.test("KeyGuard allows honest keys, as many as there are", () => {
  assert(allows(numbers));
  assert(allows(numbers.map(String)));
  assert(allows(numbers.map(String).sort()));
  assert(allows(numbers.map((i) => `layers.${i}.weight`)));
  assert(allows(numbers.map((i) => `0${i}`)));
  assert(allows(colliding.map((key) => `${key}.`)));
  assert(allows(numbers.map((i) => ({ i }))));
  assert(allows([...numbers, ...numbers, ...numbers.map(String)]));
  assert(allows(Array.from({ length: 300_000 }, (_, i) => i)));
  assert(allows(Array(60_000).fill(colliding[0])));
});

Deno.test("KeyGuard doesn't allow keys that are chosen to collide", () => {
  assert(!allows(colliding));
  assert(!allows(numbers.map((i) => 2n ** 64n * BigInt(i))));
  assert(!allows(numbers.map((i) => 2 ** 33 * (i + 1))));
  assert(!allows(numbers.map((i) => -i)));
  assert(!allows(numbers.map((i) => i + 0.5)));
  // Of texts this long V8 hashes the length alone.
  assert(!allows(longTexts(1000)));
  assert(allows(longTexts(1000).map((text) => text.slice(1))));
  // A few do no harm.
  assert(allows(colliding.slice(0, 5000)));
  assert(allows(numbers.slice(0, 8000).map((i) => 2 ** 40 + i)));
  assert(allows(longTexts(500)));
});

Deno.test("KeyGuard counts keys that are looked up again and again, and those of all containers together", () => {
  const few = colliding.slice(0, 4000);
  assert(!allows([...few, ...Array(40_000).fill(few.at(-1))]));
  assert(!allows(["0", ...few, ...Array(40_000).fill("0")]));
  const guard = new KeyGuard();
  assertEquals([1, 2, 3].map(() => allows(few, guard)), [true, true, false]);
});

const refused = /^Cannot read \w+: too many keys have one hash \(at byte \d+ of the pickle\)$/;

function assertRefused(bytes: Uint8Array): void {
  const error = assertThrows(() => readPickle(bytes), PickleError);
  assert(refused.test(error.message), error.message);
}

Deno.test("readPickle() refuses keys that are texts of integers, chosen to collide", () => {
  assertRefused(dictWith(colliding.map(text)));
  // In a set, as parts of a tuple, and beside keys of another kind.
  assertRefused(pickle("EMPTY_SET", "MARK", join(colliding.map(text)), "ADDITEMS", "STOP"));
  assertRefused(dictWith(colliding.map((key) => pickle(text(key), "TUPLE1"))));
  assertRefused(dictWith([pickle("NEWTRUE"), ...colliding.map(text)]));
  assertEquals((readPickle(dictWith(numbers.map((i) => text(String(i))))) as Map<string, null>).size, 60_000);
});

Deno.test("readPickle() refuses keys that are long texts or bytes, of which only the length is hashed", () => {
  const bytes = (key: string) => pickle("BINBYTES", u32(key.length), ascii(key));
  for (const key of [text, bytes]) {
    assertEquals((readPickle(dictWith(longTexts(500).map(key))) as Map<unknown, null>).size, 500);
    assertRefused(dictWith(longTexts(1000).map(key)));
  }
});

Deno.test("readPickle() refuses many dicts of keys that collide, though each is small", () => {
  const keys = join(
    colliding.slice(0, 5000).map((key, i) => pickle(text(key), "LONG_BINPUT", u32(i), "POP")),
  );
  const dict = pickle(
    "EMPTY_DICT",
    "MARK",
    join(numbers.slice(0, 5000).map((i) => pickle("LONG_BINGET", u32(i), "NONE"))),
    "SETITEMS",
    "POP",
  );
  readPickle(pickle(keys, dict, "NONE", "STOP"));
  assertRefused(pickle(keys, dict, dict, dict, dict, "NONE", "STOP"));
});

Deno.test("readPickle() refuses to set a key behind others that collide again and again", () => {
  const keys = colliding.slice(0, 4000).map((key, i) => pickle(text(key), "LONG_BINPUT", u32(i)));
  const dict = dictWith(keys).slice(0, -1);
  const again = (times: number) => repeat(times, "LONG_BINGET", u32(3999), "NONE", "SETITEM");
  assertEquals((readPickle(pickle(dict, again(100), "STOP")) as Map<string, null>).size, 4000);
  assertRefused(pickle(dict, again(20_000), "STOP"));
  const wide = numbers.slice(0, 4000).map((i) =>
    pickle("LONG1", 12, u32(0), u32(0), u32(i + 1), "LONG_BINPUT", u32(i))
  );
  assertRefused(pickle(dictWith(wide).slice(0, -1), again(20_000), "STOP"));
});

Deno.test("dictOf() takes no items from what OrderedDict.__new__ gets, which takes none", () => {
  const ordered = new Global("collections", "OrderedDict");
  const pairs = new Tuple([["a", 1]]);
  assertEquals(dictOf(new Reduction(ordered, pairs))!.size, 1);
  assertEquals(dictOf(new Reduction(ordered, pairs, "new")), undefined);
  assertEquals(dictOf(new Reduction(ordered, new Tuple(), "new"))!.size, 0);
});

Deno.test("dictOf() gives up on pairs whose keys collide", () => {
  const of = (keys: string[]) =>
    dictOf(new Reduction(new Global("collections", "OrderedDict"), new Tuple(keys.map((key) => [key, 1]))));
  assertEquals(of(["a", "b"]), new Map([["a", 1], ["b", 1]]));
  assertEquals(of(colliding), undefined);
});

Deno.test("parseStrictJson() refuses names that collide", () => {
  const json = (keys: readonly string[]) => `{${keys.map((key) => `"${key}":0`).join()}}`;
  for (const keys of [colliding, longTexts(1000)]) {
    assertFails(() => parseStrictJson(json(keys)), JsonError, "has too many names of one hash");
  }
  assertEquals((parseStrictJson(json(numbers.map(String))) as Map<string, number>).size, 60_000);
});

Deno.test("openTorchFile() refuses records whose names collide", async () => {
  const message = "file.pt: too many names of its records have one hash, so torch didn't write it";
  for (const folder of ["data/", ""]) {
    await assertFailsAsync(
      () => openTorchFile(memorySource(torchOfRecords(5000, (i) => folder + collidingIndex(i)))),
      FormatError,
      message,
    );
  }
  const { storages } = await openTorchFile(memorySource(torchOfRecords(20_000, (i) => `data/${i}`)));
  assertEquals(storages.size, 20_000);
});

Deno.test("openTorchFile() refuses records outside of a folder before they collide in zip.js", async () => {
  await assertFailsAsync(
    () => openTorchFile(memorySource(zipOfRecords(10_000, collidingIndex))),
    FormatError,
    `file.pt: ${collidingIndex(0)}: lies outside the archive's folder, so torch didn't write it`,
  );
});
