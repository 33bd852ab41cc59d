import { assertEquals } from "@std/assert";
import { bytes } from "../../lib/bytes/view.ts";
import { withPool } from "../../lib/copy/pool.ts";
import { CancelledError, FileError } from "../../lib/error.ts";
import { assertFailsAsync } from "./_assert.ts";
import { TempDirectory } from "./_temp.ts";

const few = { totalBytes: 10, pieces: 10, blockBytes: 16 };
/** So much that it has two workers. */
const many = { ...few, totalBytes: 1e9 };

for (const cores of [1, 2, 64]) {
  Deno.test(`withPool() has ${Math.min(2, cores)} at work by default where there are ${cores} cores`, async () => {
    Object.defineProperty(navigator, "hardwareConcurrency", { value: cores, configurable: true });
    try {
      let [atWork, most] = [0, 0];
      await withPool(many, {}, (pool) =>
        pool.each(Array(10).keys(), async () => {
          most = Math.max(most, ++atWork);
          await new Promise((resolve) => setTimeout(resolve, 1));
          atWork--;
        }));
      assertEquals(most, Math.min(2, cores));
    } finally {
      Reflect.deleteProperty(navigator, "hardwareConcurrency");
    }
  });
}

for (const [who, size] of [["the calling thread", few], ["workers", many]] as const) {
  Deno.test(`withPool() gives every item to ${who} once, and counts bytes`, async () => {
    using temp = new TempDirectory();
    const path = temp.write("f", "0123456789");
    const sizes: number[] = [];
    const total = await withPool(size, { jobs: 2 }, async (pool) => {
      await pool.each(sizes.keys(), () => Promise.reject(new Error("there is none")));
      await pool.each([1, 2, 3, 4], async (runner, rows) => {
        const chunk = { view: bytes(path, 0, 10), path: undefined, at: 0, firstRow: 0, rows, group: 1 };
        sizes.push((await runner.run([chunk])).length && rows);
      }, 2);
      return pool.bytes();
    });
    assertEquals([total, sizes.sort()], [10, [1, 2, 3, 4]]);
  });

  Deno.test(`withPool() gives ${who} no more once a file can't be read, and finishes what is under way`, async () => {
    using temp = new TempDirectory();
    const path = temp.write("f", "0123");
    const begun: number[] = [];
    const ended: number[] = [];
    const work = withPool(size, { jobs: 2 }, (pool) =>
      pool.each([5, 4, 4, 4], async (runner, length) => {
        begun.push(length);
        await runner.hash([bytes(path, 0, length)]);
        ended.push(length);
      }));
    await assertFailsAsync(
      () => work,
      FileError,
      `${path}: the file ends at byte 4, but was longer when it was opened`,
    );
    assertEquals(begun.length, ended.length + 1);
  });

  Deno.test(`withPool() stops ${who} when it is cancelled`, async () => {
    const controller = new AbortController();
    const options = { jobs: 2, signal: controller.signal };
    const items = Array(10).fill(0);
    let begun = 0;
    const work = () =>
      withPool(size, options, (pool) =>
        pool.each(items, async () => {
          begun++;
          controller.abort();
          await Promise.resolve();
        }));
    await assertFailsAsync(work, CancelledError, "Cancelled");
    assertEquals(begun, 1);
    await assertFailsAsync(work, CancelledError, "Cancelled");
    assertEquals(begun, 1);
  });
}
