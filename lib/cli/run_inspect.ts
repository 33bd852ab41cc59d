/** Runs `ckpt inspect`. */

import { type GlobalsInspection, inspectGlobals } from "../inspect/globals.ts";
import { inspect, type Inspection } from "../inspect/inspect.ts";
import { toUrl } from "../inspect/to_url.ts";
import { familyOf } from "../models/families.ts";
import { targets } from "../convert/target.ts";
import { listed } from "../words.ts";
import type { Arguments, Context } from "./command.ts";
import { hanging } from "./fold.ts";
import { formatBytes, formatCount } from "./format.ts";
import { requestNet, requestPaths } from "./permissions.ts";
import { metadataLines } from "./metadata_lines.ts";
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
  if (toUrl(path) === undefined) {
    await requestPaths({ read: [path], checkpoints: globals ? [] : [path] });
  }
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
  return 0;
}

function printInspection(path: string, inspection: Inspection, all: boolean): void {
  const { format, family, layout, architecture, parameters, bytes, files, tensors, gguf, writer, notes } =
    inspection;
  const style = styleFor(Deno.stdout);
  const dtypes = dtypesOf(inspection);
  const size = files.reduce((sum, file) => sum + file.bytes, 0);
  const width = widthOf(Deno.stdout);
  const fact = (label: string, text: string) =>
    hanging(`  ${style.dim(label.padEnd(9))}`, 11, oneLine(text), width);
  const model = [
    ...(layout === null ? [] : [architecture ?? "sizes of its own"]),
    `${formatCount(parameters)} ${layout === null ? "numbers" : "parameters"}`,
    ...(dtypes.length === 0 ? [] : [listed(dtypes, "and")]),
  ];
  const lines = [
    style.bold(oneLine(path)),
    ...fact(
      "what",
      layout === null || family === null ? FILES[format] : modelText(family, layout),
    ),
    ...fact("format", writer),
    ...fact(layout === null ? "holds" : "model", model.join(", ")),
    ...fact("files", `${fileNames(inspection)}, ${formatBytes(size)}`),
    ...fact("tensors", `${tensors.length}, ${formatBytes(bytes)}`),
    ...notes.flatMap((note) => fact("note", note)),
  ];
  if (gguf !== undefined) lines.push("", ...metadataLines(gguf.metadata, width, style));
  if (tensors.length > 0) {
    const rows = all ? flatRows(tensors) : treeRows(tensors);
    const total = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
    lines.push("", ...tensorTable(rows, total, width, style));
  }
  print(lines.join("\n"));
}

const FILES: Readonly<Record<Inspection["format"], string>> = {
  torch: "torch file",
  "torch-legacy": "torch file",
  safetensors: "safetensors file",
  gguf: "GGUF file",
};

function modelText(family: string, layout: string): string {
  const model = `${familyOf({ family }).title} model`;
  if (layout === "huggingface") return `${model} in the Hugging Face layout`;
  if (layout === "gguf") return `${model} in GGUF`;
  if (layout === "reference") return `${model} in the reference layout`;
  return `${model} of ${layout}`;
}

function fileNames({ files }: Inspection): string {
  const [first, second, ...others] = files;
  if (others.length > 0) return `${files.length} files (${first!.name}, ${second!.name} …)`;
  return files.map(({ name }) => name).join(", ");
}

/** The dtypes, that of the most bytes first. */
function dtypesOf({ tensors }: Inspection): string[] {
  const sizes = new Map<string, number>();
  for (const { dtype, bytes } of tensors) sizes.set(dtype, (sizes.get(dtype) ?? 0) + bytes);
  return [...sizes].sort(([, a], [, b]) => b - a).map(([name]) => name);
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
