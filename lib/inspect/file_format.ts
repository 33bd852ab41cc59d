/**
 * What a file of tensors is, by its content alone. A file's name decides nothing: whoever made the file chose it.
 */

import type { ByteSource } from "../bytes/source.ts";
import { FormatError } from "../error.ts";
import { SafetensorsError } from "../safetensors/error.ts";
import { openSafetensors, type SafetensorsFile } from "../safetensors/safetensors_file.ts";
import { isLegacyFile } from "../torch/legacy_file.ts";
import { isTarHeader, TAR_HEADER_BYTES } from "../torch/tar_header.ts";
import { listPickles } from "./listed_pickles.ts";

/**
 * Opens a file if it is one of safetensors: if its whole header can be read, and says where every byte belongs. What any
 * other is, `undefined`, is for torch's readers to say.
 *
 * @throws {SafetensorsError} If it can be nothing but a damaged safetensors file.
 * @throws {FormatError} If it is a safetensors file and a pickle at once.
 */
export async function openIfSafetensors(source: ByteSource): Promise<SafetensorsFile | undefined> {
  const { path, size } = source;
  const start = await source.read(0, Math.min(TAR_HEADER_BYTES, size));
  if ((start[0] === 0x50 && start[1] === 0x4b) || isTarHeader(start)) return undefined;
  const isLegacy = await isLegacyFile(source);
  let file: SafetensorsFile;
  try {
    file = await openSafetensors(source);
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error;
    // A name or a brace says no more than what the message is to be about.
    if (isLegacy || (!path.endsWith(".safetensors") && start[8] !== 0x7b)) return undefined;
    throw error;
  }
  // Whether more could be run than was read, only --globals has to know.
  const pickles = await listPickles(source);
  if (isLegacy || pickles.globals.size > 0) {
    throw new FormatError(
      `${path}: can be read as a safetensors file and as a pickle, which runs what it names; ` +
        "see what that is with ckpt inspect --globals",
    );
  }
  return file;
}

/** Whether a file is one of safetensors, whatever else it may be. */
export async function isWholeSafetensors(source: ByteSource): Promise<boolean> {
  try {
    await openSafetensors(source);
    return true;
  } catch (error) {
    if (error instanceof SafetensorsError) return false;
    throw error;
  }
}
