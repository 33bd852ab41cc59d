import type { Step } from "./_step.ts";
import { KeyGuard } from "../key_guard.ts";
import { describe } from "./_describe.ts";
import { decodeLatin1 } from "./_utf8.ts";
import { FrozenSet, Global, PersistentId, PickleFloat, type PickleValue, Reduction, Tuple } from "./value.ts";

/** What equal keys have in common: two keys are one in Python if and only if these are one in a `Map`. */
type Identity = number | bigint | string | null | object;

type Container = Map<PickleValue, PickleValue> | Set<PickleValue>;

/**
 * Sets dict items and adds set members, with Python's idea of which keys are equal: `1 == 1.0 == True`, tuples,
 * frozen sets and bytes by value, globals by name, NaN and all other objects by identity. A key that is there
 * already keeps its form and its place, and gets the later value.
 *
 * A `Map` compares strings, integers and `None` in the same way by itself. So a container gets an index of its
 * keys' identities just when another kind of key turns up in it. A pickled checkpoint has no such keys.
 *
 * Nothing here recurses, and a tuple is taken apart once however often it is shared: the time to hash a tuple
 * of tuples of shared tuples, which grows exponentially in CPython, is linear.
 */
export class KeyRules {
  readonly #step: Step;
  readonly #indices = new WeakMap<Container, Map<Identity, PickleValue>>();
  #indexed = false;
  /** The identities of objects whose identity takes time to find, so that a shared one takes it once. */
  readonly #known = new Map<PickleValue, Identity>();
  /** The identities that stand for a description. They aren't strings, which strings are already. */
  readonly #tokens = new Map<string, object>();
  /** A number for each identity that is part of another one. */
  readonly #numbers = new Map<Identity, number>();
  readonly #guard = new KeyGuard();

  constructor(step: Step) {
    this.#step = step;
  }

  /** `map[key] = value` */
  set(map: Map<PickleValue, PickleValue>, key: PickleValue, value: PickleValue): void {
    map.set(this.#stored(map, key), value);
  }

  /** `set.add(member)` */
  add(set: Set<PickleValue>, member: PickleValue): void {
    set.add(this.#stored(set, member));
  }

  /** The key that stands in the container for `key`: itself, or an equal one that is there already. */
  #stored(container: Container, key: PickleValue): PickleValue {
    let index = this.#indexed ? this.#indices.get(container) : undefined;
    if (index === undefined) {
      if (key === null) return key;
      if (typeof key === "string" || typeof key === "number" || typeof key === "bigint") {
        this.#admit(container, key);
        return key;
      }
      index = new Map();
      for (const present of container.keys()) index.set(this.#identify(present), present);
      this.#indices.set(container, index);
      this.#indexed = true;
    }
    const identity = this.#identify(key);
    this.#admit(index, identity);
    const present = index.get(identity);
    if (present !== undefined) return present;
    index.set(identity, key);
    return key;
  }

  /** Refuses keys that are about to be looked for, where they might be chosen to collide. */
  #admit(container: Map<unknown, unknown> | Set<unknown>, key: Identity): void {
    if (!this.#guard.allows(container, key)) throw this.#step.error("too many keys have one hash");
  }

  #identify(key: PickleValue): Identity {
    if (!(key instanceof Tuple || key instanceof FrozenSet)) return this.#identifySimple(key);
    // Innermost first. What is pushed twice is found known the second time.
    const pending: (Tuple | FrozenSet)[] = [key];
    while (pending.length > 0) {
      const value = pending[pending.length - 1]!;
      if (this.#known.has(value)) {
        pending.pop();
        continue;
      }
      const before = pending.length;
      for (const item of value.items) {
        if ((item instanceof Tuple || item instanceof FrozenSet) && !this.#known.has(item)) {
          pending.push(item);
        }
      }
      if (pending.length > before) continue;
      pending.pop();
      const parts: number[] = [];
      for (const item of value.items) {
        parts.push(this.#number(this.#known.get(item) ?? this.#identifySimple(item)));
      }
      const ordered = value instanceof Tuple;
      if (!ordered) parts.sort((a, b) => a - b);
      this.#known.set(value, this.#token(`${ordered ? "tuple" : "frozenset"}:${parts.join()}`));
    }
    return this.#known.get(key)!;
  }

  #identifySimple(key: PickleValue): Identity {
    if (typeof key === "boolean") return Number(key);
    if (key === null || typeof key !== "object") return key;
    if (key instanceof PickleFloat) return this.#identifyFloat(key);
    if (key instanceof Reduction || key instanceof PersistentId) return key;
    let identity = this.#known.get(key);
    if (identity === undefined) this.#known.set(key, identity = this.#token(this.#spell(key)));
    return identity;
  }

  #identifyFloat(key: PickleFloat): Identity {
    const value = key.value;
    if (Number.isNaN(value)) return key;
    if (Number.isSafeInteger(value)) return value;
    return Number.isInteger(value) ? BigInt(value) : this.#token(`float:${value}`);
  }

  #spell(key: PickleValue): string {
    if (key instanceof Uint8Array) return `bytes:${decodeLatin1(key)}`;
    if (key instanceof Global) return `global:${key.module.length}:${key.module}.${key.name}`;
    throw this.#step.error(`a ${describe(key)} can't be a key`);
  }

  #token(description: string): object {
    this.#admit(this.#tokens, description);
    let token = this.#tokens.get(description);
    if (token === undefined) this.#tokens.set(description, token = {});
    return token;
  }

  #number(identity: Identity): number {
    this.#admit(this.#numbers, identity);
    let number = this.#numbers.get(identity);
    if (number === undefined) this.#numbers.set(identity, number = this.#numbers.size);
    return number;
  }
}
