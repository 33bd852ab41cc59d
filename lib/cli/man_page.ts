/** The manual page, made from the commands' descriptions, in roff with the macros of man(7). */

import { VERSION } from "../version.ts";
import type { Command } from "./command.ts";
import { optionUsage, PROGRAM, SUMMARY } from "./help.ts";

/** The exit codes, and what they mean. */
const EXIT_CODES: readonly (readonly [code: string, what: string])[] = [
  ["0", "Done."],
  ["1", "Failed: one line on stderr says what, where, and what to do. Of compare: the two differ."],
  ["2", "The command line is wrong by itself. Of compare: the two could not be compared."],
  ["129, 130, 143", "Stopped by SIGHUP, SIGINT or SIGTERM. The same command goes on."],
];

/** The page of all commands. */
export function manPage(commands: readonly Command[]): string {
  return [
    `.TH ${PROGRAM.toUpperCase()} 1 "" "${PROGRAM} ${VERSION}"`,
    ".SH NAME",
    `${PROGRAM} \\- converts and inspects checkpoints of language models`,
    ".SH SYNOPSIS",
    ...commands.flatMap((command, i) => [...(i === 0 ? [] : [".br"]), synopsis(command)]),
    ".SH DESCRIPTION",
    text(SUMMARY),
    ".SH COMMANDS",
    ...commands.flatMap(section),
    ".SH EXIT STATUS",
    ...EXIT_CODES.flatMap(([code, what]) => [".TP", code, text(what)]),
    ".SH EXAMPLES",
    ...commands.flatMap(({ words, examples }) =>
      examples.flatMap(([args, what]) => [
        ".TP",
        text(`${what[0]!.toUpperCase()}${what.slice(1)}`),
        `.B ${text([PROGRAM, ...words, args].join(" ").trimEnd())}`,
      ])
    ),
  ].join("\n");
}

function synopsis({ words, positionals, options }: Command): string {
  const args = positionals.map(({ name }) => ` \\fI${text(name)}\\fR`).join("");
  return `\\fB${text([PROGRAM, ...words].join(" "))}\\fR${
    options.length > 0 ? " [\\fIoptions\\fR]" : ""
  }${args}`;
}

function section(command: Command): string[] {
  const { words, summary, details, positionals, options } = command;
  return [
    `.SS ${text(words.join(" "))}`,
    text(summary),
    ...details.flatMap((paragraph) => [".PP", text(paragraph)]),
    ...positionals.flatMap(({ name, help }) => [".TP", `.I ${text(name)}`, text(help)]),
    ...options.flatMap((option) => [".TP", `.B ${text(optionUsage(option))}`, text(option.help)]),
  ];
}

/** A text as roff shows it: with its dashes and backslashes, and no line of it a command. */
function text(plain: string): string {
  return plain.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(?=[.'])/gm, "\\&");
}
