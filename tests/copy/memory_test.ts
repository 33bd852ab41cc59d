import { assertEquals } from "@std/assert";
import { collectGarbage } from "../../lib/cli/collect_garbage.ts";
import { collectWith, trimMemory } from "../../lib/copy/memory.ts";

Deno.test("trimMemory() collects what is no longer in use, once it is said how", () => {
  const heap = () => Deno.memoryUsage().heapUsed;
  const held = Array.from({ length: 500_000 }, (_, i) => ({ i })); // More than 10 MB.
  let calls = 0;
  trimMemory();
  collectWith(() => calls++);
  trimMemory();
  trimMemory();
  assertEquals([held.length, calls], [500_000, 1]);
  collectWith(collectGarbage);
  collectGarbage();
  const before = heap();
  let garbage: number[][] = [];
  for (let i = 0; i < 20; i++) garbage.push(Array.from({ length: 500_000 }, (_, k) => k + 0.5)); // 80 MB.
  const full = heap();
  assertEquals(full - before > 60e6, true, `${full - before}`);
  garbage = [];
  trimMemory();
  assertEquals(heap() - before < 40e6, true, `${heap() - before} of ${full - before}`);
});

Deno.test("trimMemory() counts buffers, which are in use beside V8's heap", () => {
  let calls = 0;
  collectWith(() => calls++);
  trimMemory();
  calls = 0;
  const buffer = new Uint8Array(64 * 1024 * 1024);
  trimMemory();
  trimMemory();
  assertEquals([buffer.length, calls], [64 * 1024 * 1024, 1]);
});

Deno.test("the library sets no flag of V8's, however large the heap of its host is", async () => {
  const at = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).href);
  const program = `
    const held = Array.from({ length: 1e6 }, (_, i) => ({ i }));
    const { inspect } = await import(${at("mod.ts")});
    await inspect(new URL(${at("fixtures/torch/2.13.0/plain/model.pt")}).pathname);
    const { runInNewContext } = await import("node:vm");
    console.log(held.length, runInNewContext("typeof gc"));
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", program] })
    .output();
  assertEquals(new TextDecoder().decode(stdout), "1000000 undefined\n");
});
