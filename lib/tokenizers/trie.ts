/**
 * A trie over bytes, in typed arrays: a vocabulary has some hundred thousand nodes, which would be slow as
 * objects.
 */

/** The node that stands for no bytes at all. */
const ROOT = 1;

/** How full the hash table may get. */
const MAX_LOAD = 0.5;

/**
 * The hash of a node and a byte, as one number: MurmurHash3's finalizer, after a seed. Without a seed, 80 kB of bytes
 * that are chosen to collide take 45 s.
 */
export function hashOf(key: number, seed: number): number {
  let hash = key ^ seed;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * Finds all keys that a sequence of bytes begins with in one pass. Nodes are limited to 2^24, so that with a
 * byte they fit 32 bits.
 */
export class ByteTrie {
  /** An open hash table from a node and a byte, as one number, to the node below; 0 where there is none. */
  #keys: Uint32Array;
  #children: Uint32Array;
  /** The value of each node, and 1 more, so that 0 stands for none. */
  #values: Uint32Array;
  #nodes = ROOT;
  /** Unknown to whoever made the file. */
  readonly #seed = crypto.getRandomValues(new Uint32Array(1))[0]!;

  /** Makes an empty trie with room for some nodes at first. */
  constructor(nodes = 1 << 10) {
    const slots = Math.max(2, 2 ** Math.ceil(Math.log2(nodes / MAX_LOAD)));
    this.#keys = new Uint32Array(slots);
    this.#children = new Uint32Array(slots);
    this.#values = new Uint32Array(nodes + ROOT + 1);
  }

  /** The node that stands for no bytes at all. */
  get root(): number {
    return ROOT;
  }

  /** The node below a node, or 0 where there is none. */
  child(node: number, byte: number): number {
    return this.#children[this.#slot(node * 0x100 + byte)]!;
  }

  /** The node below a node, which is made where there is none yet. */
  childOrNew(node: number, byte: number): number {
    const key = node * 0x100 + byte;
    const slot = this.#slot(key);
    if (this.#keys[slot] !== 0) return this.#children[slot]!;
    this.#nodes += 1;
    this.#keys[slot] = key;
    this.#children[slot] = this.#nodes;
    const made = this.#nodes;
    if (this.#nodes > this.#keys.length * MAX_LOAD) this.#grow();
    return made;
  }

  /** The value of a node, or -1 where it has none. */
  value(node: number): number {
    return (this.#values[node] ?? 0) - 1;
  }

  /** Gives a node a value, which is a whole number from 0 on. */
  setValue(node: number, value: number): void {
    if (node >= this.#values.length) {
      const values = new Uint32Array(Math.max(node + 1, this.#values.length * 2));
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[node] = value + 1;
  }

  /** Where a key is, or where it would be put. No key is 0, since no node is. */
  #slot(key: number): number {
    const mask = this.#keys.length - 1;
    let slot = hashOf(key, this.#seed) & mask;
    while (this.#keys[slot] !== 0 && this.#keys[slot] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [keys, children] = [this.#keys, this.#children];
    this.#keys = new Uint32Array(keys.length * 2);
    this.#children = new Uint32Array(keys.length * 2);
    for (let i = 0; i < keys.length; i++) {
      if (keys[i] === 0) continue;
      const slot = this.#slot(keys[i]!);
      this.#keys[slot] = keys[i]!;
      this.#children[slot] = children[i]!;
    }
  }
}
