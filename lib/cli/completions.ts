/** What a shell completes after `ckpt`, made from the commands' descriptions. */

import { type Command, type Option, spellingsOf } from "./command.ts";
import { PROGRAM } from "./help.ts";

/** A script for a shell, by the commands and the names of models. */
type Script = (commands: readonly Command[], models: readonly string[]) => string;

/** The shells that there are scripts for. */
export const shells = ["bash", "zsh", "fish"] as const;

/** The scripts. */
export const completions: Readonly<Record<typeof shells[number], Script>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** Words behind which other words are expected, as of a group of commands, and what these stand for. */
interface Branch {
  readonly words: readonly string[];
  readonly next: ReadonlyMap<string, string>;
}

/** All words behind which the name of a command goes on, the longest first. */
function branchesOf(commands: readonly Command[]): Branch[] {
  const branches = new Map<string, Branch & { next: Map<string, string> }>();
  for (const { words, summary } of commands) {
    words.forEach((word, i) => {
      const above = words.slice(0, i);
      const branch = branches.get(above.join(" ")) ?? { words: above, next: new Map() };
      branches.set(above.join(" "), branch);
      if (!branch.next.has(word)) {
        branch.next.set(word, i === words.length - 1 ? summary : `Commands of ${[...above, word].join(" ")}`);
      }
    });
  }
  return [...branches.values()].sort((a, b) => b.words.length - a.words.length);
}

/** The commands, those of the most words first: others may begin with the same. */
function deepestFirst(commands: readonly Command[]): Command[] {
  return [...commands].sort((a, b) => b.words.length - a.words.length);
}

function dashed({ name, negated }: Option): string {
  return `--${negated ? "no-" : ""}${name}`;
}

/** What else may be typed in the place of a command. */
const PROGRAM_WORDS: readonly (readonly [word: string, what: string])[] = [
  ["help", "Show the help of a command"],
  ["--help", "Show help"],
  ["--version", "Show the version"],
];

function bashScript(commands: readonly Command[], models: readonly string[]): string {
  const branch = (words: readonly string[]) => `" ${words.map((word) => `${word} `).join("")}"`;
  const cases = deepestFirst(commands).flatMap((command) => {
    const valued = command.options.filter(({ value }) => value !== undefined);
    const values = valued.map((option) => {
      const words = option.names === "model" ? models : option.choices ?? [];
      return `        ${dashed(option)}) values="${words.join(" ")}" files=${
        option.names === undefined ? "" : "yes"
      } options= ;;`;
    });
    const [choices] = command.positionals.flatMap(({ choices }) => choices === undefined ? [] : [choices]);
    const options = [...command.options.map(dashed), "--help"].join(" ");
    const hasFiles = command.positionals.length > 0 && choices === undefined;
    return [
      `    ${spellingsOf(command).map((words) => `${branch(words)}*`).join(" | ")})`,
      `      options="${options}" values="${(choices ?? []).join(" ")}" files=${hasFiles ? "yes" : ""}`,
      ...(values.length === 0 ? [] : ["      case $prev in", ...values, "      esac"]),
      "      ;;",
    ];
  });
  const branches = branchesOf(commands).map(({ words, next }) => {
    const more = words.length === 0 ? PROGRAM_WORDS.map(([word]) => word) : ["--help"];
    return `    ${words.length === 0 ? '" " | "  "' : branch(words)}) values="${
      [...next.keys(), ...more].join(" ")
    }" ;;`;
  });
  return `# Completions of ${PROGRAM} for bash.
_${PROGRAM}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}" options= values= files=
  # bash takes --to=x for three words.
  if [[ $cur == "=" ]]; then cur=; elif [[ $prev == "=" ]]; then prev="\${COMP_WORDS[COMP_CWORD - 2]}"; fi
  local line=" \${COMP_WORDS[*]:1:COMP_CWORD-1} "
  [[ $line == " help "* ]] && line=" \${line#" help "}"
  case "$line" in
${[...cases, ...branches].join("\n")}
  esac
  if [[ $cur == -* && -n $options ]]; then values=$options files=; fi
  COMPREPLY=($(compgen -W "$values" -- "$cur"))
  [[ -n $files ]] || compopt +o default 2> /dev/null
}
complete -o default -F _${PROGRAM} ${PROGRAM}`;
}

function zshScript(commands: readonly Command[], models: readonly string[]): string {
  const inQuotes = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const escaped = (text: string) => text.replace(/[[\]:\\]/g, "\\$&");
  const pattern = (words: readonly string[]) => `" ${words.map((word) => `${word} `).join("")}"`;
  const valueOf = ({ value, choices, names }: Option) => {
    if (value === undefined) return "";
    if (choices !== undefined) return `:${value}:(${choices.join(" ")})`;
    return `:${value}:${names === "model" ? `_${PROGRAM}_models` : names === "path" ? "_files" : " "}`;
  };
  const cases = deepestFirst(commands).map((command) => {
    const specs = [
      ...command.options.map((option) =>
        `${(option.most ?? 1) > 1 ? "*" : ""}${dashed(option)}${option.value === undefined ? "" : "="}` +
        `[${escaped(option.help)}]${valueOf(option)}`
      ),
      "(-h --help)--help[Show the help]",
      ...command.positionals.map(({ name, choices }, i) =>
        `${i + 1}:${name}:${choices === undefined ? "_files" : `(${choices.join(" ")})`}`
      ),
    ].map((spec) => `        ${inQuotes(spec)}`);
    const depth = command.words.length;
    return `    ${spellingsOf(command).map((words) => `${pattern(words)}*`).join(" | ")})
      shift ${depth} words; (( CURRENT -= ${depth} ))
      _arguments \\
${specs.join(" \\\n")}
      ;;`;
  });
  const branches = branchesOf(commands).map(({ words, next }) => {
    const entries = [...next, ...(words.length === 0 ? PROGRAM_WORDS : [])];
    const list = entries.map(([word, what]) => inQuotes(`${escaped(word)}:${escaped(what)}`)).join(" ");
    return `    ${words.length === 0 ? '"  "' : pattern(words)}) next=(${list}); _describe command next ;;`;
  });
  return `#compdef ${PROGRAM}
# Completions of ${PROGRAM} for zsh.
_${PROGRAM}_models() {
  compadd -- ${models.join(" ")}
  _files
}
_${PROGRAM}() {
  local -a next
  [[ $words[2] == help && CURRENT -gt 2 ]] && { shift words; (( CURRENT -= 1 )) }
  case " \${words[2,CURRENT-1]} " in
${[...cases, ...branches].join("\n")}
  esac
}
# A file in $fpath is run as the function itself; otherwise it was read.
if [[ $funcstack[1] == _${PROGRAM} ]]; then _${PROGRAM} "$@"; else compdef _${PROGRAM} ${PROGRAM}; fi`;
}

function fishScript(commands: readonly Command[], models: readonly string[]): string {
  const inQuotes = (text: string) => `'${text.replace(/['\\]/g, "\\$&")}'`;
  const line = (condition: string, ...parts: string[]) =>
    `complete -c ${PROGRAM} -n ${inQuotes(condition)} ${parts.join(" ")}`;
  const branches = branchesOf(commands).flatMap(({ words, next }) => {
    const entries = [...next, ...(words.length === 0 ? PROGRAM_WORDS : [])];
    return entries.map(([word, what]) =>
      line([`__${PROGRAM}_is`, ...words].join(" "), "-f -a", word, "-d", inQuotes(what))
    );
  });
  const valueOf = ({ value, choices, names }: Option) => {
    if (value === undefined) return [];
    if (names !== undefined) {
      return ["-r -F", ...(names === "model" ? ["-a", inQuotes(models.join(" "))] : [])];
    }
    return ["-x", ...(choices === undefined ? [] : ["-a", inQuotes(choices.join(" "))])];
  };
  const options = commands.flatMap((command) => {
    const condition = spellingsOf(command).map((words) => `__${PROGRAM}_in ${words.join(" ")}`).join("; or ");
    const [choices] = command.positionals.flatMap(({ choices }) => choices === undefined ? [] : [choices]);
    return [
      ...(choices === undefined ? [] : [line(condition, "-f -a", inQuotes(choices.join(" ")))]),
      ...(command.positionals.length === 0 ? [line(condition, "-f")] : []),
      ...command.options.map((option) =>
        line(condition, "-l", dashed(option).slice(2), ...valueOf(option), "-d", inQuotes(option.help))
      ),
      line(condition, "-s h -l help -d 'Show the help'"),
    ];
  });
  return `# Completions of ${PROGRAM} for fish.
function __${PROGRAM}_words
    set -l words (commandline -opc)[2..-1]
    test "$words[1]" = help; and set -e words[1]
    string join \\n -- $words
end
# Whether these words have been typed, and no more.
function __${PROGRAM}_is
    set -l words (__${PROGRAM}_words)
    test "$words" = "$argv"
end
# Whether these words have been typed first.
function __${PROGRAM}_in
    set -l words (__${PROGRAM}_words)
    set -l length (count $argv)
    test (count $words) -ge $length; and test "$words[1..$length]" = "$argv"
end
${[...branches, ...options].join("\n")}`;
}
