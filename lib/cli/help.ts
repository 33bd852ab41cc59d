/** Help texts, made from the commands' descriptions. */

import type { Command, Option } from "./command.ts";
import { fold, hanging } from "./fold.ts";
import type { Style } from "./terminal.ts";

/** How the program is called in help texts. */
export const PROGRAM = "ckpt";

/** What the program is for. */
export const SUMMARY =
  `${PROGRAM} converts checkpoints of language models between fairseq2, reference layouts, Hugging Face and GGUF.`;

/** The help of the program, or of a group of commands, in lines that fit a width. */
export function groupHelp(
  commands: readonly Command[],
  group: readonly string[],
  style: Style,
  width = Infinity,
): string {
  const shown = commands.filter(({ words }) => group.every((word, i) => words[i] === word));
  const lines = [
    group.length === 0
      ? fold(SUMMARY, width).join("\n").replace(PROGRAM, style.bold)
      : `Commands of ${style.bold([PROGRAM, ...group].join(" "))}.`,
    "",
    `${style.bold("Usage:")} ${[PROGRAM, ...group].join(" ")} <command> [options]`,
    "",
    style.bold("Commands:"),
    ...table(shown.map(({ words, summary }) => [words.join(" "), summary]), style, width),
    "",
    style.bold("Options:"),
    ...table(
      [["-h, --help", "Show help, also of each command"], ["--version", "Show the version"]],
      style,
      width,
    ),
  ];
  const [example] = shown[0]?.examples ?? [];
  if (example !== undefined) {
    lines.push("", style.bold("Example:"), `  ${PROGRAM} ${shown[0]!.words.join(" ")} ${example[0]}`);
  }
  return lines.join("\n");
}

/** The help of a command, in lines that fit a width. */
export function commandHelp(command: Command, style: Style, width = Infinity): string {
  const name = [PROGRAM, ...command.words].join(" ");
  const usage = command.positionals.map((positional) => `<${positional.name}>`).join(" ");
  const lines = [
    ...fold(command.summary, width),
    "",
    `${style.bold("Usage:")} ${name} [options] ${usage}`.trimEnd(),
  ];
  if (command.positionals.length > 0) {
    const rows = command.positionals.map(({ name, help }) => [`<${name}>`, help] as const);
    lines.push("", style.bold("Arguments:"), ...table(rows, style, width));
  }
  const help = { name: "help", help: "Show this help", group: command.options.at(-1)?.group };
  const groups = Map.groupBy([...command.options, help], ({ group }: Option) => group ?? "Options");
  const column = columnOf([...command.options.map(optionUsage), HELP_USAGE]);
  for (const [title, options] of groups) {
    const rows = options.map((option) =>
      [
        option === help ? HELP_USAGE : optionUsage(option),
        option.help,
      ] as const
    );
    lines.push("", style.bold(`${title}:`), ...table(rows, style, width, column));
  }
  for (const paragraph of command.details) lines.push("", ...fold(paragraph, width));
  lines.push("", style.bold("Examples:"));
  for (const [args, what] of command.examples) {
    lines.push(`  ${style.dim(`# ${what}`)}`, `  ${name} ${args}`.trimEnd());
  }
  return lines.join("\n");
}

/** The widest lines of help, in columns: longer ones are hard to read. */
export const MOST_COLUMNS = 100;

/** The columns of help that goes into a pager or a file, for a pager breaks longer lines in the middle of a word. */
export const PAGER_COLUMNS = 80;

const HELP_USAGE = "-h, --help";

/** An option as it is given: `--no-clone`, `--step N`. */
export function optionUsage({ name, value, negated }: Option): string {
  return `--${negated ? "no-" : ""}${name}${value === undefined ? "" : ` ${value}`}`;
}

/** The width of a column of words. */
function columnOf(words: readonly string[]): number {
  return words.reduce((most, word) => Math.max(most, word.length), 0) + 2;
}

function table(
  rows: readonly (readonly [string, string])[],
  style: Style,
  width: number,
  column = columnOf(rows.map(([left]) => left)),
): string[] {
  return rows.flatMap(([left, right]) =>
    hanging(`  ${style.cyan(left)}${" ".repeat(column - left.length)}`, column + 2, right, width)
  );
}
