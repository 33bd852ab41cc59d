/**
 * Text as CPython keeps it in a pickle: UTF-8 where lone surrogates are allowed (its "surrogatepass").
 *
 * JavaScript has no way to tell a high and a low surrogate that stand side by side from the one character that
 * they encode, so a Python string of two such surrogates reads as that character.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The longest text that is cheaper to decode here than by a call to the decoder, which leaves JavaScript. */
const SHORT_TEXT = 128;

/** How many characters are joined at once. A call may have only so many arguments. */
const CHUNK = 4096;

export function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i]! >= 0x80) return false;
  }
  return true;
}

/** Reads each byte as the character of that number (Latin-1). */
export function decodeLatin1(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK) return fromCodes(bytes);
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += CHUNK) parts.push(fromCodes(bytes.subarray(i, i + CHUNK)));
  return parts.join("");
}

/**
 * Decodes UTF-8.
 *
 * @param surrogates Whether encoded surrogates are allowed, as in BINUNICODE; in names they aren't.
 * @returns The string, or `undefined` if it isn't UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array, surrogates: boolean): string | undefined {
  try {
    return decodeStrict(bytes);
  } catch {
    return surrogates ? decodeWithSurrogates(bytes) : undefined;
  }
}

/** Encodes UTF-8; lone surrogates become three bytes each. */
export function encodeUtf8(text: string): Uint8Array {
  // The platform's encoder replaces a lone surrogate by U+FFFD, so these texts take the long way.
  if (text.isWellFormed()) return encoder.encode(text);
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (const character of text) {
    const point = character.codePointAt(0)!;
    if (point >= 0xd800 && point <= 0xdfff) {
      bytes[length++] = 0xe0 | (point >> 12);
      bytes[length++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[length++] = 0x80 | (point & 0x3f);
    } else {
      length += encoder.encodeInto(character, bytes.subarray(length)).written;
    }
  }
  return bytes.subarray(0, length);
}

/**
 * Decodes text that holds encoded surrogates, or something worse. The runs between them are decoded strictly,
 * which rules out everything else that isn't UTF-8.
 */
function decodeWithSurrogates(bytes: Uint8Array): string | undefined {
  const parts: string[] = [];
  let start = 0;
  try {
    for (let i = 0; i + 2 < bytes.length; i++) {
      // U+D800 to U+DFFF are ED A0 80 to ED BF BF. ED begins a character wherever it stands in UTF-8.
      if (bytes[i] !== 0xed || bytes[i + 1]! < 0xa0 || bytes[i + 1]! > 0xbf) continue;
      if (bytes[i + 2]! < 0x80 || bytes[i + 2]! > 0xbf) return undefined;
      parts.push(decodeStrict(bytes.subarray(start, i)));
      parts.push(String.fromCharCode(0xd000 | ((bytes[i + 1]! & 0x3f) << 6) | (bytes[i + 2]! & 0x3f)));
      start = i + 3;
      i += 2;
    }
    parts.push(decodeStrict(bytes.subarray(start)));
  } catch {
    return undefined;
  }
  return parts.join("");
}

function decodeStrict(bytes: Uint8Array): string {
  return bytes.length <= SHORT_TEXT && isAscii(bytes) ? fromCodes(bytes) : strict.decode(bytes);
}

function fromCodes(codes: Uint8Array): string {
  return String.fromCharCode.apply(null, codes as unknown as number[]);
}
