/** Opening files wherever they lie. */

import { createHash } from "node:crypto";
import { FileError } from "../error.ts";
import { CachedSource } from "./cached_source.ts";
import { isRemote, type RemoteFile, remoteFile, remoteNames } from "./remote.ts";
import { checkRange, FileSource, type OpenSource, type SourceFile } from "./source.ts";

/**
 * Opens a file on this machine, or in a place that was opened.
 *
 * @throws {FileError} If there is none, or it can't be read.
 */
export function openSource(path: string): OpenSource {
  if (!isRemote(path)) return FileSource.open(path);
  const file = remoteFile(path);
  if (file !== undefined) return new RemoteSource(file);
  throw new FileError(
    remoteNames(path) === undefined
      ? `${path}: no such file or directory; check the path`
      : `${path}: is not a file; name the file, or the directory that holds it`,
  );
}

/** How much of a file elsewhere is read at once, in bytes: the tables of most files in one go. */
const REMOTE_BLOCK_BYTES = 64 * 1024;

/** Of how many files what was read is kept: those of a model that was opened are looked into once more. */
const RECENT_FILES = 32;

/** What was read of files, that used last at the end. */
const recent = new Map<RemoteFile, CachedSource>();

function cachedSource(file: RemoteFile): CachedSource {
  const cached = recent.get(file) ?? new CachedSource(file, REMOTE_BLOCK_BYTES);
  recent.delete(file);
  recent.set(file, cached);
  for (const oldest of recent.keys()) {
    if (recent.size <= RECENT_FILES) break;
    recent.delete(oldest);
  }
  return cached;
}

/** A file in a place that was opened. */
class RemoteSource implements OpenSource {
  readonly #file: RemoteFile;
  readonly #cached: CachedSource;
  readonly #contents = createHash("sha256");

  constructor(file: RemoteFile) {
    this.#file = file;
    this.#cached = cachedSource(file);
  }

  get path(): string {
    return this.#file.path;
  }

  get size(): number {
    return this.#file.size;
  }

  get identity(): SourceFile {
    const { path, size, version } = this.#file;
    const contents = this.#contents.copy().digest("hex");
    return { path, realPath: path, size, contents, version, mtime: null, ctime: null, dev: 0, ino: null };
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this, offset, length);
    const bytes = await this.#cached.read(offset, length);
    this.#contents.update(`${offset} ${length}\n`).update(bytes);
    return bytes;
  }

  [Symbol.dispose](): void {}
}
