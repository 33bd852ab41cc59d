/** What a checkpoint is, in words. */

import { formatBytes, formatCount } from "../bytes/format_bytes.ts";
import type { Inspection } from "../inspect/inspect.ts";
import { familyOf } from "../models/families.ts";
import { listed } from "../words.ts";

/** A line about a checkpoint: what it is about, and what there is to say. */
export type Fact = readonly [label: string, text: string];

const FILES: Readonly<Record<Inspection["format"], string>> = {
  torch: "torch file",
  "torch-legacy": "torch file",
  safetensors: "safetensors file",
  gguf: "GGUF file",
};

/** What a checkpoint is, in a few lines. */
export function factsOf(inspection: Inspection): Fact[] {
  const { format, family, layout, state, architecture, parameters, bytes, files, tensors, writer, notes } =
    inspection;
  const dtypes = dtypesOf(inspection);
  const size = files.reduce((sum, file) => sum + file.bytes, 0);
  const model = [
    ...(layout === null ? [] : [architecture ?? "sizes of its own"]),
    `${formatCount(parameters)} ${layout === null ? "numbers" : "parameters"}`,
    ...(dtypes.length === 0 ? [] : [listed(dtypes, "and")]),
  ];
  return [
    ["what", layout === null || family === null ? state?.what ?? FILES[format] : modelText(family, layout)],
    ["format", writer],
    [layout === null ? "holds" : "model", model.join(", ")],
    ["files", `${fileNames(inspection)}, ${formatBytes(size)}`],
    ["tensors", `${tensors.length}, ${formatBytes(bytes)}`],
    ...notes.map((note) => ["note", note] as const),
  ];
}

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
