/** Which files of a directory are a model in GGUF: one, or the parts of one that was split. */

import { FileError, FormatError, OptionError } from "../../error.ts";
import type { GgufMetadata } from "../../gguf/value.ts";
import type { Listing } from "../directory.ts";

/** How gguf-split and gguf-py name parts. */
const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

/** Whether a file's name is that of a part. */
export function isPartName(name: string): boolean {
  return PART.test(name);
}

/** The names of all GGUF files in a directory. */
export function ggufNames({ files }: Listing): string[] {
  return [...files].filter((name) => name.endsWith(".gguf")).sort();
}

/**
 * The names of a model's files in a directory that has some, in order.
 *
 * @throws {OptionError} If there are several models.
 * @throws {FileError} If a part is missing.
 */
export function findGguf(listing: Listing): string[] {
  const [first = "", ...names] = ggufNames(listing);
  const parts = partsOf(listing, first);
  const other = names.find((name) => !parts.includes(name));
  if (other === undefined) return parts;
  throw new OptionError(
    `${listing.path}: holds several GGUF files, ${first} and ${other} among them; name the one that is meant`,
  );
}

/**
 * The names of all parts of the model that a file is of: itself alone, where its name isn't that of a part.
 *
 * @throws {FileError} If a part is missing.
 */
export function partsOf({ path, files }: Listing, name: string): string[] {
  const [, stem, number, count] = PART.exec(name) ?? [];
  if (stem === undefined || count === undefined || !isBetween(Number(number), 1, Number(count))) {
    return [name];
  }
  const parts: string[] = [];
  for (let i = 1; i <= Number(count); i++) {
    const part = `${stem}-${String(i).padStart(count.length, "0")}-of-${count}.gguf`;
    if (!files.has(part)) {
      throw new FileError(`${path}: ${part} is missing, a part of the model; all files are needed`);
    }
    parts.push(part);
  }
  return parts;
}

function isBetween(number: number, least: number, most: number): boolean {
  return number >= least && number <= most;
}

/**
 * Checks that a file is the part that its name says.
 *
 * @throws {FormatError} If it isn't.
 */
export function checkPart(path: string, metadata: GgufMetadata, index: number, count: number): void {
  const number = splitValue(path, metadata, "split.no", "uint16") ?? 0;
  const all = splitValue(path, metadata, "split.count", "uint16") ?? 1;
  if (number === index && Math.max(1, all) === count) return;
  throw new FormatError(
    `${path}: says that it is part ${number + 1} of ${all}, but is named as part ${index + 1} of ${count}`,
  );
}

/**
 * Checks that the parts have as many tensors as the first one says.
 *
 * @throws {FormatError} If they haven't.
 */
export function checkTensorCount(path: string, metadata: GgufMetadata, found: number): void {
  const said = splitValue(path, metadata, "split.tensors.count", "int32") ?? found;
  if (said === found) return;
  throw new FormatError(`${path}: says that all parts have ${said} tensors, but they have ${found}`);
}

/** A number that says how a model is split, of the type that llama.cpp demands. */
function splitValue(
  path: string,
  metadata: GgufMetadata,
  key: string,
  type: "uint16" | "int32",
): number | undefined {
  const value = metadata.get(key);
  if (value === undefined || value.type === type) return value?.value;
  throw new FormatError(`${path}: ${key}: is a ${value.type}, and has to be a ${type}`);
}
