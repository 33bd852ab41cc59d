/** The globals that pickles name: what they would import, and could call, if they were loaded. */

import { crc32 } from "../copy/crc32.ts";
import { isDirectory } from "../bytes/file_system.ts";
import { type HttpOptions, httpRules, openHttpSource } from "../bytes/http_source.ts";
import { openSource } from "../bytes/open_source.ts";
import { openPlace } from "../bytes/place.ts";
import { type ByteSource, FileSource } from "../bytes/source.ts";
import { CheckpointError, FileError, FormatError } from "../error.ts";
import { checkOptions, place } from "../options.ts";
import { isAllowedGlobal } from "../torch/allowed_globals.ts";
import { openArchive } from "../torch/archive.ts";
import { isLegacyFile, LEGACY_PICKLES, readLegacyTable } from "../torch/legacy_file.ts";
import { MAX_TABLE_BYTES } from "../torch/table_limits.ts";
import { isTarHeader, TAR_HEADER_BYTES } from "../torch/tar_header.ts";
import { isTorchScript, STORAGE_FOLDER } from "../torch/torch_file.ts";
import { tableTitle } from "./file_format.ts";
import { type ListedPickles, listPickles, listPicklesIn } from "./listed_pickles.ts";
import { ARRAY_START_BYTES, LEAST_ARRAY_BYTES, readArrayHeader } from "./numpy_array.ts";
import { relativePath } from "./relative_path.ts";
import { toPath, toUrl } from "./to_url.ts";
import { findFiles, isWeightFile } from "./weight_files.ts";

/** A global that a pickle names. */
export interface NamedByPickle {
  /** Its full name, as the pickle has it: in protocols 0 to 2 often Python 2's, such as `__builtin__.eval`. */
  readonly name: string;
  /** Whether torch's `weights_only` allows it. */
  readonly allowed: boolean;
}

/** What pickles name. */
export interface GlobalsInspection {
  /** The globals, each once, in the order in which they are named first. */
  readonly globals: readonly NamedByPickle[];
  /** Whether all that could be run was read. If not, there may be more globals. */
  readonly complete: boolean;
  /** What a user should be told. */
  readonly notes: readonly string[];
}

/** The most globals that are listed. A module of torch's, pickled whole, names some 50. */
const MAX_GLOBALS = 2 ** 16;

/** What a pickle of protocol 2 or later begins with. */
const PROTO = 0x80;

/**
 * Lists the globals that the pickles in a file name: in a file that torch saved, in either format, or in any file that
 * is a pickle, or several, of any protocol. In a directory, those of all files, in the directories in it too. Nothing is
 * imported or run.
 *
 * What a file is goes by its content. One that `torch.load`, `pickle.load` and the safetensors library would each read
 * in another way is listed as a pickle. Where something could be run that isn't listed, for a limit that is reached or
 * for damage, the result isn't complete.
 *
 * A pickle can hold bytes that are a pickle themselves, for a function to load. Those aren't looked at; but the
 * function is a global, which is listed.
 *
 * Limits: the first 24 MiB of a pickle, and of pickles that follow each other; 1,000 of these.
 *
 * @example Usage
 * ```ts
 * import { inspectGlobals } from "@ckpt/ckpt";
 *
 * const { complete, globals } = await inspectGlobals("fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10");
 * console.log(complete, globals);
 * ```
 *
 * @param path A file, a directory, or an `http:` or `https:` URL of a file.
 * @param options How to read from web servers.
 * @returns The globals.
 * @throws {FileError} If it can't be read.
 * @throws {FormatError} If it is an archive that is damaged or that readers read differently, or no pickle at all.
 */
export async function inspectGlobals(
  path: string | URL,
  options: HttpOptions = {},
): Promise<GlobalsInspection> {
  checkOptions({ path }, { path: place });
  checkOptions(options, httpRules);
  const found = new Found();
  const url = toUrl(path);
  let problem: string | undefined;
  if (url !== undefined) {
    problem = await inspectSource(await openHttpSource(url, options), found, "");
  } else {
    const local = await openPlace(toPath(path), options);
    if (isDirectory(local)) {
      await inspectDirectory(local, found);
    } else {
      using source = openSource(local);
      problem = await inspectSource(source, found, "");
    }
  }
  if (problem !== undefined) throw new FormatError(problem);
  return found.result();
}

/** All files in a directory. Those that are no pickles are passed over, unless their names say that they hold tensors. */
async function inspectDirectory(directory: string, found: Found): Promise<void> {
  const { files, links } = findFiles(directory);
  let any = false;
  for (const file of files) {
    const name = relativePath(directory, file);
    let problem: string | undefined;
    let isHarmless = true;
    try {
      using source = openSource(file);
      problem = await inspectSource(source, found, `${name}: `);
      if (problem !== undefined && !isWeightFile(file)) continue;
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      ({ message: problem } = error);
      isHarmless = false;
    }
    any = true;
    if (problem !== undefined) found.note(problem.replace(file, name), isHarmless);
  }
  for (const link of links) {
    found.note(`${relativePath(directory, link)}: is a link to a directory, which isn't followed`, false);
  }
  if (!any && links.length === 0) {
    throw new FileError(`${directory}: holds no files of torch's; name a file`);
  }
}

/** Collects what is found. */
class Found {
  readonly #globals = new Map<string, boolean>();
  readonly #notes: string[] = [];
  #complete = true;

  note(note: string, complete = true): void {
    this.#notes.push(note);
    this.#complete &&= complete;
  }

  add({ globals }: ListedPickles): void {
    for (const [name, [module, inModule]] of globals) {
      if (this.#globals.size === MAX_GLOBALS && !this.#globals.has(name)) {
        if (this.#complete) {
          this.note(`only the first ${MAX_GLOBALS} globals are listed; there are more`, false);
        }
        return;
      }
      this.#globals.set(name, isAllowedGlobal(module, inModule));
    }
  }

  result(): GlobalsInspection {
    const globals = [...this.#globals].map(([name, allowed]) => ({ name, allowed }));
    return { globals, complete: this.#complete, notes: this.#notes };
  }
}

/** Looks into a file; says what is wrong with it where it is no pickle, so that nothing in it can be run. */
async function inspectSource(source: ByteSource, found: Found, prefix: string): Promise<string | undefined> {
  const { path, size } = source;
  if (size === 0) return `${path}: the file is empty; copy it again`;
  // In the order in which torch.load looks (2.13 torch/serialization.py).
  const start = await source.read(0, Math.min(TAR_HEADER_BYTES, size));
  // PK 3 4, and for numpy PK 5 6 as well, with which an empty archive begins.
  const isZip = start[0] === 0x50 && start[1] === 0x4b &&
    (start[2] === 3 && start[3] === 4 || start[2] === 5 && start[3] === 6);
  if (isZip) return void await inspectArchive(source, found, prefix);
  if (isTarHeader(start)) {
    throw new FormatError(
      `${path}: is a tar archive, as torch's first releases wrote them, whose pickles ckpt doesn't read; ` +
        "load it with torch, if you trust it, and torch.save it again",
    );
  }
  if (await isLegacyFile(source)) return void await inspectLegacy(source, found, prefix);
  const read = (at: number, length: number) => source.read(at, length);
  if (await inspectArray({ size, read }, size, found, prefix)) return undefined;
  const listed = await listPickles(source);
  found.add(listed);
  const { count, error, isCertain } = listed;
  const title = await tableTitle(source);
  if (count === 0 && isCertain && listed.globals.size === 0) {
    // A pickle begins with its protocol, or (0 and 1) has at least an opcode that makes sense and then a value.
    if (title !== undefined) found.note(`${prefix}${title} holds no pickle`);
    else if (start[0] === PROTO) noteBroken(listed, size, found, `${prefix}the pickle`);
    else return `${path}: is no pickle, nor does it hold one: ${error!.message}`;
    return undefined;
  }
  if (title !== undefined) found.note(`${prefix}is a ${title} file that can be read as a pickle as well`);
  noteRest(listed, size, found, prefix);
}

/** The pickles of a legacy file, behind which there may be nothing but storages. */
async function inspectLegacy(source: ByteSource, found: Found, prefix: string): Promise<void> {
  const listed = await listPickles(source, LEGACY_PICKLES);
  found.add(listed);
  if (listed.count < LEGACY_PICKLES) return noteRest(listed, source.size, found, prefix, false);
  try {
    await readLegacyTable(source, () => {});
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const why = error.message.replace(`${source.path}: `, "");
    found.note(`${prefix}what is behind its pickles can't be told: ${why}; it may name more`, false);
  }
}

/** Bytes that may be an array of numpy's. */
type Part = Pick<ByteSource, "size" | "read">;

/** The pickle of an array of numpy's, if some bytes are one. Says whether they are. */
async function inspectArray(part: Part, fileSize: number, found: Found, prefix: string): Promise<boolean> {
  const { size } = part;
  const header = readArrayHeader(await part.read(0, Math.min(ARRAY_START_BYTES, size)));
  if (header === undefined) return false;
  const { dataAt, end } = header;
  if (end === size) {
    found.note(`${prefix}an array of numpy's without objects holds no pickle`);
  } else if (end !== undefined || dataAt >= size) {
    found.note(
      `${prefix}is an array of numpy's that doesn't end where its header says; it may name more`,
      false,
    );
  } else {
    const bytes = await part.read(dataAt, Math.min(size - dataAt, MAX_TABLE_BYTES));
    const listed = listPicklesIn(bytes, size - dataAt, fileSize);
    found.add(listed);
    // Items that are no objects but structures of numbers are no pickle; what comes behind them isn't looked for.
    if (listed.end !== size - dataAt) {
      noteRest(listed, size - dataAt, found, `${prefix}in an array of numpy's, `, false);
    }
  }
  return true;
}

/** The pickles of an archive: torch's own, that of TorchScript's constants, and those of numpy's arrays. */
async function inspectArchive(source: ByteSource, found: Found, prefix: string): Promise<void> {
  const archive = await openArchive(source);
  for (const record of archive.records.values()) {
    if (/\.py$/i.test(record.name)) {
      found.note(`${prefix}${record.name}: is a program, which isn't read`, false);
    }
    const where = `${prefix}${record.name}`;
    if (!/\.pkl$/i.test(record.name)) {
      // Over a network, to look at each storage would be a request each.
      const isNear = source instanceof FileSource || !record.name.startsWith(STORAGE_FOLDER);
      if (isNear && record.size >= LEAST_ARRAY_BYTES) {
        const start = await archive.locate(record);
        const read = (at: number, length: number) => source.read(start + at, length);
        await inspectArray({ size: record.size, read }, source.size, found, `${where}: `);
      }
      continue;
    }
    const at = await archive.locate(record);
    const bytes = await source.read(at, Math.min(record.size, MAX_TABLE_BYTES));
    if (bytes.length === record.size && crc32(bytes) !== record.crc) {
      found.note(`${where}: is damaged (its CRC-32 doesn't match)`, false);
    }
    const listed = listPicklesIn(bytes, record.size, source.size);
    found.add(listed);
    if (listed.count === 0) noteBroken(listed, record.size, found, where);
    else if (listed.isCertain && listed.end < record.size) {
      found.note(`${where}: has ${record.size - listed.end} bytes behind its end`);
    } else noteRest(listed, record.size, found, `${where}: `);
  }
  if (isTorchScript(archive)) {
    found.note(`${prefix}is a TorchScript archive: torch.load runs its programs, which aren't read`, false);
  }
}

/** Says what comes behind pickles that follow each other. */
function noteRest(
  listed: ListedPickles,
  size: number,
  found: Found,
  prefix: string,
  isAllowed = listed.isCertain,
): void {
  const { count, end, error } = listed;
  if (error === undefined) {
    if (end === size) return;
    found.note(`${prefix}only its first ${count} pickles were read, ${end} bytes; it may name more`, false);
  } else if (isAllowed && count > 0) {
    const pickles = count === 1 ? "pickle" : `${count} pickles`;
    found.note(`${prefix}has ${size - end} bytes after its ${pickles} that are none`);
  } else {
    noteBroken(listed, size, found, `${prefix}the pickle${end === 0 ? "" : ` at byte ${end}`}`);
  }
}

/** Says that a pickle couldn't be read to its end. */
function noteBroken({ error, bytesRead }: ListedPickles, size: number, found: Found, where: string): void {
  const isCut = bytesRead < size && (error === undefined || error.problem === "ends");
  const why = isCut ? `only its first ${bytesRead} bytes were read` : error?.message ?? "it is empty";
  found.note(`${where}: could not be read to its end: ${why}; it may name more`, false);
}
