/**
 * File systems in a file, for tests of what only some file systems do. They need root, `mount` and the tools that
 * make the file system.
 *
 * @module
 */

import { TempDirectory } from "./_temp.ts";

/** A mounted file system that is removed at the end of its scope (`using`). */
export class LoopMount implements Disposable {
  readonly #temp: TempDirectory;
  /** The directory where it is mounted. */
  readonly path: string;

  /**
   * Makes and mounts a file system.
   *
   * @param type Its type.
   * @throws {Error} If that isn't possible here.
   */
  constructor(type: "xfs" | "btrfs" | "ext4") {
    this.#temp = new TempDirectory();
    this.path = this.#temp.join("mounted");
    try {
      Deno.mkdirSync(this.path);
      const image = this.#temp.write("image", "");
      Deno.truncateSync(image, 400 * 1024 * 1024);
      run(`mkfs.${type}`, "-q", image);
      run("mount", "-o", "loop", image, this.path);
    } catch (error) {
      this.#temp[Symbol.dispose]();
      throw error;
    }
  }

  /** Unmounts and removes it. */
  [Symbol.dispose](): void {
    // A worker that was stopped closes its files when its thread ends, which may take a moment.
    const patient = `for i in $(seq 100); do umount "$0" && exit; sleep 0.1; done 2>/dev/null; umount "$0"`;
    run("sh", "-c", patient, this.path);
    this.#temp[Symbol.dispose]();
  }
}

/** Whether this machine can make and mount a file system. */
export function canMount(type: "xfs" | "btrfs" | "ext4"): boolean {
  try {
    new LoopMount(type)[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}

function run(program: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(program, { args }).outputSync();
  if (!success) throw new Error(`Cannot run ${program}: ${new TextDecoder().decode(stderr)}`);
}
