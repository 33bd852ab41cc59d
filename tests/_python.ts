/**
 * A Python with torch, for the tests that ask torch itself. They are skipped where there is none.
 *
 * @module
 */

/**
 * The Python to use: the value of the environment variable `CKPT_PYTHON`, or `undefined` where it isn't set.
 * Tests pass `ignore: python() === undefined`.
 */
export function python(): string | undefined {
  const path = Deno.env.get("CKPT_PYTHON");
  return path === undefined || path === "" ? undefined : path;
}

/**
 * Runs a Python program.
 *
 * @param program The source text.
 * @param args What the program finds in `sys.argv[1:]`.
 * @returns What it wrote to its standard output.
 * @throws {Error} If it fails, with what it wrote to its standard error.
 */
export async function runPython(program: string, args: readonly string[] = []): Promise<string> {
  const path = python();
  if (path === undefined) throw new Error("Cannot run Python: CKPT_PYTHON isn't set");
  const { success, stdout, stderr } = await new Deno.Command(path, { args: ["-c", program, ...args] })
    .output();
  if (!success) throw new Error(`Cannot run Python: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
