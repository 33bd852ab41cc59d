/** The small texts that lie beside weights. */

import { openSource } from "../bytes/open_source.ts";
import { heldText, isRemote } from "../bytes/remote.ts";
import { describeFailure } from "../bytes/source.ts";
import { FormatError } from "../error.ts";

/** The largest that is read by default, in bytes: the parsers have stricter limits of their own. */
const MAX_BYTES = 1 << 20;

/**
 * Reads a text whole, wherever it lies.
 *
 * @param maxBytes The largest that is read, in bytes.
 * @throws {FormatError} If it is larger, or no UTF-8.
 * @throws {FileError} If it can't be read.
 */
export async function readConfigText(path: string, maxBytes: number = MAX_BYTES): Promise<string> {
  if (!isRemote(path)) return readConfigTextNow(path, maxBytes);
  using source = openSource(path);
  checkSize(path, source.size, maxBytes);
  return decode(path, await source.read(0, source.size));
}

/**
 * Reads a text of this machine whole, or one that is held ({@link holdText}).
 *
 * @throws {FormatError} If it is larger, or no UTF-8.
 * @throws {FileError} If it can't be read.
 */
export function readConfigTextNow(path: string, maxBytes: number = MAX_BYTES): string {
  const held = heldText(path);
  if (held !== undefined) return held;
  try {
    const { isFile, isDirectory, size } = Deno.statSync(path);
    // Of a pipe or a device the size says nothing; a directory is said below.
    if (!isFile && !isDirectory) throw new FormatError(`${path}: is not a file; name the file`);
    checkSize(path, size, maxBytes);
    return decode(path, Deno.readFileSync(path));
  } catch (error) {
    throw error instanceof FormatError ? error : describeFailure(path, error);
  }
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new FormatError(`${path}: is no UTF-8 text; get the file again from where it was written`);
  }
}

function checkSize(path: string, size: number, maxBytes: number): void {
  if (size <= maxBytes) return;
  throw new FormatError(`${path}: has ${size} bytes, more than the ${maxBytes} that such a file may have`);
}
