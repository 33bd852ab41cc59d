/** Help texts, made from the commands' descriptions. */

import type { Command } from "./command.ts";
import type { Style } from "./terminal.ts";

/** How the program is called in help texts. */
export const PROGRAM = "ckpt";

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
      ? fold(
        `${PROGRAM} converts checkpoints of language models between fairseq2, reference layouts, Hugging Face and GGUF.`,
        width,
      ).join("\n").replace(PROGRAM, style.bold)
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
  const options = [
    ...command.options.map(({ name, value, help, negated }): [string, string] => [
      `--${negated ? "no-" : ""}${name}${value === undefined ? "" : ` ${value}`}`,
      help,
    ]),
    ["-h, --help", "Show this help"] as const,
  ];
  lines.push("", style.bold("Options:"), ...table(options, style, width));
  for (const paragraph of command.details) lines.push("", ...fold(paragraph, width));
  lines.push("", style.bold("Examples:"));
  for (const [args, what] of command.examples) {
    lines.push(`  ${style.dim(`# ${what}`)}`, `  ${name} ${args}`.trimEnd());
  }
  return lines.join("\n");
}

/** The widest lines of help, in columns: longer ones are hard to read. */
export const MOST_COLUMNS = 100;

function table(rows: readonly (readonly [string, string])[], style: Style, width: number): string[] {
  const column = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  return rows.flatMap(([left, right]) =>
    fold(right, width - column - 2).map((line, i) =>
      `  ${i === 0 ? style.cyan(left) + " ".repeat(column - left.length) : " ".repeat(column)}${line}`
    )
  );
}

/** A text in lines that fit a width, where its words do. */
function fold(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
