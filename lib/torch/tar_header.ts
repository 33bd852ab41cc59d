/**
 * Tar archives, as torch's first releases wrote them. `torch.load` tries every file that is no zip as one before it
 * reads it as a pickle (2.13 `torch/serialization.py` `_legacy_load`), and runs the pickles in it.
 */

/** The length of a tar header in bytes. */
export const TAR_HEADER_BYTES = 512;

/** Where the checksum of a header stands, and its length in bytes. */
const CHECKSUM_AT = 148;
const CHECKSUM_BYTES = 8;

/** What Python's `int(text, 8)` reads, without the spaces around it. */
const OCTAL = /^([+-]?)(?:0[oO]_?)?([0-7]+(?:_[0-7]+)*)$/;

/**
 * Whether a file begins with what Python takes for a tar header: one whose checksum is right (CPython 3.11
 * `Lib/tarfile.py` `TarInfo.frombuf`, `nti`, `calc_chksums`). It asks for nothing else, so a pickle can be one too.
 *
 * @param start The first {@linkcode TAR_HEADER_BYTES} bytes of the file, or all of a shorter one.
 */
export function isTarHeader(start: Uint8Array): boolean {
  if (start.length < TAR_HEADER_BYTES) return false;
  let [unsigned, signed] = [256, 256];
  for (let i = 0; i < TAR_HEADER_BYTES; i++) {
    if (i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_BYTES) continue;
    unsigned += start[i]!;
    signed += (start[i]! << 24) >> 24;
  }
  const stated = statedChecksum(start.subarray(CHECKSUM_AT, CHECKSUM_AT + CHECKSUM_BYTES));
  return stated === unsigned || stated === signed;
}

/** The checksum that a header states, in any of the forms that Python reads. */
function statedChecksum(field: Uint8Array): number | undefined {
  if (field[0] === 0x80 || field[0] === 0xff) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    return field[0] === 0x80 ? value : value - 256 ** (CHECKSUM_BYTES - 1);
  }
  const end = field.indexOf(0);
  const text = String.fromCharCode(...(end < 0 ? field : field.subarray(0, end)));
  // Python's spaces are those below, and a few that Latin-1 has and ASCII lacks.
  // deno-lint-ignore no-control-regex -- Python's spaces.
  const digits = text.replace(/^[\t-\r\x1c-\x20]+|[\t-\r\x1c-\x20]+$/g, "");
  if (digits === "") return 0;
  const match = OCTAL.exec(digits);
  if (match === null) return undefined;
  return Number(`${match[1] === "-" ? "-" : ""}${parseInt(match[2]!.replaceAll("_", ""), 8)}`);
}
