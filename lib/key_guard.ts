/**
 * Keeps files from choosing keys that collide.
 *
 * A `Map` finds a key by its hash: keys whose hashes end alike stand in one chain, which is searched from its front. V8
 * hashes most strings with a seed that no file can know. But it has none for integers, nor for strings that are array
 * indices (`"0"` to `"4294967294"`): their hash ends as the number does. So a file of 300 kB can bring 20,000 keys that
 * all stand in one chain, which takes seconds, and 64,000 which take a minute.
 *
 * @module
 */

/** What keys are looked up in. */
export type Container = ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>;

/** Up to this size a container isn't looked at: no chain in it is long enough to matter. */
const UNGUARDED_SIZE = 64;

/**
 * Keys that may be passed by while others are looked for, for all containers together. It is 0.3 s of work. Honest
 * keys pass one other on average: 16 million of them, the most that anything here reads, come half as far.
 */
const MAX_STEPS = 2 ** 25;

/** How the unseeded keys of a container lie in its chains. */
interface Chains {
  /** The number of keys in each chain. */
  readonly counts: Uint32Array;
  /** Integers beyond 32 bits, which count as if they stood in one chain: their hash is more than is followed here. */
  wide: number;
}

/**
 * Counts how many keys are passed by in chains of keys that a file may have chosen, and says when it is too many. In an
 * engine that hashes in another way that does nothing, since the chains then are as even as any.
 */
export class KeyGuard {
  readonly #maxSteps: number;
  readonly #chains = new WeakMap<Container, Chains>();
  #steps = 0;

  /**
   * Starts to count.
   *
   * @param maxSteps The most that keys may pass by others, in all.
   */
  constructor(maxSteps: number = MAX_STEPS) {
    this.#maxSteps = maxSteps;
  }

  /**
   * Counts a key that is about to be looked up in a container, or set in it.
   *
   * @param container The `Map` or `Set`.
   * @param key The key.
   * @returns Whether that may be done; if not, the keys are chosen to collide.
   */
  allows(container: Container, key: unknown): boolean {
    if (container.size < UNGUARDED_SIZE) return true;
    const hash = unseededHash(key);
    if (hash === undefined) return true;
    const chains = this.#chainsOf(container);
    const { counts } = chains;
    if (hash === WIDE) {
      this.#steps += chains.wide;
      if (this.#steps > this.#maxSteps) return false;
      if (!container.has(key)) chains.wide++;
      return true;
    }
    const chain = hash & (counts.length - 1);
    this.#steps += counts[chain]!;
    if (this.#steps > this.#maxSteps) return false;
    if (!container.has(key)) counts[chain]!++;
    return true;
  }

  /** The chains of a container, which V8 doubles when there are more than two keys for each. */
  #chainsOf(container: Container): Chains {
    const known = this.#chains.get(container);
    if (known !== undefined && container.size < 2 * known.counts.length) return known;
    let length = UNGUARDED_SIZE / 2;
    while (2 * length <= container.size) length *= 2;
    const chains: Chains = { counts: new Uint32Array(length), wide: 0 };
    for (const key of container.keys()) {
      const hash = unseededHash(key);
      if (hash === WIDE) chains.wide++;
      else if (hash !== undefined) chains.counts[hash & (length - 1)]!++;
    }
    this.#chains.set(container, chains);
    return chains;
  }
}

/** Stands for the hash of a number that isn't an integer of 32 bits, and of a bigint. */
const WIDE = -1;

/** The hash that V8 gives a key without a seed, or its lowest bits; `undefined` where it has a seed. */
function unseededHash(key: unknown): number | undefined {
  if (typeof key === "string") return indexHash(key);
  if (typeof key === "number") return (key | 0) === key ? integerHash(key) : WIDE;
  return typeof key === "bigint" ? WIDE : undefined;
}

/** The largest array index. */
const MAX_INDEX = 2 ** 32 - 2;

/** That of a string that is an array index (src/strings/string-hasher-inl.h, MakeArrayIndexHash). */
function indexHash(key: string): number | undefined {
  const first = key.charCodeAt(0);
  if (!(first >= 0x30 && first <= 0x39) || key.length > 10 || (first === 0x30 && key.length > 1)) {
    return undefined;
  }
  let index = 0;
  for (let i = 0; i < key.length; i++) {
    const digit = key.charCodeAt(i) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return undefined;
    index = index * 10 + digit;
  }
  return index <= MAX_INDEX ? index & 0xffffff : undefined;
}

/** That of an integer of 32 bits (src/utils/utils.h, ComputeUnseededHash; a mix by Thomas Wang). */
function integerHash(key: number): number {
  let mixed = ~key + (key << 15);
  mixed ^= mixed >>> 12;
  mixed += mixed << 2;
  mixed ^= mixed >>> 4;
  mixed = Math.imul(mixed, 2057);
  mixed ^= mixed >>> 16;
  return mixed & 0x3fffffff;
}
