/** Where a checkpoint's bytes are: a treemap of its tensors, by layer, and a table of the parts that layers have. */

import type { Tile } from "../deps.ts";
import { type ChartTools, drawChart, legend, WIDTH } from "./chart.ts";
import { escaped, visible } from "./html.ts";
import { placeOf, withoutWeight } from "./place.ts";

/** How many parts have a colour of their own; the page's stylesheet has that many. */
const COLORS = 7;

const HEIGHT = 480;

/** The least area that is drawn, in square pixels: nothing smaller can be seen. */
const LEAST_AREA = 0.25;

/** The least width and height of a tile with a text in it, and the width of a letter of it. */
const LEAST_WIDTH = 34;
const LEAST_HEIGHT = 13;
const LETTER = 6;

/** A part of a model: tensors that are of the same use in each layer. */
interface Part {
  readonly name: string;
  size: number;
  count: number;
}

interface Node {
  readonly label: string;
  /** The number of the tensor, where the node is one. */
  readonly row?: number;
  readonly color?: string;
  readonly size?: number;
  readonly children?: readonly Node[];
}

/** A tensor by its name, and what its tile is as large as. */
export interface Sized {
  readonly name: string;
  readonly size: number;
}

/**
 * Draws the map.
 *
 * @param unit What sizes are counted in, for the head of a column.
 * @param format How a size is written for people.
 */
export function sizeMap(
  tools: ChartTools,
  tensors: readonly Sized[],
  unit: string,
  format: (size: number) => string,
): string {
  const parts = partsOf(tensors);
  const total = parts.reduce((sum, { size }) => sum + size, 0);
  if (total === 0) return "";
  const colors = new Map(parts.slice(0, COLORS).map(({ name }, i) => [name, `k${i}`]));
  const tiles = layOut(tools, tensors, colors);
  const { Plot } = tools;
  const rectangle = { x1: "x0", x2: "x1", y1: "y0", y2: "y1" } as const;
  const leaves = tiles.filter(({ data }) => data.row !== undefined);
  const share = (size: number) => `${(100 * size / total).toFixed(1)} %`;
  const chart = drawChart(
    tools,
    `Tensors by their ${unit.toLowerCase()}. ${
      parts.slice(0, 3).map(({ name, size }) => `${name}: ${share(size)}`).join(", ")
    }. The table below has more.`,
    {
      height: HEIGHT,
      margin: 0,
      axis: null,
      x: { domain: [0, WIDTH] },
      y: { domain: [0, HEIGHT], reverse: true },
      marks: [
        Plot.rect(leaves, { ...rectangle, fill: ({ data }) => `var(--${data.color})` }),
        Plot.text(tiles.flatMap(textOn), {
          x: "x",
          y: "y",
          text: "text",
          textAnchor: "start",
          fill: ({ fill }) => `var(--${fill})`,
          fontSize: 10,
        }),
      ],
      color: { type: "identity" },
    },
    [{ mark: "rect", tensors: leaves.map(({ data }) => ({ row: data.row! })) }],
  );
  const rest = parts.length > COLORS ? [["other", "everything else"] as const] : [];
  const rows = parts.slice(0, MOST_PARTS).map(({ name, count, size }) =>
    `<tr><th scope="row"><i class="${colors.get(name) ?? "other"}"></i>${escaped(name, 60)}</th>` +
    `<td>${count}</td><td><data value="${size}">${format(size)}</data></td><td>${share(size)}</td></tr>`
  );
  const more = parts.length - rows.length;
  return `<figure><div class="wide">${chart}</div>` +
    legend([...[...colors].map(([name, color]) => [color, visible(name, 40)] as const), ...rest]) +
    `</figure><details><summary>The parts as a table</summary><table><thead><tr><th scope="col">Part</th>` +
    `<th scope="col">Tensors</th><th scope="col">${unit}</th><th scope="col">Share</th></tr></thead>` +
    `<tbody>${rows.join("")}</tbody></table>${
      more > 0 ? `<p>and ${more} more, in the table of tensors</p>` : ""
    }</details>`;
}

/** How many parts the table beside the map has; a model of a known family has a dozen. */
const MOST_PARTS = 100;

function partsOf(tensors: readonly Sized[]): Part[] {
  const parts = new Map<string, Part>();
  for (const { name, size } of tensors) {
    const key = placeOf(name).part;
    const part = parts.get(key) ?? { name: key, size: 0, count: 0 };
    part.size += size;
    part.count++;
    parts.set(key, part);
  }
  return [...parts.values()].sort((a, b) => b.size - a.size);
}

function layOut(
  { hierarchy, treemap }: ChartTools,
  tensors: readonly Sized[],
  colors: ReadonlyMap<string, string>,
): Tile<Node>[] {
  const layers = new Map<string, Node & { readonly children: Node[] }>();
  const children: Node[] = [];
  tensors.forEach(({ name, size }, row) => {
    const { kind, layer, part } = placeOf(name);
    const color = colors.get(part) ?? "other";
    if (layer === undefined) {
      children.push({ label: part, row, color, size });
      return;
    }
    const stack = kind.slice(0, kind.indexOf("*"));
    const label = `${stack}${layer}`;
    let group = layers.get(label);
    if (group === undefined) {
      group = { label, children: [] };
      layers.set(label, group);
      children.push(group);
    }
    group.children.push({ label: withoutWeight(kind.slice(stack.length + 2)), row, color, size });
  });
  const root = hierarchy<Node>({ label: "", children }).sum(({ size = 0 }) => size);
  return treemap<Node>()
    .size([WIDTH, HEIGHT])
    .paddingInner(1)
    .paddingTop((tile) =>
      tile.depth === 1 && tile.data.row === undefined && hasRoom(tile) ? LEAST_HEIGHT : 0
    )(root)
    .descendants()
    .filter(({ depth, x0, x1, y0, y1 }) => depth > 0 && (x1 - x0) * (y1 - y0) >= LEAST_AREA);
}

/** Whether a layer has room for its name above its tensors. */
function hasRoom({ x0, x1, y0, y1 }: Tile<Node>): boolean {
  return x1 - x0 >= LEAST_WIDTH && y1 - y0 >= 3 * LEAST_HEIGHT;
}

/** What is written on a tile: as much of its name as there is room for. */
function textOn(tile: Tile<Node>): { x: number; y: number; text: string; fill: string }[] {
  const { x0, x1, y0, y1, data: { label, row } } = tile;
  if (row === undefined ? !hasRoom(tile) : x1 - x0 < LEAST_WIDTH || y1 - y0 < LEAST_HEIGHT) return [];
  const letters = Math.floor((x1 - x0 - 4) / LETTER);
  // The end of a name says most: the layer's number, or which of the projections it is.
  const texts = [label, label.slice(label.lastIndexOf(".") + 1)].map((text) => visible(text, 60));
  const shown = texts.find((text) => text.length <= letters);
  return shown === undefined
    ? []
    : [{ x: x0 + 3, y: y0 + LEAST_HEIGHT / 2, text: shown, fill: row === undefined ? "dim" : "on-tile" }];
}
