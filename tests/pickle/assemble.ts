/** Puts pickles together, byte by byte. */

import { OPCODES } from "../../lib/pickle/mod.ts";

/** A part of a pickle: the name of an opcode, bytes, or a byte. */
type Part = keyof typeof OPCODES | Uint8Array | number;

/** Joins parts. */
export function pickle(...parts: Part[]): Uint8Array {
  const pieces = parts.map((part) =>
    part instanceof Uint8Array ? part : Uint8Array.of(typeof part === "number" ? part : OPCODES[part])
  );
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let length = 0;
  for (const piece of pieces) {
    joined.set(piece, length);
    length += piece.length;
  }
  return joined;
}

/** The bytes of ASCII text. */
export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes, over and over. */
export function repeat(times: number, ...parts: Part[]): Uint8Array {
  const once = pickle(...parts);
  const all = new Uint8Array(once.length * times);
  for (let i = 0; i < times; i++) all.set(once, i * once.length);
  return all;
}

/** A 4-byte integer, lowest byte first. */
export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** An 8-byte integer, lowest byte first. */
export function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

/** BINUNICODE with its text. */
export function text(value: string): Uint8Array {
  const bytes = ascii(value);
  return pickle("BINUNICODE", u32(bytes.length), bytes);
}

/** GLOBAL with its names. */
export function global(module: string, name: string): Uint8Array {
  return pickle("GLOBAL", ascii(`${module}\n${name}\n`));
}
