/**
 * What a conversion prints when it is done, or would be.
 *
 * @module
 */

import type { Conversion, ConversionSummary, describeConversion } from "../llama/convert_checkpoint.ts";
import type { Checkpoint } from "../llama/checkpoint.ts";
import { formatName, parseName } from "../llama/parameter.ts";
import { formatBytes, formatCount, formatSeconds } from "./format.ts";
import { type Style, styleFor } from "./style.ts";

/** How to print. */
export interface PrintOptions {
  /** As JSON. */
  readonly json: boolean;
  /** Not at all, unless as JSON. */
  readonly quiet: boolean;
}

/** Prints what was converted. */
export function printSummary(summary: ConversionSummary, { json, quiet }: PrintOptions): void {
  if (json) {
    console.log(JSON.stringify(summary, null, 2));
    return;
  }
  if (quiet) return;
  const style = styleFor(Deno.stdout);
  const { complete, seconds, bytes, cloned, reused, output, files } = summary;
  const extras = [
    ...(cloned.length > 0 ? [`${cloned.length} cloned`] : []),
    ...(reused.length > 0 ? [`${reused.length} finished before`] : []),
  ];
  const lines = [
    complete
      ? `${style.green("Converted")} ${summary.input} to ${style.bold(output)}`
      : `${style.yellow("Share done")}; ${output} appears when the other tasks are done`,
    ...facts(summary, style),
    `  ${label("files", style)}${files.map(({ name }) => name).join(", ")}${
      extras.length > 0 ? ` (${extras.join(", ")})` : ""
    }`,
    `  ${label("bytes", style)}${formatBytes(bytes)} in ${formatSeconds(seconds)}`,
    ...notes(summary.notes, style),
  ];
  console.log(lines.join("\n"));
}

/** Prints what a conversion would do. */
export function printDryRun(
  { checkpoint, plan }: Conversion,
  description: ReturnType<typeof describeConversion>,
  { json, quiet }: PrintOptions,
): void {
  if (json) {
    const files = plan.files.map(({ name, size, tensors }) => ({
      name,
      bytes: size,
      tensors: tensors.map((tensor) => ({ ...tensor, from: nameInInput(checkpoint, tensor.from) })),
    }));
    console.log(JSON.stringify({ dryRun: true, ...description, files }, null, 2));
    return;
  }
  if (quiet) return;
  const style = styleFor(Deno.stdout);
  const lines = [
    `Would convert ${description.input} to ${style.bold(description.output)}`,
    ...facts(description, style),
    `  ${label("bytes", style)}${formatBytes(description.bytes)} in ${description.files.length} files`,
    ...notes(description.notes, style),
  ];
  for (const file of plan.files) {
    lines.push("", `${style.bold(file.name)}  ${formatBytes(file.size)}`);
    for (const { from, to, dtype, shape, bytes } of file.tensors) {
      const what = `${dtype} [${shape.join(", ")}]  ${formatBytes(bytes)}`;
      lines.push(`  ${nameInInput(checkpoint, from)} → ${to}  ${style.dim(what)}`);
    }
  }
  console.log(lines.join("\n"));
}

/** What the input's layout calls a parameter. */
function nameInInput({ naming = "fairseq2" }: Checkpoint, canonical: string): string {
  const parameter = parseName("fairseq2", canonical);
  return parameter === undefined ? canonical : formatName(naming, parameter);
}

function facts(
  { architecture, parameters, dtypes }: Pick<ConversionSummary, "architecture" | "parameters" | "dtypes">,
  style: Style,
): string[] {
  return [
    `  ${label("model", style)}${architecture ?? "sizes of its own"}, ${
      formatCount(parameters)
    } parameters, ${dtypes.join(" and ")}`,
  ];
}

function notes(list: readonly string[], style: Style): string[] {
  return list.map((note) => `  ${label("note", style)}${note}`);
}

function label(text: string, style: Style): string {
  return style.dim(text.padEnd(8));
}
