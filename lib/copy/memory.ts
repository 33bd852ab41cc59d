/**
 * Keeping memory small while tables of contents are read.
 *
 * @module
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * How much garbage may pile up, in bytes of heap. Left alone, V8 lets the heap grow past 140 MB while it opens the
 * eight shards of a 405B model, of which 20 MB are in use; each collection takes some 15 ms.
 */
const HEAP_BYTES = 10 * 1024 * 1024;

let collect: (() => void) | undefined;

/** What was left after the last collection, in bytes. */
let inUse = 0;

/**
 * Collects garbage if the heap has grown large. To be called after each table of contents, which leaves much
 * garbage and little else. The calls that make V8's collector callable need no permission.
 *
 * @param bytes By how much it must have grown.
 */
export function trimMemory(bytes: number = HEAP_BYTES): void {
  if (Deno.memoryUsage().heapUsed < inUse + bytes) return;
  if (collect === undefined) {
    try {
      setFlagsFromString("--expose-gc");
      collect = runInNewContext("gc") as () => void;
    } catch {
      collect = () => {}; // It is only a saving.
    }
  }
  collect();
  inUse = Deno.memoryUsage().heapUsed;
}
