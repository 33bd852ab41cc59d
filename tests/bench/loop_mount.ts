/**
 * File systems of other kinds, in a file that is mounted through a loop device. Needs root.
 *
 * @module
 */

import { cleaning } from "./cleaning.ts";

/**
 * Runs something inside a freshly made file system, and removes it afterwards.
 *
 * @param type Its type, such as `"xfs"`: `mkfs.<type>` must be installed.
 * @param gigabytes Its size. The file is sparse, so it takes only what is written into it.
 * @param run Given the directory where it is mounted.
 * @param options More options for `mkfs`.
 */
export async function withLoopMount<T>(
  type: string,
  gigabytes: number,
  run: (directory: string) => Promise<T>,
  options: readonly string[] = [],
): Promise<T> {
  const work = Deno.makeTempDirSync({ prefix: "ckpt-loop-" });
  const image = `${work}/image`;
  const mounted = `${work}/mounted`;
  Deno.mkdirSync(mounted);
  let isMounted = false;
  return await cleaning(async () => {
    using file = Deno.openSync(image, { write: true, createNew: true });
    file.truncateSync(gigabytes * 2 ** 30);
    call(`mkfs.${type}`, "-q", ...options, image);
    call("mount", "-o", "loop", image, mounted);
    isMounted = true;
    return await run(mounted);
  }, () => {
    if (isMounted) call("umount", mounted);
    Deno.removeSync(work, { recursive: true });
  });
}

function call(program: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(program, { args, stdout: "null", stderr: "piped" })
    .outputSync();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr).trim()}`);
}
