/**
 * Safetensors files for tests: golden ones, and ones that are put together byte by byte.
 */

import { join } from "../../lib/deps.ts";
import type { ByteSource } from "../../lib/bytes/source.ts";

/** Where the golden files are. */
export const GOLDEN: string = join(import.meta.dirname!, "..", "..", "fixtures", "safetensors");

/** What Python read from a golden file. */
export interface GoldenFacts {
  /** The metadata, or `null` where the file has none. */
  readonly metadata: Readonly<Record<string, string>> | null;
  /** The tensors: name, dtype by torch's name, shape, and the bytes in hexadecimal. */
  readonly tensors: readonly (readonly [name: string, dtype: string, shape: number[], bytes: string])[];
}

/** What Python read from the golden files, by case. */
export const golden: ReadonlyMap<string, GoldenFacts> = new Map(
  Object.entries(JSON.parse(Deno.readTextFileSync(join(GOLDEN, "expected.json")))),
);

/** A file with a header and bytes after it; the length in front is the header's, unless another is given. */
export function fileOf(
  header: string | Uint8Array,
  data = new Uint8Array(),
  length?: bigint,
): Uint8Array<ArrayBuffer> {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

/** Bytes as a source that notes what was read. */
export class MemorySource implements ByteSource {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  /** The path, which names no file. */
  readonly path = "memory.safetensors";
  /** The size to state. */
  readonly size: number;
  /** What was read: `[offset, length]` each. */
  readonly reads: [number, number][] = [];

  /** Takes bytes, and a size where the source is to state another. */
  constructor(bytes: Uint8Array<ArrayBuffer>, size = bytes.length) {
    this.#bytes = bytes;
    this.size = size;
  }

  /** Reads bytes. */
  // deno-lint-ignore require-await -- The interface is asynchronous.
  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (offset + length > this.#bytes.length) throw new Error(`read past the end: ${offset} + ${length}`);
    this.reads.push([offset, length]);
    return this.#bytes.slice(offset, offset + length);
  }
}
