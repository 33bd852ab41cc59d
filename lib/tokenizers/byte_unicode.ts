/**
 * The printable character that stands for each byte in a byte-level vocabulary. GPT-2 introduced it (its
 * `encoder.py`, `bytes_to_unicode`), and transformers and tokenizers share it: printable bytes of Latin-1
 * stand for themselves, the others for the characters from U+0100 on, in their order.
 */

/** The character for each byte. */
export const characterOfByte: readonly string[] = table();

function table(): string[] {
  let next = 0x100;
  return Array.from({ length: 0x100 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}

/** The soft hyphen, U+00AD, counts as unprintable. */
function isPrintable(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f || byte > 0xa0 && byte !== 0xad;
}

/** The text that stands for bytes, which are given a character each, as `atob` gives them. */
export function byteLevelText(binary: string): string {
  let text = "";
  for (let i = 0; i < binary.length; i++) text += characterOfByte[binary.charCodeAt(i)]!;
  return text;
}
