/**
 * The descriptions of values in CPython's pickles: how to build the value that one describes, and how to compare
 * a value with one. Neither reads a pickle.
 */

import { assert, assertEquals } from "@std/assert";
import {
  ByteArray,
  FrozenSet,
  Global,
  PersistentId,
  PickleFloat,
  type PickleValue,
  Reduction,
  Tuple,
} from "../../lib/pickle/mod.ts";

/** A description of a value; `fixtures/pickle/described.py` says what each form means. */
export type Description = null | boolean | number | string | Description[] | Form;
type Pairs = [Description, Description][];

/** What JSON has no form for. */
export interface Form {
  int?: string;
  float?: string;
  bytes?: string;
  bytearray?: string;
  tuple?: Description[];
  set?: Description[];
  frozenset?: Description[];
  dict?: Pairs;
  global?: [string, string];
  call?: Description;
  args?: Description[];
  kind?: "call" | "new" | "new_ex";
  kwargs?: Pairs;
  state?: Description;
  list?: Description[];
  persid?: Description;
  def?: number;
  of?: Description;
  ref?: number;
}

/** Builds the value that a description describes. */
export function build(description: Description): PickleValue {
  const builder = new Builder(description);
  return builder.finish();
}

class Builder {
  readonly #root: Description;
  readonly #definitions = new Map<number, Description>();
  readonly #built = new Map<number, PickleValue>();
  /** Containers are filled last, since what they hold may hold them. */
  readonly #fills: (() => void)[] = [];

  constructor(root: Description) {
    this.#root = root;
    this.#findDefinitions(root);
  }

  finish(): PickleValue {
    const value = this.#build(this.#root);
    for (let fill = this.#fills.shift(); fill !== undefined; fill = this.#fills.shift()) fill();
    return value;
  }

  #findDefinitions(description: unknown): void {
    if (description === null || typeof description !== "object") return;
    const { def, of } = description as Form;
    if (def !== undefined) this.#definitions.set(def, of!);
    for (const part of Object.values(description)) this.#findDefinitions(part);
  }

  #defined(number: number): PickleValue {
    const built = this.#built.get(number);
    if (built !== undefined) return built;
    const value = this.#build(this.#definitions.get(number)!, (value) => this.#built.set(number, value));
    this.#built.set(number, value);
    return value;
  }

  #build(description: Description, register: (value: PickleValue) => void = () => {}): PickleValue {
    if (description === null || typeof description !== "object") return description;
    if (Array.isArray(description)) return this.#fillList([], description);
    if (description.def !== undefined) return this.#defined(description.def);
    if (description.ref !== undefined) return this.#defined(description.ref);
    if (description.int !== undefined) return BigInt(description.int);
    if (description.float !== undefined) {
      return new PickleFloat(new DataView(Uint8Array.fromHex(description.float).buffer).getFloat64(0));
    }
    if (description.bytes !== undefined) return Uint8Array.fromHex(description.bytes);
    if (description.bytearray !== undefined) return new ByteArray(Uint8Array.fromHex(description.bytearray));
    if (description.tuple !== undefined) {
      return Tuple.from(description.tuple.map((item) => this.#build(item)));
    }
    if (description.global !== undefined) return new Global(...description.global);
    if (description.persid !== undefined) return new PersistentId(this.#build(description.persid));
    if (description.call !== undefined) return this.#buildCall(description, register);
    if (description.dict !== undefined) return this.#fillDict(new Map(), description.dict);
    if (description.set !== undefined) return this.#fillSet(new Set(), description.set);
    return new FrozenSet(description.frozenset!.map((item) => this.#build(item)));
  }

  #buildCall(form: Form, register: (value: PickleValue) => void): Reduction {
    const args = Tuple.from(form.args!.map((arg) => this.#build(arg)));
    const kwargs = form.kwargs && this.#fillDict(new Map(), form.kwargs);
    const call = new Reduction(this.#build(form.call!), args, form.kind, kwargs);
    register(call);
    this.#fillList(call.listItems, form.list ?? []);
    this.#fillDict(call.dictItems, form.dict ?? []);
    if (form.set !== undefined) call.setItems = this.#fillSet(new Set(), form.set);
    if (form.state !== undefined) call.state = this.#build(form.state);
    return call;
  }

  #fillList(list: PickleValue[], items: Description[]): PickleValue[] {
    this.#fills.push(() => items.forEach((item) => list.push(this.#build(item))));
    return list;
  }

  #fillDict(dict: Map<PickleValue, PickleValue>, pairs: Pairs): Map<PickleValue, PickleValue> {
    this.#fills.push(() => pairs.forEach(([key, value]) => dict.set(this.#build(key), this.#build(value))));
    return dict;
  }

  #fillSet(set: Set<PickleValue>, members: Description[]): Set<PickleValue> {
    this.#fills.push(() => members.forEach((member) => set.add(this.#build(member))));
    return set;
  }
}

/**
 * Asserts that a value is what a description describes, to the last bit, and that it shares its objects in the
 * same places: what is met again is the same object, and nothing else is.
 */
export function assertDescribed(actual: PickleValue, expected: Description): void {
  new Comparison().compare(actual, expected, "value");
}

class Comparison {
  readonly #defined = new Map<number, PickleValue>();
  readonly #seen = new Set<PickleValue>();

  compare(actual: PickleValue, expected: Description, path: string): void {
    if (Array.isArray(expected)) return this.#compareItems(this.#first(actual, path), Array, expected, path);
    if (expected === null || typeof expected !== "object") return assertEquals(actual, expected, path);
    if (expected.ref !== undefined) {
      return assert(actual === this.#defined.get(expected.ref), `${path} is another object`);
    }
    if (expected.def !== undefined) {
      this.#defined.set(expected.def, actual);
      return this.compare(actual, expected.of!, path);
    }
    if (this.#compareAtom(actual, expected, path)) return;
    this.#first(actual, path);
    if (expected.call !== undefined) this.#compareCall(as(actual, Reduction, path), expected, path);
    else if (expected.dict !== undefined) this.#comparePairs(actual, expected.dict, path);
    else if (expected.set !== undefined) this.#compareItems(actual, Set, expected.set, path);
    else if (expected.tuple !== undefined) {
      this.#compareItems(as(actual, Tuple, path).items, Array, expected.tuple, path);
    } else if (expected.frozenset !== undefined) {
      this.#compareItems(as(actual, FrozenSet, path).items, Set, expected.frozenset, path);
    } else {
      this.compare(as(actual, PersistentId, path).id, expected.persid!, `${path}.id`);
    }
  }

  #first(actual: PickleValue, path: string): PickleValue {
    assert(!this.#seen.has(actual), `${path} is met twice`);
    this.#seen.add(actual);
    return actual;
  }

  /** Compares what has no parts. */
  #compareAtom(actual: PickleValue, expected: Form, path: string): boolean {
    if (expected.int !== undefined) {
      assertEquals(actual, BigInt(expected.int), path);
    } else if (expected.float !== undefined) {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setFloat64(0, as(actual, PickleFloat, path).value);
      assertEquals(bytes.toHex(), expected.float, path);
    } else if (expected.bytes !== undefined) {
      assertEquals(as(actual, Uint8Array, path).toHex(), expected.bytes, path);
    } else if (expected.bytearray !== undefined) {
      assertEquals(as(actual, ByteArray, path).bytes.toHex(), expected.bytearray, path);
    } else if (expected.global !== undefined) {
      const global = as(actual, Global, path);
      assertEquals([global.module, global.name], expected.global, path);
    } else if (expected.tuple?.length === 0) {
      assertEquals(as(actual, Tuple, path).items.length, 0, path);
    } else {
      return false;
    }
    return true;
  }

  #compareCall(actual: Reduction, expected: Form, path: string): void {
    assertEquals(actual.kind, expected.kind ?? "call", path);
    this.compare(actual.callable, expected.call!, `${path}.callable`);
    this.#compareItems(actual.args.items, Array, expected.args!, `${path}.args`);
    assertEquals(actual.kwargs === undefined, expected.kwargs === undefined, path);
    if (expected.kwargs) this.#comparePairs(actual.kwargs, expected.kwargs, `${path}.kwargs`);
    this.#compareItems(actual.listItems, Array, expected.list ?? [], `${path}.listItems`);
    this.#comparePairs(actual.dictItems, expected.dict ?? [], `${path}.dictItems`);
    assertEquals(actual.setItems === undefined, expected.set === undefined, path);
    if (expected.set) this.#compareItems(actual.setItems, Set, expected.set, `${path}.setItems`);
    assertEquals(actual.state === undefined, expected.state === undefined, path);
    if (expected.state !== undefined) this.compare(actual.state!, expected.state, `${path}.state`);
  }

  #compareItems(
    actual: unknown,
    kind: typeof Array | typeof Set,
    expected: Description[],
    path: string,
  ): void {
    const items: PickleValue[] = [...as<Iterable<PickleValue>>(actual, kind, path)];
    assertEquals(items.length, expected.length, `${path} has other items`);
    items.forEach((item, index) => this.compare(item, expected[index]!, `${path}[${index}]`));
  }

  #comparePairs(actual: unknown, expected: Pairs, path: string): void {
    const pairs = [...as<Map<PickleValue, PickleValue>>(actual, Map, path)];
    assertEquals(pairs.length, expected.length, `${path} has other items`);
    pairs.forEach(([key, value], index) => {
      this.compare(key, expected[index]![0], `${path} key ${index}`);
      this.compare(value, expected[index]![1], `${path} value ${index}`);
    });
  }
}

/** Asserts that a value is of a class. */
// deno-lint-ignore no-explicit-any
function as<T>(actual: unknown, kind: new (...args: any[]) => T, path: string): T {
  assert(actual instanceof kind, `${path} is no ${kind.name}`);
  return actual as T;
}
