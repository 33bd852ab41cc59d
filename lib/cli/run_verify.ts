/**
 * Runs `ckpt verify`.
 *
 * @module
 */

import { relativePath } from "../inspect/relative_path.ts";
import { type ModelVerification, verifyCheckpoint } from "../inspect/verify.ts";
import type { FileVerification } from "../inspect/verify_file.ts";
import { MAX_JOBS } from "../options.ts";
import { targets } from "../convert/target.ts";
import type { Arguments, Context } from "./command.ts";
import { formatBytes } from "./format.ts";
import { offerModelYaml, requestRead } from "./permissions.ts";
import { compactJson, oneLine } from "./plain_text.ts";
import { print } from "./print.ts";
import { showProgress } from "./progress.ts";
import { type Style, styleFor } from "./style.ts";

/** The exit code for checkpoints with which something is wrong. */
const WRONG = 1;

/** Runs the command. */
export async function runVerify(args: Arguments, { signal }: Context): Promise<number> {
  const [path] = args.positionals as [string];
  const jobs = args.number("jobs", 1, MAX_JOBS);
  const from = args.choice("from", targets);
  const [json, quiet] = [args.flag("json"), args.flag("quiet")];
  await requestRead(path);
  await offerModelYaml(path);
  const style = styleFor(Deno.stdout);
  let progress = showProgress(quiet);
  try {
    const verification = await verifyCheckpoint(path, {
      signal,
      jobs,
      from,
      onProgress: (bytes, totalBytes) => progress.update({ bytes, totalBytes, files: 0, totalFiles: 1 }),
      onFile(file) {
        if (json || (quiet && file.problem === undefined)) return;
        // A line can't be printed where one is redrawn.
        progress[Symbol.dispose]();
        print(fileLine(path, file, style));
        progress = showProgress(quiet);
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
    } else if (model !== undefined && !(quiet && model.problem === undefined)) {
      print(modelLines(model, style).join("\n"));
    }
    return ok ? 0 : WRONG;
  } finally {
    progress[Symbol.dispose]();
  }
}

function verdict(isOk: boolean, style: Style): string {
  return isOk ? style.green("ok   ") : style.red("wrong");
}

function fileLine(
  root: string,
  { path, bytes, records, checksums, problem }: FileVerification,
  style: Style,
): string {
  const name = oneLine(relativePath(root, path));
  if (problem !== undefined) return `${verdict(false, style)}  ${name}: ${oneLine(problem)}`;
  const checked = checksums > 0 ? `${checksums} checksums` : "a format without checksums";
  return `${verdict(true, style)}  ${name}  ${
    style.dim(`${formatBytes(bytes)}, ${records} records, ${checked}`)
  }`;
}

function modelLines(
  { kind, architecture, parameters, problem, notes }: ModelVerification,
  style: Style,
): string[] {
  const what = kind === undefined ? "" : ` (${kind})`;
  const line = problem === undefined
    ? `${verdict(true, style)}  the model${what}  ${
      style.dim(`${architecture ?? "sizes of its own"}, ${parameters} tensors, complete`)
    }`
    : `${verdict(false, style)}  the model${what}: ${oneLine(problem)}`;
  return [line, ...notes.map((note) => `${style.yellow("note:")}  ${oneLine(note)}`)];
}
