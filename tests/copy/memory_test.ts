import { assertEquals } from "@std/assert";
import { trimMemory } from "../../lib/copy/memory.ts";

Deno.test("trimMemory() collects what is no longer in use", () => {
  const heap = () => Deno.memoryUsage().heapUsed;
  trimMemory();
  const before = heap();
  let garbage: number[][] = [];
  for (let i = 0; i < 20; i++) garbage.push(Array.from({ length: 500_000 }, (_, k) => k + 0.5)); // 80 MB.
  const full = heap();
  assertEquals(full - before > 60e6, true, `${full - before}`);
  garbage = [];
  trimMemory();
  assertEquals(heap() - before < 40e6, true, `${heap() - before} of ${full - before}`);
});
