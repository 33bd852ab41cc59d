/**
 * Writes pickles of protocol 2, byte for byte as CPython does.
 *
 * @module
 */

import { checkOptions, flag } from "../options.ts";
import { Pickler } from "./_pickler.ts";
import type { PickleValue } from "./value.ts";

/** How {@linkcode writePickle} writes. */
export interface WritePickleOptions {
  /**
   * Whether globals that are named as in Python 3 get their names of Python 2, as CPython does up to protocol 2
   * unless told otherwise: `builtins.set` becomes `__builtin__.set`. Names of Python 2 stay. Default: true.
   */
  readonly fixImports?: boolean;
}

/**
 * Writes a pickle of protocol 2, byte for byte what CPython's C pickler makes of the same objects
 * (3.11 Modules/_pickle.c, `pickle.dumps(value, protocol=2)`; with persistent ids, `Pickler(file, 2).dump` of a
 * subclass that has `persistent_id`, as `torch.save` uses).
 *
 * CPython writes an object that it meets again as a reference to the first time. Lists, dicts, tuples, sets,
 * byte arrays, bytes and reductions are the same object here if they are the same JavaScript object. Strings
 * have no identity in JavaScript, so equal strings count as one object, and so do globals of one name: as where
 * Python's strings are interned, which names and keys are. A Python program that pickles two equal strings that
 * are two objects gets a longer pickle than this one.
 *
 * Protocol 2 has no opcodes for bytes, byte arrays and sets. As in CPython they become calls of `_codecs.encode`,
 * `bytearray`, `set` and `frozenset`, the members of sets in the order that they have here.
 *
 * Limits: no more than 1000 levels of nesting, no NEWOBJ_EX, no ADDITEMS.
 *
 * @param value What to write.
 * @param options How to write it.
 * @returns The pickle.
 * @throws {TypeError} If a value has no form in a pickle, or none in protocol 2.
 * @throws {RangeError} If values are nested too deep.
 * @throws {OptionError} If an option can't be what it is.
 */
export function writePickle(value: PickleValue, options: WritePickleOptions = {}): Uint8Array {
  checkOptions(options, { fixImports: flag });
  return new Pickler(options.fixImports ?? true).write(value);
}
