import { describe } from "./_describe.ts";
import { PickleEmitter } from "./_emitter.ts";
import { OPCODES as OP } from "./opcodes.ts";
import { Global, PersistentId, PickleFloat, type PickleValue, Reduction, Tuple } from "./value.ts";

const PROTOCOL = 2;

/** Items in one APPENDS or SETITEMS (CPython's BATCHSIZE). */
const BATCH = 1000;

/**
 * The deepest that values may be nested. CPython's own limit on recursion ends it at about half of this; a stack
 * frame here is small enough for it.
 */
const MAX_DEPTH = 1000;

type Pair = readonly [key: PickleValue, value: PickleValue];

/** Writes one pickle of protocol 2. The functions of CPython that a method follows are in Modules/_pickle.c. */
export class Pickler {
  readonly #emit = new PickleEmitter();
  /** Memo indices: of objects by identity, of strings by value, of globals by name. */
  readonly #objects = new Map<object, number>();
  readonly #strings = new Map<string, number>();
  readonly #globals = new Map<string, number>();
  #memoSize = 0;
  #depth = 0;

  /** Writes a pickle; once for each pickler. */
  write(value: PickleValue): Uint8Array {
    this.#emit.protocol(PROTOCOL);
    this.#save(value);
    this.#emit.opcode(OP.STOP);
    return this.#emit.finish();
  }

  #save(value: PickleValue): void {
    if (++this.#depth > MAX_DEPTH) {
      throw new RangeError(`Cannot write pickle: values are nested more than ${MAX_DEPTH} levels deep`);
    }
    if (value === null) this.#emit.opcode(OP.NONE);
    else if (typeof value === "boolean") this.#emit.opcode(value ? OP.NEWTRUE : OP.NEWFALSE);
    else if (typeof value === "string") this.#saveString(value);
    else if (typeof value === "number") this.#saveNumber(value);
    else if (typeof value === "bigint") this.#emit.integer(value);
    else if (value instanceof PickleFloat) this.#emit.float(value.value);
    else if (value instanceof PersistentId) this.#savePersistentId(value);
    else if (value instanceof Global) this.#saveGlobal(value);
    else if (!this.#recall(this.#objects.get(value))) this.#saveObject(value);
    this.#depth--;
  }

  #saveObject(value: object): void {
    if (value instanceof Tuple) return this.#saveTuple(value);
    if (Array.isArray(value)) return this.#saveList(value);
    if (value instanceof Map) return this.#saveDict(value);
    if (value instanceof Reduction) return this.#saveReduction(value);
    const what = describe(value);
    throw new TypeError(
      what.startsWith("JavaScript")
        ? `Cannot write pickle: a ${what} stands for no Python value`
        : `Cannot write pickle: protocol 2 has no opcode for ${what}; write the call that makes it, a Reduction`,
    );
  }

  #saveNumber(value: number): void {
    if (!Number.isSafeInteger(value)) {
      throw new TypeError(`Cannot write pickle: ${value} is not a safe integer; use PickleFloat or a bigint`);
    }
    this.#emit.integer(value);
  }

  #saveString(text: string): void {
    if (this.#recall(this.#strings.get(text))) return;
    this.#emit.text(text);
    this.#strings.set(text, this.#memoize());
  }

  /** CPython 3.11 save_tuple. */
  #saveTuple(tuple: Tuple): void {
    const { items } = tuple;
    if (items.length === 0) return this.#emit.opcode(OP.EMPTY_TUPLE);
    const long = items.length > 3;
    if (long) this.#emit.opcode(OP.MARK);
    for (const item of items) this.#save(item);
    this.#emit.opcode([OP.TUPLE, OP.TUPLE1, OP.TUPLE2, OP.TUPLE3][long ? 0 : items.length]!);
    this.#memoizeObject(tuple);
  }

  /** CPython 3.11 save_list, batch_list_exact: the last item of many has a batch of its own. */
  #saveList(list: PickleValue[]): void {
    this.#emit.opcode(OP.EMPTY_LIST);
    this.#memoizeObject(list);
    this.#saveBatches(list, (item) => this.#save(item), OP.APPEND, OP.APPENDS, list.length === 1);
  }

  /** CPython 3.11 save_dict, batch_dict_exact: after a full batch there is another one, if need be empty. */
  #saveDict(dict: Map<PickleValue, PickleValue>): void {
    this.#emit.opcode(OP.EMPTY_DICT);
    this.#memoizeObject(dict);
    this.#saveBatches([...dict], (pair) => this.#savePair(pair), OP.SETITEM, OP.SETITEMS, dict.size === 1);
    if (dict.size > 0 && dict.size % BATCH === 0) {
      this.#emit.opcode(OP.MARK);
      this.#emit.opcode(OP.SETITEMS);
    }
  }

  /** CPython 3.11 save_reduce, batch_list, batch_dict: a single last item has no batch, and there is no empty one. */
  #saveReduction(value: Reduction): void {
    if (value.kind === "new_ex") throw new TypeError("Cannot write pickle: protocol 2 has no NEWOBJ_EX");
    if (value.setItems !== undefined) throw new TypeError("Cannot write pickle: protocol 2 has no ADDITEMS");
    this.#save(value.callable);
    this.#save(value.args);
    this.#emit.opcode(value.kind === "new" ? OP.NEWOBJ : OP.REDUCE);
    this.#memoizeObject(value);
    this.#saveBatches(value.listItems, (item) => this.#save(item), OP.APPEND, OP.APPENDS, true);
    this.#saveBatches([...value.dictItems], (pair) => this.#savePair(pair), OP.SETITEM, OP.SETITEMS, true);
    if (value.state === undefined) return;
    this.#save(value.state);
    this.#emit.opcode(OP.BUILD);
  }

  /** Saves items a batch at a time; `lone` says whether a batch of one is written as a single item. */
  #saveBatches<T>(
    items: readonly T[],
    save: (item: T) => void,
    single: number,
    several: number,
    lone: boolean,
  ): void {
    for (let start = 0; start < items.length; start += BATCH) {
      const batch = items.slice(start, start + BATCH);
      const isSingle = lone && batch.length === 1;
      if (!isSingle) this.#emit.opcode(OP.MARK);
      batch.forEach(save);
      this.#emit.opcode(isSingle ? single : several);
    }
  }

  #savePair([key, value]: Pair): void {
    this.#save(key);
    this.#save(value);
  }

  /** CPython 3.11 save_pers: the id is never itself replaced by a persistent id, and the whole isn't memoized. */
  #savePersistentId(value: PersistentId): void {
    this.#save(value.id);
    this.#emit.opcode(OP.BINPERSID);
  }

  /** CPython 3.11 save_global. */
  #saveGlobal(global: Global): void {
    const key = `${global.module}\n${global.name}`;
    if (this.#recall(this.#globals.get(key))) return;
    this.#emit.global(global);
    this.#globals.set(key, this.#memoize());
  }

  #memoizeObject(value: object): void {
    if (this.#objects.has(value)) {
      throw new TypeError(`Cannot write pickle: a ${describe(value)} holds itself`);
    }
    this.#objects.set(value, this.#memoize());
  }

  /** Gives what is on top of the stack the next memo index (CPython 3.11 memo_put). */
  #memoize(): number {
    const index = this.#memoSize++;
    this.#emit.put(index);
    return index;
  }

  /** Refers to a memo entry, where there is one (CPython 3.11 memo_get). */
  #recall(index: number | undefined): boolean {
    if (index === undefined) return false;
    this.#emit.get(index);
    return true;
  }
}
