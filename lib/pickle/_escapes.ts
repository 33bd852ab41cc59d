/** The escapes in the texts of protocol 0. Each function gives `undefined` where CPython raises an error. */

import { decodeLatin1 } from "./_utf8.ts";

const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const UPPER_U = 0x55;
const LOWER_X = 0x78;
const MAX_CODE_POINT = 0x10ffff;

const SIMPLE_ESCAPES = new Map<number, number>([
  [BACKSLASH, BACKSLASH],
  [0x27, 0x27], // '
  [0x22, 0x22], // "
  [0x61, 0x07], // \a
  [0x62, 0x08], // \b
  [0x66, 0x0c], // \f
  [0x6e, 0x0a], // \n
  [0x72, 0x0d], // \r
  [0x74, 0x09], // \t
  [0x76, 0x0b], // \v
]);

/**
 * Undoes the escapes of a Python bytes literal (STRING; CPython 3.11 Objects/bytesobject.c
 * PyBytes_DecodeEscape). An unknown escape stands for itself, backslash included; an octal one past 255 loses
 * its ninth bit.
 *
 * @param text What stands between the quotes.
 * @returns The bytes, or `undefined` if a `\x` lacks its two digits or the text ends in a lone backslash.
 */
export function unescapeBytes(text: Uint8Array): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  let i = 0;
  while (i < text.length) {
    const byte = text[i++]!;
    if (byte !== BACKSLASH) {
      bytes[length++] = byte;
      continue;
    }
    if (i === text.length) return undefined;
    const letter = text[i++]!;
    const simple = SIMPLE_ESCAPES.get(letter);
    if (simple !== undefined) {
      bytes[length++] = simple;
    } else if (isOctalDigit(letter)) {
      let value = letter - 0x30;
      for (let n = 0; n < 2 && i < text.length && isOctalDigit(text[i]!); n++) {
        value = value * 8 + text[i++]! - 0x30;
      }
      bytes[length++] = value & 0xff;
    } else if (letter === LOWER_X) {
      const value = parseHex(text, i, 2);
      if (value === undefined) return undefined;
      bytes[length++] = value;
      i += 2;
    } else {
      bytes[length++] = BACKSLASH;
      bytes[length++] = letter;
    }
  }
  return bytes.slice(0, length);
}

/**
 * Undoes Python's "raw-unicode-escape" (UNICODE; CPython 3.11 Objects/unicodeobject.c
 * PyUnicode_DecodeRawUnicodeEscape): every byte is the character of that number, but for `\uXXXX` and
 * `\UXXXXXXXX`. Of two backslashes the second doesn't begin an escape, and both stay.
 *
 * @returns The string, or `undefined` if an escape lacks digits or is past the last code point.
 */
export function unescapeUnicode(text: Uint8Array): string | undefined {
  const parts: string[] = [];
  let start = 0;
  let i = text.indexOf(BACKSLASH);
  while (i >= 0) {
    const letter = text[i + 1];
    if (letter === LOWER_U || letter === UPPER_U) {
      const digits = letter === LOWER_U ? 4 : 8;
      const point = parseHex(text, i + 2, digits);
      if (point === undefined || point > MAX_CODE_POINT) return undefined;
      parts.push(decodeLatin1(text.subarray(start, i)), String.fromCodePoint(point));
      start = i + 2 + digits;
      i = text.indexOf(BACKSLASH, start);
    } else {
      i = text.indexOf(BACKSLASH, i + 2);
    }
  }
  parts.push(decodeLatin1(text.subarray(start)));
  return parts.join("");
}

function isOctalDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x37;
}

function parseHex(text: Uint8Array, start: number, digits: number): number | undefined {
  if (start + digits > text.length) return undefined;
  let value = 0;
  for (let i = start; i < start + digits; i++) {
    const byte = text[i]!;
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57;
    if (digit < 0 || digit > 15 || (byte > 0x39 && digit < 10)) return undefined;
    value = value * 16 + digit;
  }
  return value;
}
