import type { Step } from "./_step.ts";

/** From this size on, colliding keys take a time that matters: below it, 0.4 s for a whole container. */
const GUARDED_SIZE = 2 ** 14;

/** How many groups the guard counts. V8 finds the bucket of a key by the low bits of its hash. */
const GROUPS = 2 ** 12;

/** How many keys a group may have beyond its share, and how many times its share. */
const SLACK = 64;
const SHARES = 8;

type Container = Map<unknown, unknown> | Set<unknown>;

/**
 * Keeps a pickle from choosing integer keys that collide.
 *
 * V8 hashes an integer of 32 bits without a seed, so a pickle can bring keys that all land in one bucket of a
 * `Map`, each of which is then compared with all before it: 65,000 such keys, 400 kB, take 6 s. Nobody's honest
 * keys do that, whatever their pattern. So beyond some size a container's keys are counted by the low bits of
 * their hash, and one group that gets far more than its share ends the reading. In an engine that hashes in
 * another way the guard does nothing, since the groups then are as even as any.
 */
export class CollisionGuard {
  readonly #step: Step;
  readonly #groups = new WeakMap<Container, Uint32Array>();

  /** Errors are about `step`. */
  constructor(step: Step) {
    this.#step = step;
  }

  /** Counts an integer of 32 bits that is about to become a key, unless it is one already. */
  admit(container: Container, key: number): void {
    if (container.size < GUARDED_SIZE || container.has(key)) return;
    let groups = this.#groups.get(container);
    if (groups === undefined) {
      groups = new Uint32Array(GROUPS);
      for (const present of container.keys()) {
        if (typeof present === "number") groups[hash(present) % GROUPS]!++;
      }
      this.#groups.set(container, groups);
    }
    if (++groups[hash(key) % GROUPS]! > SLACK + SHARES * container.size / GROUPS) {
      throw this.#step.error("too many integer keys have one hash");
    }
  }
}

/** V8's hash of an integer of 32 bits (src/utils/utils.h, ComputeUnseededHash; a mix by Thomas Wang). */
function hash(key: number): number {
  let mixed = ~key + (key << 15);
  mixed ^= mixed >>> 12;
  mixed += mixed << 2;
  mixed ^= mixed >>> 4;
  mixed = Math.imul(mixed, 2057);
  mixed ^= mixed >>> 16;
  return mixed >>> 0;
}
