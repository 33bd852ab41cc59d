/**
 * Plans for tests.
 *
 * @module
 */

import type { Copy, KnownCrc, OutputFile, Overlay, Plan } from "../../lib/copy/plan.ts";
import { FileSource } from "../../lib/bytes/source.ts";
import { viewBytes, viewPaths } from "../../lib/bytes/view.ts";

/** An output file of copies, each after the last one, and literals at the places given. */
export function outputFile(
  name: string,
  copies: readonly Omit<Copy, "at">[],
  options: {
    readonly literals?: OutputFile["literals"];
    readonly size?: number;
    readonly overlay?: Overlay;
  } = {},
): OutputFile {
  const { literals = [], overlay } = options;
  let at = 0;
  const placed = copies.map((copy): Copy => {
    const here = at;
    at += viewBytes(copy.view);
    return { ...copy, at: here };
  });
  return {
    name,
    size: options.size ?? at,
    tensors: placed.map(({ label, view }) => {
      const bytes = viewBytes(view);
      return { from: label, to: label, dtype: "uint8", shape: [bytes], bytes };
    }),
    copies: placed,
    literals,
    ...(overlay === undefined ? {} : { overlay }),
  };
}

/** An output file of a text. */
export function textFile(name: string, text: string): OutputFile {
  const bytes = new TextEncoder().encode(text);
  return outputFile(name, [], { size: bytes.length, literals: [{ at: 0, bytes }] });
}

/** A plan of files, whose sources are as they are now. */
export function planOf(files: readonly OutputFile[], known: readonly KnownCrc[] = []): Plan {
  const paths = new Set<string>();
  for (const { copies } of files) for (const { view } of copies) viewPaths(view, paths);
  const sources = [...paths].map((path) => {
    using source = FileSource.open(path);
    return source.identity;
  });
  return { files, sources, known };
}
