/**
 * Which files of a plan are there, whole. A file gets its name only once it is finished.
 *
 * @module
 */

import { join } from "../deps.ts";
import { lstat } from "../bytes/file_system.ts";
import type { FileLayout, OutputFile, Plan } from "../copy/plan.ts";

/** Whether a file of a plan is in a directory, with the size that it should have. */
export function isFinished(directory: string, file: OutputFile): boolean {
  const info = lstat(join(directory, file.name));
  if (info === undefined || !info.isFile) return false;
  return info.size === file.size || info.size === file.overlay?.make()?.size;
}

/**
 * Whether an output directory holds all files of a plan, and not those of another whose files have the same names and
 * sizes. What is copied can't be compared without reading it all, but where the plan knows its checksums, they are
 * among what the plan itself writes, as in an archive's directory.
 */
export function isComplete(plan: Plan, output: string): boolean {
  return plan.files.every((file) => isFinished(output, file)) &&
    plan.files.every((file) =>
      holdsLiterals(join(output, file.name), file) ||
      holdsLiterals(join(output, file.name), file.overlay?.make())
    );
}

function holdsLiterals(path: string, layout: FileLayout | undefined): boolean {
  if (layout === undefined || lstat(path)?.size !== layout.size) return false;
  const crcs = layout.copies.map(({ crc }) => crc);
  if (crcs.includes(undefined)) return true; // They are known only once everything is read.
  using file = Deno.openSync(path);
  return layout.literals(crcs as number[]).every(({ at, bytes }) => {
    const found = new Uint8Array(bytes.length);
    file.seekSync(at, Deno.SeekMode.Start);
    for (let filled = 0; filled < found.length;) {
      const count = file.readSync(found.subarray(filled));
      if (count === null) return false;
      filled += count;
    }
    return found.every((byte, i) => byte === bytes[i]);
  });
}

/** The sizes in bytes of a plan's files in a directory, which are as planned for those that aren't there. */
export function sizesIn(directory: string, plan: Plan): { readonly name: string; readonly bytes: number }[] {
  return plan.files.map((file) => ({
    name: file.name,
    bytes: lstat(join(directory, file.name))?.size ?? file.size,
  }));
}
