/** Files for the kernel, on Deno's synchronous calls. */

/** A file opened by the kernel. Positions and lengths are in bytes. */
export interface KernelFile {
  /** Fills the buffer from a position; fewer bytes only at the end of the file. */
  read(buffer: Uint8Array, position: number): number;
  /** Writes the whole buffer at a position. */
  write(buffer: Uint8Array, position: number): void;
  /** Closes the file. */
  close(): void;
}

/**
 * Opens a file for the kernel. Closed like {@linkcode createKernel}: it may refer to nothing but its arguments
 * and globals, since its source text is sent to workers.
 *
 * @param write Whether to write an existing file, instead of reading.
 */
export function openKernelFile(path: string, write: boolean): KernelFile {
  function fail(verb: string, error: unknown): never {
    const { message = String(error), code } = error as { message?: string; code?: string };
    throw Object.assign(new Error(`${path}: cannot ${verb} the file: ${message}`, { cause: error }), {
      code,
    });
  }
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, write ? { write: true } : { read: true });
  } catch (error) {
    fail("open", error);
  }
  // The page cache takes pages as large as a write where the file system can (ext4), and looks long for larger ones once
  // memory is in pieces. Measured: see docs/speed.md.
  const writeBytes = 256 * 1024;
  let position = 0; // Seeking costs a call, and most reads and writes follow one another.
  function seek(to: number): void {
    if (to !== position) file.seekSync(to, 0 /* Deno.SeekMode.Start */);
    position = to;
  }
  return {
    read(buffer, from) {
      try {
        seek(from);
        let filled = 0;
        while (filled < buffer.byteLength) {
          const count = file.readSync(filled === 0 ? buffer : buffer.subarray(filled));
          if (count === null) break;
          filled += count;
          position += count;
        }
        return filled;
      } catch (error) {
        fail("read", error);
      }
    },
    write(buffer, to) {
      try {
        seek(to);
        let written = 0;
        while (written < buffer.byteLength) {
          const count = file.writeSync(buffer.subarray(written, written + writeBytes));
          written += count;
          position += count;
        }
      } catch (error) {
        fail("write", error);
      }
    },
    close() {
      file.close();
    },
  };
}
