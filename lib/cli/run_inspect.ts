/** Runs `ckpt inspect`. */

import { type GlobalsInspection, inspectGlobals } from "../inspect/globals.ts";
import { inspect, type Inspection } from "../inspect/inspect.ts";
import { toUrl } from "../inspect/to_url.ts";
import { targets } from "../convert/target.ts";
import { factsOf } from "../report/facts.ts";
import type { Arguments, Context } from "./command.ts";
import { hanging } from "./fold.ts";
import { requestNet, requestPaths } from "./permissions.ts";
import { metadataLines } from "./metadata_lines.ts";
import { checkPage, pagePaths, writePage } from "./page_file.ts";
import { compactJson, oneLine } from "./plain_text.ts";
import { print, say } from "./print.ts";
import { type Style, styleFor, widthOf } from "./terminal.ts";
import { flatRows, treeRows } from "./tensor_rows.ts";
import { tensorTable } from "./tensor_table.ts";

export async function runInspect(args: Arguments, { signal }: Context): Promise<number> {
  const [path] = args.positionals as [string];
  const [json, all, globals] = [args.flag("json"), args.flag("tensors"), args.flag("globals")];
  if (globals && all) args.fail("Options --globals and --tensors don't go together");
  const from = args.choice("from", targets);
  if (globals && from !== undefined) args.fail("Options --globals and --from don't go together");
  const html = args.value("html");
  if (globals && html !== undefined) args.fail("Options --globals and --html don't go together");
  const isLocal = toUrl(path) === undefined;
  if (isLocal || html !== undefined) {
    await requestPaths({
      read: [...isLocal ? [path] : [], ...pagePaths(html)],
      write: pagePaths(html),
      checkpoints: globals || !isLocal ? [] : [path],
    });
  }
  checkPage(html);
  const options = { onHost: requestNet, signal };
  if (globals) {
    const found = await inspectGlobals(path, options);
    if (json) printJson({ globals: found.globals }, found.notes);
    else printGlobals(found);
    return found.complete ? 0 : 1;
  }
  const inspection = await inspect(path, { ...options, from });
  const { writer: _, notes, ...facts } = inspection;
  if (json) printJson(facts, notes);
  else printInspection(path, inspection, all);
  await writePage(html, () => ({ title: path, inspection }));
  return 0;
}

function printInspection(path: string, inspection: Inspection, all: boolean): void {
  const { tensors, gguf } = inspection;
  const style = styleFor(Deno.stdout);
  const width = widthOf(Deno.stdout);
  const lines = [
    style.bold(oneLine(path)),
    ...factsOf(inspection).flatMap(([label, text]) =>
      hanging(`  ${style.dim(label.padEnd(9))}`, 11, oneLine(text), width)
    ),
  ];
  if (gguf !== undefined) lines.push("", ...metadataLines(gguf.metadata, width, style));
  if (tensors.length > 0) {
    const rows = all ? flatRows(tensors) : treeRows(tensors);
    const total = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
    lines.push("", ...tensorTable(rows, total, width, style));
  }
  print(lines.join("\n"));
}

function printGlobals({ globals, notes }: GlobalsInspection): void {
  const style = styleFor(Deno.stdout);
  const refused = globals.filter(({ allowed }) => !allowed).length;
  const lines = globals.map(({ name, allowed }) => `  ${mark(allowed, style)}  ${oneLine(name)}`);
  const count = `${globals.length} global${globals.length === 1 ? "" : "s"}`;
  const verdict = refused === 0
    ? globals.length === 0 ? "" : `, all of which torch's weights_only allows`
    : `, ${refused} of which torch's weights_only refuses`;
  const width = widthOf(Deno.stdout);
  lines.push(
    count + verdict,
    ...notes.flatMap((note) => hanging(`${style.yellow("note:")} `, 6, oneLine(note), width)),
  );
  print(lines.join("\n"));
}

function mark(allowed: boolean, style: Style): string {
  return allowed ? style.green("allowed") : style.red("refused");
}

/** Prints what programs read, and notes beside it. */
function printJson(value: unknown, notes: readonly string[]): void {
  print(compactJson(value));
  const style = styleFor(Deno.stderr);
  for (const note of notes) say(`${style.yellow("note:")} ${oneLine(note)}`);
}
