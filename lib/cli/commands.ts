import type { Command } from "./command.ts";
import { convertCommand } from "./convert_command.ts";

/** All commands of the program. */
export const commands: readonly Command[] = [convertCommand];
