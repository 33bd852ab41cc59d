import { parseArgs } from "../../lib/deps.ts";

/**
 * A benchmark's options. With `--help` it prints the help and ends; an unknown one ends it with 2.
 *
 * @param help The help.
 * @param known The names of the options.
 */
export function readOptions(
  help: string,
  known: { readonly string: string[]; readonly boolean?: string[] },
): Record<string, unknown> {
  const args = parseArgs(Deno.args, {
    string: known.string,
    boolean: ["help", ...known.boolean ?? []],
    unknown: (argument) => {
      console.error(`error: ${argument} is unknown; see --help`);
      Deno.exit(2);
    },
  });
  if (args.help) {
    console.log(help);
    Deno.exit(0);
  }
  return args;
}
