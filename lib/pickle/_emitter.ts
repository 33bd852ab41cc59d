import { encodeInteger } from "./_integer.ts";
import { OPCODES as OP } from "./opcodes.ts";
import { encodeUtf8 } from "./_utf8.ts";
import type { Global } from "./value.ts";

// deno-lint-ignore no-control-regex
const MODULE = /^[\x00-\x09\x0b-\x7f]+$/;
/** A name without dots: CPython looks a nested one up by a call, up to protocol 3. */
// deno-lint-ignore no-control-regex
const NAME = /^[\x00-\x09\x0b-\x2d\x2f-\x7f]+$/;

/** Writes opcodes of protocol 2 with their operands, each in the form that CPython chooses. */
export class PickleEmitter {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  opcode(code: number): void {
    const at = this.#add(1);
    this.#bytes[at] = code;
  }

  protocol(version: number): void {
    this.#byte(OP.PROTO, version);
  }

  /** Adds BININT1, BININT2, BININT, LONG1 or LONG4: the first that holds the integer (CPython 3.11 save_long). */
  integer(value: number | bigint): void {
    const small = Number(value);
    if (small < -0x80000000 || small > 0x7fffffff) {
      const bytes = encodeInteger(BigInt(value));
      if (bytes.length < 256) this.#byte(OP.LONG1, bytes.length);
      else this.#word(OP.LONG4, bytes.length);
      this.#append(bytes);
    } else if (small < 0 || small > 0xffff) {
      this.#word(OP.BININT, small);
    } else if (small > 0xff) {
      this.opcode(OP.BININT2);
      const at = this.#add(2);
      this.#view.setUint16(at, small, true);
    } else {
      this.#byte(OP.BININT1, small);
    }
  }

  float(value: number): void {
    this.opcode(OP.BINFLOAT);
    const at = this.#add(8);
    this.#view.setFloat64(at, value, false);
  }

  text(text: string): void {
    const bytes = encodeUtf8(text);
    this.#word(OP.BINUNICODE, bytes.length);
    this.#append(bytes);
  }

  global(global: Global): void {
    const { module, name } = global;
    if (!MODULE.test(module) || !NAME.test(name)) {
      const text = JSON.stringify(`${global}`);
      throw new TypeError(`Cannot write pickle: protocol 2 has no form for the global ${text}`);
    }
    this.opcode(OP.GLOBAL);
    this.#append(encodeUtf8(`${module}\n${name}\n`));
  }

  put(index: number): void {
    if (index < 256) this.#byte(OP.BINPUT, index);
    else this.#word(OP.LONG_BINPUT, index);
  }

  get(index: number): void {
    if (index < 256) this.#byte(OP.BINGET, index);
    else this.#word(OP.LONG_BINGET, index);
  }

  /** Gives a copy of all that was added. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #byte(code: number, operand: number): void {
    this.opcode(code);
    const at = this.#add(1);
    this.#bytes[at] = operand;
  }

  #word(code: number, operand: number): void {
    this.opcode(code);
    const at = this.#add(4);
    this.#view.setUint32(at, operand, true);
  }

  #append(bytes: Uint8Array): void {
    const at = this.#add(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Makes room for more bytes, and gives the place of the first. It may replace `#bytes` and `#view`. */
  #add(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}
