/**
 * The command line program.
 *
 * ```sh
 * deno run -A cli.ts llama convert_checkpoint --model llama3_2_1b <input> <output>
 * ```
 *
 * @module
 */

import { commands } from "./lib/cli/commands.ts";
import { main } from "./lib/cli/main.ts";

if (import.meta.main) Deno.exit(await main(commands, Deno.args));
