/** Random access to bytes: the one interface through which tables of contents are read. */

import { createHash } from "node:crypto";
import { FileError } from "../error.ts";
import { resolve } from "../deps.ts";
import { messageOf, needsAllPermissions, realPathOfNearest } from "./file_system.ts";

/** A file that a plan reads, as it was when it was opened. */
export interface SourceFile {
  /** Its path, as it was given. */
  readonly path: string;
  /** Its path from the root, without links. */
  readonly realPath: string;
  /** Its size in bytes. */
  readonly size: number;
  /** What was read of it when it was opened, hashed: its table of contents, with every checksum that it states. */
  readonly contents: string;
  /** When it was last modified, in milliseconds since 1970, or `null` where that isn't known. Programs can set it. */
  readonly mtime: number | null;
  /** When it or what is known of it was last changed, to the second (Deno tells no more). No program can set it. */
  readonly ctime: number | null;
  /** The device that it lies on. Machines that share a file system have numbers of their own for it. */
  readonly dev: number;
  /** Its number there, or `null` where it has none. */
  readonly ino: number | null;
  /** Of a file that isn't on this machine: what its place calls these very bytes. */
  readonly version?: string;
}

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

/** A file that is open, and what a plan has to know of it. */
export interface OpenSource extends ByteSource, Disposable {
  /** The file as it was when it was opened, and what was read of it since: to be asked for after its table was. */
  readonly identity: SourceFile;
}

/** Throws if a source doesn't have these bytes. */
export function checkRange({ path, size }: ByteSource, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= size) return;
  throw new FileError(`${path}: can't read ${length} bytes at ${offset}: the file has ${size}`);
}

/** An open local file. */
export class FileSource implements OpenSource {
  readonly #file: Deno.FsFile;
  /** The file's path. */
  readonly path: string;
  /** The file's size in bytes when it was opened. */
  readonly size: number;
  readonly #info: Deno.FileInfo;
  /** A hash of all that was read, and where. */
  readonly #contents = createHash("sha256");

  private constructor(path: string, file: Deno.FsFile, info: Deno.FileInfo) {
    this.path = path;
    this.#file = file;
    this.size = info.size;
    this.#info = info;
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

  get identity(): SourceFile {
    return {
      path: this.path,
      realPath: realPathOfNearest(resolve(this.path)),
      contents: this.#contents.copy().digest("hex"),
      ...factsOf(this.#info),
    };
  }

  /** Reads bytes. */
  // deno-lint-ignore require-await -- The interface is asynchronous for sources that aren't files.
  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this, offset, length);
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
    this.#contents.update(`${offset} ${length}\n`).update(bytes);
    return bytes;
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** What the file system tells of a file that changes when its bytes do. */
function factsOf(
  { size, mtime, ctime, dev, ino }: Deno.FileInfo,
): Pick<SourceFile, "size" | "mtime" | "ctime" | "dev" | "ino"> {
  return { size, mtime: mtime?.getTime() ?? null, ctime: ctime?.getTime() ?? null, dev, ino };
}

/**
 * Whether a file is still what it was when it was opened, as far as the file system tells.
 *
 * @param source The file.
 * @throws {Deno.errors.NotFound} If it isn't there any more; or another error of Deno's, if it can't be opened.
 */
export function isUnchanged(source: SourceFile): boolean {
  // Of one elsewhere no other bytes were read.
  if (source.version !== undefined) return true;
  // Opened, not just looked at: NFS asks the server then.
  using file = Deno.openSync(source.path);
  const facts = factsOf(file.statSync());
  return (Object.keys(facts) as (keyof typeof facts)[]).every((fact) => facts[fact] === source[fact]);
}

/** The error for a path that couldn't be opened: what is wrong, and what to do. */
export function describeFailure(path: string, error: unknown): FileError {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
    return new FileError(`${path}: no such file or directory; check the path`);
  }
  if (error instanceof Deno.errors.NotCapable) {
    // The path is a link to such a place.
    if (error.message.includes("--allow-all")) return new FileError(needsAllPermissions(path));
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
