/** What a conversion prints when it is done, or would be. */

import type { Conversion, ConversionSummary, describeConversion } from "../convert/convert_checkpoint.ts";
import type { Checkpoint } from "../layouts/checkpoint.ts";
import { familyOf } from "../models/families.ts";
import { formatName, parseName } from "../models/parameter.ts";
import type { OutputFile } from "../copy/plan.ts";
import { isStore } from "../output/output.ts";
import { partCount } from "../output/parts_of.ts";
import { hanging } from "./fold.ts";
import { foldLayers, splitLayer } from "../inspect/layer_names.ts";
import { formatBytes, formatCount, formatSeconds } from "./format.ts";
import { oneLine, plainJson } from "./plain_text.ts";
import { print } from "./print.ts";
import { type Style, styleFor, widthOf } from "./terminal.ts";

interface PrintOptions {
  readonly json: boolean;
  /** Not at all, unless as JSON. */
  readonly quiet: boolean;
}

/**
 * Prints what was converted.
 *
 * @param summary What was.
 * @param share How much of it all the files of a task are.
 * @param options How.
 */
export function printSummary(
  summary: ConversionSummary,
  share: string | undefined,
  { json, quiet }: PrintOptions,
): void {
  const { complete, seconds, bytes, cloned, reused, output, files, received, sent } = summary;
  const done = complete ? `${output} is whole` : `this share of ${output} is done`;
  if (json) {
    print(plainJson(summary), done);
    return;
  }
  if (quiet) return;
  const style = styleFor(Deno.stdout);
  const extras = [
    ...(cloned.length > 0 ? [`${cloned.length} cloned`] : []),
    ...(reused.length > 0 ? [`${reused.length} finished before`] : []),
  ];
  const lines = [
    complete
      ? `${style.green("Converted")} ${oneLine(summary.input)} to ${style.bold(oneLine(output))}`
      : `${style.yellow("Share done")}; ${oneLine(output)} appears when the other tasks are done`,
    ...facts(summary, style),
    ...fact(
      "files",
      files.map(({ name }) => name).join(", ") + (extras.length > 0 ? ` (${extras.join(", ")})` : ""),
      style,
    ),
    ...(share === undefined ? [] : fact("share", share, style)),
    ...fact("bytes", `${formatBytes(bytes)} in ${formatSeconds(seconds)}`, style),
    ...(received === undefined
      ? []
      : fact("read", `${formatBytes(received.bytes)} in ${formatCount(received.requests)} requests`, style)),
    ...(sent === undefined
      ? []
      : fact("sent", `${formatBytes(sent.bytes)} in ${formatCount(sent.requests)} requests`, style)),
    ...summary.notes.flatMap((note) => fact("note", note, style)),
  ];
  print(lines.join("\n"), done);
}

/** Prints what a conversion would do. */
export function printDryRun(
  { checkpoint, resolved, plan }: Conversion,
  description: ReturnType<typeof describeConversion>,
  { json, quiet }: PrintOptions,
): void {
  if (json) {
    const files = plan.files.map(({ name, size, tensors }) => ({
      name,
      bytes: size,
      ...(isStore(description.output) ? { parts: partCount({ size, tensors }) } : {}),
      tensors: tensors.map((tensor) => ({ ...tensor, from: nameInInput(checkpoint, resolved, tensor.from) })),
    }));
    print(plainJson({ dryRun: true, ...description, files }));
    return;
  }
  if (quiet) return;
  const style = styleFor(Deno.stdout);
  const lines = [
    `Would convert ${oneLine(description.input)} to ${style.bold(oneLine(description.output))}`,
    ...facts(description, style),
    ...fact("bytes", `${formatBytes(description.bytes)} in ${description.files.length} files`, style),
    ...description.notes.flatMap((note) => fact("note", note, style)),
  ];
  print(lines.join("\n"));
  // File by file, since a large model has thousands of tensors.
  for (const file of plan.files) {
    // Those of all layers are one line: what is above would scroll away.
    const pairs = file.tensors.map((tensor) => ({
      ...tensor,
      from: nameInInput(checkpoint, resolved, tensor.from),
    }));
    const folded = foldLayers(pairs, ({ from, to, dtype, shape, bytes }) => {
      const { before, after, layer } = splitLayer(to);
      return [from, JSON.stringify([before, after, layer === splitLayer(from).layer, dtype, shape, bytes])];
    });
    const tensors = folded.flatMap(({ name, items }) => {
      const { dtype, shape, bytes } = items[0]!;
      const times = items.length > 1 ? ` ×${items.length}` : "";
      const what = `${dtype} [${shape.join(", ")}]${times}  ${formatBytes(bytes * items.length)}`;
      const [to] = foldLayers(items, ({ to }) => [to, ""]);
      return tensorLines(name, to!.name, what, style);
    });
    print(["", fileLine(file, description.output, style), ...tensors].join("\n"));
  }
}

/** A file's name and size; in a store, what will be listed there, and how it is sent. */
function fileLine(file: OutputFile, output: string, style: Style): string {
  const size = formatBytes(file.size);
  if (!isStore(output)) return `${style.bold(file.name)}  ${size}`;
  const parts = partCount(file);
  const url = oneLine(`${output.replace(/\/+$/, "")}/${file.name}`);
  return `${style.bold(url)}  ${size}${parts > 1 ? ` in ${parts} parts` : ""}`;
}

/** What the input's layout calls a parameter. */
function nameInInput(
  { naming = "fairseq2" }: Checkpoint,
  { model }: Conversion["resolved"],
  canonical: string,
): string {
  const parameter = parseName(familyOf(model), "fairseq2", canonical);
  return parameter === undefined ? canonical : formatName(naming, parameter);
}

/** What becomes of a tensor: on one line, or on as few as the terminal has room for. */
export function tensorLines(from: string, to: string, what: string, style: Style): string[] {
  const width = widthOf(Deno.stdout);
  if (2 + from.length + 3 + to.length + 2 + what.length <= width) {
    return [`  ${from} → ${to}  ${style.dim(what)}`];
  }
  return 6 + to.length + 2 + what.length <= width
    ? [`  ${from}`, `    → ${to}  ${style.dim(what)}`]
    : [`  ${from}`, `    → ${to}`, `      ${style.dim(what)}`];
}

function facts(
  { architecture, parameters, dtypes }: Pick<ConversionSummary, "architecture" | "parameters" | "dtypes">,
  style: Style,
): string[] {
  const what = `${architecture ?? "sizes of its own"}, ${formatCount(parameters)} parameters`;
  return fact("model", `${what}, ${dtypes.join(" and ")}`, style);
}

/** A fact behind its label, in lines that fit the terminal. */
export function fact(label: string, text: string, style: Style): string[] {
  return hanging(`  ${style.dim(label.padEnd(8))}`, 10, oneLine(text), widthOf(Deno.stdout));
}
