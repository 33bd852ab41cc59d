/**
 * What a file of tensors is, by its content alone. A file's name decides nothing: whoever made the file chose it.
 */

import type { ByteSource } from "../bytes/source.ts";
import { FormatError } from "../error.ts";
import { GgufError, isGguf, readGguf } from "../gguf/read.ts";
import { SafetensorsError } from "../safetensors/error.ts";
import { openSafetensors } from "../safetensors/safetensors_file.ts";
import { isLegacyFile } from "../torch/legacy_file.ts";
import { isTarHeader, TAR_HEADER_BYTES } from "../torch/tar_header.ts";
import { listPickles } from "./listed_pickles.ts";
import { ggufTable, safetensorsTable, type TableFile } from "./table_file.ts";

/**
 * Opens a file if it is one of safetensors or GGUF: if its whole table can be read, and says where every byte belongs.
 * What any other is, `undefined`, is for torch's readers to say.
 *
 * @throws {FormatError} If it can be nothing but a damaged file of these, or is one of them and a pickle at once.
 */
export async function openTable(source: ByteSource): Promise<TableFile | undefined> {
  const { path, size } = source;
  const start = await source.read(0, Math.min(TAR_HEADER_BYTES, size));
  if ((start[0] === 0x50 && start[1] === 0x4b) || isTarHeader(start)) return undefined;
  const isLegacy = await isLegacyFile(source);
  let table: TableFile;
  if (isGguf(start)) {
    table = ggufTable(await readGguf(source), size);
  } else {
    try {
      table = safetensorsTable(await openSafetensors(source));
    } catch (error) {
      if (!(error instanceof SafetensorsError)) throw error;
      // A name or a brace says no more than what the message is to be about.
      if (isLegacy) return undefined;
      if (path.endsWith(".gguf")) await readGguf(source);
      if (!path.endsWith(".safetensors") && start[8] !== 0x7b) return undefined;
      throw error;
    }
  }
  // Whether more could be run than was read, only --globals has to know.
  const pickles = await listPickles(source);
  if (isLegacy || pickles.globals.size > 0) {
    throw new FormatError(
      `${path}: can be read as a ${TITLES[table.format]} file and as a pickle, which runs what it names; ` +
        "see what that is with ckpt inspect --globals",
    );
  }
  return table;
}

const TITLES: Readonly<Record<TableFile["format"], string>> = { safetensors: "safetensors", gguf: "GGUF" };

/** What a file is whose table can be read as a whole, whatever else it may be: safetensors or GGUF. */
export async function tableTitle(source: ByteSource): Promise<string | undefined> {
  try {
    const isOfGguf = isGguf(await source.read(0, Math.min(TAR_HEADER_BYTES, source.size)));
    await (isOfGguf ? readGguf : openSafetensors)(source);
    return TITLES[isOfGguf ? "gguf" : "safetensors"];
  } catch (error) {
    if (error instanceof SafetensorsError || error instanceof GgufError) return undefined;
    throw error;
  }
}
