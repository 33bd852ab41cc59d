/** Reads pickles. Nothing in a pickle is imported, called or changed: see {@linkcode PickleValue}. */

import { callback, checkOptions, type Rules, wholeNumber } from "../options.ts";
import { PickleMachine } from "./_machine.ts";
import { PickleError } from "./error.ts";
import { completeLimits, type PickleLimits } from "./limits.ts";
import type { Global, PickleValue } from "./value.ts";

/** How {@linkcode readPickle} reads. */
export interface ReadPickleOptions {
  /**
   * Called for each GLOBAL, STACK_GLOBAL and INST, before anything is made of it, with the offset of the opcode
   * in bytes from the start of the pickle. What it throws ends the reading and reaches the caller as it is.
   *
   * Names are those in the pickle: in protocols 0 to 2 often Python 2's, such as `__builtin__.set`.
   */
  readonly onGlobal?: (global: Global, offset: number) => void;
  /** Limits that differ from {@linkcode DEFAULT_PICKLE_LIMITS}. */
  readonly limits?: Partial<PickleLimits>;
}

const rules: Rules<ReadPickleOptions> = {
  onGlobal: callback,
  limits: { what: "an object", allows: (value) => typeof value === "object" && value !== null },
};

/** A pickle that was read from the middle of a file. */
export interface PickleRead {
  /** What the pickle describes. */
  readonly value: PickleValue;
  /** Where the byte after the pickle's STOP is, in bytes from the start of the input. */
  readonly end: number;
}

/**
 * Reads a pickle of any protocol from 0 to 5, as CPython's C unpickler does (3.11 Modules/_pickle.c), but
 * without running it.
 *
 * Limits: there are no out-of-band buffers and no extension registry, so NEXT_BUFFER, READONLY_BUFFER and EXT1
 * to EXT4 are refused. Persistent ids are values, in all places. Bytes after the pickle's STOP are ignored. Frames
 * must end where arguments and the pickle do, since CPython itself reads others in several ways. All else that
 * differs from CPython is about objects that only a call would make:
 *
 * - a call needs a global, another call or a persistent id to call, and a tuple of arguments;
 * - BUILD needs an object made by a call, at most once each; APPENDS, SETITEMS and ADDITEMS need such an object,
 *   or a list, dict or set;
 * - objects made by calls, and persistent ids, are equal as keys only if they are the same object.
 *
 * Strings: a Python 2 `str` (STRING, BINSTRING, SHORT_BINSTRING) may be text or bytes. It is a string if it is
 * ASCII, and a `Uint8Array` if not: what CPython does with `encoding="ASCII"`, and then with `encoding="bytes"`.
 * A Python string of a high and a low surrogate, side by side, reads as the character that they encode.
 *
 * Protocols 0 to 2 have no opcodes for bytes, byte arrays and sets, so in their pickles these are calls, and stay
 * calls here: of `_codecs.encode`, `bytearray`, `set`, `frozenset`.
 *
 * Dict keys and set members are equal as in Python: `1`, `1.0` and `True` are one key, tuples, frozen sets and
 * bytes are equal by value, and lists, dicts, sets and byte arrays are no keys. An equal key keeps its place and
 * form and gets the later value. A `Map` or `Set` itself knows strings, integers and `None` by value, but
 * floats, bytes and tuples by identity, so look those up by walking the keys.
 *
 * @example Usage
 * ```ts
 * import { readPickle, writePickle } from "@ckpt/ckpt/pickle";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readPickle(writePickle(["a", 1])), ["a", 1]);
 * ```
 *
 * @param bytes The pickle.
 * @param options How to read it.
 * @returns What the pickle describes.
 * @throws {PickleError} If the pickle is malformed, past a limit, or uses an opcode that is refused.
 * @throws {OptionError} If an option can't be what it is.
 */
export function readPickle(bytes: Uint8Array, options: ReadPickleOptions = {}): PickleValue {
  return readPickleFrom(bytes, 0, options).value;
}

/**
 * Reads the pickle that starts at an offset, and says where it ends: for files that hold several, one after the
 * other. In all else like {@linkcode readPickle}.
 *
 * @example Usage
 * ```ts
 * import { readPickleFrom, writePickle } from "@ckpt/ckpt/pickle";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new Uint8Array([...writePickle("first"), ...writePickle("second")]);
 * const { value, end } = readPickleFrom(bytes, 0);
 * assertEquals([value, readPickleFrom(bytes, end).value], ["first", "second"]);
 * ```
 *
 * @param bytes The bytes that hold the pickle.
 * @param offset Where the pickle starts, in bytes. Offsets in errors and for `onGlobal` count from there.
 * @param options How to read it.
 * @returns What the pickle describes, and where it ends.
 * @throws {PickleError} If the pickle is malformed, past a limit, or uses an opcode that is refused.
 * @throws {RangeError} If the offset is outside the bytes.
 * @throws {OptionError} If an option can't be what it is.
 */
export function readPickleFrom(
  bytes: Uint8Array,
  offset: number,
  options: ReadPickleOptions = {},
): PickleRead {
  const machine = startMachine(bytes, offset, options);
  return { value: machine.run(), end: machine.position };
}

/** A place in a pickle that names a global. */
export interface NamedGlobal {
  /** The global, by its name in the pickle. */
  readonly global: Global;
  /** The offset of the opcode that names it, in bytes from the start of the pickle. */
  readonly offset: number;
}

/** All that {@linkcode listGlobals} found. */
export interface GlobalList {
  /** The places, in the order of the pickle. A global that is named twice is here twice. */
  readonly globals: NamedGlobal[];
  /** Where the pickle ends, or with an error how far it was read, in bytes from the start of the input. */
  readonly end: number;
  /** Why the pickle could not be read to its end, in which case there may be more globals; else `undefined`. */
  readonly error: PickleError | undefined;
}

/**
 * Lists the globals that a pickle names, whatever they are. The names of STACK_GLOBAL come from the stack, so
 * the pickle is read as {@linkcode readPickle} reads it. Where it can't be read on, the list ends with an error,
 * since a pickle may do harm and then break.
 *
 * @example Usage
 * ```ts
 * import { listGlobals } from "@ckpt/ckpt/pickle";
 * import { assertEquals } from "@std/assert";
 *
 * const { globals } = listGlobals(new TextEncoder().encode("cos\nsystem\n(S'true'\ntR."));
 * assertEquals(globals.map(({ global }) => String(global)), ["os.system"]);
 * ```
 *
 * @param bytes The bytes that hold the pickle.
 * @param options Where the pickle starts, in bytes (0), and limits that differ from the defaults.
 * @returns The globals and how far the pickle was read.
 * @throws {OptionError} If an option can't be what it is.
 */
export function listGlobals(
  bytes: Uint8Array,
  options: { readonly offset?: number; readonly limits?: Partial<PickleLimits> } = {},
): GlobalList {
  checkBytes(bytes);
  checkOptions(options, { offset: wholeNumber(0, bytes.length), limits: rules.limits });
  const globals: NamedGlobal[] = [];
  const onGlobal = (global: Global, offset: number) => void globals.push({ global, offset });
  const machine = startMachine(bytes, options.offset ?? 0, { limits: options.limits, onGlobal });
  let error: PickleError | undefined;
  try {
    machine.run();
  } catch (thrown) {
    if (!(thrown instanceof PickleError)) throw thrown;
    error = thrown;
  }
  return { globals, end: machine.position, error };
}

function checkBytes(bytes: Uint8Array): void {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError("Cannot read pickle: its bytes are not a Uint8Array");
  }
}

function startMachine(bytes: Uint8Array, offset: number, options: ReadPickleOptions): PickleMachine {
  checkBytes(bytes);
  checkOptions(options, rules);
  if (!Number.isInteger(offset) || offset < 0 || offset > bytes.length) {
    throw new RangeError(`Cannot read pickle: offset ${offset} is outside its ${bytes.length} bytes`);
  }
  return new PickleMachine(bytes, offset, completeLimits(options.limits ?? {}), options.onGlobal);
}
