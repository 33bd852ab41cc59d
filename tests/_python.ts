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
  return Deno.env.get("CKPT_PYTHON") || undefined;
}

/**
 * The Pythons whose transformers is to load what was made: `CKPT_PYTHON`'s, which may be any version, and that of
 * `CKPT_PYTHON_457`, which has to be 4.57, the last one with the old form of `config.json`. A test of each says so in its
 * name, and is skipped where its `path` is `undefined`.
 */
export const transformersPythons: readonly {
  readonly variable: string;
  readonly path: string | undefined;
}[] = [
  { variable: "CKPT_PYTHON", path: python() },
  { variable: "CKPT_PYTHON_457", path: Deno.env.get("CKPT_PYTHON_457") || undefined },
];

/**
 * Runs a Python program.
 *
 * @param program The source text.
 * @param args What the program finds in `sys.argv[1:]`.
 * @param path The Python; by default that of `CKPT_PYTHON`.
 * @returns What it wrote to its standard output.
 * @throws {Error} If it fails, with what it wrote to its standard error.
 */
export async function runPython(
  program: string,
  args: readonly string[] = [],
  path: string | undefined = python(),
): Promise<string> {
  if (path === undefined) throw new Error("Cannot run Python: CKPT_PYTHON isn't set");
  const { success, stdout, stderr } = await new Deno.Command(path, { args: ["-c", program, ...args] })
    .output();
  if (!success) throw new Error(`Cannot run Python: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
