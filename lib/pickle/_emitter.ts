import { encodeInteger } from "./_integer.ts";
import { OPCODES as OP } from "./opcodes.ts";
import { PickleOutput } from "./_output.ts";
import { encodeUtf8 } from "./_utf8.ts";
import type { Global } from "./value.ts";

// deno-lint-ignore no-control-regex
const MODULE = /^[\x00-\x09\x0b-\x7f]+$/;
/** A name without dots: CPython looks a nested one up by a call, up to protocol 3. */
// deno-lint-ignore no-control-regex
const NAME = /^[\x00-\x09\x0b-\x2d\x2f-\x7f]+$/;

/** Writes opcodes of protocol 2 with their operands, each in the form that CPython chooses. */
export class PickleEmitter {
  readonly #output = new PickleOutput();

  /** Adds an opcode without operands. */
  opcode(code: number): void {
    this.#output.uint8(code);
  }

  /** Adds PROTO. */
  protocol(version: number): void {
    this.#output.uint8(OP.PROTO);
    this.#output.uint8(version);
  }

  /** Adds BININT1, BININT2, BININT, LONG1 or LONG4: the first that holds the integer (CPython 3.11 save_long). */
  integer(value: number | bigint): void {
    const output = this.#output;
    const small = Number(value);
    if (small < -0x80000000 || small > 0x7fffffff) {
      this.#long(encodeInteger(BigInt(value)));
    } else if (small < 0 || small > 0xffff) {
      output.uint8(OP.BININT);
      output.uint32(small);
    } else if (small > 0xff) {
      output.uint8(OP.BININT2);
      output.uint16(small);
    } else {
      output.uint8(OP.BININT1);
      output.uint8(small);
    }
  }

  /** Adds BINFLOAT. */
  float(value: number): void {
    this.#output.uint8(OP.BINFLOAT);
    this.#output.float64(value);
  }

  /** Adds BINUNICODE. */
  text(text: string): void {
    const bytes = encodeUtf8(text);
    this.#output.uint8(OP.BINUNICODE);
    this.#output.uint32(bytes.length);
    this.#output.bytes(bytes);
  }

  /** Adds GLOBAL. */
  global(global: Global): void {
    const { module, name } = global;
    if (!MODULE.test(module) || !NAME.test(name)) {
      const text = JSON.stringify(`${global}`);
      throw new TypeError(`Cannot write pickle: protocol 2 has no form for the global ${text}`);
    }
    this.#output.uint8(OP.GLOBAL);
    this.#output.bytes(encodeUtf8(`${module}\n${name}\n`));
  }

  /** Adds BINPUT or LONG_BINPUT. */
  put(index: number): void {
    this.#memo(OP.BINPUT, OP.LONG_BINPUT, index);
  }

  /** Adds BINGET or LONG_BINGET. */
  get(index: number): void {
    this.#memo(OP.BINGET, OP.LONG_BINGET, index);
  }

  /** Gives all that was added. */
  finish(): Uint8Array {
    return this.#output.finish();
  }

  #long(bytes: Uint8Array): void {
    if (bytes.length < 256) {
      this.#output.uint8(OP.LONG1);
      this.#output.uint8(bytes.length);
    } else {
      this.#output.uint8(OP.LONG4);
      this.#output.uint32(bytes.length);
    }
    this.#output.bytes(bytes);
  }

  #memo(short: number, long: number, index: number): void {
    if (index < 256) {
      this.#output.uint8(short);
      this.#output.uint8(index);
    } else {
      this.#output.uint8(long);
      this.#output.uint32(index);
    }
  }
}
