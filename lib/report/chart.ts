/** Charts as SVG texts, drawn by Observable Plot when a page is made: no library goes into the page. */

import { loadChartTools } from "../deps.ts";
import { escaped, visible } from "./html.ts";

/** What charts are drawn with. */
export type ChartTools = Awaited<ReturnType<typeof loadChartTools>>;

/** The width of a chart that takes the whole page, in CSS pixels. */
export const WIDTH = 1040;

/** A tensor by its number in the table, and what a chart shows of it. */
export interface Shown {
  readonly row: number;
}

/** Marks whose elements stand for tensors, in the order in which Plot was given them. */
interface Pointed {
  /** Plot's name for the kind of mark, such as `cell`. */
  readonly mark: string;
  readonly tensors: readonly Shown[];
  /**
   * What an element has the tensor's number in: `data-row`, and pointing at it shows the tensor; or `data-of`, and it is
   * seen only while the tensor is shown.
   */
  readonly attribute?: "data-row" | "data-of";
}

/**
 * Draws a chart.
 *
 * @param label What it shows, for those who can't see it.
 * @param options Plot's.
 * @param pointed Which elements stand for tensors.
 */
export function drawChart(
  { Plot, document }: ChartTools,
  label: string,
  options: Parameters<ChartTools["Plot"]["plot"]>[0],
  pointed: readonly Pointed[] = [],
): string {
  const svg = Plot.plot({ width: WIDTH, ...options, document });
  for (const { mark, tensors, attribute = "data-row" } of pointed) {
    const elements = svg.querySelectorAll(`g[aria-label="${mark}"] > *`);
    tensors.forEach(({ row }, i) => elements[i]!.setAttribute(attribute, String(row)));
  }
  // Plot's words for groups of marks say less than the label, and its style is in the page's stylesheet.
  for (const group of svg.querySelectorAll("[aria-label]")) group.removeAttribute("aria-label");
  for (const style of svg.querySelectorAll("style")) style.remove();
  for (const path of svg.querySelectorAll("path[d]")) {
    path.setAttribute("d", shortPath(path.getAttribute("d")!));
  }
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", visible(label, Infinity));
  return svg.outerHTML;
}

/**
 * A path in tenths of pixels, and without points that change nothing: the histograms of a large model are half of its page.
 */
function shortPath(path: string): string {
  let [x, y] = ["", ""];
  const lines = path.replace(/([ML])([-\d.e]+),([-\d.e]+)/g, (_, command: string, ...point: string[]) => {
    const [fromX, fromY] = [x, y];
    [x, y] = [tenths(point[0]!), tenths(point[1]!)];
    if (command === "M") return `M${x},${y}`;
    if (x === fromX) return y === fromY ? "" : `V${y}`;
    return y === fromY ? `H${x}` : `L${x},${y}`;
  });
  return lines.replace(/(?:H[-\d.]+)+(?=H)/g, "");
}

function tenths(number: string): string {
  return String(Math.round(10 * Number(number)) / 10);
}

/** A legend: what each colour stands for. */
export function legend(entries: readonly (readonly [color: string, text: string])[]): string {
  const items = entries.map(([color, text]) => `<li><i class="${color}"></i>${escaped(text)}</li>`);
  return `<ul class="legend">${items.join("")}</ul>`;
}
