/** What numbers of tensors are like over the layers: a map of kinds × layers, in colours from little to much. */

import { type ChartTools, drawChart, type Shown, WIDTH } from "./chart.ts";
import { escaped, shortNumber, visible } from "./html.ts";
import { kindLabels, placeOf } from "./place.ts";

/** What a map shows. */
export interface Measure<T> {
  /** Its name, such as `Standard deviation`. */
  readonly title: string;
  /** What it says, in a sentence. */
  readonly help: string;
  /** What it is of a tensor, where there is such a number. */
  readonly of: (tensor: T) => number | null;
  /** Whether colours go by magnitude, or in equal steps from 0 to 1. */
  readonly scale: "magnitude" | "share";
}

/** How many colours the page's stylesheet has, from little to much. */
const COLORS = 9;

/** The most rows and columns: as many as the largest published models have layers, and more kinds than any has. */
const MOST_KINDS = 40;
const MOST_LAYERS = 200;

const ROW_HEIGHT = 21;
const MOST_CELL_WIDTH = 46;
const LETTER = 6.6;

/** The column of what is in no layer. */
const NO_LAYER = "–";

interface Cell extends Shown {
  readonly kind: string;
  readonly layer: string;
}

/** Draws a map for each measure, of which the page shows one at a time. */
export function heatMaps<T extends { readonly name: string }>(
  tools: ChartTools,
  tensors: readonly T[],
  measures: readonly Measure<T>[],
): string {
  const { cells, kinds, layers, left } = layOut(tensors);
  const maps = measures.map((measure) => {
    const valueOf = ({ row }: Cell) => measure.of(tensors[row]!);
    return `<figure class="map"><figcaption><b>${measure.title}.</b> ${escaped(measure.help)}</figcaption>${
      heatMap(tools, cells, kinds, layers, measure, valueOf)
    }</figure>`;
  });
  const choices = measures.map(({ title }, i) =>
    `<label><input type="radio" name="map" value="${i}"${i === 0 ? " checked" : ""}>${title}</label>`
  );
  const more = left === 0 ? "" : `<p>${left} tensors have no room here; the table has them.</p>`;
  return `<fieldset id="maps" hidden><legend>Colours show</legend>${choices.join("")}</fieldset>${
    maps.join("")
  }${more}`;
}

function layOut(tensors: readonly { readonly name: string }[]) {
  const places = tensors.map(({ name }, row) => ({ row, ...placeOf(name) }));
  const isInLayer = ({ layer }: { readonly layer: number | undefined }) => layer !== undefined;
  const inOrder = [...places.filter(isInLayer), ...places.filter((place) => !isInLayer(place))];
  const kinds = [...new Set(inOrder.map(({ kind }) => kind))].slice(0, MOST_KINDS);
  const numbers = [...new Set(places.flatMap(({ layer }) => layer ?? []))].sort((a, b) => a - b)
    .slice(0, MOST_LAYERS);
  const layers = [...numbers.map(String), ...(places.every(isInLayer) ? [] : [NO_LAYER])];
  const [knownKinds, knownLayers] = [new Set(kinds), new Set(layers)];
  const cells = inOrder.map(({ row, kind, layer }): Cell => ({ row, kind, layer: String(layer ?? NO_LAYER) }))
    .filter(({ kind, layer }) => knownKinds.has(kind) && knownLayers.has(layer));
  return { cells, kinds, layers, left: tensors.length - cells.length };
}

function heatMap<T>(
  tools: ChartTools,
  cells: readonly Cell[],
  kinds: readonly string[],
  layers: readonly string[],
  { title, scale }: Measure<T>,
  valueOf: (cell: Cell) => number | null,
): string {
  const labels = new Map([...kindLabels(kinds)].map(([kind, label]) => [kind, visible(label, 32)]));
  const longest = [...labels.values()].reduce((most, label) => Math.max(most, label.length), 0);
  const marginLeft = Math.ceil(longest * LETTER) + 12;
  const cellWidth = Math.min(MOST_CELL_WIDTH, (WIDTH - marginLeft - 8) / layers.length);
  const known = cells.filter((cell) => valueOf(cell) !== null);
  const thresholds = thresholdsOf(known.map((cell) => valueOf(cell)!), scale);
  const every = Math.ceil(22 / cellWidth);
  const color = {
    type: "threshold",
    domain: thresholds,
    range: Array.from(
      { length: thresholds.length + 1 },
      (_, i) => `var(--h${colorOf(i, thresholds.length)})`,
    ),
    unknown: "var(--bad)",
  } as const;
  const chart = drawChart(
    tools,
    describe(title, known, labels, valueOf),
    {
      width: Math.ceil(marginLeft + layers.length * cellWidth + 8),
      height: kinds.length * ROW_HEIGHT + 44,
      marginLeft,
      marginTop: 4,
      marginBottom: 40,
      marginRight: 8,
      x: {
        domain: layers,
        label: "Layer",
        labelArrow: "none",
        ticks: layers.filter((layer, i) =>
          layer === NO_LAYER || i % every === 0 && i + every / 2 < layers.length
        ),
        tickSize: 0,
        padding: cellWidth > 6 ? 0.06 : 0,
      },
      y: {
        domain: kinds,
        label: null,
        tickFormat: (kind: string) => labels.get(kind)!,
        tickSize: 0,
        padding: 0.06,
      },
      color,
      marks: [tools.Plot.cell(cells, { x: "layer", y: "kind", fill: valueOf })],
    },
    [{ mark: "cell", tensors: cells }],
  );
  return `<div class="wide">${chart}</div>${scaleLegend(thresholds, known.length < cells.length)}`;
}

/** The limits between colours: the same ratio or the same distance from one to the next. */
function thresholdsOf(values: readonly number[], scale: Measure<unknown>["scale"]): number[] {
  const steps = Array.from({ length: COLORS - 1 }, (_, i) => (i + 1) / COLORS);
  if (scale === "share") return steps.map((step) => Number(step.toFixed(2)));
  const positive = values.filter((value) => value > 0);
  const [least, most] = [
    positive.reduce((a, b) => Math.min(a, b), Infinity),
    positive.reduce((a, b) => Math.max(a, b), 0),
  ];
  if (!(most > least)) return positive.length === 0 ? [] : [least];
  const limits = steps.map((step) => Number((least * (most / least) ** step).toPrecision(3)));
  return limits.filter((limit, i) => i === 0 || limit > limits[i - 1]!);
}

/** The color of the i-th of `count` + 1 steps: all of them, or as far apart as they can be. */
function colorOf(i: number, count: number): number {
  return count === 0 ? 0 : Math.round(i * (COLORS - 1) / count);
}

function scaleLegend(thresholds: readonly number[], hasUnknown: boolean): string {
  const steps = Array.from({ length: thresholds.length + 1 }, (_, i) => {
    const from = thresholds[i - 1];
    return `<li><i class="h${colorOf(i, thresholds.length)}"></i>${
      from === undefined
        ? thresholds.length === 0 ? "all" : `&lt; ${shortNumber(thresholds[0]!)}`
        : shortNumber(from)
    }</li>`;
  });
  const unknown = hasUnknown ? `<li class="unknown"><i class="bad"></i>no number</li>` : "";
  return `<ul class="steps">${steps.join("")}${unknown}</ul>`;
}

/** A map in words: from where to where it goes. */
function describe(
  title: string,
  cells: readonly Cell[],
  labels: ReadonlyMap<string, string>,
  valueOf: (cell: Cell) => number | null,
): string {
  const [first, ...others] = cells;
  if (first === undefined) return `${title} of each tensor, by kind and layer: no numbers.`;
  const extreme = (sign: number) =>
    others.reduce((best, cell) => sign * (valueOf(cell)! - valueOf(best)!) > 0 ? cell : best, first);
  const words = (cell: Cell) =>
    `${shortNumber(valueOf(cell)!)} (${labels.get(cell.kind)}${
      cell.layer === NO_LAYER ? "" : `, layer ${cell.layer}`
    })`;
  return `${title} of each tensor, by kind and layer: from ${words(extreme(-1))} to ${words(extreme(1))}. ` +
    "Arrow keys go from tensor to tensor.";
}
