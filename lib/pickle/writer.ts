import { Pickler } from "./_pickler.ts";
import type { PickleValue } from "./value.ts";

/**
 * Writes a pickle of protocol 2, byte for byte what CPython's C pickler makes of the same objects
 * (3.11 Modules/_pickle.c, `pickle.dumps(value, protocol=2)`; with persistent ids, `Pickler(file, 2).dump` of a
 * subclass that has `persistent_id`, as `torch.save` uses).
 *
 * It writes what protocol 2 has opcodes for: `None`, `bool`, `int`, `float`, `str`, `tuple`, `list`, `dict`, globals,
 * objects that a call makes, with their items and state, and persistent ids. Where CPython replaces an object by a call
 * (bytes, sets, nested classes), or a global by its name in Python 2, that call and that name are what is to be given
 * here; {@linkcode readPickle} gives them just so.
 *
 * CPython writes an object that it meets again as a reference to the first time. Lists, dicts, tuples and reductions are
 * the same object here if they are the same JavaScript object. Strings have no identity in JavaScript, so equal strings
 * count as one object, and so do globals of one name: as where Python's strings are interned, which names and keys are.
 * A Python program that pickles two equal strings that are two objects gets a longer pickle than this one.
 *
 * Limits: no more than 1000 levels of nesting; no tuple or call that holds itself; no NEWOBJ_EX, no ADDITEMS.
 *
 * @example Usage
 * ```ts
 * import { writePickle } from "@ckpt/ckpt/pickle";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(writePickle(null), new Uint8Array([0x80, 2, 0x4e, 0x2e])); // PROTO 2, NONE, STOP
 * ```
 *
 * @param value What to write.
 * @returns The pickle.
 * @throws {TypeError} If a value has no form in a pickle, or none in protocol 2.
 * @throws {RangeError} If values are nested too deep.
 */
export function writePickle(value: PickleValue): Uint8Array {
  return new Pickler().write(value);
}
