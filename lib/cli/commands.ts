import type { Command } from "./command.ts";
import { compareCommand } from "./compare_command.ts";
import { convertCommand, llamaConvertCommand } from "./convert_command.ts";
import { inspectCommand } from "./inspect_command.ts";
import { verifyCommand } from "./verify_command.ts";

/** All commands of the program. */
export const commands: readonly Command[] = [
  convertCommand,
  llamaConvertCommand,
  inspectCommand,
  compareCommand,
  verifyCommand,
];
