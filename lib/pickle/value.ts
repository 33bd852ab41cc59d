/**
 * The values that a pickle describes, as inert data.
 *
 * Python has more types than JavaScript, so each Python type has exactly one form here, and nothing in a
 * pickle is ever called: a global stays a name, a call stays a description of the call.
 *
 * | Python | here |
 * |---|---|
 * | `None`, `bool`, `str` | `null`, `boolean`, `string` |
 * | `int` | `number` where it is a safe integer, else `bigint` |
 * | `float` | {@linkcode PickleFloat}, so that `1.0` and `1` stay apart |
 * | `bytes` | `Uint8Array` |
 * | `bytearray` | {@linkcode ByteArray} |
 * | `tuple` | {@linkcode Tuple} |
 * | `list`, `dict`, `set` | `Array`, `Map`, `Set` |
 * | `frozenset` | {@linkcode FrozenSet} |
 * | a class or function | {@linkcode Global} |
 * | an object built by a call | {@linkcode Reduction} |
 * | a persistent id | {@linkcode PersistentId} |
 *
 * Objects are shared as the pickle shares them: two places that hold the same Python object hold the same
 * JavaScript object. So values may be cyclic, and nested as deep as the pickle is long; code that walks them
 * has to expect both.
 */

/** Any value that a pickle can describe. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleFloat
  | ByteArray
  | Tuple
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | FrozenSet
  | Global
  | Reduction
  | PersistentId;

/** A Python `float`. */
export class PickleFloat {
  /**
   * Wraps a number as a Python `float`.
   *
   * @param value The number, bit for bit; but of a NaN an engine may drop the sign and turn a signalling one quiet.
   */
  constructor(readonly value: number) {}
}

/** A Python `bytearray`. */
export class ByteArray {
  /** Wraps bytes as a Python `bytearray`. */
  constructor(readonly bytes: Uint8Array) {}
}

/** A Python `tuple`. */
export class Tuple {
  /** The items, in order. */
  readonly items: readonly PickleValue[];

  /** Makes a tuple of the items given. Where they may be many, {@linkcode Tuple.from} is needed. */
  constructor(...items: PickleValue[]) {
    this.items = items;
  }

  /**
   * Makes a tuple of any number of items. Items that are spread into the constructor are arguments of a call,
   * and an engine limits how many those may be.
   *
   * @param items The items, in order. They are copied.
   * @returns The tuple.
   */
  static from(items: Iterable<PickleValue>): Tuple {
    const tuple = new Tuple();
    (tuple as { items: readonly PickleValue[] }).items = Array.from(items);
    return tuple;
  }
}

/** A Python `frozenset`. */
export class FrozenSet {
  /** The members. */
  readonly items: ReadonlySet<PickleValue>;

  /** Makes a frozen set of the members given. */
  constructor(items: Iterable<PickleValue>) {
    this.items = new Set(items);
  }
}

/** The name of a Python class or function. It is never imported. */
export class Global {
  /**
   * Names a global.
   *
   * @param module The module, such as `"torch._utils"`.
   * @param name The name in the module, with dots where it is nested.
   */
  constructor(readonly module: string, readonly name: string) {}

  /** The full name, `module.name`. */
  toString(): string {
    return `${this.module}.${this.name}`;
  }
}

/** How a pickle asks for an object to be made: which opcode, and so which Python call. */
export type ReductionKind =
  /** `callable(*args)` (REDUCE, INST, OBJ) */
  | "call"
  /** `callable.__new__(callable, *args)` (NEWOBJ) */
  | "new"
  /** `callable.__new__(callable, *args, **kwargs)` (NEWOBJ_EX) */
  | "new_ex";

/** An object that a pickle asks to be made by a call. The call is never made. */
export class Reduction {
  /** What BUILD would set on the object; `undefined` where there was no BUILD. */
  state: PickleValue | undefined;
  /** What APPEND and APPENDS would add to the object. */
  readonly listItems: PickleValue[] = [];
  /** What SETITEM and SETITEMS would set in the object, in order. */
  readonly dictItems: Map<PickleValue, PickleValue> = new Map();
  /** What ADDITEMS would add to the object, which CPython's own pickler never asks for; else `undefined`. */
  setItems: Set<PickleValue> | undefined;

  /**
   * Describes a call.
   *
   * @param callable What would be called.
   * @param args The positional arguments.
   * @param kind How it would be called.
   * @param kwargs The keyword arguments (NEWOBJ_EX only).
   */
  constructor(
    readonly callable: PickleValue,
    readonly args: Tuple,
    readonly kind: ReductionKind = "call",
    readonly kwargs?: Map<PickleValue, PickleValue>,
  ) {}
}

/** A reference to an object outside the pickle (PERSID, BINPERSID). */
export class PersistentId {
  /** Names an outside object by its id, as the pickle gives it. */
  constructor(readonly id: PickleValue) {}
}
