import { assertEquals } from "@std/assert";
import type { Chunk } from "../../lib/copy/kernel.ts";
import { crc32 } from "../../lib/copy/crc32.ts";
import { bytes, cast, reorderRows, type View } from "../../lib/bytes/view.ts";
import {
  createLocalRunner,
  createShared,
  type Runner,
  type Shared,
  startWorker,
} from "../../lib/copy/worker_pool.ts";
import { CancelledError, FileError } from "../../lib/error.ts";
import { assertFailsAsync } from "./_assert.ts";
import { TempDirectory } from "./_temp.ts";

const makers: [string, (blockBytes: number, shared: Shared) => Runner][] = [
  ["createLocalRunner()", createLocalRunner],
  ["startWorker()", startWorker],
];

function whole(view: View, path?: string): Chunk {
  return { view, path, at: 0, firstRow: 0, rows: view.rows, group: 1 };
}

for (const [name, make] of makers) {
  Deno.test(`${name} copies batches in order and counts bytes`, async () => {
    using temp = new TempDirectory();
    const content = Uint8Array.from({ length: 64 }, (_, i) => i);
    const source = temp.write("f", content);
    const out = temp.write("out", new Uint8Array(64));
    const shared = createShared();
    const runner = make(16, shared);
    const view = reorderRows(bytes(source, 0, 32, 2), [1, 0]);
    const floats = cast(
      bytes(temp.write("f32", new Uint8Array(Float32Array.of(1e9, NaN).buffer)), 0, 2, 4),
      "float32",
      "float16",
    );
    const [first, second] = await Promise.all([
      runner.run([whole(view, out), whole(bytes(source, 1, 3))]),
      runner.run([whole(floats)]),
    ]);
    const swapped = Uint8Array.from(content, (_, i) => i ^ 2);
    assertEquals(Deno.readFileSync(out), swapped);
    assertEquals(first.map(({ crc }) => crc), [crc32(swapped), crc32(Uint8Array.of(1, 2, 3))]);
    assertEquals(first[1]!.reads, [{ path: source, offset: 1, length: 3, crc: first[1]!.crc }]);
    assertEquals(second.map(({ infinities, nans }) => [infinities, nans]), [[1, 1]]);
    assertEquals(shared.bytes[0], 64n + 3n + 4n);
    assertEquals(await runner.run([]), []);
    runner.close();
  });

  Deno.test(`${name} names the file in errors, and goes on`, async () => {
    using temp = new TempDirectory();
    const source = temp.write("f", "123");
    const runner = make(16, createShared());
    const missing = temp.join("missing");
    await assertFailsAsync(
      () => runner.run([whole(bytes(missing, 0, 1))]),
      FileError,
      `${missing}: cannot open the file: No such file or directory (os error 2): open '${missing}'`,
    );
    await assertFailsAsync(
      () => runner.run([whole(bytes(source, 0, 4))]),
      FileError,
      `${source}: the file ends at byte 3, but was longer when it was opened`,
    );
    assertEquals((await runner.run([whole(bytes(source, 0, 3))])).length, 1);
    runner.close();
  });

  Deno.test({
    name: `${name} holds no more files open than it may`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      using temp = new TempDirectory();
      const paths = Array.from({ length: 20 }, (_, i) => temp.write(`${i}`, "x"));
      const open = () =>
        [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
          try {
            return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(temp.path);
          } catch {
            return false; // It was that of this very directory.
          }
        }).length;
      const runner = make(16, createShared(3));
      await runner.run(paths.map((path) => whole(bytes(path, 0, 1))));
      assertEquals(open(), 3);
      runner.close();
    },
  });

  Deno.test(`${name} stops once the work is cancelled`, async () => {
    using temp = new TempDirectory();
    const shared = createShared();
    const runner = make(1, shared);
    const chunk = whole(bytes(temp.write("f", "123"), 0, 3));
    Atomics.store(shared.cancelled, 0, 1);
    await assertFailsAsync(() => runner.run([chunk]), CancelledError, "Cancelled");
    assertEquals(shared.bytes[0], 0n);
    runner.close();
  });
}

/** A view such as only a mistake of ckpt's makes. */
const broken = { op: "concatRows", rows: 1, rowBytes: 1 } as unknown as View;

Deno.test("createLocalRunner() takes a mistake of ckpt's for no file's", async () => {
  const runner = createLocalRunner(16, createShared());
  await assertFailsAsync(() => runner.run([whole(broken)]), TypeError, "view.parts is not iterable");
  runner.close();
});

Deno.test("startWorker() takes a mistake of ckpt's for no file's", async () => {
  const runner = startWorker(16, createShared());
  await assertFailsAsync(
    () => runner.run([whole(broken)]),
    Error,
    "A copy worker failed: view.parts is not iterable",
  );
  runner.close();
});

Deno.test("startWorker() gives up what is under way when it is closed", async () => {
  using temp = new TempDirectory();
  const path = temp.write("f", "123");
  const runner = startWorker(16, createShared());
  const first = runner.run([whole(bytes(path, 0, 3))]);
  const second = runner.run([whole(bytes(path, 0, 3))]);
  runner.close();
  await assertFailsAsync(() => first, CancelledError, "Cancelled");
  await assertFailsAsync(() => second, CancelledError, "Cancelled");
});

Deno.test("createLocalRunner() lets other tasks have a turn", async () => {
  using temp = new TempDirectory();
  const path = temp.write("f", new Uint8Array(1 << 20));
  const runner = createLocalRunner(1 << 20, createShared());
  let isDone = false;
  let turns = 0;
  const timer = (async () => {
    while (!isDone) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      turns++;
    }
  })();
  await runner.run(Array.from({ length: 2000 }, () => whole(bytes(path, 0, 1 << 20))));
  isDone = true;
  const during = turns;
  await timer;
  runner.close();
  assertEquals(during > 0, true);
});
