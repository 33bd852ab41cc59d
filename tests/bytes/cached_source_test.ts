import { assertEquals } from "@std/assert";
import { CachedSource } from "../../lib/bytes/cached_source.ts";
import type { ByteSource } from "../../lib/bytes/source.ts";
import { FileError } from "../../lib/error.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { Random } from "../copy/_random.ts";

const BLOCK = 4096;

/** A source that notes what is read of it. */
function watched(size: number): { source: ByteSource; bytes: Uint8Array; reads: [number, number][] } {
  const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
  const reads: [number, number][] = [];
  const source: ByteSource = {
    path: "x",
    size,
    read(offset, length) {
      reads.push([offset, length]);
      if (offset + length > size) return Promise.reject(new FileError("past the end"));
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
  };
  return { source, bytes, reads };
}

Deno.test("CachedSource reads whole blocks, and each once", async () => {
  const { source, bytes, reads } = watched(10 * BLOCK + 100);
  const cached = new CachedSource(source);
  assertEquals([cached.path, cached.size], ["x", 10 * BLOCK + 100]);
  assertEquals(await cached.read(10, 20), bytes.slice(10, 30));
  assertEquals(await cached.read(0, BLOCK), bytes.slice(0, BLOCK));
  assertEquals(reads, [[0, BLOCK]]);
  // What isn't there yet is read in one go, on both sides of what is.
  await cached.read(3 * BLOCK, 1);
  assertEquals(await cached.read(5, 6 * BLOCK), bytes.slice(5, 6 * BLOCK + 5));
  assertEquals(reads.slice(1), [[3 * BLOCK, BLOCK], [BLOCK, 2 * BLOCK], [4 * BLOCK, 3 * BLOCK]]);
  // The last block is shorter.
  assertEquals(await cached.read(10 * BLOCK + 99, 1), bytes.slice(-1));
  assertEquals(reads.at(-1), [10 * BLOCK, 100]);
  assertEquals(await cached.read(5, 0), new Uint8Array());
  assertEquals(reads.length, 5);
});

Deno.test("CachedSource gives the source's bytes for any reads", async () => {
  const { source, bytes } = watched(300 * BLOCK);
  const cached = new CachedSource(source);
  const random = new Random(1);
  for (let i = 0; i < 400; i++) {
    const offset = random.integer(0, bytes.length - 1);
    const length = random.integer(0, Math.min(bytes.length - offset, i % 10 === 0 ? 290 * BLOCK : 3 * BLOCK));
    const found = await cached.read(offset, length);
    assertEquals(found.length, length);
    assertEquals(found.every((byte, k) => byte === bytes[offset + k]), true, `${offset} ${length}`);
    found.fill(0); // What was given out is the reader's own.
  }
});

Deno.test("CachedSource keeps a megabyte, that which was used last", async () => {
  const { source, reads } = watched(1000 * BLOCK);
  const cached = new CachedSource(source);
  for (let block = 0; block < 256; block++) await cached.read(block * BLOCK, 1);
  await cached.read(0, 1);
  assertEquals(reads.length, 256);
  await cached.read(500 * BLOCK, 1);
  await cached.read(0, 1);
  assertEquals(reads.length, 257);
  await cached.read(BLOCK, 1);
  assertEquals(reads.length, 258);
  // What is longer than that isn't kept, and drops nothing.
  await cached.read(600 * BLOCK, 300 * BLOCK);
  await cached.read(0, 1);
  assertEquals(reads.length, 259);
  await cached.read(600 * BLOCK, 1);
  assertEquals(reads.length, 260);
});

Deno.test("CachedSource passes on what its source says of reads past the end", async () => {
  const { source } = watched(10);
  await assertFailsAsync(() => new CachedSource(source).read(5, 6), FileError, "past the end");
});
