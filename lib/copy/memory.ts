/**
 * Keeping memory small while tables of contents are read.
 *
 * @module
 */

/**
 * How much garbage may pile up, in bytes of heap. Left alone, V8 lets the heap grow past 140 MB while it opens the
 * eight shards of a 405B model, of which 20 MB are in use; each collection takes some 15 ms.
 */
const HEAP_BYTES = 10 * 1024 * 1024;

let collect: (() => void) | undefined;

/** What was left after the last collection, in bytes. */
let inUse = 0;

/**
 * Says how garbage is collected. That is a program's to say: in another's process nothing is collected but by the
 * engine's own choice.
 *
 * @param collector Collects all garbage.
 */
export function collectWith(collector: () => void): void {
  collect = collector;
}

/**
 * Collects garbage if the heap has grown large, and there is a collector. To be called after each table of contents,
 * which leaves much garbage and little else.
 */
export function trimMemory(): void {
  if (collect === undefined || Deno.memoryUsage().heapUsed < inUse + HEAP_BYTES) return;
  collect();
  inUse = Deno.memoryUsage().heapUsed;
}
