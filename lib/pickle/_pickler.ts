import { describe } from "./_describe.ts";
import { PickleEmitter } from "./_emitter.ts";
import { OPCODES as OP } from "./opcodes.ts";
import { python2Global } from "./_python2_names.ts";
import { decodeLatin1 } from "./_utf8.ts";
import {
  ByteArray,
  FrozenSet,
  Global,
  PersistentId,
  PickleFloat,
  type PickleValue,
  Reduction,
  Tuple,
} from "./value.ts";

const PROTOCOL = 2;

/** Items in one APPENDS or SETITEMS (CPython's BATCHSIZE). */
const BATCH = 1000;

/**
 * The deepest that values may be nested. CPython's own limit on recursion ends it at about half of this; a stack
 * frame here is small enough for it.
 */
const MAX_DEPTH = 1000;

const CODECS_ENCODE = new Global("_codecs", "encode");
const GETATTR = new Global("builtins", "getattr");
const BYTES = new Global("builtins", "bytes");
const BYTEARRAY = new Global("builtins", "bytearray");
const SET = new Global("builtins", "set");
const FROZENSET = new Global("builtins", "frozenset");

/** Writes one pickle of protocol 2. The functions of CPython that a method follows are in Modules/_pickle.c. */
export class Pickler {
  readonly #emit = new PickleEmitter();
  readonly #fixImports: boolean;
  /** Memo indices: of objects by identity, of strings by value, of globals and tiny bytes by a description. */
  readonly #objects = new Map<object, number>();
  readonly #strings = new Map<string, number>();
  readonly #named = new Map<string, number>();
  #memoSize = 0;
  #depth = 0;

  /** Makes a pickler that writes Python 2's names for globals, or doesn't. */
  constructor(fixImports: boolean) {
    this.#fixImports = fixImports;
  }

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
    else if (value instanceof Uint8Array) this.#saveBytes(value);
    else if (!this.#recall(this.#objects.get(value))) this.#saveObject(value);
    this.#depth--;
  }

  #saveObject(value: object): void {
    if (value instanceof Tuple) this.#saveTuple(value);
    else if (Array.isArray(value)) this.#saveList(value);
    else if (value instanceof Map) this.#saveDict(value);
    else if (value instanceof Reduction) this.#saveReduction(value);
    else if (value instanceof ByteArray) this.#saveByteArray(value);
    else if (value instanceof Set) this.#saveMembers(value, SET, value);
    else if (value instanceof FrozenSet) this.#saveMembers(value, FROZENSET, value.items);
    else throw new TypeError(`Cannot write pickle: a ${describe(value)} stands for no Python value`);
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

  #saveBytes(bytes: Uint8Array): void {
    // CPython has each bytes object of no or one byte just once.
    const tiny = bytes.length > 1 ? undefined : `bytes:${bytes}`;
    if (this.#recall(tiny === undefined ? this.#objects.get(bytes) : this.#named.get(tiny))) return;
    const index = this.#writeBytes(bytes);
    if (tiny === undefined) this.#objects.set(bytes, index);
    else this.#named.set(tiny, index);
  }

  /** `_codecs.encode(text, "latin1")`, or `bytes()`; CPython 3.11 save_bytes. Gives the memo index. */
  #writeBytes(bytes: Uint8Array): number {
    if (bytes.length === 0) {
      this.#save(BYTES);
      this.#emit.opcode(OP.EMPTY_TUPLE);
    } else {
      this.#save(CODECS_ENCODE);
      // The text is an object that nothing else refers to, so it is never found in the memo and never found
      // again, but it takes an index. Of one character there is just one string.
      const text = decodeLatin1(bytes);
      if (text.length === 1) this.#saveString(text);
      else this.#emit.text(text), this.#memoize();
      this.#saveString("latin1");
      this.#emit.opcode(OP.TUPLE2);
      this.#memoize();
    }
    this.#emit.opcode(OP.REDUCE);
    return this.#memoize();
  }

  /** `bytearray(bytes)`; CPython 3.11 save_bytearray. */
  #saveByteArray(value: ByteArray): void {
    this.#save(BYTEARRAY);
    if (value.bytes.length === 0) {
      this.#emit.opcode(OP.EMPTY_TUPLE);
    } else {
      // The bytes are an object that nothing else refers to, even if it is a single one.
      this.#writeBytes(value.bytes);
      this.#emit.opcode(OP.TUPLE1);
      this.#memoize();
    }
    this.#emit.opcode(OP.REDUCE);
    this.#objects.set(value, this.#memoize());
  }

  /** `set([…])` and `frozenset([…])`; CPython 3.11 save_set, save_frozenset. */
  #saveMembers(value: object, type: Global, members: ReadonlySet<PickleValue>): void {
    this.#save(type);
    this.#saveList([...members]);
    this.#emit.opcode(OP.TUPLE1);
    this.#memoize();
    this.#emit.opcode(OP.REDUCE);
    this.#finishObject(value);
  }

  /** CPython 3.11 save_tuple. */
  #saveTuple(tuple: Tuple): void {
    const items = tuple.items;
    if (items.length === 0) return this.#emit.opcode(OP.EMPTY_TUPLE);
    const long = items.length > 3;
    if (long) this.#emit.opcode(OP.MARK);
    for (const item of items) this.#save(item);
    const known = this.#objects.get(tuple);
    if (known === undefined) {
      this.#emit.opcode([OP.TUPLE, OP.TUPLE1, OP.TUPLE2, OP.TUPLE3][long ? 0 : items.length]!);
      this.#objects.set(tuple, this.#memoize());
      return;
    }
    // The tuple holds itself and was written on the way.
    if (long) this.#emit.opcode(OP.POP_MARK);
    else for (let i = 0; i < items.length; i++) this.#emit.opcode(OP.POP);
    this.#recall(known);
  }

  /** CPython 3.11 save_list, batch_list_exact: the last item of many has a batch of its own. */
  #saveList(list: PickleValue[]): void {
    this.#emit.opcode(OP.EMPTY_LIST);
    this.#objects.set(list, this.#memoize());
    if (list.length === 1) {
      this.#save(list[0]!);
      this.#emit.opcode(OP.APPEND);
      return;
    }
    for (let start = 0; start < list.length; start += BATCH) {
      this.#emit.opcode(OP.MARK);
      for (const item of list.slice(start, start + BATCH)) this.#save(item);
      this.#emit.opcode(OP.APPENDS);
    }
  }

  /** CPython 3.11 save_dict, batch_dict_exact: after a full batch there is another one, if need be empty. */
  #saveDict(dict: Map<PickleValue, PickleValue>): void {
    this.#emit.opcode(OP.EMPTY_DICT);
    this.#objects.set(dict, this.#memoize());
    if (dict.size === 0) return;
    const items = [...dict];
    if (items.length === 1) {
      this.#savePairs(items);
      this.#emit.opcode(OP.SETITEM);
      return;
    }
    for (let start = 0; start <= items.length; start += BATCH) {
      this.#emit.opcode(OP.MARK);
      this.#savePairs(items.slice(start, start + BATCH));
      this.#emit.opcode(OP.SETITEMS);
    }
  }

  /** CPython 3.11 save_reduce. */
  #saveReduction(value: Reduction): void {
    if (value.kind === "new_ex") throw new TypeError("Cannot write pickle: protocol 2 has no NEWOBJ_EX");
    if (value.setItems !== undefined) throw new TypeError("Cannot write pickle: protocol 2 has no ADDITEMS");
    this.#save(value.callable);
    this.#save(value.args);
    this.#emit.opcode(value.kind === "new" ? OP.NEWOBJ : OP.REDUCE);
    if (!this.#finishObject(value)) return;
    this.#saveListItems(value.listItems);
    this.#saveDictItems([...value.dictItems]);
    if (value.state === undefined) return;
    this.#save(value.state);
    this.#emit.opcode(OP.BUILD);
  }

  /** CPython 3.11 batch_list: a single last item has no batch. */
  #saveListItems(items: PickleValue[]): void {
    for (let start = 0; start < items.length; start += BATCH) {
      const batch = items.slice(start, start + BATCH);
      if (batch.length > 1) this.#emit.opcode(OP.MARK);
      for (const item of batch) this.#save(item);
      this.#emit.opcode(batch.length > 1 ? OP.APPENDS : OP.APPEND);
    }
  }

  /** CPython 3.11 batch_dict: a single last item has no batch, and there is no empty one. */
  #saveDictItems(items: [PickleValue, PickleValue][]): void {
    for (let start = 0; start < items.length; start += BATCH) {
      const batch = items.slice(start, start + BATCH);
      if (batch.length > 1) this.#emit.opcode(OP.MARK);
      this.#savePairs(batch);
      this.#emit.opcode(batch.length > 1 ? OP.SETITEMS : OP.SETITEM);
    }
  }

  #savePairs(items: [PickleValue, PickleValue][]): void {
    for (const [key, value] of items) {
      this.#save(key);
      this.#save(value);
    }
  }

  /** CPython 3.11 save_pers: the id is never itself replaced by a persistent id, and the whole isn't memoized. */
  #savePersistentId(value: PersistentId): void {
    this.#save(value.id);
    this.#emit.opcode(OP.BINPERSID);
  }

  /** CPython 3.11 save_global: a nested name is looked up in what holds it. */
  #saveGlobal(global: Global): void {
    const written = this.#fixImports ? python2Global(global) : global;
    // Some classes of Python 3 become one and the same in Python 2's module; they are still several objects.
    const named = written.module === "exceptions" ? global : written;
    const key = `${named.module}\n${named.name}`;
    if (this.#recall(this.#named.get(key))) return;
    const dot = global.name.lastIndexOf(".");
    if (dot > 0) {
      this.#save(GETATTR);
      this.#save(new Global(global.module, global.name.slice(0, dot)));
      this.#saveString(global.name.slice(dot + 1));
      this.#emit.opcode(OP.TUPLE2);
      this.#memoize();
      this.#emit.opcode(OP.REDUCE);
    } else {
      this.#emit.global(written);
    }
    this.#named.set(key, this.#memoize());
  }

  /** Memoizes an object; or, if it holds itself and was written on the way, refers to that and gives false. */
  #finishObject(value: object): boolean {
    const known = this.#objects.get(value);
    if (known === undefined) {
      this.#objects.set(value, this.#memoize());
      return true;
    }
    this.#emit.opcode(OP.POP);
    this.#recall(known);
    return false;
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
