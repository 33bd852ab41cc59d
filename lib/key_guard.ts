/**
 * Keeps files from choosing keys that collide.
 *
 * A `Map` finds a key by its hash: keys whose hashes end alike stand in one chain, which is searched from its front. V8
 * hashes texts with a seed that no file can know; but not numbers, bigints (by their lowest 64 bits), texts that are
 * array indices (`"0"` to `"4294967294"`), and texts of 16,384 characters and more, of which it takes the length. So a
 * file of 300 kB can bring 20,000 keys that all stand in one chain, which takes seconds, and 64,000 which take a minute.
 */

/** What keys are looked up in. */
export type Container = ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>;

/**
 * Keys that may be passed by while others are looked for, for all containers together. It is 0.3 s of work, or 8,192
 * keys that may collide.
 */
const MAX_STEPS = 2 ** 25;

/**
 * Indices below this are taken in any order, since torch sorts its storages by the text of their number. A file can
 * choose them, too; but a chain of them is at most 724 long, because the more chains there are, the fewer fit in one.
 */
const HARMLESS = 2 ** 18;

/** The length from which V8 takes a text's length for its hash. */
const LONG_TEXT = 2 ** 14;

/** How many characters of long texts, which are compared to their ends, take as long as passing by one key. */
const CHARACTERS_PER_STEP = 128;

const INDEX = /^(?:0|[1-9][0-9]{0,9})$/;

/**
 * Says when a file may have chosen its keys to collide. Indices that are small, or no larger than a container's size
 * explains, are few for each chain. All other keys whose hash a file can know count as if they stood in one chain.
 */
export class KeyGuard {
  readonly #maxSteps: number;
  /** Keys that may stand in one chain. */
  #suspects = 0;
  #steps = 0;

  /** Starts to count; `maxSteps` is the most that keys may pass by others, in all. */
  constructor(maxSteps: number = MAX_STEPS) {
    this.#maxSteps = maxSteps;
  }

  /** Whether a key may be looked up in a container, or set in it; if not, keys may be chosen to collide. */
  allows(container: Container, key: unknown): boolean {
    const isText = typeof key === "string";
    const isLong = isText && key.length >= LONG_TEXT;
    if (isText ? !isLong && !INDEX.test(key) : typeof key !== "number" && typeof key !== "bigint") {
      return true;
    }
    const index = isLong ? -1 : Number(key);
    const isSuspect = !Number.isInteger(index) || index < 0 || index >= HARMLESS + 4 * container.size;
    const isNew = isSuspect && !container.has(key);
    this.#steps += isNew && isLong ? this.#suspects * (key.length / CHARACTERS_PER_STEP) : this.#suspects;
    if (isNew) this.#suspects++;
    return this.#steps <= this.#maxSteps;
  }
}
