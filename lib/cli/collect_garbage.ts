/**
 * V8's collector of garbage, which a program may only call with a flag. For a process of ckpt's own alone: the flag is
 * the whole process's.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let gc: (() => void) | undefined;

export function collectGarbage(): void {
  try {
    if (gc === undefined) setFlagsFromString("--expose-gc");
    gc ??= runInNewContext("gc") as () => void;
  } catch {
    gc = () => {}; // It is only a saving.
  }
  gc();
}
