import type { OutputFile } from "../copy/plan.ts";

/**
 * A file with a text that the plan holds.
 *
 * @param name The file's name.
 * @param text Its text.
 */
export function textFile(name: string, text: string): OutputFile {
  const bytes = new TextEncoder().encode(text);
  return { name, size: bytes.length, tensors: [], copies: [], literals: () => [{ at: 0, bytes }] };
}
