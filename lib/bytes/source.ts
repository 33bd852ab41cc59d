/**
 * Random access to bytes: the one interface through which tables of contents are read.
 *
 * @module
 */

import { FileError } from "../error.ts";
import type { SourceFile } from "../copy/plan.ts";
import { messageOf } from "./file_system.ts";

/** Bytes that can be read at any place. Positions and lengths are in bytes. */
export interface ByteSource {
  /** The path or URL, for messages and views. */
  readonly path: string;
  /** The number of bytes. */
  readonly size: number;
  /**
   * Reads bytes.
   *
   * @param offset Where to start.
   * @param length How many; the range must lie within the source.
   * @returns Exactly `length` bytes.
   * @throws {FileError} If they can't be read.
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** An open local file. */
export class FileSource implements ByteSource, Disposable {
  readonly #file: Deno.FsFile;
  /** The file's path. */
  readonly path: string;
  /** The file's size in bytes when it was opened. */
  readonly size: number;
  /** When the file was last modified, in milliseconds since 1970, or `null` where that isn't known. */
  readonly mtime: number | null;

  private constructor(path: string, file: Deno.FsFile, info: Deno.FileInfo) {
    this.path = path;
    this.#file = file;
    this.size = info.size;
    this.mtime = info.mtime?.getTime() ?? null;
  }

  /**
   * Opens a file.
   *
   * @param path The file.
   * @throws {FileError} If there is none, or it can't be read.
   */
  static open(path: string): FileSource {
    let file: Deno.FsFile | undefined;
    try {
      // Looked at first, since opening a pipe waits for somebody to write into it.
      if (!Deno.statSync(path).isFile) {
        throw new FileError(`${path}: is not a file; name the file, or the directory that holds it`);
      }
      file = Deno.openSync(path);
      return new FileSource(path, file, file.statSync());
    } catch (error) {
      file?.close();
      throw error instanceof FileError ? error : describeFailure(path, error);
    }
  }

  /** The file as it was when it was opened. */
  get identity(): SourceFile {
    return { path: this.path, size: this.size, mtime: this.mtime };
  }

  /** Reads bytes. */
  // deno-lint-ignore require-await -- The interface is asynchronous for sources that aren't files.
  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw new FileError(`${this.path}: can't read ${length} bytes at ${offset}: the file has ${this.size}`);
    }
    const bytes = new Uint8Array(length);
    try {
      this.#file.seekSync(offset, Deno.SeekMode.Start);
      for (let filled = 0; filled < length;) {
        const count = this.#file.readSync(bytes.subarray(filled));
        if (count === null) throw new FileError(`the file ends at byte ${offset + filled}`);
        filled += count;
      }
    } catch (error) {
      throw new FileError(
        `${this.path}: can't read the file: ${messageOf(error)}`,
      );
    }
    return bytes;
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** The error for a path that couldn't be opened: what is wrong, and what to do. */
export function describeFailure(path: string, error: unknown): FileError {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
    return new FileError(`${path}: no such file or directory; check the path`);
  }
  if (error instanceof Deno.errors.NotCapable) {
    return new FileError(`${path}: Deno was not allowed to read it; grant --allow-read for this path`);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new FileError(`${path}: permission denied; ask its owner for leave to read it`);
  }
  if (error instanceof Deno.errors.IsADirectory) {
    return new FileError(`${path}: is a directory, not a file; name the file in it`);
  }
  return new FileError(`${path}: can't open it: ${messageOf(error)}`);
}
