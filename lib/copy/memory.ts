/** Keeping memory small while tables of contents are read. */

/**
 * How much garbage may pile up, in bytes. Left alone, V8 lets the heap grow past 140 MB while it opens the
 * eight shards of a 405B model, of which 20 MB are in use; each collection takes some 15 ms.
 */
const GARBAGE_BYTES = 10 * 1024 * 1024;

let collect: (() => void) | undefined;

/** What was left after the last collection, in bytes. */
let inUse = 0;

/**
 * Says how garbage is collected. That is a program's to say: in another's process nothing is collected but by the
 * engine's own choice.
 */
export function collectWith(collector: () => void): void {
  collect = collector;
}

/**
 * Collects garbage if memory has grown large, and there is a collector. To be called after each table of contents,
 * which leaves much garbage and little else.
 *
 * @param garbageBytes How much more there has to be than after the last time.
 */
export function trimMemory(garbageBytes = GARBAGE_BYTES): void {
  if (collect === undefined || memoryInUse() < inUse + garbageBytes) return;
  collect();
  inUse = memoryInUse();
}

/** V8's heap and the buffers beside it, which go when their objects in the heap do. */
function memoryInUse(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
