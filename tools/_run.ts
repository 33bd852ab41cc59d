/**
 * Runs a program to its end.
 *
 * @param command The program and its arguments.
 * @param cwd The directory to run it in.
 * @returns What it printed on stdout.
 * @throws {Error} With what it printed on stderr, if it fails.
 */
export async function run([program, ...args]: readonly [string, ...string[]], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd }).output();
  if (!success) throw new Error(`${program} ${args[0]} failed: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
