/** The small texts that lie beside weights. */

import { describeFailure } from "../bytes/source.ts";
import { FormatError } from "../error.ts";

/**
 * Reads a text whole.
 *
 * @param maxBytes The largest that is read, in bytes; by default 1 MiB, where the parser has a stricter limit of its own.
 * @throws {FormatError} If it is larger, or no UTF-8.
 * @throws {FileError} If it can't be read.
 */
export function readConfigText(path: string, maxBytes = 1 << 20): string {
  let bytes: Uint8Array;
  try {
    const { isFile, isDirectory, size } = Deno.statSync(path);
    // Of a pipe or a device the size says nothing; a directory is said below.
    if (!isFile && !isDirectory) throw new FormatError(`${path}: is not a file; name the file`);
    if (size > maxBytes) {
      throw new FormatError(
        `${path}: has ${size} bytes, more than the ${maxBytes} that such a file may have`,
      );
    }
    bytes = Deno.readFileSync(path);
  } catch (error) {
    throw error instanceof FormatError ? error : describeFailure(path, error);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new FormatError(`${path}: is no UTF-8 text; get the file again from where it was written`);
  }
}
