/** Runs `ckpt verify`. */

import { basename } from "../deps.ts";
import { relativePath } from "../inspect/relative_path.ts";
import { sumLine, tensorSumLine } from "../inspect/sums.ts";
import { type ModelVerification, verifyCheckpoint } from "../inspect/verify.ts";
import type { FileVerification } from "../inspect/verify_file.ts";
import { MAX_JOBS } from "../options.ts";
import { targets } from "../convert/target.ts";
import { someOf } from "../words.ts";
import type { Arguments, Context } from "./command.ts";
import { formatBytes } from "./format.ts";
import { hanging } from "./fold.ts";
import { requestPaths } from "./permissions.ts";
import { compactJson, oneLine } from "./plain_text.ts";
import { print, say } from "./print.ts";
import { showProgress } from "./progress.ts";
import { type Style, styleFor, widthOf } from "./terminal.ts";

/** How many tensors a line names. */
const NAMED = 3;

/** The exit code for checkpoints with which something is wrong. */
const WRONG = 1;

export async function runVerify(args: Arguments, { signal }: Context): Promise<number> {
  const [path] = args.positionals as [string];
  const jobs = args.number("jobs", 1, MAX_JOBS);
  const from = args.choice("from", targets);
  const against = args.value("against");
  const [json, quiet, sums] = [args.flag("json"), args.flag("quiet"), args.flag("sums")];
  if (sums && json) args.fail("Options --sums and --json don't go together");
  if (sums && against !== undefined) args.fail("Options --sums and --against don't go together");
  if (args.flag("tensors") && !sums) args.fail("Option --tensors needs --sums");
  await requestPaths({ read: [path, ...(against === undefined ? [] : [against])], checkpoints: [path] });
  const stream = sums ? Deno.stderr : Deno.stdout;
  const terminal = { style: styleFor(stream), columns: widthOf(stream) };
  let progress = showProgress(quiet);
  const show = (text: string, to: (text: string) => void) => {
    // A line can't be printed where one is redrawn.
    progress[Symbol.dispose]();
    to(text);
    progress = showProgress(quiet);
  };
  // What sums are printed beside is no part of their list.
  const report = sums ? say : print;
  try {
    const verification = await verifyCheckpoint(path, {
      signal,
      jobs,
      from,
      against,
      values: args.flag("values"),
      sums: sums ? (args.flag("tensors") ? "tensors" : "files") : undefined,
      onProgress: (bytes, totalBytes) => progress.update({ bytes, totalBytes, files: 0, totalFiles: 1 }),
      onFile(file) {
        const isWrong = file.problem !== undefined;
        if (!sums || isWrong) {
          if (!json && (!quiet || isWrong)) show(fileLines(path, file, terminal).join("\n"), report);
          return;
        }
        show(sumLines(path, file).map(shownSum).join("\n"), print);
        const without = file.tensorSums?.filter(({ sha256 }) => sha256 === undefined) ?? [];
        for (const { name } of without) {
          const text = `${shownName(path, file)}: ${name}: is no plain tensor, and has no sum`;
          show(noteLines(text, terminal).join("\n"), say);
        }
      },
    });
    progress[Symbol.dispose]();
    const { ok, files, model } = verification;
    if (json) {
      print(compactJson({
        ok,
        files: files.map(({ tensors, ...file }) => ({ ...file, tensors: tensors.length })),
        model: model ?? null,
      }));
    } else if (model !== undefined && !((quiet || sums) && model.problem === undefined)) {
      show(modelLines(model, terminal).join("\n"), report);
    } else if (model === undefined && files[0]?.state !== undefined && !quiet) {
      const { what, instead } = files[0].state;
      if (files.every(({ state }) => state?.what === what)) {
        show(noteLines(`the ${what}, no model; for that name ${instead}`, terminal).join("\n"), report);
      }
    }
    return ok ? 0 : WRONG;
  } finally {
    progress[Symbol.dispose]();
  }
}

/** How long the words are: `readable` is the longest. */
const WORD_LENGTH = 8;

function verdict(word: "ok" | "readable" | "wrong", style: Style): string {
  const text = word.padEnd(WORD_LENGTH);
  return word === "wrong" ? style.red(text) : word === "ok" ? style.green(text) : text;
}

/** What was checked of files with which nothing is wrong, and the word for it. */
const CHECKED = {
  checksums: { word: "ok", text: ({ checksums }: FileVerification) => `${checksums} checksums` },
  sums: { word: "ok", text: () => "SHA-256 as it should be" },
  form: { word: "readable", text: () => "no checksums" },
} as const;

function shownName(root: string, { path }: FileVerification): string {
  return oneLine(relativePath(root, path));
}

/** What lines are for: a stream's colours, and how wide it is. */
interface Terminal {
  readonly style: Style;
  readonly columns: number;
}

/** A verdict, and what it is of. */
function verdictLines(
  word: "ok" | "readable" | "wrong",
  text: string,
  { style, columns }: Terminal,
): string[] {
  return hanging(`${verdict(word, style)}  `, WORD_LENGTH + 2, text, columns);
}

function fileLines(root: string, file: FileVerification, terminal: Terminal): string[] {
  const { bytes, records, counted: kind, checked, problem, damaged, unread = [] } = file;
  const name = shownName(root, file);
  if (problem !== undefined) return verdictLines("wrong", `${name}: ${oneLine(problem)}`, terminal);
  const { word, text } = CHECKED[checked];
  const counted = records === 0 ? [] : [`${records} ${kind}`];
  const besides = unread.length === 0 ? "" : ` in what can be read (but for ${someOf(unread, NAMED)})`;
  const looked = damaged === undefined ? [] : [`no NaN, no Inf${oneLine(besides)}`];
  return verdictLines(
    word,
    `${name}  ${[formatBytes(bytes), ...counted, text(file), ...looked].join(", ")}`,
    terminal,
  );
}

/** The lines of a file's sums. Names are those below the path, whatever letters are in them. */
function sumLines(root: string, { path, sha256, tensorSums = [] }: FileVerification): string[] {
  const below = relativePath(root, path);
  const name = below === path ? basename(path) : below;
  return [
    sumLine(sha256!, name),
    ...tensorSums.flatMap(({ name: tensor, sha256 }) =>
      sha256 === undefined ? [] : [tensorSumLine(sha256, name, tensor)]
    ),
  ];
}

/** A line of a sum: as it is for programs, and as text that does nothing for a terminal. */
function shownSum(line: string): string {
  return Deno.stdout.isTerminal() ? oneLine(line) : line;
}

function noteLines(text: string, { style, columns }: Terminal): string[] {
  return hanging(`${style.yellow("note:".padEnd(WORD_LENGTH))}  `, WORD_LENGTH + 2, oneLine(text), columns);
}

function modelLines(
  { kind, architecture, parameters, problem, notes }: ModelVerification,
  terminal: Terminal,
): string[] {
  const what = `the model${kind === undefined ? "" : ` (${kind})`}`;
  const lines = problem === undefined
    ? verdictLines(
      "ok",
      `${what}  ${architecture ?? "sizes of its own"}, ${parameters} tensors, complete`,
      terminal,
    )
    : verdictLines("wrong", `${what}: ${oneLine(problem)}`, terminal);
  return [...lines, ...notes.flatMap((note) => noteLines(note, terminal))];
}
