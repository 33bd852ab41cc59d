/** Help texts, made from the commands' descriptions. */

import type { Command } from "./command.ts";
import type { Style } from "./terminal.ts";

/** How the program is called in help texts. */
export const PROGRAM = "ckpt";

/** The help of the program, or of a group of commands. */
export function groupHelp(commands: readonly Command[], group: readonly string[], style: Style): string {
  const shown = commands.filter(({ words }) => group.every((word, i) => words[i] === word));
  const lines = [
    group.length === 0
      ? `${
        style.bold(PROGRAM)
      } converts checkpoints of language models between fairseq2, reference layouts and Hugging Face.`
      : `Commands of ${style.bold([PROGRAM, ...group].join(" "))}.`,
    "",
    `${style.bold("Usage:")} ${[PROGRAM, ...group].join(" ")} <command> [options]`,
    "",
    style.bold("Commands:"),
    ...table(shown.map(({ words, summary }) => [words.join(" "), summary]), style),
    "",
    style.bold("Options:"),
    ...table([["-h, --help", "Show help, also of each command"], ["--version", "Show the version"]], style),
  ];
  const [example] = shown[0]?.examples ?? [];
  if (example !== undefined) {
    lines.push("", style.bold("Example:"), `  ${PROGRAM} ${shown[0]!.words.join(" ")} ${example[0]}`);
  }
  return lines.join("\n");
}

/** The help of a command. */
export function commandHelp(command: Command, style: Style): string {
  const name = [PROGRAM, ...command.words].join(" ");
  const usage = command.positionals.map((positional) => `<${positional.name}>`).join(" ");
  const lines = [
    command.summary,
    "",
    `${style.bold("Usage:")} ${name} [options] ${usage}`,
    "",
    style.bold("Arguments:"),
    ...table(command.positionals.map(({ name, help }) => [`<${name}>`, help]), style),
    "",
    style.bold("Options:"),
    ...table([
      ...command.options.map(({ name, value, help, negated }): [string, string] => [
        `--${negated ? "no-" : ""}${name}${value === undefined ? "" : ` ${value}`}`,
        help,
      ]),
      ["-h, --help", "Show this help"],
    ], style),
  ];
  if (command.details.length > 0) lines.push("", ...command.details);
  lines.push("", style.bold("Examples:"));
  for (const [args, what] of command.examples) lines.push(`  ${style.dim(`# ${what}`)}`, `  ${name} ${args}`);
  return lines.join("\n");
}

function table(rows: readonly (readonly [string, string])[], style: Style): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${style.cyan(left)}${" ".repeat(width - left.length)}${right}`);
}
