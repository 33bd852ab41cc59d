import type { PickleLimits } from "./limits.ts";
import type { Step } from "./_step.ts";
import type { PickleValue } from "./value.ts";

/**
 * The memo: values by the number that the pickle gave them. An entry is the value itself, never a copy, so that
 * what is shared stays shared.
 */
export class PickleMemo {
  readonly #step: Step;
  readonly #limits: PickleLimits;
  /** Entries 0, 1, 2 …, as picklers number them. An array with one far entry would have to hold all between. */
  readonly #dense: PickleValue[] = [];
  /** Entries that came out of order. */
  readonly #sparse = new Map<number, PickleValue>();

  constructor(step: Step, limits: PickleLimits) {
    this.#step = step;
    this.#limits = limits;
  }

  /** How many entries there are: the number that MEMOIZE gives. */
  get size(): number {
    return this.#dense.length + this.#sparse.size;
  }

  /** Sets an entry; a later value replaces an earlier one. */
  put(index: number | bigint, value: PickleValue): void {
    if (index < 0) throw this.#step.error(`the memo index ${index} is negative`);
    if (index > this.#limits.memoIndex) {
      throw this.#step.error(`the memo index ${index} is above ${this.#limits.memoIndex}`);
    }
    const place = Number(index);
    if (place < this.#dense.length) {
      this.#dense[place] = value;
      return;
    }
    const known = this.#sparse.size > 0 && this.#sparse.has(place);
    if (!known && this.size >= this.#limits.memoEntries) {
      throw this.#step.error(`the memo holds ${this.#limits.memoEntries} entries, the most that is allowed`);
    }
    if (place === this.#dense.length && !known) this.#dense.push(value);
    else this.#sparse.set(place, value);
  }

  has(index: number | bigint): boolean {
    return this.#find(index) !== undefined;
  }

  #find(index: number | bigint): PickleValue | undefined {
    const place = Number(index);
    return place >= 0 && place < this.#dense.length ? this.#dense[place] : this.#sparse.get(place);
  }

  get(index: number | bigint): PickleValue {
    const value = this.#find(index);
    if (value === undefined) throw this.#step.error(`the memo has no entry ${index}`, "malformed");
    return value;
  }
}
