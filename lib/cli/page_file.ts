/** The file of a page: `--html FILE`. */

import { lstat, messageOf, removeFile } from "../bytes/file_system.ts";
import { areSameBytes, dirname, resolve } from "../deps.ts";
import { FileError, OptionError } from "../error.ts";
import { PAGE_START } from "../report/page_start.ts";
import type { CheckpointReport, ComparisonReport } from "../report/report.ts";
import { formatBytes } from "./format.ts";
import { oneLine } from "./plain_text.ts";
import { say } from "./print.ts";

type Report = CheckpointReport | ComparisonReport;

/** What is read and written for a page: its file, and that beside it in which it is written. */
export function pagePaths(file: string | undefined): string[] {
  return file === undefined ? [] : [resolve(file), partialOf(file)];
}

function partialOf(file: string): string {
  return `${resolve(file)}.partial`;
}

/**
 * Refuses a place that a page can't have, before any work is done for it. A page that ckpt made may be made anew; no other
 * file is replaced.
 *
 * @throws {OptionError} If there is something else.
 */
export function checkPage(file: string | undefined): void {
  if (file === undefined) return;
  if (isMissing(dirname(resolve(file)))) {
    throw new OptionError(`${file}: there is no directory to put the page in; make it first`);
  }
  const there = lstat(file);
  if (there === undefined || there.isFile && isPage(file)) return;
  throw new OptionError(
    `${file}: is there already, and is no page that ckpt made; give another name for the page`,
  );
}

/** Whether nothing is at a path, as far as the program may know. */
function isMissing(path: string): boolean {
  try {
    Deno.statSync(path);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

function isPage(file: string): boolean {
  using opened = Deno.openSync(file);
  const start = new TextEncoder().encode(PAGE_START);
  const found = new Uint8Array(start.length);
  return opened.readSync(found) === start.length && areSameBytes(found, start);
}

/** Writes a page, where one is wanted, whole or not at all. */
export async function writePage(
  file: string | undefined,
  reportOf: () => Report | Promise<Report>,
): Promise<void> {
  if (file === undefined) return;
  const { renderReport } = await import("../report/report.ts");
  const page = await renderReport(await reportOf());
  const partial = partialOf(file);
  try {
    removeFile(partial); // A run that was killed may have left it.
    Deno.writeTextFileSync(partial, page, { createNew: true });
    Deno.renameSync(partial, resolve(file));
  } catch (error) {
    removeFile(partial);
    throw new FileError(`${file}: cannot write the page: ${messageOf(error)}`);
  }
  say(`${oneLine(file)}: a page of ${formatBytes(Deno.statSync(file).size)}, to open in a browser`);
}
