import { describe } from "./_describe.ts";
import { KeyRules } from "./_keys.ts";
import type { PickleLimits } from "./limits.ts";
import type { PickleStack } from "./_stack.ts";
import type { Step } from "./_step.ts";
import { decodeLatin1, isAscii } from "./_utf8.ts";
import {
  FrozenSet,
  Global,
  PersistentId,
  type PickleValue,
  Reduction,
  type ReductionKind,
  Tuple,
} from "./value.ts";

/** CPython has one empty tuple as well. */
const EMPTY_TUPLE = new Tuple();

/** Called with each global that a pickle names. */
export type GlobalListener = (global: Global, offset: number) => void;

/**
 * Makes and fills the objects of a pickle: containers, globals, and calls that are never made. A method is what
 * the opcode of its name does, once its operands are off the stack.
 */
export class PickleObjects {
  readonly #step: Step;
  readonly #stack: PickleStack;
  readonly #keys: KeyRules;
  readonly #maxObjects: number;
  readonly #onGlobal: GlobalListener | undefined;
  #count = 0;

  /** Puts what it makes on `stack`; errors are about `step`. */
  constructor(step: Step, stack: PickleStack, limits: PickleLimits, onGlobal: GlobalListener | undefined) {
    this.#step = step;
    this.#stack = stack;
    this.#keys = new KeyRules(step);
    this.#maxObjects = limits.objects;
    this.#onGlobal = onGlobal;
  }

  /** Puts a new object on the stack. */
  make(value: PickleValue): void {
    if (++this.#count > this.#maxObjects) {
      throw this.#step.error(`the pickle makes more than ${this.#maxObjects} objects`);
    }
    this.#stack.push(value);
  }

  /** TUPLE and its kin. */
  tuple(items: PickleValue[]): void {
    if (items.length === 0) this.#stack.push(EMPTY_TUPLE);
    else this.make(Tuple.from(items));
  }

  dict(items: PickleValue[]): void {
    const dict = new Map<PickleValue, PickleValue>();
    this.#setPairs(dict, items);
    this.make(dict);
  }

  frozenSet(items: PickleValue[]): void {
    const set = new Set<PickleValue>();
    for (const item of items) this.#keys.add(set, item);
    this.make(new FrozenSet(set));
  }

  /** APPEND and APPENDS. */
  append(items: PickleValue[]): void {
    const target = this.#stack.top();
    // To add nothing is allowed to any value, here and below, as in CPython.
    if (items.length === 0) return;
    const list = target instanceof Reduction ? target.listItems : target;
    if (!Array.isArray(list)) throw this.#wrongTarget(target);
    for (const item of items) list.push(item);
  }

  /** SETITEM and SETITEMS. */
  setItems(items: PickleValue[]): void {
    const target = this.#stack.top();
    if (items.length === 0) return;
    const dict = target instanceof Reduction ? target.dictItems : target;
    if (!(dict instanceof Map)) throw this.#wrongTarget(target);
    this.#setPairs(dict, items);
  }

  addItems(items: PickleValue[]): void {
    const target = this.#stack.top();
    if (items.length === 0) return;
    const set = target instanceof Reduction ? (target.setItems ??= new Set()) : target;
    if (!(set instanceof Set)) throw this.#wrongTarget(target);
    for (const item of items) this.#keys.add(set, item);
  }

  #setPairs(dict: Map<PickleValue, PickleValue>, items: PickleValue[]): void {
    if (items.length % 2 !== 0) {
      throw this.#step.error(`${items.length} values are not keys with their values`);
    }
    for (let i = 0; i < items.length; i += 2) this.#keys.set(dict, items[i]!, items[i + 1]!);
  }

  #wrongTarget(target: PickleValue): Error {
    return this.#step.error(`a ${describe(target)} has no such items`);
  }

  global(module: string, name: string): void {
    this.make(this.#named(module, name));
  }

  #named(module: string, name: string): Global {
    const global = new Global(module, name);
    this.#onGlobal?.(global, this.#step.offset);
    return global;
  }

  stackGlobal(names: PickleValue[]): void {
    const [module, name] = names;
    if (typeof module !== "string" || typeof name !== "string") {
      throw this.#step.error(`the names are ${describe(module!)} and ${describe(name!)}, not str`);
    }
    this.global(module, name);
  }

  inst(module: string, name: string): void {
    // pickle.py imports it before it looks for the mark.
    const callable = this.#named(module, name);
    this.make(new Reduction(callable, Tuple.from(this.#stack.popMark())));
  }

  obj(values: PickleValue[]): void {
    const callable = values.shift();
    if (callable === undefined) throw this.#step.error("there is no class above the mark", "malformed");
    this.#checkCallable(callable);
    this.make(new Reduction(callable, Tuple.from(values)));
  }

  /** REDUCE, NEWOBJ and NEWOBJ_EX. */
  reduce(kind: ReductionKind, values: PickleValue[]): void {
    const [callable, args, kwargs] = values;
    this.#checkCallable(callable!);
    if (!(args instanceof Tuple)) {
      throw this.#step.error(`the arguments are a ${describe(args!)}, not a tuple`);
    }
    if (kwargs === undefined) return this.make(new Reduction(callable!, args, kind));
    if (!(kwargs instanceof Map)) {
      throw this.#step.error(`the keyword arguments are a ${describe(kwargs)}, not a dict`);
    }
    this.make(new Reduction(callable!, args, kind, kwargs));
  }

  #checkCallable(value: PickleValue): void {
    if (value instanceof Global || value instanceof Reduction || value instanceof PersistentId) return;
    throw this.#step.error(`a ${describe(value)} can't be called`);
  }

  build(state: PickleValue): void {
    const target = this.#stack.top();
    if (!(target instanceof Reduction)) throw this.#step.error(`a ${describe(target)} takes no state`);
    if (target.state !== undefined) throw this.#step.error("the object has a state already");
    target.state = state;
  }

  persistentId(line: Uint8Array): void {
    if (!isAscii(line)) throw this.#step.error("the persistent id is not ASCII", "malformed");
    this.make(new PersistentId(decodeLatin1(line)));
  }
}
