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

/** The least ratio of the numbers at the ends of the colours: what differs by less looks alike. */
const LEAST_RATIO = 2;

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
  const steps = stepsOf(known.map((cell) => valueOf(cell)!), scale);
  const every = Math.ceil(22 / cellWidth);
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
      color: {
        type: "threshold",
        domain: steps.slice(1).map(({ from }) => from),
        range: steps.map(({ color }) => `var(--${color})`),
        unknown: "var(--bad)",
      },
      marks: [tools.Plot.cell(cells, { x: "layer", y: "kind", fill: valueOf })],
    },
    [{ mark: "cell", tensors: cells }],
  );
  return `<div class="wide">${chart}</div>${scaleLegend(steps, known.length < cells.length)}`;
}

/** A colour, and the numbers that have it: from the least one on, to those of the next colour. */
interface Step {
  readonly from: number;
  readonly color: string;
  readonly text: string;
}

/** The colours: the same ratio or the same distance from one to the next. Zero has one for itself. */
function stepsOf(values: readonly number[], scale: Measure<unknown>["scale"]): Step[] {
  const parts = Array.from({ length: COLORS }, (_, i) => i / COLORS);
  if (scale === "share") {
    return parts.map((from, i) => ({ from, color: `h${i}`, text: `${Math.round(100 * from)} %` }));
  }
  const positive = values.filter((value) => value > 0);
  const zero = values.length === positive.length ? [] : [{ from: 0, color: "zero", text: "0" }];
  if (positive.length === 0) return zero;
  let [least, most] = [
    positive.reduce((a, b) => Math.min(a, b)),
    positive.reduce((a, b) => Math.max(a, b)),
  ];
  if (least === most) return [...zero, { from: least, color: `h${COLORS >> 1}`, text: shortNumber(least) }];
  const spread = Math.sqrt(LEAST_RATIO / (most / least));
  if (spread > 1) [least, most] = [least / spread, most * spread];
  const limits = parts.map((part) => Number((least * (most / least) ** part).toPrecision(3)));
  return [
    ...zero,
    ...limits.map((limit, i) => ({
      from: i === 0 ? Number.MIN_VALUE : limit,
      color: `h${i}`,
      text: i === 0 ? `< ${shortNumber(limits[1]!)}` : shortNumber(limit),
    })),
  ];
}

function scaleLegend(steps: readonly Step[], hasUnknown: boolean): string {
  const items = steps.map(({ color, text }) => `<li><i class="${color}"></i>${escaped(text)}</li>`);
  const unknown = hasUnknown ? `<li class="unknown"><i class="bad"></i>no number</li>` : "";
  return `<ul class="steps">${items.join("")}${unknown}</ul>`;
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
