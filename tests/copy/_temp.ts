/**
 * Temporary directories for tests.
 *
 * @module
 */

/** A temporary directory that is removed at the end of its scope (`using`). */
export class TempDirectory implements Disposable {
  /** Its path. */
  readonly path: string;

  /** Makes a directory, below `parent` or where the system has its temporary files. */
  constructor(parent?: string) {
    this.path = Deno.realPathSync(
      Deno.makeTempDirSync({ prefix: "ckpt_test_", ...(parent ? { dir: parent } : {}) }),
    );
  }

  /** The path of a name in the directory. */
  join(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Writes a file; returns its path. */
  write(name: string, content: Uint8Array | string): string {
    const path = this.join(name);
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  /** The names in the directory or one below it, sorted; directories end with a slash. */
  list(name = "."): string[] {
    return [...Deno.readDirSync(this.join(name))].map((entry) => entry.name + (entry.isDirectory ? "/" : ""))
      .sort();
  }

  /** Removes the directory and what is in it. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
