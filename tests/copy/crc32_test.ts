import { assertEquals } from "@std/assert";
import { crc32 as zlibCrc32 } from "node:zlib";
import { combineCrc32, crc32 } from "../../lib/copy/crc32.ts";
import { Random } from "./_random.ts";

Deno.test("crc32() gives the published check value", () => {
  assertEquals(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  assertEquals(crc32(new Uint8Array(0)), 0);
});

Deno.test("crc32() goes on from a seed", () => {
  const seed = crc32(new TextEncoder().encode("1234"));
  assertEquals(crc32(new TextEncoder().encode("56789"), seed), 0xcbf43926);
  assertEquals(crc32(new Uint8Array(0), seed), seed);
});

Deno.test("combineCrc32() gives the CRC of runs put together", () => {
  const random = new Random(1);
  for (let n = 0; n < 500; n++) {
    const whole = random.bytes(random.integer(0, 300));
    const cut = random.integer(0, whole.length);
    const first = whole.subarray(0, cut);
    const second = whole.subarray(cut);
    const combined = combineCrc32(zlibCrc32(first), zlibCrc32(second), second.length);
    assertEquals(combined, zlibCrc32(whole), `${cut} + ${second.length}`);
  }
});

Deno.test("combineCrc32() knows empty runs", () => {
  const crc = zlibCrc32(Uint8Array.of(1, 2, 3));
  assertEquals(combineCrc32(crc, 0, 0), crc);
  assertEquals(combineCrc32(0, crc, 3), crc);
  assertEquals(combineCrc32(0, 0, 0), 0);
});

Deno.test("combineCrc32() takes lengths past 4 GiB", () => {
  // CPython's zlib.crc32 of 5,368,721,465 zeros, alone and after b"ckpt".
  const zeros = 2 ** 32 + 2 ** 30 + 12345;
  assertEquals(combineCrc32(0x34026fe3, 0x2a1847ff, zeros), 0x539bb423);
});

Deno.test("combineCrc32() is associative at any length", () => {
  const random = new Random(2);
  for (let n = 0; n < 200; n++) {
    const [a, b, c] = [1, 2, 3].map(() => random.integer(0, 2 ** 32 - 1)) as [number, number, number];
    const bBytes = random.integer(0, 2 ** 52);
    const cBytes = random.integer(0, 2 ** 52);
    const left = combineCrc32(combineCrc32(a, b, bBytes), c, cBytes);
    const right = combineCrc32(a, combineCrc32(b, c, cBytes), bBytes + cBytes);
    assertEquals(left, right);
  }
});
