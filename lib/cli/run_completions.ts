/** Runs `ckpt completions` and `ckpt man`. */

import { architectures } from "../models/model_cards.ts";
import type { Arguments, Command } from "./command.ts";
import { completions, shells } from "./completions.ts";
import { manPage } from "./man_page.ts";
import { print } from "./print.ts";

/** Prints the script for a shell. */
export function runCompletions(args: Arguments, commands: readonly Command[]): Promise<number> {
  const models = architectures.flatMap(({ name, cards }) => [...new Set([name, ...cards])]);
  const shell = shells.find((each) => each === args.positionals[0])!;
  print(completions[shell](commands, models));
  return Promise.resolve(0);
}

/** Prints the manual page. */
export function runMan(commands: readonly Command[]): Promise<number> {
  print(manPage(commands));
  return Promise.resolve(0);
}
