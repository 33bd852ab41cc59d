/** How a number changes from layer to layer: a small chart for each kind of tensor. */

import { type ChartTools, drawChart, type Shown } from "./chart.ts";
import { escaped, shortNumber } from "./html.ts";
import { kindLabels, placeOf } from "./place.ts";

/** How many kinds have a chart; models of known families have 14 at most. */
const MOST_CHARTS = 24;

/** The fewest layers over which there is anything to see, and the most that a chart has room for. */
const LEAST_LAYERS = 3;
const MOST_LAYERS = 300;

interface Point extends Shown {
  readonly layer: number;
  readonly value: number;
}

/**
 * Draws the charts; nothing where there are fewer than three layers.
 *
 * @param title What the number is, such as `L2 norm`.
 * @param numberOf The number of a tensor, where it has one.
 */
export function depthCharts<T extends { readonly name: string }>(
  tools: ChartTools,
  tensors: readonly T[],
  title: string,
  numberOf: (tensor: T) => number | null,
): string {
  const byKind = new Map<string, Point[]>();
  tensors.forEach((tensor, row) => {
    const { kind, layer } = placeOf(tensor.name);
    const value = numberOf(tensor);
    if (layer === undefined || value === null) return;
    const points = byKind.get(kind) ?? [];
    points.push({ row, layer, value });
    byKind.set(kind, points);
  });
  const drawn = [...byKind].filter(([, points]) =>
    points.length >= LEAST_LAYERS && points.length <= MOST_LAYERS
  ).slice(0, MOST_CHARTS);
  if (drawn.length === 0) return "";
  const labels = kindLabels([...byKind.keys()]);
  const charts = drawn.map(([kind, points]) => {
    points.sort((a, b) => a.layer - b.layer);
    const label = labels.get(kind)!;
    return `<figure><figcaption>${escaped(label, 40)}</figcaption>${
      depthChart(tools, title, label, points)
    }</figure>`;
  });
  return `<div class="depth">${charts.join("")}</div>`;
}

function depthChart(tools: ChartTools, title: string, label: string, points: readonly Point[]): string {
  const { Plot } = tools;
  const values = points.map(({ value }) => value);
  const [least, most] = [
    values.reduce((a, b) => Math.min(a, b)),
    values.reduce((a, b) => Math.max(a, b)),
  ];
  return drawChart(
    tools,
    `${title} of ${label} over the layers: ${shortNumber(values[0]!)} in the first, ${
      shortNumber(values.at(-1)!)
    } in the last, from ${shortNumber(least)} to ${shortNumber(most)}.`,
    {
      width: 330,
      height: 120,
      marginLeft: 44,
      marginRight: 14,
      marginTop: 8,
      marginBottom: 24,
      x: { label: null, ticks: 5, tickFormat: "d", interval: 1 },
      y: {
        label: null,
        domain: [0, most > 0 ? most : 1],
        nice: true,
        ticks: 3,
        grid: true,
        tickFormat: shortNumber,
      },
      marks: [
        Plot.line(points, { x: "layer", y: "value", stroke: "var(--line-ink)", strokeWidth: 1.5 }),
        Plot.dot(points, { x: "layer", y: "value", r: 2, fill: "var(--line-ink)" }),
      ],
    },
    [{ mark: "dot", tensors: points }],
  );
}
