import type { ByteSource } from "./source.ts";

/**
 * The least that is read, in bytes, and where reads start at a multiple of. The local header of `data.pkl` and the
 * records behind it, or the three end records of a zip and the end of its directory, lie within one or two.
 */
const BLOCK_BYTES = 4096;

/** The most that is kept: a megabyte. What is longer is read once, and not kept. */
const KEPT_BYTES = 256 * BLOCK_BYTES;

/** A source that keeps what was read from another, in blocks: for one where each read costs a request. */
export class CachedSource implements ByteSource {
  readonly #source: ByteSource;
  readonly #blockBytes: number;
  /** Blocks by number, the one used last at the end. */
  readonly #blocks = new Map<number, Uint8Array<ArrayBuffer>>();

  /** Wraps a source. Reads of it don't overlap in time. */
  constructor(source: ByteSource, blockBytes: number = BLOCK_BYTES) {
    this.#source = source;
    this.#blockBytes = blockBytes;
  }

  get path(): string {
    return this.#source.path;
  }

  get size(): number {
    return this.#source.size;
  }

  /** Reads bytes, from the source only where no block has them. */
  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      return await this.#source.read(offset, length);
    }
    const into = new Uint8Array(length);
    const first = Math.floor(offset / this.#blockBytes);
    const last = Math.floor((offset + length - 1) / this.#blockBytes);
    for (let block = first; block <= last;) {
      const known = this.#blocks.get(block);
      if (known !== undefined) {
        this.#blocks.delete(block);
        this.#blocks.set(block, known);
        copyBlock(known, block * this.#blockBytes - offset, into);
        block++;
        continue;
      }
      let end = block + 1;
      while (end <= last && !this.#blocks.has(end)) end++;
      await this.#fetch(block, end, offset, into);
      block = end;
    }
    return into;
  }

  /** Reads blocks in one go, keeps them unless they are too many, and copies what is wanted of them. */
  async #fetch(block: number, end: number, offset: number, into: Uint8Array): Promise<void> {
    const size = this.#blockBytes;
    const start = block * size;
    const bytes = await this.#source.read(start, Math.min(end * size, this.size) - start);
    copyBlock(bytes, start - offset, into);
    if ((end - block) * size > KEPT_BYTES) return;
    for (let i = block; i < end; i++) {
      this.#blocks.set(i, bytes.slice((i - block) * size, (i - block + 1) * size));
    }
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size * size <= KEPT_BYTES) break;
      this.#blocks.delete(oldest);
    }
  }
}

/** Copies the part of some bytes that is wanted; they belong at a place that may lie before or behind it. */
function copyBlock(bytes: Uint8Array, at: number, into: Uint8Array): void {
  const skipped = Math.max(0, -at);
  const wanted = bytes.subarray(skipped, Math.max(skipped, Math.min(bytes.length, into.length - at)));
  into.set(wanted, at + skipped);
}
