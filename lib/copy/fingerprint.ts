/** Hashes of plans, by which a run that goes on knows its own. */

import { createHash } from "node:crypto";
import { completeLiterals } from "./literals.ts";
import type { Plan } from "./plan.ts";
import type { SourceFile } from "../bytes/source.ts";

/**
 * Hashes a plan. Two plans with the same fingerprint write the same files, on whatever machine and from whatever
 * directory they are made, as long as the sources' bytes are the same. Of those it knows what the sources say of
 * themselves: their tables of contents, which for torch's archives hold the CRC-32 of every tensor. Where they hold
 * none, {@linkcode stampOf} tells more.
 *
 * @returns 64 hexadecimal digits (SHA-256).
 */
export function fingerprint(plan: Plan): string {
  const hash = createHash("sha256");
  const paths = new Map(plan.sources.map(({ path, realPath }) => [path, realPath]));
  const real = (path: string) => paths.get(path) ?? path;
  hash.update(JSON.stringify(plan.sources.map(({ realPath, size, contents }) => [realPath, size, contents])));
  for (const file of plan.files) {
    hash.update(`\n${JSON.stringify(file.name)}\n`);
    // What lies over its source follows from that and the names of its tensors.
    if (file.overlay !== undefined) {
      hash.update(JSON.stringify([real(file.overlay.base), file.tensors]));
      continue;
    }
    for (const { at, view } of file.copies) {
      // Most views are plain runs, and there may be tens of thousands.
      const what = view.op === "bytes"
        ? `${real(view.path)}\0${view.offset} ${view.rows} ${view.rowBytes}`
        : JSON.stringify(view, (key, value) => {
          if (value instanceof Uint8Array) return createHash("sha256").update(value).digest("hex");
          return key === "path" ? real(value) : value;
        });
      hash.update(`${at} ${what}\n`);
    }
    for (const { at, bytes } of completeLiterals(file, file.copies.map((copy) => copy.crc ?? 0))) {
      hash.update(`${at} ${bytes.length}\n`);
      hash.update(bytes);
    }
  }
  return hash.digest("hex");
}

/** How long ago a source must have changed last, in milliseconds: Deno tells a ctime to the second, and clocks differ. */
const SETTLED = 2000;

/**
 * Hashes what the file system tells of the sources whose checksums nobody knows (safetensors, torch's format before
 * 1.6): while this is the same, so are their bytes. It changes without them, too, by `touch` or `chmod`; then only
 * reading them tells. The device is left out, since machines that share a file system number it differently.
 *
 * A source that changed just now may change once more and have the same times: of such a one it is never the same.
 *
 * @param now The time, in milliseconds since 1970.
 * @returns 64 hexadecimal digits (SHA-256).
 */
export function stampOf({ sources, known }: Plan, now = Date.now()): string {
  const checked = new Set(known.map(({ path }) => path));
  const unchecked = sources.filter(({ path }) => !checked.has(path));
  const stamps: unknown[] = unchecked.map(({ mtime, ctime, ino, version }) => version ?? [mtime, ctime, ino]);
  if (unchecked.some((source) => source.version === undefined && !isSettled(source, now))) {
    stamps.push(crypto.randomUUID());
  }
  return createHash("sha256").update(JSON.stringify(stamps)).digest("hex");
}

function isSettled({ ctime }: SourceFile, now: number): boolean {
  return ctime !== null && ctime <= now - SETTLED;
}
