/**
 * Pages to look at: what a checkpoint is and holds, what its numbers are like, and what moved between two.
 *
 * @module
 */

import { formatBytes } from "../bytes/format_bytes.ts";
import { loadChartTools } from "../deps.ts";
import type { Comparison, TensorDifference } from "../inspect/compare.ts";
import type { InspectedMetadata } from "../inspect/gguf_metadata.ts";
import type { InspectedTensor, Inspection } from "../inspect/inspect.ts";
import type { TensorMovement } from "../inspect/movement.ts";
import type { TensorStatistics } from "../inspect/statistics.ts";
import { numel } from "../tensor/tensor.ts";
import type { ChartTools } from "./chart.ts";
import { depthCharts } from "./depth_charts.ts";
import { factsOf } from "./facts.ts";
import { heatMaps, type Measure } from "./heat_map.ts";
import { histograms } from "./histograms.ts";
import { breakable, escaped, shortNumber } from "./html.ts";
import { type Page, renderPage } from "./page.ts";
import { sizeMap } from "./size_map.ts";
import { movedMost, standingOut } from "./standing_out.ts";
import { type Column, tensorList } from "./tensor_list.ts";

/** What a page about one checkpoint shows. */
export interface CheckpointReport {
  /** What it is called: its path or address. */
  readonly title: string;
  /** What `inspect` found. */
  readonly inspection: Inspection;
  /** What `statistics` gave, if that is to be shown: then the page has the tensors by their names there. */
  readonly statistics?: readonly TensorStatistics[];
}

/** What a page about two checkpoints shows. */
export interface ComparisonReport {
  /** What `compareCheckpoints` found, with statistics. */
  readonly comparison: Comparison;
}

/**
 * Makes a page: one HTML file that holds all that it shows, and that forbids itself to load anything and to run anything
 * but its own script. Names from files are shown as text, whatever is in them. The same report gives the same page.
 *
 * @example Usage
 * ```ts
 * import { inspect } from "@ckpt/ckpt";
 * import { renderReport } from "@ckpt/ckpt/report";
 *
 * const inspection = await inspect("fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16/step_10");
 * const html = await renderReport({ title: "step 10", inspection });
 * console.log(html.length);
 * ```
 *
 * @param report What it shows.
 * @returns The HTML.
 */
export async function renderReport(report: CheckpointReport | ComparisonReport): Promise<string> {
  const tools = await loadChartTools();
  return await renderPage(
    "comparison" in report ? comparisonPage(tools, report) : checkpointPage(tools, report),
  );
}

function checkpointPage(tools: ChartTools, { title, inspection, statistics }: CheckpointReport): Page {
  const { gguf } = inspection;
  const page = { title, facts: factsOf(inspection) };
  const metadata = ["Metadata", gguf === undefined ? "" : metadataTable(gguf.metadata)] as const;
  if (statistics === undefined) {
    const { tensors } = inspection;
    const sizes = tensors.map(({ name, bytes }) => ({ name, size: bytes }));
    return {
      ...page,
      sections: [["Where the bytes are", sizeMap(tools, sizes, "Bytes", formatBytes)], metadata],
      list: tensorList(tensors, FORMS),
    };
  }
  const sizes = statistics.map(({ name, count }) => ({ name, size: count }));
  return {
    ...page,
    sections: [
      ["What stands out", standingOut(statistics)],
      ["Kinds and layers", heatMaps(tools, statistics, MEASURES)],
      ["L2 norms over depth", depthCharts(tools, statistics, "L2 norm", ({ l2 }) => l2)],
      ["Where the numbers are", sizeMap(tools, sizes, "Numbers", shortNumber)],
      metadata,
    ],
    list: tensorList(statistics, STATISTICS),
    histograms: histograms(tools, statistics),
  };
}

function comparisonPage(tools: ChartTools, { comparison }: ComparisonReport): Page {
  const { a, b, tensors, differences, notes, statistics: movements = [] } = comparison;
  const unpaired = differences.filter(({ what }) => what === "missing" || what === "shape");
  return {
    title: `${a.path} and ${b.path}`,
    facts: [
      ["verdict", verdictOf(comparison)],
      ["a", `${a.path} (${a.kind})`],
      ["b", `${b.path} (${b.kind})`],
      ["tensors", `${tensors} in both`],
      ...notes.map((note) => ["note", note] as const),
    ],
    sections: [
      ["What moved most", movedMost(movements)],
      ["Kinds and layers", heatMaps(tools, movements, MOVES)],
      [
        "How far over depth",
        depthCharts(tools, movements, "Relative L2 distance", ({ relativeL2 }) => relativeL2),
      ],
      ["Not in both, or of another shape", unpaired.length === 0 ? "" : unpairedList(unpaired)],
    ],
    list: tensorList(movements, MOVEMENTS),
  };
}

function verdictOf({ equal, differences }: Comparison): string {
  if (differences.length === 0) return "the same, bit for bit";
  if (equal) return "the same within the tolerance";
  return `different: ${differences.filter(({ tolerated }) => !tolerated).length} of the tensors`;
}

const shapeText = (shape: readonly number[]) => `[${shape.join(", ")}]`;
const indexText = (index: readonly number[] | null) => index && shapeText(index);

const FORMS: readonly Column<InspectedTensor>[] = [
  { title: "Name", of: ({ name }) => name },
  { title: "Dtype", of: ({ dtype }) => dtype },
  { title: "Shape", of: ({ shape }) => shapeText(shape) },
  { title: "Numbers", of: ({ shape }) => numel(shape) },
  { title: "Bytes", of: ({ bytes }) => bytes, format: formatBytes },
];

const STATISTICS: readonly Column<TensorStatistics>[] = [
  { title: "Name", of: ({ name }) => name },
  { title: "Dtype", of: ({ dtype }) => dtype },
  { title: "Shape", of: ({ shape }) => shapeText(shape) },
  { title: "Numbers", of: ({ count }) => count },
  { title: "Min", of: ({ min }) => min },
  { title: "Max", of: ({ max }) => max },
  { title: "Mean", of: ({ mean }) => mean },
  { title: "Std", help: "The standard deviation of the population", of: ({ std }) => std },
  { title: "L2", help: "The square root of the sum of squares", of: ({ l2 }) => l2 },
  { title: "|x| max", help: "The largest magnitude", of: ({ absMax }) => absMax },
  { title: "Zeros", of: ({ zeros }) => zeros },
  { title: "Subnormals", of: ({ subnormals }) => subnormals },
  { title: "Zero rows", help: "Rows of nothing but zeros", of: ({ zeroRows }) => zeroRows },
  { title: "NaN", of: ({ nan }) => nan },
  { title: "Inf", help: "Infinities of either sign", of: ({ inf }) => inf },
  { title: "First NaN", of: ({ firstNan }) => indexText(firstNan) },
  { title: "First Inf", of: ({ firstInf }) => indexText(firstInf) },
];

const MEASURES: readonly Measure<TensorStatistics>[] = [
  {
    title: "Standard deviation",
    help:
      "How far the numbers spread. Layers of a kind that differ much from their neighbours are worth a look.",
    of: ({ std }) => std,
    scale: "magnitude",
  },
  {
    title: "Largest magnitude",
    help: "Outliers: what a narrower dtype or a quantization has to reach.",
    of: ({ absMax }) => absMax,
    scale: "magnitude",
  },
  {
    title: "Share of zeros",
    help: "Weights that do nothing.",
    of: ({ zeros, count }) => zeros === null || count === 0 ? null : zeros / count,
    scale: "share",
  },
  {
    title: "NaN and infinities",
    help: "How many numbers aren't finite. There should be none.",
    of: ({ nan, inf }) => nan === null || inf === null ? null : nan + inf,
    scale: "magnitude",
  },
];

const MOVEMENTS: readonly Column<TensorMovement>[] = [
  { title: "Name", of: ({ name }) => name },
  { title: "Dtypes", of: ({ dtypes: [a, b] }) => a === b ? a : `${a} → ${b}` },
  { title: "Shape", of: ({ shape }) => shapeText(shape) },
  { title: "Numbers", of: ({ count }) => count },
  { title: "|Δ| max", help: "The largest distance of two numbers", of: ({ maxAbsDiff }) => maxAbsDiff },
  { title: "Relative L2", help: "‖b − a‖ / ‖a‖", of: ({ relativeL2 }) => relativeL2 },
  { title: "Cosine", help: "The cosine of the angle between both", of: ({ cosine }) => cosine },
  { title: "Equal", help: "The share of numbers that are the same", of: ({ equalShare }) => equalShare },
  { title: "‖b − a‖", of: ({ l2Diff }) => l2Diff },
  { title: "‖a‖", of: ({ l2 }) => l2 && l2[0] },
  { title: "‖b‖", of: ({ l2 }) => l2 && l2[1] },
  { title: "Not finite", help: "Pairs that aren't both finite", of: ({ nonFinite }) => nonFinite },
];

const MOVES: readonly Measure<TensorMovement>[] = [
  {
    title: "Relative L2 distance",
    help: "How far each tensor moved, for its size: ‖b − a‖ / ‖a‖.",
    of: ({ relativeL2 }) => relativeL2,
    scale: "magnitude",
  },
  {
    title: "Largest difference",
    help: "The largest distance of two numbers.",
    of: ({ maxAbsDiff }) => maxAbsDiff,
    scale: "magnitude",
  },
  {
    title: "Turned",
    help: "1 − the cosine of the angle between both: 0 where only the length changed.",
    // Rounding may leave a cosine a little above 1.
    of: ({ cosine }) => cosine === null ? null : Math.max(0, 1 - cosine),
    scale: "magnitude",
  },
  {
    title: "Share that changed",
    help: "The share of numbers that aren't the same.",
    of: ({ equalShare }) => equalShare === null ? null : 1 - equalShare,
    scale: "share",
  },
];

/** How many unpaired tensors are listed; those of a model of another size are all of them. */
const MOST_UNPAIRED = 50;

function unpairedList(unpaired: readonly TensorDifference[]): string {
  const items = unpaired.slice(0, MOST_UNPAIRED).map(({ name, a, b }) =>
    `<li>${breakable(name)}: ${
      a === null
        ? "only in b"
        : b === null
        ? "only in a"
        : `${shapeText(a.shape)} in a, ${shapeText(b.shape)} in b`
    }</li>`
  );
  const more = unpaired.length - items.length;
  return `<ul class="out">${items.join("")}</ul>${more > 0 ? `<p>and ${more} more</p>` : ""}`;
}

function metadataTable(metadata: readonly InspectedMetadata[]): string {
  const rows = metadata.map(({ key, type, count, value }) => {
    const typeText = count === undefined ? type : type.replace("[]", `[${count}]`);
    const valueText = Array.isArray(value) ? value.join(", ") : String(value);
    return `<tr><th scope="row">${breakable(key)}</th><td>${escaped(typeText)}</td><td class="text">${
      escaped(valueText)
    }</td></tr>`;
  });
  return `<details><summary>${metadata.length} values</summary><div class="wide" role="region" aria-label="Metadata" tabindex="0"><table>` +
    `<thead><tr><th scope="col">Key</th><th scope="col">Type</th><th scope="col">Value</th></tr></thead>` +
    `<tbody>${rows.join("")}</tbody></table></div></details>`;
}
